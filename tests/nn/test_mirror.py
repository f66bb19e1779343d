"""Mirrors: frozen, yet gradients pass through them."""

import torch
from torch import nn

from septum.nn.mirror import cosine_momentum, follow, mirror


def test_gradients_pass_through_but_not_into_a_mirror():
    still = mirror(nn.Linear(3, 2))
    x = torch.randn(4, 3, requires_grad=True)
    still(x).sum().backward()
    torch.testing.assert_close(x.grad, still.weight.sum(dim=0).expand(4, 3))
    assert all(p.grad is None for p in still.parameters())


def test_following_is_a_weighted_mean_and_copies_buffers():
    moving = nn.BatchNorm1d(3)
    still = mirror(moving)
    with torch.no_grad():
        moving.weight.fill_(3.0)
        moving.running_mean.fill_(7.0)
    follow([still], [moving], 0.9)
    torch.testing.assert_close(still.weight, torch.full((3,), 0.9 * 1 + 0.1 * 3))
    torch.testing.assert_close(still.running_mean, torch.full((3,), 7.0))


def test_momentum_never_falls():
    path = [cosine_momentum(0.99, i / 50) for i in range(51)]
    assert path == sorted(path)
