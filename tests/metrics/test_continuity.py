import numpy as np
import pytest
from scipy import stats
from scipy.spatial.distance import cdist
from sklearn.model_selection import LeaveOneGroupOut
from sklearn.neighbors import KNeighborsRegressor

from septum.metrics.continuity import (
    kendall_of_pairs,
    of_neighbours,
    paired,
    spearman_by_subject,
    spearman_of_pairs,
)


def case(n: int, *, noise: float, each: int = 1, seed: int = 0):
    """Embeddings near a line, whose place on it is the quantity; `each` cases per subject."""
    rng = np.random.default_rng(seed)
    quantity = rng.uniform(10, 80, n).round()  # with ties
    x = np.stack([quantity, np.zeros(n), np.zeros(n)], 1) + noise * rng.normal(size=(n, 3))
    return cdist(x, x), quantity, [f"s{i // each}" for i in range(n)]


def by_hand(distance, quantity, who, drawn):
    """Both columns of all pairs of the drawn cases, pair by pair."""
    both = [
        (distance[i, j], abs(quantity[i] - quantity[j]))
        for a, i in enumerate(drawn)
        for j in drawn[a + 1 :]
        if who[i] != who[j]
    ]
    return np.array(both).T


@pytest.mark.parametrize("each", [1, 3])
def test_pairs_are_those_of_different_subjects_and_equal_scipys_correlations(each):
    distance, quantity, who = case(18, noise=20, each=each)
    a, b = by_hand(distance, quantity, who, list(range(18)))

    pairs = paired(distance, quantity, who)

    assert sorted(zip(pairs.apart, pairs.differ, strict=True)) == sorted(zip(a, b, strict=True))
    rho, tau = spearman_of_pairs(pairs), kendall_of_pairs(pairs)
    assert rho.value == pytest.approx(stats.spearmanr(a, b).statistic)
    assert tau.value == pytest.approx(stats.kendalltau(a, b).statistic)
    assert rho.n == tau.n == 18 * 17 / 2 - (18 / each) * each * (each - 1) / 2


def test_an_interval_is_that_of_subjects_drawn_again_one_by_one():
    distance, quantity, who = case(20, noise=25, each=2)
    rng, found = np.random.default_rng(0), []
    for _ in range(800):
        subjects = rng.integers(10, size=10)
        drawn = [case for s in subjects for case in (2 * s, 2 * s + 1)]
        found.append(stats.spearmanr(*by_hand(distance, quantity, who, drawn)).statistic)

    rho = spearman_of_pairs(paired(distance, quantity, who), resamples=2_000)

    assert (rho.low, rho.high) == pytest.approx(np.percentile(found, [2.5, 97.5]), abs=0.04)


def test_kendalls_interval_is_the_jackknifes():
    distance, quantity, who = case(10, noise=25)
    whole = list(range(10))
    taus = [
        stats.kendalltau(*by_hand(distance, quantity, who, whole[:i] + whole[i + 1 :])).statistic
        for i in whole  # ten subjects are ten groups
    ]
    half = stats.t.ppf(0.975, 9) * np.sqrt(9 * np.var(taus))

    tau = kendall_of_pairs(paired(distance, quantity, who))

    assert (tau.low, tau.high) == pytest.approx((tau.value - half, min(1, tau.value + half)))


def test_order_is_perfect_reversed_or_absent():
    line = np.array([0.0, 1, 3, 7, 15])
    distance, who = np.abs(line[:, None] - line), list("abcde")
    perfect = paired(distance, line, who)
    reverse = paired(20 - distance, line, who)
    noise = paired(*case(80, noise=1e6)[:2], [str(i) for i in range(80)])

    assert spearman_of_pairs(perfect).value == pytest.approx(1)
    assert kendall_of_pairs(perfect).value == pytest.approx(1)
    assert spearman_of_pairs(reverse).value == pytest.approx(-1)
    assert kendall_of_pairs(reverse).value == pytest.approx(-1)
    assert abs(spearman_of_pairs(noise).value) < 0.1
    assert spearman_of_pairs(noise).low < 0 < spearman_of_pairs(noise).high
    assert kendall_of_pairs(noise).low < 0 < kendall_of_pairs(noise).high


def test_only_order_counts():
    distance, quantity, who = case(15, noise=20)

    plain, bent = paired(distance, quantity, who), paired(distance**3, quantity, who)

    assert spearman_of_pairs(plain) == spearman_of_pairs(bent)
    assert kendall_of_pairs(plain) == kendall_of_pairs(bent)


def test_two_subjects_with_two_cases_have_a_value_and_no_certainty():
    pairs = paired(*case(4, noise=1, each=2))

    for found in (spearman_of_pairs(pairs), kendall_of_pairs(pairs)):
        assert found.low <= found.value <= found.high
        assert found.n == 4


@pytest.mark.parametrize(
    ("distance", "quantity", "who"),
    [
        (np.zeros((3, 3)), np.arange(3.0), list("abc")),
        (cdist(np.eye(3), np.diag([1.0, 2, 3])), np.ones(3), list("abc")),
        (case(3, noise=1)[0], np.arange(3.0), list("aaa")),
        (np.zeros((0, 0)), np.zeros(0), []),
    ],
)
def test_what_does_not_vary_has_no_order(distance, quantity, who):
    with pytest.raises(ValueError, match="do not vary"):
        paired(distance, quantity, who)


def test_over_cases_it_is_scipys_and_its_interval_its_bootstraps():
    rng = np.random.default_rng(3)
    a = rng.normal(size=40).round(1)
    b = (a + rng.normal(size=40)).round(1)

    found = spearman_by_subject(a, b, [str(i) for i in range(40)], resamples=3_000)

    theirs = stats.bootstrap(
        (a, b),
        lambda x, y: stats.spearmanr(x, y).statistic,
        paired=True,
        vectorized=False,
        method="percentile",
        n_resamples=800,
        rng=0,
    ).confidence_interval
    assert found.value == pytest.approx(stats.spearmanr(a, b).statistic)
    assert (found.low, found.high) == pytest.approx((theirs.low, theirs.high), abs=0.03)


def test_more_cases_of_the_same_subjects_add_no_certainty():
    a, b = np.random.default_rng(4).normal(size=(2, 15))
    who = [f"s{i:02d}" for i in range(15)]

    once = spearman_by_subject(a, b, who)
    tenfold = spearman_by_subject(a.repeat(10), b.repeat(10), np.repeat(who, 10).tolist())

    assert (tenfold.value, tenfold.low, tenfold.high) == pytest.approx(
        (once.value, once.low, once.high)
    )
    assert tenfold.n == 150


def test_a_constant_column_has_no_rank_correlation():
    with pytest.raises(ValueError, match="does not vary"):
        spearman_by_subject(np.ones(4), np.arange(4.0), list("abcd"))


@pytest.mark.parametrize("k", [1, 4])
def test_neighbours_are_scikit_learns_when_a_subject_is_left_out(k):
    distance, quantity, who = case(30, noise=10, each=3)
    x = np.arange(30)[:, None]
    expected = np.empty(30)
    for known, asked in LeaveOneGroupOut().split(x, groups=who):
        knn = KNeighborsRegressor(k, metric="precomputed").fit(
            distance[np.ix_(known, known)], quantity[known]
        )
        expected[asked] = knn.predict(distance[np.ix_(asked, known)])

    assert of_neighbours(distance, quantity, who, k=k) == pytest.approx(expected)


def test_few_others_are_all_neighbours_and_none_is_unknown():
    distance, quantity = np.ones((3, 3)), np.array([1.0, 2.0, 6.0])

    assert of_neighbours(distance, quantity, list("abb"), k=5).tolist() == [4, 1, 1]
    assert np.isnan(of_neighbours(distance, quantity, list("aaa"), k=5)).all()
