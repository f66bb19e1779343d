"""How well a score tells two kinds of cases apart, and how far that may be trusted."""

from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Bool, Float, Int

from septum.contract import Metric

CHUNK = 500_000
"""Weights that are held at a time."""

Area = Callable[[Float[np.ndarray, "r n"]], Float[np.ndarray, " r"]]
"""From weights of the cases, in as many rows as one likes."""


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
    _, subject = np.unique(np.asarray(subjects), return_inverse=True)
    times = drawn(subject, positive.astype(np.int64), resamples, seed)
    area = area_under(scores, positive)
    rows = max(1, CHUNK // len(scores))
    areas = [
        area(times[start : start + rows, subject].astype(np.float64))
        for start in range(0, resamples, rows)
    ]
    value = float(area(np.ones((1, len(scores))))[0])
    low, high = np.percentile(np.concatenate(areas), [2.5, 97.5]).tolist()
    low, high = min(low, value), max(high, value)
    return Metric(value=value, low=low, high=high, unit="", n=len(scores))


def area_under(scores: Float[np.ndarray, " n"], positive: Bool[np.ndarray, " n"]) -> Area:
    """Share of the pairs in which the positive has the higher score, ties half, by weights.

    >>> area = area_under(np.array([3.0, 1.0, 2.0]), np.array([True, True, False]))
    >>> area(np.array([[1.0, 1.0, 1.0], [3.0, 1.0, 1.0]])).tolist()
    [0.5, 0.75]
    """
    order = np.argsort(scores, kind="stable")
    _, level = np.unique(scores[order], return_index=True)  # where the score changes

    def area(weight: Float[np.ndarray, "r n"]) -> Float[np.ndarray, " r"]:
        rising, kind = weight[:, order], positive[order]
        above = np.add.reduceat(rising * kind, level, axis=1)
        below = np.add.reduceat(rising * ~kind, level, axis=1)
        wins = (above * (below.cumsum(1) - below / 2)).sum(1)
        return wins / (above.sum(1) * below.sum(1))

    return area


def drawn(
    subject: Int[np.ndarray, " n"], kind: Int[np.ndarray, " n"], resamples: int, seed: int
) -> Int[np.ndarray, "r s"]:
    """How often every subject is drawn, with replacement from those with cases of the same kinds.

    Args:
        subject: Of every case, numbered from 0.
        kind: Of every case, numbered from 0.
        resamples: Their number.
        seed: Of the drawing.
    """
    shows = np.zeros((subject.max() + 1, kind.max() + 1), dtype=bool)
    shows[subject, kind] = True
    alike = np.unique(shows, axis=0, return_inverse=True)[1].ravel()
    rng = np.random.default_rng(seed)
    times = np.zeros((resamples, len(shows)), np.int64)
    for of in (np.flatnonzero(alike == k) for k in range(alike.max() + 1)):
        times[:, of] = rng.multinomial(len(of), np.full(len(of), 1 / len(of)), resamples)
    return times
