"""Distances of sets, against double loops, MONAI, torchmetrics and closed forms."""

import math
from itertools import product

import numpy as np
import pytest
import torch
from monai.metrics.mmd import compute_mmd
from scipy import stats
from scipy.spatial.distance import pdist
from torchmetrics.image.fid import _compute_fid

from septum.metrics.distributions import distance_by_subject, frechet, mmd_linear, mmd_rbf
from septum.metrics.resample import grouped


def draws(n, d, *, mean=0.0, seed=0):
    return mean + torch.randn(n, d, generator=torch.manual_seed(seed), dtype=torch.float64)


X, Y = draws(12, 5), draws(9, 5, mean=0.5, seed=1)


def test_rbf_mmd_is_the_double_loop_over_five_kernels():
    median = np.sort(pdist(torch.cat([X, Y]).numpy()))[(21 * 20 // 2 - 1) // 2]

    def kernel(a, b):
        squared = ((a - b) ** 2).sum().item()
        widths = [median * factor for factor in (0.25, 0.5, 1, 2, 4)]
        return np.mean([math.exp(-squared / (2 * s**2)) for s in widths])

    def mean(one, other):
        return np.mean([kernel(a, b) for a, b in product(one, other)])

    expected = mean(X, X) + mean(Y, Y) - 2 * mean(X, Y)
    assert mmd_rbf(X, Y) == pytest.approx(expected, rel=1e-9)
    assert mmd_rbf(Y, X) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("distance", [mmd_rbf, frechet])
def test_a_set_has_no_distance_from_itself(distance):
    assert distance(X, X) == pytest.approx(0, abs=1e-12)
    assert distance(X, X.flip(0)) == pytest.approx(0, abs=1e-12)


def test_rbf_mmd_does_not_depend_on_scale_or_place():
    assert mmd_rbf(7 * X + 3, 7 * Y + 3) == pytest.approx(mmd_rbf(X, Y), rel=1e-9)


def test_rbf_mmd_grows_as_sets_part_to_that_of_two_places():
    found = [mmd_rbf(X, Y + far) for far in (0, 1, 3, 1e5)]

    # most pairs are of both sets, so that the bandwidth is a multiple of their distance
    across = np.mean([math.exp(-1 / (2 * factor**2)) for factor in (0.25, 0.5, 1, 2, 4)])
    assert found == sorted(found)
    assert found[-1] == pytest.approx(2 - 2 * across, rel=1e-4)


def test_rbf_mmd_of_equal_vectors_is_none():
    assert mmd_rbf(torch.ones(3, 4), torch.ones(2, 4)) == 0


@pytest.mark.parametrize("size", [(1, 6, 5), (1, 3, 6, 5)], ids=["2-D", "3-D"])
def test_linear_mmd_is_that_of_monai(size):
    x, y = (torch.rand(8, *size, generator=torch.manual_seed(seed)) for seed in (0, 1))

    expected = compute_mmd(x, y, None).item()
    assert mmd_linear(x.flatten(1), y.flatten(1)) == pytest.approx(expected, rel=1e-4)


def test_linear_mmd_of_a_set_and_itself_is_below_0():
    # pairs of a vector with itself are only among the mixed ones
    expected = 2 * (X @ X.T).sum().sub((X * X).sum()) / (12 * 11) - 2 * (X @ X.T).mean()
    assert mmd_linear(X, X) == pytest.approx(expected.item())
    assert mmd_linear(X, X) < 0


def test_frechet_distance_of_diagonal_covariances_is_the_closed_form():
    # columns of a Hadamard matrix are orthogonal: the covariances are exactly diagonal
    signs = torch.tensor([[1, 1, 1], [-1, 1, -1], [1, -1, -1], [-1, -1, 1]]).double()
    s, t = torch.tensor([1.0, 2.0, 3.0]).double(), torch.tensor([4.0, 0.5, 3.0]).double()
    gap = torch.tensor([1.0, -2.0, 0.0]).double()

    expected = gap.square().sum() + 4 / 3 * (s - t).square().sum()  # n / (n - 1)
    assert frechet(signs * s, signs * t + gap) == pytest.approx(expected.item())


@pytest.mark.parametrize(("n", "m"), [(400, 300), (50, 6)])
def test_frechet_distance_is_that_of_torchmetrics(n, m):
    turn = draws(6, 6, seed=5)
    x, y = draws(n, 6) @ turn, draws(m, 6, mean=0.5, seed=1)

    moments = (x.mean(0), x.T.cov(), y.mean(0), y.T.cov())
    assert frechet(x, y) == pytest.approx(_compute_fid(*moments).item(), rel=1e-6)


def test_frechet_distance_of_fewer_vectors_than_dimensions_is_the_root_by_eigenvalues():
    x, y = draws(5, 20), draws(7, 20, seed=1)

    a, b = x.T.cov().numpy(), y.T.cov().numpy()
    size, axes = np.linalg.eigh(a)
    root = axes * np.sqrt(size.clip(1e-12) - 1e-12) @ axes.T
    shared = np.sqrt(np.linalg.eigvalsh(root @ b @ root).clip(0)).sum()
    means = (x.mean(0) - y.mean(0)).square().sum().item()
    expected = means + np.trace(a) + np.trace(b) - 2 * shared
    assert frechet(x, y) == pytest.approx(expected, rel=1e-5)
    assert frechet(y, x) == pytest.approx(frechet(x, y), rel=1e-12)


def test_frechet_distance_of_a_shift_is_its_square():
    assert frechet(X, X + torch.tensor([3.0, 4, 0, 0, 0])) == pytest.approx(25)


SUBJECTS = [f"s{i // 2}" for i in range(24)]


def test_the_interval_is_the_jackknife_over_groups_of_subjects():
    x, y = draws(24, 5), draws(24, 5, mean=1, seed=1)

    found = distance_by_subject(frechet, x, y, SUBJECTS, seed=3)

    group = grouped(SUBJECTS, seed=3)
    kept = [torch.tensor(group != g) for g in range(10)]
    without = np.array([frechet(x[rows], y[rows]) for rows in kept])
    error = math.sqrt(9 / 10 * ((without - without.mean()) ** 2).sum())
    half = stats.t.ppf(0.975, 9) * error
    assert found.value == frechet(x, y)
    assert (found.value - found.low, found.high - found.value) == pytest.approx((half, half))
    assert (found.n, found.unit) == (24, "")


def test_the_interval_ends_where_the_distance_does():
    x = draws(24, 3)
    near, below = (
        distance_by_subject(distance, x, x + 1e-3, SUBJECTS, seed=0, least=least)
        for distance, least in ((mmd_rbf, 0.0), (mmd_linear, -math.inf))
    )
    assert near.low >= 0
    assert below.low < below.value < 0


def test_a_single_subject_says_nothing_about_others():
    found = distance_by_subject(frechet, X, X + 1, ["a"] * 12, seed=0)
    assert found.low == found.value == found.high
    pair = distance_by_subject(frechet, X[:2], X[2:4], ["a", "b"], seed=0)
    assert pair.low == pair.value == pair.high
