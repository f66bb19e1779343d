"""Against hand-computed numbers, loops and torch's own distributions."""

import math

import numpy as np
import pytest
import torch
from torch import distributed as dist
from torch import nn
from torch.distributions import Bernoulli
from torch.nn import functional as F

from septum.losses import masked_images

HIDDEN = torch.tensor([[[True, False], [False, True]], [[False, False], [True, False]]])


def patches(seed):
    return torch.rand(2, 2, 2, 9, generator=torch.manual_seed(seed))


def test_the_error_is_a_loop_over_hidden_patches():
    x, y = patches(0), patches(1)
    apart = [
        np.mean([(x[place][p].item() - y[place][p].item()) ** 2 for p in range(9)])
        for place in np.ndindex(2, 2, 2)
        if HIDDEN[place]
    ]
    error = masked_images.hidden_error(x, y, HIDDEN).item()
    assert len(apart) == 3
    assert error == pytest.approx(np.mean(apart), rel=1e-6)


@pytest.mark.parametrize("other", [7.0, math.inf, math.nan])
def test_what_is_visible_has_no_part_in_the_error_nor_its_gradient(other):
    x, y = patches(0), patches(1).requires_grad_()
    expected = masked_images.hidden_error(x, y, HIDDEN)
    shaken = x.masked_fill(~HIDDEN[..., None], other)
    error = masked_images.hidden_error(shaken, y, HIDDEN)
    error.backward()
    assert error.item() == expected.item()
    gradient = 2 * (y - x).detach() / 9 / 3 * HIDDEN[..., None]
    torch.testing.assert_close(y.grad, gradient)


def test_what_is_hidden_has():
    x, y = patches(0), patches(1)
    shaken = x + HIDDEN[..., None]
    expected = (shaken - y)[HIDDEN].square().mean()
    torch.testing.assert_close(masked_images.hidden_error(shaken, y, HIDDEN), expected)


def test_nothing_hidden_is_no_error():
    assert masked_images.hidden_error(patches(0), patches(1), HIDDEN & ~HIDDEN).item() == 0


def test_the_sides_of_the_game_are_likelihoods_of_a_coin():
    logits = torch.linspace(-6, 6, 25)
    coin = Bernoulli(logits=logits)
    heads, tails = -coin.log_prob(torch.ones(25)).mean(), -coin.log_prob(torch.zeros(25)).mean()
    torch.testing.assert_close(masked_images.real(logits), heads)
    torch.testing.assert_close(masked_images.fool(logits), heads)
    torch.testing.assert_close(masked_images.fake(logits), tails)
    binary = F.binary_cross_entropy_with_logits
    torch.testing.assert_close(masked_images.real(logits), binary(logits, torch.ones(25)))
    torch.testing.assert_close(masked_images.fake(logits), binary(logits, torch.zeros(25)))


def test_who_draws_is_pulled_most_where_the_critic_is_sure():
    logits = torch.tensor([-100.0, 0.0, 100.0], requires_grad=True)
    masked_images.fool(logits).backward()
    assert (3 * logits.grad).tolist() == pytest.approx([-1, -0.5, 0])


@pytest.fixture
def toy():
    """Two parameters w = (1, 2): L_MIM = 3 w1 + 2 w2², with the gradient (3, 8)."""
    w = nn.Parameter(torch.tensor([1.0, 2.0]))
    return w, 3 * w[0] + 2 * w[1] ** 2


def test_lambda_is_the_ratio_of_two_gradients(toy):
    w, reconstruction = toy
    adversarial = w[0] ** 2 / 2 + w[1]  # gradient (1, 1)
    weight = masked_images.balance(reconstruction, adversarial, w, eps=0.5)
    assert weight.item() == pytest.approx(math.sqrt(73) / (math.sqrt(2) + 0.5))
    assert weight.grad_fn is None
    assert not weight.requires_grad
    assert w.grad is None


def test_weighted_both_pull_alike(toy):
    w, reconstruction = toy
    adversarial = 1e3 * (w[0] * w[1]).sin()
    weight = masked_images.balance(reconstruction, adversarial, w)
    one, other = (
        torch.autograd.grad(loss, w)[0].norm().item()
        for loss in (reconstruction, weight * adversarial)
    )
    assert one == pytest.approx(math.sqrt(73))
    assert other == pytest.approx(one, rel=1e-5)


def test_both_graphs_are_left_for_the_backward_pass():
    torch.manual_seed(0)
    body, last = nn.Linear(4, 3), nn.Linear(3, 2)
    drawn = last(body(torch.rand(5, 4)).tanh())
    reconstruction, adversarial = drawn.square().mean(), F.softplus(-drawn).mean()
    weight = masked_images.balance(reconstruction, adversarial, last.weight)
    (reconstruction + weight * adversarial).backward()
    assert body.weight.grad.abs().sum() > 0


@pytest.mark.parametrize(("eps", "most", "expected"), [(1e-4, 1e4, 1e4), (1.0, 5.0, 5.0)])
def test_lambda_has_an_end_where_the_critic_has_no_opinion(toy, eps, most, expected):
    w, reconstruction = toy
    weight = masked_images.balance(reconstruction, 0 * w.sum(), w, eps=eps, most=most)
    assert weight.item() == expected


def test_lambda_is_0_where_there_is_nothing_to_reconstruct(toy):
    w, reconstruction = toy
    assert masked_images.balance(0 * w.sum(), reconstruction, w).item() == 0


def test_lambda_is_0_without_gradients(toy):
    w, _ = toy
    with torch.no_grad():
        assert masked_images.balance(w.sum(), w.sum(), w).item() == 0


def test_two_processes_find_the_lambda_of_the_whole_batch(monkeypatch, toy):
    """The gradient of a mean over a batch is the mean of those over its halves."""
    w, mine = toy
    theirs = [torch.tensor([5.0, -2.0]), torch.tensor([1.0, 3.0])]  # of L_MIM and L_adv there
    monkeypatch.setattr(dist, "is_initialized", lambda: True)
    monkeypatch.setattr(dist, "get_world_size", lambda: 2)
    monkeypatch.setattr(dist, "all_reduce", lambda x: x.add_(theirs.pop(0)))
    weight = masked_images.balance(mine, w.sum(), w, eps=0.0)  # (3, 8) and (1, 1)
    assert weight.item() == pytest.approx(math.hypot(4, 3) / math.hypot(1, 2))


def test_low_precision_is_left_behind():
    logits = torch.full((1000,), 0.01, dtype=torch.bfloat16)
    for loss in (masked_images.fool, masked_images.real, masked_images.fake):
        assert loss(logits).dtype == torch.float32
    x = torch.rand(1, 1, 1, 4).bfloat16()
    assert masked_images.hidden_error(x, x, torch.ones(1, 1, 1).bool()).dtype == torch.float32
