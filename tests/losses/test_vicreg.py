"""The three terms against numpy and against numbers of the authors' own code."""

import numpy as np
import pytest
import torch

from septum.losses import vicreg as losses


def grid(a, b, c):
    """8 x 16 numbers that anyone can make: sin(a i + b j + c i j)."""
    i, j = np.indices((8, 16))
    return np.sin(a * i + b * j + c * i * j)


@pytest.fixture(params=["grid", "noise"])
def views(request):
    if request.param == "grid":
        return grid(0.37, 1.7, 0.11), grid(0.41, 1.6, 0.13)
    rng = np.random.default_rng(0)
    return tuple(rng.normal(size=(2, 12, 5)) * [0.1, 0.5, 1.0, 2.0, 0.0] + 3.0)


def terms(x, y):
    x, y = torch.from_numpy(x), torch.from_numpy(y)
    covs = losses.covariance(x), losses.covariance(y)
    return {
        "invariance": losses.invariance(x, y).item(),
        "variance": sum(losses.variance(cov).item() for cov in covs) / 2,
        "covariance": sum(losses.redundancy(cov).item() for cov in covs),
    }


def test_terms_are_those_of_the_authors_code():
    # main_vicreg.py of facebookresearch/vicreg at 4e12602, run once in float64
    found = terms(grid(0.37, 1.7, 0.11), grid(0.41, 1.6, 0.13))
    assert found == pytest.approx(
        {
            "invariance": 0.12386907597259694,
            "variance": 0.2767599919411283,
            "covariance": 1.1823915474388764,
        },
        rel=1e-9,
    )
    total = 25 * found["invariance"] + 25 * found["variance"] + found["covariance"]
    assert total == pytest.approx(11.198118245282007, rel=1e-9)


def test_terms_are_the_printed_formulas(views):
    x, y = views
    n, d = x.shape
    hinge = redundancy = 0.0
    for z in views:
        mean = [sum(z[i, j] for i in range(n)) / n for j in range(d)]
        for j in range(d):
            spread = sum((z[i, j] - mean[j]) ** 2 for i in range(n)) / (n - 1)
            hinge += max(0.0, 1 - (spread + 1e-4) ** 0.5) / d
            for k in set(range(d)) - {j}:
                products = [(z[i, j] - mean[j]) * (z[i, k] - mean[k]) for i in range(n)]
                redundancy += (sum(products) / (n - 1)) ** 2 / d
    expected = {"invariance": np.mean((x - y) ** 2), "variance": hinge / 2}
    assert terms(x, y) == pytest.approx({**expected, "covariance": redundancy}, rel=1e-9)


def test_covariance_is_that_of_numpy(views):
    for z in views:
        found = losses.covariance(torch.from_numpy(z))
        np.testing.assert_allclose(found, np.cov(z.T), rtol=1e-9, atol=1e-12)


def test_terms_do_not_see_a_shift_of_all_embeddings(views):
    x, y = views
    assert terms(x + 7, y + 7) == pytest.approx(terms(x, y), rel=1e-6)


def test_a_collapse_costs_99_percent_of_the_hinge_and_nothing_else():
    z = torch.full((6, 4), 3.0)
    cov = losses.covariance(z)
    assert losses.invariance(z, z).item() == 0
    assert losses.redundancy(cov).item() == 0
    assert losses.variance(cov).item() == pytest.approx(0.99)


def test_the_hinge_pulls_a_collapse_apart():
    torch.manual_seed(0)
    z = (1e-3 * torch.randn(6, 4)).requires_grad_()
    losses.variance(losses.covariance(z)).backward()
    assert losses.variance(losses.covariance(z.detach() - 0.01 * z.grad)) < losses.variance(
        losses.covariance(z.detach())
    )
    z = torch.zeros(6, 4, requires_grad=True)
    losses.variance(losses.covariance(z)).backward()
    assert z.grad.isfinite().all()


def test_wide_and_independent_embeddings_cost_nothing():
    z = torch.tensor([[2.0, 2.0], [2.0, -2.0], [-2.0, 2.0], [-2.0, -2.0]])
    cov = losses.covariance(z)
    assert losses.variance(cov).item() == 0
    assert losses.redundancy(cov).item() == 0


def test_a_single_embedding_has_no_spread():
    assert losses.covariance(torch.ones(1, 3)).tolist() == [[0.0] * 3] * 3


def test_autocast_does_not_reach_the_covariance():
    torch.manual_seed(0)
    z = torch.randn(16, 8)
    with torch.autocast("cpu", torch.bfloat16):
        inside = losses.covariance(z)
    torch.testing.assert_close(inside, losses.covariance(z), rtol=0, atol=0)
    assert losses.covariance(z.bfloat16()).dtype == torch.float32
    assert losses.invariance(z.bfloat16(), z.bfloat16()).dtype == torch.float32
