"""Intervals of scores that are no means over cases, by subject.

A ratio of sums is drawn again over subjects (the cluster bootstrap of `septum.metrics.interval`).
Where drawing a subject twice would itself change a score, as it does to mutual information, groups
of subjects are left out in turn instead: the delete-a-group jackknife (Kott, Journal of Official
Statistics 17(4):521, 2001).
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int
from scipy import stats

from septum.contract import Metric

GROUPS = 10
"""Groups of subjects of the jackknife; fewer where there are fewer subjects."""


def grouped(subjects: Sequence[str], *, seed: int) -> Int[np.ndarray, " n"]:
    """Group of every case: subjects are dealt at random, so that groups differ by one at most.

    >>> grouped(["a", "a", "b"], seed=0)
    array([0, 0, 1])
    """
    _, subject = np.unique(np.asarray(subjects), return_inverse=True)
    dealt = np.random.default_rng(seed).permutation(subject.max() + 1)
    return dealt[subject] % GROUPS


def jackknifed(value: float, without: Sequence[float], *, n: int) -> Metric:
    """A score in [0, 1] with its 95 % interval, from what it is without each group.

    The standard error is √((g - 1) / g Σ (score without a group - their mean)²), and its multiple
    that of Student's t with g - 1 degrees of freedom; the interval ends at 0 and 1.

    >>> jackknifed(0.5, [0.4, 0.6], n=10)  # standard error √(1 / 2 · 0.02) = 0.1, t = 12.7
    Metric(value=0.5, low=0.0, high=1.0, unit='', n=10)
    """
    g = len(without)
    if g < 2:
        return Metric(value=value, low=value, high=value, unit="", n=n)
    error = np.sqrt((g - 1) * np.var(without))
    half = float(stats.t.ppf(0.975, g - 1) * error)
    return Metric(
        value=value, low=max(0.0, value - half), high=min(1.0, value + half), unit="", n=n
    )


def told_by_subject(
    error: Float[np.ndarray, " n"],
    blind: Float[np.ndarray, " n"],
    subjects: Sequence[str],
    *,
    seed: int,
    resamples: int = 2_000,
) -> Metric:
    """1 - Σ error / Σ blind in [0, 1], with the 95 % percentile interval over resampled subjects.

    `error` is that of an answer to every case, `blind` that of one that knows nothing; it must not
    be 0 in sum. The interval holds the value even where few subjects make it lopsided.

    >>> told_by_subject(np.array([1.0, 1.0]), np.array([4.0, 4.0]), ["a", "b"], seed=0)
    Metric(value=0.75, low=0.75, high=0.75, unit='', n=2)
    """
    _, subject = np.unique(np.asarray(subjects), return_inverse=True)
    off, most = np.bincount(subject, weights=error), np.bincount(subject, weights=blind)
    value = 1 - off.sum() / most.sum()
    drawn = np.random.default_rng(seed).integers(len(off), size=(resamples, len(off)))
    total = most[drawn].sum(1)
    found = 1 - off[drawn].sum(1)[total > 0] / total[total > 0]
    low, high = np.percentile(np.append(found, value), [2.5, 97.5])
    low, value, high = np.clip([min(low, value), value, max(high, value)], 0, 1).tolist()
    return Metric(value=value, low=low, high=high, unit="", n=len(error))
