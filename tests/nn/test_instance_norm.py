"""Instance norm by rows is torch's, in value and gradient, and keeps the layout."""

import pytest
import torch
from torch.nn import functional as F

from septum.nn.instance_norm import InstanceNorm

LAYOUTS = [torch.contiguous_format, torch.channels_last]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_value_and_gradient_are_torchs(layout):
    x = (3 * torch.randn(2, 5, 6, 7, dtype=torch.float64) + 1).to(memory_format=layout)
    a, b = x.clone().requires_grad_(), x.clone().requires_grad_()
    weight = torch.randn(2, 5, 6, 7, dtype=torch.float64)
    ours, torchs = InstanceNorm()(a), F.instance_norm(b)
    (ours * weight).sum().backward()
    (torchs * weight).sum().backward()
    torch.testing.assert_close(ours, torchs)
    torch.testing.assert_close(a.grad, b.grad)


def test_gradcheck():
    x = torch.randn(2, 3, 4, 5, dtype=torch.float64).to(memory_format=torch.channels_last)
    assert torch.autograd.gradcheck(InstanceNorm(), x.requires_grad_())


def test_the_layout_is_kept():
    x = torch.randn(2, 4, 6, 7).to(memory_format=torch.channels_last)
    assert InstanceNorm()(x).is_contiguous(memory_format=torch.channels_last)


def test_bf16_is_as_good_as_torchs():
    x = (torch.randn(4, 8, 32, 32) + 0.5).to(memory_format=torch.channels_last)
    exact = F.instance_norm(x)
    ours = (InstanceNorm()(x.bfloat16()).float() - exact).abs().mean()
    torchs = (F.instance_norm(x.bfloat16()).float() - exact).abs().mean()
    assert ours < 2 * torchs


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_constant_channel_stays_finite(layout):
    x = torch.full((1, 2, 8, 8), 100.0).to(memory_format=layout).bfloat16().requires_grad_()
    y = InstanceNorm()(x)
    y.sum().backward()
    assert y.abs().max() < 0.5
    assert x.grad.isfinite().all()
