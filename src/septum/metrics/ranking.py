"""How well a score tells two kinds of cases apart, and how far that may be trusted."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float, Int

from septum.contract import Metric

CHUNK = 500_000
"""Weights that are held at a time."""


def auroc_by_subject(
    scores: Float[np.ndarray, " n"],
    positive: Bool[np.ndarray, " n"],
    subjects: Sequence[str],
    *,
    seed: int = 0,
    resamples: int = 2_000,
) -> Metric:
    """Area under the ROC curve, with the 95 % percentile interval over resampled subjects.

    The area is the share of pairs of a positive and a negative in which the positive has the higher
    score; ties count half (Hanley and McNeil, Radiology 143(1), 1982). Subjects are drawn again
    with all their cases (Davison and Hinkley, Bootstrap Methods, 1997, section 3.8), those with
    positives alone, with negatives alone and with both each among their like: so every resample
    has cases of both kinds. The interval is widened to `value` where that lies outside, as it can
    with few subjects. A single subject says nothing about others: its interval is [value, value].

    Raises:
        ValueError: If all cases are of one kind, or a score is NaN.

    >>> kinds = np.array([True, True, False, False])
    >>> auroc_by_subject(np.array([3.0, 1.0, 2.0, 0.0]), kinds, ["a"] * 4)
    Metric(value=0.75, low=0.75, high=0.75, unit='', n=4)
    """
    if positive.all() or not positive.any():
        raise ValueError("an AUROC needs cases of both kinds")
    if np.isnan(scores).any():
        raise ValueError("a score is NaN")
    order = np.argsort(scores, kind="stable")
    _, subject = np.unique(np.asarray(subjects), return_inverse=True)
    times = _drawn(subject, positive, resamples, seed)
    _, level = np.unique(scores[order], return_index=True)
    ranked = (positive[order], level)
    value = float(_areas(np.ones((1, len(scores))), *ranked)[0])
    rows = max(1, CHUNK // len(scores))
    areas = [
        _areas(times[start : start + rows, subject[order]].astype(float), *ranked)
        for start in range(0, resamples, rows)
    ]
    low, high = np.percentile(np.concatenate(areas), [2.5, 97.5]).tolist()
    low, high = min(low, value), max(high, value)
    return Metric(value=value, low=low, high=high, unit="", n=len(scores))


def _areas(
    weight: Float[np.ndarray, "r n"], positive: Bool[np.ndarray, " n"], level: Int[np.ndarray, " l"]
) -> Float[np.ndarray, " r"]:
    """Weighted areas of cases in rising order; a level starts where the score changes."""
    above = np.add.reduceat(weight * positive, level, axis=1)
    below = np.add.reduceat(weight * ~positive, level, axis=1)
    beaten = below.cumsum(1) - below / 2
    return (above * beaten).sum(1) / (above.sum(1) * below.sum(1))


def _drawn(
    subject: Int[np.ndarray, " n"], positive: Bool[np.ndarray, " n"], resamples: int, seed: int
) -> Int[np.ndarray, "r s"]:
    """How often every subject is drawn, with replacement from those with the same kinds."""
    kinds = np.bincount(subject[positive], minlength=subject.max() + 1) > 0
    kinds = kinds + 2 * (np.bincount(subject[~positive], minlength=len(kinds)) > 0)
    rng = np.random.default_rng(seed)
    times = np.zeros((resamples, len(kinds)), np.int64)
    for kind in np.unique(kinds):
        alike = np.flatnonzero(kinds == kind)
        times[:, alike] = rng.multinomial(
            len(alike), np.full(len(alike), 1 / len(alike)), resamples
        )
    return times
