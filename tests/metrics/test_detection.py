import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from septum.metrics.detection import average_precision_by_subject


def cells(n=400, *, classes=1, subjects=20, levels=None, share=0.2, seed=0):
    """Scores that tell positives in part, of subjects that differ; ties where levels are few."""
    rng = np.random.default_rng(seed)
    subject = rng.integers(subjects, size=n)
    positive = rng.random((n, classes)) < share
    scores = positive + rng.normal(size=(n, classes)) + rng.normal(size=subjects)[subject, None]
    if levels:
        scores = np.round(scores * levels) / levels
    return scores, positive, [f"s{i}" for i in subject]


@pytest.mark.parametrize("levels", [None, 3, 1])
@pytest.mark.parametrize("share", [0.01, 0.2, 0.9])
def test_equals_scikit_learn(levels, share):
    scores, positive, subjects = cells(levels=levels, share=share)

    value = average_precision_by_subject(scores, positive, subjects, resamples=10).value

    assert value == pytest.approx(average_precision_score(positive[:, 0], scores[:, 0]))


def test_several_classes_are_averaged():
    scores, positive, subjects = cells(classes=3)

    metric = average_precision_by_subject(scores, positive, subjects, resamples=10)

    each = [average_precision_score(positive[:, c], scores[:, c]) for c in range(3)]
    assert metric.value == pytest.approx(np.mean(each))
    assert metric.n == positive.any(1).sum()


@pytest.mark.parametrize("levels", [None, 2])
def test_the_interval_is_that_of_subjects_drawn_again(levels):
    scores, positive, subjects = cells(classes=2, subjects=9, levels=levels)
    of = [np.flatnonzero(np.asarray(subjects) == name) for name in np.unique(subjects)]
    again = np.random.default_rng(7).multinomial(9, np.full(9, 1 / 9), size=200)
    precisions = []
    for times in again:
        rows = np.concatenate([np.tile(rows, k) for rows, k in zip(of, times, strict=True)])
        each = [average_precision_score(positive[rows, c], scores[rows, c]) for c in (0, 1)]
        precisions.append(np.mean(each))

    metric = average_precision_by_subject(scores, positive, subjects, seed=7, resamples=200)

    expected = np.percentile(precisions, [2.5, 97.5])
    assert [metric.low, metric.high] == pytest.approx(expected)


def test_resamples_are_worked_off_in_parts(monkeypatch):
    whole = average_precision_by_subject(*cells(), resamples=501)
    monkeypatch.setattr("septum.metrics.detection.ROWS", 40)

    assert average_precision_by_subject(*cells(), resamples=501) == whole


def test_more_cells_of_the_same_subjects_add_no_certainty():
    scores, positive, subjects = cells()

    once = average_precision_by_subject(scores, positive, subjects)
    tenfold = average_precision_by_subject(
        scores.repeat(10, 0), positive.repeat(10, 0), np.repeat(subjects, 10).tolist()
    )

    assert (tenfold.low, tenfold.high) == pytest.approx((once.low, once.high))


def test_resamples_without_the_class_do_not_count():
    scores, positive = np.array([[0.9], [0.5], [0.1]]), np.array([[True], [False], [False]])

    metric = average_precision_by_subject(scores, positive, ["a", "b", "c"])

    assert (metric.value, metric.low, metric.high, metric.n) == (1, 1, 1, 1)


def test_a_class_without_positives_has_no_precision():
    scores, positive, subjects = cells()

    with pytest.raises(ValueError, match="no positive"):
        average_precision_by_subject(scores, np.zeros_like(positive), subjects)


def test_the_interval_holds_the_value_even_where_resamples_lie_beside_it():
    """Every negative above every positive: a positive drawn twice also counts for itself."""
    scores = np.arange(12.0)[:, None]
    positive = np.arange(12)[:, None] < 6
    subjects = [f"s{i % 6}" for i in range(12)]

    metric = average_precision_by_subject(scores, positive, subjects)

    assert metric.value == pytest.approx(sum(k / (6 + k) for k in range(1, 7)) / 6)
    assert metric.low == metric.value < metric.high
