import math

import numpy as np
import pytest
from scipy import stats

from septum.metrics.conformal import clopper_pearson, interval, quantile, share


@pytest.mark.parametrize(
    ("n", "miss", "rank"),
    [
        (9, 0.1, 9),  # ⌈10 · 0.9⌉
        (10, 0.1, 10),  # ⌈11 · 0.9⌉ = ⌈9.9⌉
        (19, 0.1, 18),
        (20, 0.1, 19),  # ⌈18.9⌉
        (99, 0.05, 95),
        (3, 0.5, 2),
        (1, 0.5, 1),
    ],
)
def test_the_quantile_by_hand(n, miss, rank):
    scores = np.random.default_rng(0).permutation(np.arange(1.0, n + 1))

    assert quantile(scores, miss) == rank


@pytest.mark.parametrize(("n", "miss"), [(8, 0.1), (0, 0.1), (18, 0.05)])
def test_too_few_scores_promise_nothing(n, miss):
    assert quantile(np.arange(float(n)), miss) == math.inf


@pytest.mark.parametrize(("n", "miss"), [(10, 0.1), (37, 0.1), (12, 0.25)])
def test_exchangeable_cases_are_covered_as_often_as_promised(n, miss):
    """Without ties the coverage over draws is exactly ⌈(n + 1)(1 - miss)⌉ / (n + 1)."""
    rng = np.random.default_rng(n)
    scores = rng.standard_t(2, (4_000, n + 1)) ** 2
    drawn = np.array([quantile(row[:-1], miss) for row in scores])

    covered = scores[:, -1] <= drawn

    expected = math.ceil((n + 1) * (1 - miss)) / (n + 1)
    assert covered.mean() == pytest.approx(expected, abs=4 * np.sqrt(expected / 4_000))


def test_a_scale_narrows_intervals_where_errors_are_small_and_keeps_the_promise():
    rng = np.random.default_rng(0)
    scale = rng.choice([1.0, 10.0], 4000)
    truth = rng.normal(0, scale)
    estimate = np.zeros(4000)
    old, new = slice(0, 2000), slice(2000, 4000)

    plain = interval(estimate[new], np.ones(2000), quantile(np.abs(truth[old]), 0.1))
    scaled = interval(estimate[new], scale[new], quantile(np.abs(truth[old]) / scale[old], 0.1))

    for low, high in (plain, scaled):
        assert ((low <= truth[new]) & (truth[new] <= high)).mean() == pytest.approx(0.9, abs=0.03)
    assert np.ptp(scaled, axis=0).mean() < 0.8 * np.ptp(plain, axis=0).mean()


def test_ends_are_clipped():
    found = interval(np.array([5.0, 50.0]), np.array([1.0, 2.0]), 10.0, within=(0.0, 60.0))

    assert found.tolist() == [[0, 30], [15, 60]]
    assert interval(np.array([5.0]), np.ones(1), math.inf, within=(0.0, 100.0)).tolist() == [
        [0],
        [100],
    ]


@pytest.mark.parametrize(("hits", "n"), [(0, 5), (5, 5), (1, 7), (88, 100), (450, 500)])
@pytest.mark.parametrize("level", [0.95, 0.5])
def test_clopper_pearson_as_in_scipy(hits, n, level):
    expected = stats.binomtest(hits, n).proportion_ci(level, method="exact")

    assert clopper_pearson(hits, n, level=level) == pytest.approx((expected.low, expected.high))


def test_a_share_stands_in_its_interval():
    found = share(np.array([True, True, True, False]))

    assert (found.value, found.n) == (0.75, 4)
    assert (found.low, found.high) == clopper_pearson(3, 4)
    with pytest.raises(ValueError, match="no case"):
        share(np.zeros(0, bool))
