"""How far a mean may be trusted: bootstrap over subjects.

Images of one patient are not independent, so the patient is what is drawn again, with all its
images (the cluster bootstrap: Davison and Hinkley, Bootstrap Methods, 1997, section 3.8).
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from septum.contract import Metric

CHUNK = 4_000_000


def mean_by_subject(
    values: Float[np.ndarray, " n"],
    subjects: Sequence[str],
    *,
    unit: str,
    seed: int = 0,
    resamples: int = 2_000,
) -> Metric:
    """Mean over cases with the 95 % percentile interval over resampled subjects.

    NaN values are left out, and `n` counts what is left. A single subject says nothing about
    others: its interval is [value, value].

    Raises:
        ValueError: If no value is left.

    >>> mean_by_subject(np.array([1.0, 2.0, np.nan]), ["a", "a", "b"], unit="mm")
    Metric(value=1.5, low=1.5, high=1.5, unit='mm', n=2)
    """
    known = ~np.isnan(values)
    if not known.any():
        raise ValueError("no value to average")
    _, subject = np.unique(np.asarray(subjects)[known], return_inverse=True)
    sums = np.bincount(subject, weights=values[known])
    counts = np.bincount(subject)
    low, high = np.percentile(_resampled_means(sums, counts, resamples, seed), [2.5, 97.5])
    value = float(sums.sum() / counts.sum())
    return Metric(value=value, low=float(low), high=float(high), unit=unit, n=int(counts.sum()))


def _resampled_means(
    sums: Float[np.ndarray, " s"], counts: np.ndarray, resamples: int, seed: int
) -> Float[np.ndarray, " r"]:
    """Mean over the cases of as many subjects as there are, drawn with replacement."""
    rng = np.random.default_rng(seed)
    s = len(sums)
    rows = max(1, CHUNK // s)
    means: list[np.ndarray] = []
    for start in range(0, resamples, rows):
        drawn = rng.integers(s, size=(min(rows, resamples - start), s))
        means.append(sums[drawn].sum(1) / counts[drawn].sum(1))
    return np.concatenate(means)
