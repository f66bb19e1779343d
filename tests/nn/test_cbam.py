"""Attention gates, against the formulas written out in numpy."""

import numpy as np
import pytest
import torch

from septum.nn.cbam import Cbam


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def by_hand(maps, first, second, kernel):
    """One image, `c h w`: the loops of sections 3.1 and 3.2."""
    c, h, w = maps.shape
    mean, peak = maps.reshape(c, -1).mean(axis=1), maps.reshape(c, -1).max(axis=1)
    votes = [second @ np.maximum(first @ seen, 0) for seen in (mean, peak)]
    kept = maps * sigmoid(votes[0] + votes[1])[:, None, None]
    seen = np.pad(np.stack([kept.mean(axis=0), kept.max(axis=0)]), [(0, 0), (1, 1), (1, 1)])
    gate = np.array(
        [[(kernel * seen[:, y : y + 3, x : x + 3]).sum() for x in range(w)] for y in range(h)]
    )
    return kept * sigmoid(gate)


def test_equals_the_formulas():
    torch.manual_seed(0)
    cbam, maps = Cbam(8, reduction=2).double(), torch.randn(2, 8, 3, 4, dtype=torch.float64)
    first, second, kernel = (p.detach().numpy() for p in cbam.parameters())
    expected = [by_hand(image, first, second, kernel[0]) for image in maps.numpy()]
    np.testing.assert_allclose(cbam(maps).detach().numpy(), np.stack(expected), atol=1e-12)


@pytest.mark.parametrize("grid", [(5, 6), (3, 4, 5)])
def test_gates_are_between_0_and_1(grid):
    torch.manual_seed(0)
    cbam, maps = Cbam(32, dims=len(grid)), 3 * torch.randn(2, 32, *grid)
    channel, place = cbam.channel_gate(maps), cbam.place_gate(maps)
    assert channel.shape == (2, 32, *[1] * len(grid))
    assert place.shape == (2, 1, *grid)
    for gate in (channel, place):
        assert ((gate > 0) & (gate < 1)).all()
        assert gate.std() > 0
    assert (cbam(maps).abs() < maps.abs()).all()


def test_parameters_are_those_of_two_layers_and_one_kernel():
    assert sum(p.numel() for p in Cbam(512).parameters()) == 2 * 512 * 32 + 2 * 9
    assert sum(p.numel() for p in Cbam(512, dims=3).parameters()) == 2 * 512 * 32 + 2 * 27


def test_few_channels_still_have_a_layer_between():
    assert Cbam(4)(torch.ones(1, 4, 2, 2)).shape == (1, 4, 2, 2)
