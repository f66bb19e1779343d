import numpy as np
import pytest
from scipy import stats

from septum.metrics import interval
from septum.metrics.interval import mean_by_subject


def one_each(n: int) -> list[str]:
    return [f"s{i}" for i in range(n)]


def test_is_the_normal_interval_for_many_subjects():
    values = np.random.default_rng(0).gamma(2.0, size=2_000)

    metric = mean_by_subject(values, one_each(2_000), unit="mm", resamples=10_000)

    half = 1.96 * values.std(ddof=1) / np.sqrt(2_000)
    assert metric.value == pytest.approx(values.mean())
    assert metric.low == pytest.approx(values.mean() - half, abs=0.04 * half)
    assert metric.high == pytest.approx(values.mean() + half, abs=0.04 * half)
    assert (metric.unit, metric.n) == ("mm", 2_000)


def test_equals_scipy_on_the_means_of_equally_large_subjects():
    values = np.random.default_rng(1).exponential(size=(30, 4))
    subjects = np.repeat(one_each(30), 4).tolist()

    metric = mean_by_subject(values.ravel(), subjects, unit="", resamples=10_000)

    theirs = stats.bootstrap(
        (values.mean(1),), np.mean, method="percentile", n_resamples=10_000, rng=0
    ).confidence_interval
    assert (metric.low, metric.high) == pytest.approx((theirs.low, theirs.high), abs=0.01)


def test_covers_the_truth_nineteen_times_in_twenty():
    rng = np.random.default_rng(2)
    subjects = np.repeat(one_each(60), 3).tolist()
    covered = 0
    for _ in range(400):
        values = rng.normal(size=60).repeat(3) + rng.normal(size=180)
        metric = mean_by_subject(values, subjects, unit="", resamples=400)
        covered += metric.low <= 0 <= metric.high

    assert covered / 400 == pytest.approx(0.95, abs=0.03)


def test_more_images_of_the_same_patients_add_no_certainty():
    values = np.random.default_rng(3).normal(size=40)

    once = mean_by_subject(values, one_each(40), unit="")
    tenfold = mean_by_subject(values.repeat(10), np.repeat(one_each(40), 10).tolist(), unit="")

    assert (tenfold.low, tenfold.high) == pytest.approx((once.low, once.high))
    assert tenfold.n == 400


def test_a_subject_weighs_as_many_cases_as_it_has():
    metric = mean_by_subject(np.array([0.0, 0.0, 0.0, 4.0]), ["a", "a", "a", "b"], unit="")

    assert (metric.value, metric.low, metric.high) == (1.0, 0.0, 4.0)


def test_nan_is_left_out():
    values = np.array([1.0, np.nan, 3.0, np.nan])

    metric = mean_by_subject(values, ["a", "a", "b", "c"], unit="")

    assert (metric.value, metric.low, metric.high, metric.n) == (2.0, 1.0, 3.0, 2)


def test_the_seed_decides_and_memory_does_not(monkeypatch: pytest.MonkeyPatch):
    values = np.random.default_rng(4).normal(size=25)
    first = mean_by_subject(values, one_each(25), unit="", seed=5)
    monkeypatch.setattr(interval, "CHUNK", 100)

    assert mean_by_subject(values, one_each(25), unit="", seed=5) == first
    assert mean_by_subject(values, one_each(25), unit="", seed=6) != first


def test_nothing_to_average_is_an_error():
    with pytest.raises(ValueError, match="no value"):
        mean_by_subject(np.array([np.nan]), ["a"], unit="")
