import numpy as np
import pytest
from scipy import stats

from septum.metrics.resample import GROUPS, grouped, jackknifed, told_by_subject


def one_each(n: int) -> list[str]:
    return [f"s{i}" for i in range(n)]


def test_groups_cut_no_subject_and_are_as_large_as_one_another():
    subjects = np.repeat(one_each(23), 3)

    group = grouped(subjects.tolist(), seed=0)

    by_subject = group.reshape(23, 3)
    assert (by_subject == by_subject[:, :1]).all()
    assert sorted(np.bincount(by_subject[:, 0])) == [2] * 7 + [3] * 3
    assert grouped(subjects.tolist(), seed=1).tolist() != group.tolist()


def test_few_subjects_make_few_groups():
    assert sorted(grouped(one_each(4), seed=0)) == [0, 1, 2, 3]


def test_jackknife_of_a_mean_is_its_interval_by_student():
    values = 0.5 + 0.05 * np.random.default_rng(0).normal(size=GROUPS)
    without = [np.delete(values, i).mean() for i in range(GROUPS)]

    metric = jackknifed(values.mean(), without, n=GROUPS)

    theirs = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert (metric.low, metric.high) == pytest.approx((theirs.low, theirs.high))
    assert (metric.value, metric.n) == (values.mean(), GROUPS)


def test_jackknife_ends_at_the_ends_of_the_scale_and_needs_two_groups():
    wide = jackknifed(0.9, [0.2, 0.9, 0.4], n=3)

    assert (wide.low, wide.high) == (0, 1)
    assert jackknifed(0.4, [0.1], n=2).low == jackknifed(0.4, [0.1], n=2).high == 0.4


def test_ratio_of_sums_agrees_with_scipy():
    rng = np.random.default_rng(1)
    error, blind = rng.gamma(1.0, size=80), 2 + rng.gamma(1.0, size=80)

    metric = told_by_subject(error, blind, one_each(80), seed=0, resamples=10_000)

    theirs = stats.bootstrap(
        (error, blind),
        lambda e, b, axis: 1 - e.sum(axis) / b.sum(axis),
        paired=True,
        method="percentile",
        n_resamples=10_000,
        rng=0,
    ).confidence_interval
    assert metric.value == pytest.approx(1 - error.sum() / blind.sum())
    assert (metric.low, metric.high) == pytest.approx((theirs.low, theirs.high), abs=0.01)


def test_more_images_of_the_same_subjects_add_no_certainty():
    rng = np.random.default_rng(2)
    error, blind = rng.random(20), 1 + rng.random(20)

    once = told_by_subject(error, blind, one_each(20), seed=0)
    often = told_by_subject(
        error.repeat(5), blind.repeat(5), np.repeat(one_each(20), 5).tolist(), seed=0
    )

    assert (often.low, often.high) == pytest.approx((once.low, once.high))
    assert often.n == 100


def test_resamples_of_nothing_but_blind_zeros_are_left_out():
    metric = told_by_subject(np.array([0.0, 0.5]), np.array([0.0, 1.0]), ["a", "b"], seed=0)

    assert (metric.value, metric.low, metric.high) == (0.5, 0.5, 0.5)


def test_an_answer_worse_than_none_is_nothing():
    metric = told_by_subject(np.array([2.0, 3.0]), np.ones(2), ["a", "b"], seed=0)

    assert (metric.low, metric.value, metric.high) == (0, 0, 0)
