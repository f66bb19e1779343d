"""Pictures changed by fields, and the network that says fields."""

import numpy as np
import pytest
import torch
from scipy.ndimage import map_coordinates
from torch.nn import functional as F

from septum.nn.reshaping import Reshaper, changed, missed, weighted


def random(*shape, seed=0):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def test_a_field_of_zeros_changes_nothing():
    image = random(2, 1, 6, 5)
    torch.testing.assert_close(changed(image, torch.zeros(2, 3, 6, 5)), image)


def test_pixels_come_from_where_scipy_finds_them():
    image = random(2, 1, 7, 9)
    field = 6 * (random(2, 3, 7, 9, seed=1) - 0.5)
    field[:, 2] = 0
    rows, columns = np.mgrid[:7, :9]
    for one, said, found in zip(image, field, changed(image, field), strict=True):
        at = [rows + said[0].numpy(), columns + said[1].numpy()]
        wanted = map_coordinates(one[0].numpy(), at, order=1, mode="nearest")
        np.testing.assert_allclose(found[0].numpy(), wanted, atol=1e-5)


def test_a_lift_is_added_within_black_and_white():
    field = torch.zeros(1, 3, 1, 3)
    field[0, 2, 0] = torch.tensor([0.25, 0.75, -1.0])
    assert changed(torch.full((1, 1, 1, 3), 0.5), field).flatten().tolist() == [0.75, 1.0, 0.0]


def test_first_derivatives_are_those_of_grid_sample_and_second_are_known():
    image = random(1, 1, 6, 6).double()
    way = (3 * (random(1, 2, 6, 6, seed=1).double() - 0.5)).requires_grad_()
    weight = random(1, 1, 6, 6, seed=2).double()

    def ours(way):
        return (changed(image, torch.cat([way, 0 * way[:, :1]], 1)) * weight).sum()

    def theirs(way):
        y, x = torch.meshgrid(torch.arange(6.0), torch.arange(6.0), indexing="ij")
        grid = torch.stack([x + way[:, 1], y + way[:, 0]], -1) / 2.5 - 1
        shown = F.grid_sample(image, grid, padding_mode="border", align_corners=True)
        return (shown * weight).sum()

    (found,) = torch.autograd.grad(ours(way), way, create_graph=True)
    (wanted,) = torch.autograd.grad(theirs(way), way)
    torch.testing.assert_close(found, wanted)
    (second,) = torch.autograd.grad(found.square().sum(), way)
    assert second.isfinite().all()
    assert second.any()


def test_misses_and_weights_by_hand():
    said, true = torch.zeros(1, 3, 1, 2), torch.zeros(1, 3, 1, 2)
    said[0, :, 0, 0] = torch.tensor([3.0, 4.0, 0.1])
    off = missed(said, true)
    torch.testing.assert_close(off.flatten(), torch.tensor([26.0, 0.0]))
    heart = torch.tensor([True, False]).view(1, 1, 1, 2)
    assert weighted(off, heart).item() == pytest.approx(52)
    assert weighted(off, ~heart).item() == pytest.approx(13)


def test_an_untaught_reshaper_says_zeros_at_the_size_of_the_image_and_can_learn():
    torch.manual_seed(0)
    net = Reshaper(6, widths=(4, 8))
    field = net(torch.randn(2, 6, 3, 4))
    assert field.shape == (2, 3, 24, 32)
    assert not field.any()
    missed(field, torch.ones_like(field)).mean().backward()
    assert net.last.weight.grad is not None
    assert net.last.weight.grad.any()
