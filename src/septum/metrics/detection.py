"""How well detections are ranked, with the interval of a bootstrap over subjects.

The cells of a grid are not independent, nor are the images of a subject: as in
`septum.metrics.interval` the subject is what is drawn again, with all its cells. No resample is
sorted anew. The counts of every subject at every threshold are taken once, and a resample is a
weighted sum of them.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float, Int

from septum.contract import Metric

ROWS = 250
"""Resamples that are held at a time."""


def average_precision_by_subject(
    scores: Float[np.ndarray, "n classes"],
    positive: Bool[np.ndarray, "n classes"],
    subjects: Sequence[str],
    *,
    seed: int = 0,
    resamples: int = 2_000,
) -> Metric:
    """Mean over classes of the average precision Σ (R_k - R_{k-1}) P_k over all thresholds.

    One column asks about a single class. This is scikit-learn's `average_precision_score`: nothing
    is interpolated, and equal scores are one threshold. Chance is the share of positives. The
    interval holds 95 % of the resamples in which every class occurs, widened to `value` where that
    lies outside, as it can with few subjects. `n` counts the cells that are positive in a class.

    Raises:
        ValueError: If a class has no positive.

    >>> scores, positive = np.array([[0.9], [0.8], [0.7]]), np.array([[True], [False], [True]])
    >>> round(average_precision_by_subject(scores, positive, ["a"] * 3).value, 4)  # (1 + 2/3) / 2
    0.8333
    """
    if not positive.any(0).all():
        raise ValueError("a class has no positive")
    subject, drawn = _drawn(subjects, seed, resamples)
    classes = range(scores.shape[1])
    each = [_average_precision(scores[:, c], positive[:, c], subject, drawn) for c in classes]
    value, *again = np.mean(each, axis=0).tolist()
    low, high = np.nanpercentile(again, [2.5, 97.5]).tolist()
    n = int(positive.any(1).sum())
    return Metric(value=value, low=min(low, value), high=max(high, value), unit="", n=n)


def _average_precision(
    score: Float[np.ndarray, " n"],
    positive: Bool[np.ndarray, " n"],
    subject: Int[np.ndarray, " n"],
    drawn: Float[np.ndarray, "r s"],
) -> Float[np.ndarray, " r"]:
    """Of every resample; NaN where it has no positive. Recall moves at scores of positives only."""
    thresholds = np.unique(score[positive])
    reached = np.searchsorted(thresholds, score, side="right")  # how many thresholds it passes
    shape = (drawn.shape[1], len(thresholds) + 1)
    hits = _counts(subject[positive], reached[positive], shape)[:, 1:]
    every = _counts(subject, reached, shape)[:, 1:]
    parts = np.split(drawn, range(ROWS, len(drawn), ROWS))
    return np.concatenate([_summed(part, hits, every) for part in parts])


def _summed(
    drawn: Float[np.ndarray, "r s"],
    hits: Float[np.ndarray, "s k"],
    every: Float[np.ndarray, "s k"],
) -> Float[np.ndarray, " r"]:
    """Precision at every threshold, weighted by the positives that lie on it."""
    gained = drawn @ hits
    above = (drawn @ every)[:, ::-1].cumsum(1)[:, ::-1]
    true = gained[:, ::-1].cumsum(1)[:, ::-1]
    total = true[:, 0]
    found = (gained * true / np.maximum(above, 1)).sum(1)
    return np.where(total > 0, found / np.maximum(total, 1), np.nan)


def _counts(
    subject: Int[np.ndarray, " n"], place: Int[np.ndarray, " n"], shape: tuple[int, int]
) -> Float[np.ndarray, "s k"]:
    """How many cases every subject has at every place."""
    flat = np.bincount(subject * shape[1] + place, minlength=shape[0] * shape[1])
    return flat.reshape(shape).astype(float)


def _drawn(
    subjects: Sequence[str], seed: int, resamples: int
) -> tuple[Int[np.ndarray, " n"], Float[np.ndarray, "r s"]]:
    """Subject of every case, and how often each is drawn: once in the first row, the sample."""
    names, subject = np.unique(np.asarray(subjects), return_inverse=True)
    s = len(names)
    again = np.random.default_rng(seed).multinomial(s, np.full(s, 1 / s), size=resamples)
    return subject, np.concatenate([np.ones((1, s)), again])
