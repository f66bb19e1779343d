"""Straight-through choices: values, gradients, frequencies."""

import pytest
import torch
from scipy.stats import chisquare

from septum.nn.quantise import gumbel, one_hot, sample_one_hot, straight_through


def test_a_choice_is_zero_or_one_and_sums_to_one():
    soft = torch.randn(3, 5, 4, 4).softmax(dim=1).requires_grad_()
    y = straight_through(soft)
    torch.testing.assert_close(y, one_hot(soft), atol=1e-6, rtol=0)
    torch.testing.assert_close(y.sum(dim=1), torch.ones(3, 4, 4))
    assert torch.equal(y.argmax(dim=1), soft.argmax(dim=1))


def test_the_gradient_is_that_of_the_softmax():
    logits = torch.randn(1, 5, 1, 1, dtype=torch.float64)
    quiet = torch.zeros_like(logits)

    def choose(x):
        return sample_one_hot(x.log_softmax(dim=1), quiet, temperature=0.5)

    got = torch.autograd.functional.jacobian(choose, logits).reshape(5, 5)
    p = (logits.log_softmax(dim=1) / 0.5).softmax(dim=1).flatten()
    expected = (torch.diag(p) - p[:, None] * p[None, :]) / 0.5
    torch.testing.assert_close(got, expected)


@pytest.mark.parametrize("temperature", [0.1, 0.5, 2.0])
def test_frequencies_follow_the_probabilities(temperature):
    torch.manual_seed(0)
    p = torch.tensor([0.05, 0.15, 0.3, 0.5])
    log_p = p.log()[None, :, None, None].expand(1, 4, 100, 200)
    y = sample_one_hot(log_p, gumbel(torch.rand(1, 4, 100, 200)), temperature=temperature)
    seen = y.sum(dim=(0, 2, 3))
    assert chisquare(seen.numpy(), (p * 20_000).numpy()).pvalue > 0.001


def test_extreme_noise_and_low_temperature_stay_finite():
    log_p = torch.randn(1, 4, 2, 2).log_softmax(dim=1).requires_grad_()
    noise = gumbel(torch.tensor([0.0, 1.0]).repeat(1, 4, 2, 1))
    sample_one_hot(log_p, noise, temperature=0.01)[:, 0].sum().backward()
    assert log_p.grad.isfinite().all()
