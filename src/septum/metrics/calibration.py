"""Does a probability mean what it says?

confidence, right or wrong --bins of equally many cases--> |mean confidence - share right|
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float, Int

from septum.contract import Metric
from septum.metrics.agreement import of_sums

BINS = 15

Column = Float[np.ndarray, " n"]


def ece_by_subject(
    confidence: Column,
    right: Bool[np.ndarray, " n"],
    subjects: Sequence[str],
    *,
    seed: int = 0,
    resamples: int = 2_000,
) -> Metric:
    """Expected calibration error Σ n_b / n |mean confidence - share right|, over bins b; in [0, 1].

    Guo, Pleiss, Sun, Weinberger, ICML 2017, arXiv:1706.04599, Eq. 3, with `bins` of equal mass in
    place of equal width, so that none holds a handful of cases. The interval is the 95 % percentile
    one over resampled subjects, in the bins of all cases, and holds the value. Chance alone makes
    the error larger than 0, the more so in resamples: intervals lie rather high.

    >>> sure = np.array([0.75, 0.75, 0.75, 0.75])
    >>> ece_by_subject(sure, np.array([True, True, True, False]), list("abcd")).value
    0.0
    >>> ece_by_subject(sure, np.array([True, False, True, False]), list("abcd")).value
    0.25
    """
    bin_of = bins(confidence)
    off = right - confidence
    parts = [np.ones_like(off), *(np.where(bin_of == b, off, 0.0) for b in np.unique(bin_of))]
    return of_sums(parts, _share_off, subjects, unit="", seed=seed, resamples=resamples)


def reliability(
    confidence: Column, right: Bool[np.ndarray, " n"]
) -> tuple[Float[np.ndarray, " b"], Float[np.ndarray, " b"], Int[np.ndarray, " b"]]:
    """Mean confidence, share of right answers and number of cases of every bin that has any.

    >>> reliability(np.array([0.5, 0.9]), np.array([False, True]))
    (array([0.5, 0.9]), array([0., 1.]), array([1, 1]))
    """
    _, bin_of, cases = np.unique(bins(confidence), return_inverse=True, return_counts=True)
    said, share = (np.bincount(bin_of, weights=of) / cases for of in (confidence, right))
    return said, share, cases


def bins(confidence: Column) -> Int[np.ndarray, " n"]:
    """Bin of every case, of 15: b if b / 15 of all cases or more, but not (b + 1) / 15, are less.

    Equal confidences share a bin, whatever their order; a bin may stay empty for it.

    >>> bins(np.array([0.9, 0.5, 0.5]))
    array([10,  0,  0])
    """
    less = np.searchsorted(np.sort(confidence), confidence, side="left")
    return less * BINS // len(confidence)


def _share_off(sums: Float[np.ndarray, "r k"]) -> Float[np.ndarray, " r"]:
    """From the number of cases, and of every bin the sum of right answers less confidences."""
    return np.abs(sums[:, 1:]).sum(1) / sums[:, 0]
