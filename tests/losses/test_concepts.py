"""Concept losses against hand-computed and independently computed numbers."""

import math

import numpy as np
import pytest
import torch
from torch.distributions import Categorical, kl_divergence

from septum.losses import concepts as losses


def everywhere(b, h, w):
    return torch.ones(b, 1, h, w, dtype=torch.bool)


@pytest.fixture
def p():
    torch.manual_seed(0)
    return torch.randn(4, 5, 3, 6).softmax(dim=1)


def test_categorical_kl_is_that_of_torch(p):
    rows = p.movedim(1, -1).reshape(-1, 5)
    prior = torch.tensor([0.1, 0.2, 0.3, 0.3, 0.1])
    expected = kl_divergence(Categorical(probs=rows), Categorical(probs=prior.expand_as(rows)))
    torch.testing.assert_close(losses.categorical_kl(rows.log(), prior.log()), expected)


def test_smoothed_prior_has_mass_one_and_no_zero():
    allowed = torch.arange(16) > 0
    prior = losses.smoothed_prior(allowed, epsilon=1e-3).exp()
    assert prior.sum().item() == pytest.approx(1)
    assert prior[0].item() == pytest.approx(1e-3)
    assert prior[3].item() == pytest.approx(0.999 / 15)


def test_a_prior_is_at_no_distance_from_itself():
    log_prior = losses.smoothed_prior(torch.arange(16) > 0, epsilon=1e-3)
    log_p = log_prior[None, :, None, None].expand(2, 16, 3, 3)
    where = everywhere(2, 3, 3)
    assert losses.location_prior(log_p, where, log_prior).item() == pytest.approx(0, abs=1e-6)
    assert losses.batch_prior(log_p.exp(), where, log_prior).item() == pytest.approx(0, abs=1e-6)


def test_uniform_on_the_allowed_costs_minus_log_one_minus_epsilon():
    log_prior = losses.smoothed_prior(torch.arange(16) > 0, epsilon=1e-3)
    log_p = torch.full((16,), 1 / 15).log()
    log_p[0] = -1e9
    assert losses.categorical_kl(log_p, log_prior).item() == pytest.approx(
        -math.log(0.999), rel=1e-3
    )


def test_a_certain_forbidden_concept_is_finite_in_value_and_gradient():
    log_prior = losses.smoothed_prior(torch.arange(16) > 0, epsilon=1e-3)
    logits = torch.full((1, 16, 2, 2), -1e4)
    logits[:, 0] = 1e4
    logits.requires_grad_()
    log_p = logits.log_softmax(dim=1)
    where = everywhere(1, 2, 2)
    loss = losses.location_prior(log_p, where, log_prior) + losses.batch_prior(
        log_p.exp(), where, log_prior
    )
    loss.backward()
    assert loss.item() == pytest.approx(2 * -math.log(1e-3), rel=1e-4)
    assert logits.grad.isfinite().all()


def test_the_batch_prior_is_below_the_mean_location_prior(p):
    log_prior = losses.smoothed_prior(torch.arange(5) > 0, epsilon=1e-3)
    where = everywhere(4, 3, 6)
    assert losses.batch_prior(p, where, log_prior) < losses.location_prior(
        p.log(), where, log_prior
    )


def test_sector_and_background_share_out_every_cell(p):
    log_prior = losses.smoothed_prior(torch.arange(5) > 0, epsilon=1e-3)
    inside = torch.rand(4, 1, 3, 6) > 0.4
    kl = losses.categorical_kl(p.log().movedim(1, -1), log_prior)
    parts = [losses.location_prior(p.log(), w, log_prior) * w.sum() for w in (inside, ~inside)]
    torch.testing.assert_close(sum(parts), kl.sum())


def test_no_background_costs_nothing(p):
    nowhere = torch.zeros(4, 1, 3, 6, dtype=torch.bool)
    log_prior = losses.smoothed_prior(torch.arange(5) == 0, epsilon=1e-3)
    assert losses.location_prior(p.log(), nowhere, log_prior).item() == 0
    assert losses.batch_prior(p, nowhere, log_prior).item() == 0


def test_moments_are_those_of_numpy():
    x = torch.randn(3, 4, 5, 6)
    rows = x.movedim(1, 0).flatten(1).numpy()
    mean, cov = losses.moments(x)
    np.testing.assert_allclose(mean, rows.mean(axis=1), atol=1e-6)
    np.testing.assert_allclose(cov, np.cov(rows, bias=True), atol=1e-5)


def white(b, s, h, w):
    """Styles with exactly zero mean and unit covariance."""
    x = torch.randn(b * h * w, s, dtype=torch.float64)
    x = x - x.mean(dim=0)
    x = x @ torch.linalg.inv(torch.linalg.cholesky(x.T @ x / len(x))).T
    return x.view(b, h, w, s).movedim(-1, 1)


def test_whitening_is_zero_just_for_white_styles():
    x = white(3, 4, 5, 6)
    assert losses.whitening(x).item() == pytest.approx(0, abs=1e-9)
    assert losses.whitening(x + 0.5).item() == pytest.approx(0.25, rel=1e-4)  # |mean|^2 / S
    assert losses.whitening(2 * x).item() == pytest.approx(9, rel=1e-4)  # S (4 - 1)^2 / S


def test_whitening_does_not_see_a_rotation():
    x = torch.randn(3, 4, 5, 6)
    turn = torch.linalg.qr(torch.randn(4, 4)).Q
    turned = torch.einsum("st,bthw->bshw", turn, x)
    torch.testing.assert_close(losses.whitening(turned), losses.whitening(x))


def test_consistency_is_the_mean_cross_entropy_over_places(p):
    q = p.flip(0)
    where = torch.rand(p[:, 0].shape, generator=torch.Generator().manual_seed(0)) < 0.5
    places = where.nonzero().tolist()
    each = [-(q[b, :, y, x] * p[b, :, y, x].log()).sum() for b, y, x in places]
    got = losses.consistency(p.log(), q, where)
    torch.testing.assert_close(got, torch.stack(each).mean())


def one_hot(indices, c=4):
    return torch.nn.functional.one_hot(torch.as_tensor(indices), c).movedim(-1, 1).float()


def test_cluster_loss_is_twice_the_share_of_transitions():
    rng = np.random.default_rng(0)
    index, inside = rng.integers(4, size=(2, 5, 6)), rng.random((2, 5, 6)) > 0.3
    pairs = [
        index[b, i, j] != index[b, k, m]
        for b in range(2)
        for i in range(5)
        for j in range(6)
        for k, m in ((i + 1, j), (i, j + 1))
        if k < 5 and m < 6 and inside[b, i, j] and inside[b, k, m]
    ]
    got = losses.transitions(one_hot(index), torch.from_numpy(inside)[:, None])
    assert got.item() == pytest.approx(2 * np.mean(pairs))


def test_cluster_loss_of_a_constant_map_and_a_checkerboard():
    board = np.indices((6, 6)).sum(axis=0)[None] % 2
    assert losses.transitions(one_hot(0 * board), everywhere(1, 6, 6)).item() == 0
    assert losses.transitions(one_hot(board), everywhere(1, 6, 6)).item() == 2


def test_cross_covariance_is_the_squared_correlation():
    torch.manual_seed(0)
    style, p = torch.randn(3, 2, 4, 5), torch.randn(3, 4, 4, 5).softmax(dim=1)
    padded = torch.nn.functional.pad(p, (1, 1, 1, 1)).numpy()
    squares = [
        np.corrcoef(style[:, s].flatten().numpy(), padded[:, c, i : i + 4, j : j + 5].flatten())[
            0, 1
        ]
        ** 2
        for s in range(2)
        for c in range(4)
        for i in range(3)
        for j in range(3)
    ]
    got = losses.cross_covariance(style, p, window=3)
    assert got.item() == pytest.approx(np.sum(squares) / 2, rel=1e-3)


def test_cross_covariance_moves_styles_alone():
    style = torch.randn(2, 2, 4, 4, requires_grad=True)
    p = torch.rand(2, 3, 4, 4, requires_grad=True)
    losses.cross_covariance(style, p, window=3).backward()
    assert style.grad.abs().max() > 0
    assert p.grad is None
