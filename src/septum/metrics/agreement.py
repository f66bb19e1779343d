"""How well estimates of a quantity agree with its truth, and how far that may be trusted.

    truth, said --errors--> MAE, RMSE, R², correlations      --limits--> Bland-Altman

All intervals are those of the cluster bootstrap over subjects (`septum.metrics.interval`).
"""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from jaxtyping import Float

from septum.contract import Metric
from septum.metrics.continuity import spearman_by_subject
from septum.metrics.interval import mean_by_subject
from septum.metrics.paired import pearson_by_subject

RESAMPLES = 10_000
"""As many as Ouyang et al. draw, Nature 580, 2020, doi:10.1038/s41586-020-2145-8."""
LIMITS = 1.96
"""Standard deviations round the mean between which 95 % of normal differences lie."""
CHUNK = 2_000_000
"""Weights that are held at a time."""
TINY = 1e-12

Column = Float[np.ndarray, " n"]
Score = Callable[[Float[np.ndarray, "r k"]], Float[np.ndarray, " r"]]
"""A score from the sums of k columns; NaN where it is not defined."""


def errors(
    truth: Column,
    said: Column,
    subjects: Sequence[str],
    *,
    unit: str,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> dict[str, Metric]:
    """`mae` and `rmse`, and `r2`, `pearson` and `spearman` where what they compare varies.

    R² = 1 - Σ (y - ŷ)² / Σ (y - ȳ)², with the mean ȳ of the cases at hand; below 0 where ȳ would
    have been the better estimate. None of the columns may hold a NaN.
    """
    how = {"seed": seed, "resamples": resamples}
    off = said - truth
    found = {
        "mae": mean_by_subject(np.abs(off), subjects, unit=unit, **how),
        "rmse": of_sums([np.ones_like(off), off**2], _rmse, subjects, unit=unit, **how),
    }
    if np.ptp(truth) > 0:
        y = truth - truth.mean()
        found["r2"] = of_sums([np.ones_like(y), y, y**2, off**2], _r2, subjects, unit="", **how)
    if np.ptp(truth) > 0 and np.ptp(said) > 0:
        found["pearson"] = pearson_by_subject(said, truth, subjects, **how)
        found["spearman"] = spearman_by_subject(said, truth, subjects, **how)
    return found


def limits(
    truth: Column,
    said: Column,
    subjects: Sequence[str],
    *,
    unit: str,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> dict[str, Metric]:
    """`bias`, the mean of what is said minus the truth, and the limits of agreement around it.

    `limit_low` and `limit_high` lie 1.96 standard deviations (of n - 1 degrees of freedom) away.
    Bland, Altman: Statistical methods for assessing agreement between two methods of clinical
    measurement, The Lancet 327(8476), 1986. A single case agrees with itself: limits are its bias.
    """
    off = said - truth
    parts = [np.ones_like(off), off, off**2]
    of = {"bias": 0.0, "limit_low": -LIMITS, "limit_high": LIMITS}
    return {
        name: of_sums(parts, _apart(times), subjects, unit=unit, seed=seed, resamples=resamples)
        for name, times in of.items()
    }


def of_sums(
    parts: Sequence[Column],
    score: Score,
    subjects: Sequence[str],
    *,
    unit: str,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> Metric:
    """A score of sums over cases, with the 95 % percentile interval over resampled subjects.

    Resamples in which the score is not defined do not count; the interval holds the value.

    >>> of_sums([np.array([9.0, 16.0])], lambda s: np.sqrt(s[:, 0]), ["a", "a"], unit="mm")
    Metric(value=5.0, low=5.0, high=5.0, unit='mm', n=2)
    """
    _, subject = np.unique(np.asarray(subjects), return_inverse=True)
    sums = np.stack([np.bincount(subject, weights=part) for part in parts], axis=1)
    again = [score(times @ sums) for times in _drawn(len(sums), seed, resamples)]
    value = float(score(sums.sum(0, keepdims=True))[0])
    low, high = np.nanpercentile(np.append(np.concatenate(again), value), [2.5, 97.5]).tolist()
    low, high = min(low, value), max(high, value)
    return Metric(value=value, low=low, high=high, unit=unit, n=len(subjects))


def _rmse(sums: Float[np.ndarray, "r 2"]) -> Float[np.ndarray, " r"]:
    return np.sqrt(sums[:, 1] / sums[:, 0])


def _r2(sums: Float[np.ndarray, "r 4"]) -> Float[np.ndarray, " r"]:
    n, y, squares, error = sums.T
    spread = squares - y**2 / n
    return 1 - error / np.where(spread > TINY * n, spread, np.nan)


def _apart(times: float) -> Score:
    """The mean and so many standard deviations."""

    def score(sums: Float[np.ndarray, "r 3"]) -> Float[np.ndarray, " r"]:
        n, off, squares = sums.T
        variance = np.clip(squares - off**2 / n, 0, None) / np.maximum(n - 1, 1)
        return off / n + times * np.sqrt(variance)

    return score


def _drawn(s: int, seed: int, resamples: int) -> Iterator[Float[np.ndarray, "r s"]]:
    """How often every subject is in a resample, some resamples at a time."""
    rng, rows = np.random.default_rng(seed), max(1, CHUNK // s)
    for start in range(0, resamples, rows):
        few = min(rows, resamples - start)
        yield rng.multinomial(s, np.full(s, 1 / s), size=few).astype(np.float64)
