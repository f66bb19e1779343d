"""R(2+1)D-18 against its published size."""

import pytest
import torch

from septum.nn.r2plus1d import Block, R2Plus1D


def count(module):
    return sum(p.numel() for p in module.parameters())


def test_the_published_size_has_the_published_number_of_parameters():
    with torch.device("meta"):
        network = R2Plus1D()
    assert count(network) == 31_300_125
    assert count(network) + 400 * (512 + 1) == 31_505_325  # the classifier of K400


def test_a_convolution_in_two_parts_has_the_parameters_of_the_whole():
    with torch.device("meta"):
        body = Block(64, 64, stride=1).body
    kernels = [layer for layer in body if isinstance(layer, torch.nn.Conv3d)]
    assert [tuple(k.weight.shape) for k in kernels[:2]] == [(144, 64, 1, 3, 3), (64, 144, 3, 1, 1)]
    assert count(kernels[0]) + count(kernels[1]) == 64 * 64 * 27


@pytest.mark.parametrize(
    ("size", "shape"), [((32, 112, 112), (4, 7, 7)), ((16, 64, 96), (2, 4, 6))]
)
def test_the_last_map(size, shape):
    with torch.device("meta"):
        assert R2Plus1D()(torch.zeros(2, 3, *size)).shape == (2, 512, *shape)


def test_every_parameter_of_a_narrow_one_has_a_gradient():
    torch.manual_seed(0)
    network = R2Plus1D(width=4)
    network(torch.rand(2, 3, 8, 32, 32)).square().sum().backward()
    assert [name for name, p in network.named_parameters() if not p.grad.any()] == []


def test_a_block_whose_branch_is_silent_passes_on_what_is_not_negative():
    block, x = Block(4, 4, stride=1), torch.randn(2, 4, 2, 3, 3)
    torch.nn.init.zeros_(block.body[-1].weight)
    torch.testing.assert_close(block(x), x.relu())
