"""Depth-wise convolutions of clips: torch's own numbers, whichever way they are found."""

import time

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from septum.nn.depthwise import depthwise


def cube(width, side, dtype=torch.float64):
    torch.manual_seed(0)
    return nn.Conv3d(width, width, side, padding=side // 2, groups=width).to(dtype)


def numbers(apply, x, conv, weights):
    x = x.clone().requires_grad_()
    y = apply(x)
    return y, *torch.autograd.grad(y, (x, conv.weight, conv.bias), weights)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last_3d])
@pytest.mark.parametrize("side", [3, 5])
@pytest.mark.parametrize("size", [(1, 3, 4, 5, 6), (2, 5, 1, 2, 1), (2, 16, 3, 6, 7)])
def test_output_and_gradients_are_those_of_torch(size, side, layout):
    conv = cube(size[1], side)
    x, weights = torch.randn(2, *size, dtype=torch.float64)
    found = numbers(lambda x: depthwise(x.contiguous(memory_format=layout), conv), x, conv, weights)
    expected = numbers(
        lambda x: F.conv3d(x, conv.weight, conv.bias, padding=side // 2, groups=size[1]),
        x, conv, weights,
    )  # fmt: skip
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-9)


def test_what_wants_no_gradient_gets_none():
    conv, x = cube(4, 3), torch.randn(1, 4, 2, 3, 3, dtype=torch.float64)
    depthwise(x, conv).sum().backward()
    assert conv.weight.grad is not None
    conv.requires_grad_(requires_grad=False)
    x.requires_grad_()
    conv.weight.grad = None
    depthwise(x, conv).sum().backward()
    assert conv.weight.grad is None
    assert x.grad is not None


def test_autocast_reaches_it():
    conv, x = cube(16, 3, torch.float32), torch.randn(2, 16, 4, 6, 6)
    with torch.autocast("cpu", torch.bfloat16):
        found = depthwise(x, conv)
    assert found.dtype == torch.bfloat16
    torch.testing.assert_close(found.float(), depthwise(x, conv), rtol=2e-2, atol=2e-2)
    found.float().sum().backward()
    assert conv.weight.grad.dtype == torch.float32


def test_elsewhere_than_on_a_processor_it_is_the_convolution():
    with torch.device("meta"):
        conv, x = nn.Conv3d(8, 8, 5, padding=2, groups=8), torch.zeros(1, 8, 3, 4, 4)
    assert depthwise(x, conv).shape == x.shape


@pytest.mark.slow
def test_training_is_faster_than_torch_alone():
    conv = cube(32, 5, torch.float32)
    x = torch.randn(8, 32, 8, 16, 16).contiguous(memory_format=torch.channels_last_3d)
    weights = torch.randn_like(x)

    def seconds(apply):
        taken = []
        for _ in range(4):
            began = time.process_time()
            numbers(apply, x, conv, weights)
            taken.append(time.process_time() - began)
        return min(taken)

    assert seconds(lambda x: depthwise(x, conv)) < 0.7 * seconds(conv)
