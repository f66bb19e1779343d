import numpy as np
import pytest
from scipy import stats
from sklearn import metrics as theirs

from septum.metrics.agreement import errors, limits, of_sums

TRUTH = np.array([30.0, 55.0, 60.0, 62.0, 40.0])
SAID = np.array([36.0, 50.0, 61.0, 62.0, 48.0])
"""Off by 6, -5, 1, 0, 8."""


def names(n: int) -> list[str]:
    return [f"s{i}" for i in range(n)]


@pytest.fixture
def many():
    rng = np.random.default_rng(0)
    truth = rng.integers(20, 75, 90).astype(float)
    subjects = [f"s{i}" for i in rng.integers(0, 40, 90)]
    return truth, (0.7 * truth + 15 + rng.normal(0, 6, 90)).round(), subjects


def test_errors_as_elsewhere(many):
    found = errors(*many, unit="%", resamples=50)

    truth, said, _ = many
    assert {name: metric.value for name, metric in found.items()} == pytest.approx(
        {
            "mae": theirs.mean_absolute_error(truth, said),
            "rmse": theirs.root_mean_squared_error(truth, said),
            "r2": theirs.r2_score(truth, said),
            "pearson": stats.pearsonr(truth, said).statistic,
            "spearman": stats.spearmanr(truth, said).statistic,
        }
    )
    assert {name: metric.unit for name, metric in found.items()} == {
        "mae": "%", "rmse": "%", "r2": "", "pearson": "", "spearman": "",
    }  # fmt: skip
    assert all(metric.low < metric.value < metric.high for metric in found.values())
    assert all(metric.n == 90 for metric in found.values())


def test_limits_by_hand():
    found = limits(TRUTH, SAID, names(5), unit="%", resamples=50)

    spread = np.sqrt((4**2 + 7**2 + 1**2 + 2**2 + 6**2) / 4)  # the mean is 2
    assert {name: metric.value for name, metric in found.items()} == pytest.approx(
        {"bias": 2, "limit_low": 2 - 1.96 * spread, "limit_high": 2 + 1.96 * spread}
    )
    assert all(metric.low <= metric.value <= metric.high for metric in found.values())


def test_intervals_are_percentiles_of_resamples_made_case_by_case(many):
    """The same draws, but the cases of every subject written out as often as it is drawn."""
    truth, said, subjects = many
    found = errors(*many, unit="%", seed=3, resamples=200)
    found |= limits(*many, unit="%", seed=3, resamples=200)
    every, subject = np.unique(subjects, return_inverse=True)
    s = len(every)
    times = np.random.default_rng(3).multinomial(s, np.full(s, 1 / s), size=200)

    again = {name: [] for name in ("rmse", "r2", "spearman", "limit_high")}
    for row in times:
        cases = np.repeat(np.arange(90), row[subject])
        y, z = truth[cases], said[cases]
        again["rmse"].append(theirs.root_mean_squared_error(y, z))
        again["r2"].append(theirs.r2_score(y, z))
        again["spearman"].append(stats.spearmanr(y, z).statistic)
        again["limit_high"].append((z - y).mean() + 1.96 * (z - y).std(ddof=1))

    for name, values in again.items():
        low, high = np.percentile([*values, found[name].value], [2.5, 97.5])
        assert (found[name].low, found[name].high) == pytest.approx((low, high)), name


def test_resamples_in_parts_are_the_same(many, monkeypatch):
    whole = errors(*many, unit="%", resamples=60)
    monkeypatch.setattr("septum.metrics.agreement.CHUNK", 400)

    parts = errors(*many, unit="%", resamples=60)

    assert {k: (m.low, m.high) for k, m in parts.items()} == {
        k: pytest.approx((m.low, m.high)) for k, m in whole.items()
    }


def test_a_constant_truth_has_neither_r2_nor_correlation_and_a_constant_estimate_no_correlation():
    same = np.full(5, 50.0)

    assert {*errors(same, SAID, names(5), unit="%", resamples=5)} == {"mae", "rmse"}
    found = errors(TRUTH, np.full(5, TRUTH.mean()), names(5), unit="%", resamples=5)
    assert {*found} == {"mae", "rmse", "r2"}
    assert found["r2"].value == pytest.approx(0)


def test_one_case_says_nothing_about_others():
    found = limits(TRUTH[:1], SAID[:1], ["a"], unit="%", resamples=9)

    assert all((m.value, m.low, m.high) == (6, 6, 6) for m in found.values())


def test_resamples_without_a_score_do_not_count():
    found = of_sums([np.array([0.0, 1.0])], lambda s: np.where(s > 1, np.nan, s)[:, 0],
                    ["a", "b"], unit="", resamples=40)  # fmt: skip

    assert (found.low, found.value, found.high) == (0, 1, 1)


@pytest.mark.slow
def test_interval_holds_the_truth_about_nineteen_times_in_twenty():
    rng = np.random.default_rng(2)
    hits = 0
    for _ in range(200):
        truth = rng.normal(55, 12, 60)
        found = errors(truth, truth + rng.normal(0, 5, 60), names(60), unit="%", resamples=300)
        hits += found["rmse"].low <= 5 <= found["rmse"].high

    assert 0.87 <= hits / 200 <= 0.99
