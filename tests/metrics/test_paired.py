import numpy as np
import pytest
from scipy import stats

from septum.metrics.paired import pearson_by_subject, t_test


def names(n: int) -> list[str]:
    return [f"s{i}" for i in range(n)]


def test_by_the_formula():
    """Differences 1, 2, 3, 6: mean 3, variance 14/3, error √(14/12), t = 3 / 1.0801, 3 degrees."""
    b = np.array([5.0, 1.0, 4.0, 2.0])
    found = t_test(b + np.array([1, 2, 3, 6]), b, names(4))

    error = np.sqrt(14 / 12)
    assert found.difference == pytest.approx(3)
    assert found.p_value == pytest.approx(2 * stats.t.sf(3 / error, df=3))
    assert (found.low, found.high) == pytest.approx((3 - 3.182446 * error, 3 + 3.182446 * error))
    assert found.n == 4
    assert not found.differs


def test_cases_of_a_subject_are_averaged_first():
    rng = np.random.default_rng(0)
    a, b = rng.normal(1, 1, (12, 3)), rng.normal(0, 1, (12, 3))

    found = t_test(a.ravel(), b.ravel(), np.repeat(names(12), 3).tolist())

    theirs = stats.ttest_rel(a.mean(1), b.mean(1))
    assert found.p_value == pytest.approx(theirs.pvalue)
    assert found.n == 12
    assert found.differs == (theirs.pvalue < 0.05)


def test_swapped_columns_change_the_sign_alone():
    a, b = np.random.default_rng(1).normal(size=(2, 9))

    one, other = t_test(a, b, names(9)), t_test(b, a, names(9))

    assert (one.difference, one.low, one.high) == pytest.approx(
        (-other.difference, -other.high, -other.low)
    )
    assert one.p_value == pytest.approx(other.p_value)


def test_cases_unknown_on_either_side_are_left_out_of_both():
    a = np.array([1.0, np.nan, 3.0, 5.0, 9.0])
    b = np.array([0.0, 100.0, 1.0, np.nan, 4.0])

    assert t_test(a, b, names(5)) == t_test(a[[0, 2, 4]], b[[0, 2, 4]], names(3))


def test_no_spread_is_certainty():
    x = np.array([0.1, 0.2, 0.7])

    tie, apart = t_test(x, x, names(3)), t_test(x + 0.1, x, names(3))

    assert (tie.difference, tie.low, tie.high, tie.p_value) == (0, 0, 0, 1)
    assert not tie.differs
    assert (apart.low, apart.high) == (apart.difference, apart.difference)
    assert apart.difference == pytest.approx(0.1)
    assert apart.p_value == 0
    assert apart.differs


def test_interval_holds_the_truth_nineteen_times_in_twenty():
    rng = np.random.default_rng(2)
    tests = [t_test(rng.normal(0.5, 1, 8), np.zeros(8), names(8)) for _ in range(400)]

    assert np.mean([t.low <= 0.5 <= t.high for t in tests]) == pytest.approx(0.95, abs=0.03)


@pytest.mark.parametrize("subjects", [["a", "a", "a"], ["a", "b", "c"]])
def test_one_subject_is_not_enough(subjects):
    a = np.array([1.0, 2.0, 3.0]) if len(set(subjects)) == 1 else np.array([1.0, np.nan, np.nan])

    with pytest.raises(ValueError, match="two subjects"):
        t_test(a, np.zeros(3), subjects)


def test_pearson_equals_scipy():
    a, b = np.random.default_rng(3).normal(size=(2, 40))
    b = 100 + a + 0.5 * b

    found = pearson_by_subject(a, b, names(40), resamples=10_000)

    assert found.value == pytest.approx(stats.pearsonr(a, b).statistic)
    theirs = stats.bootstrap(
        (a, b),
        lambda x, y: stats.pearsonr(x, y).statistic,
        paired=True,
        vectorized=False,
        method="percentile",
        n_resamples=1_000,
        rng=0,
    ).confidence_interval
    assert (found.low, found.high) == pytest.approx((theirs.low, theirs.high), abs=0.03)
    assert (found.unit, found.n) == ("", 40)


def test_more_cases_of_the_same_subjects_add_no_certainty():
    a, b = np.random.default_rng(4).normal(size=(2, 15))

    once = pearson_by_subject(a, b, names(15))
    tenfold = pearson_by_subject(a.repeat(10), b.repeat(10), np.repeat(names(15), 10).tolist())

    assert (tenfold.low, tenfold.high) == pytest.approx((once.low, once.high))
    assert tenfold.n == 150


def test_resamples_in_which_nothing_varies_do_not_count():
    a = np.array([0.1, 0.1, 0.1, 0.9, 0.4, np.nan])
    found = pearson_by_subject(a, 3 * a, ["a", "a", "b", "c", "d", "e"])

    assert (found.value, found.low, found.high) == pytest.approx((1, 1, 1))
    assert found.n == 5


def test_a_constant_column_correlates_with_nothing():
    with pytest.raises(ValueError, match="does not vary"):
        pearson_by_subject(np.full(5, 0.1), np.arange(5.0), names(5))
