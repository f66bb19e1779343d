"""Two columns about the same cases: do they differ, and do they go together?

The subject is the unit, as in `septum.metrics.interval`: cases of one subject are not independent.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from scipy import stats

from septum.contract import Metric

LEVEL = 0.05
EQUAL = 1e-12
"""Spread of the differences, as a share of the largest value, that is rounding."""


@dataclass(frozen=True, kw_only=True)
class Paired:
    """What a paired t-test says.

    Attributes:
        difference: Mean over subjects of the first column minus the second.
        low, high: 95 % interval of the difference.
        p_value: Probability of a difference as large, either way, were there none.
        n: Subjects.
    """

    difference: float
    low: float
    high: float
    p_value: float
    n: int

    @property
    def differs(self) -> bool:
        """Whether the difference is significant at 5 %."""
        return self.p_value < LEVEL


def t_test(
    a: Float[np.ndarray, " n"], b: Float[np.ndarray, " n"], subjects: Sequence[str]
) -> Paired:
    """Two-sided paired t-test over subjects, each of which is first averaged over its cases.

    Cases that are NaN in either column are left out. Where all subjects differ by the same, the
    interval is that difference, and p is 0, or 1 if it is none.

    Raises:
        ValueError: If fewer than two subjects are left: one says nothing about others.

    >>> found = t_test(np.array([1.0, 3.0, 8.0]), np.array([0.0, 0.0, 0.0]), ["a", "a", "b"])
    >>> found.difference, found.n  # (2 + 8) / 2
    (5.0, 2)
    """
    a, b, subject = _known(a, b, subjects)
    counts = np.bincount(subject)
    if (n := len(counts)) < 2:
        raise ValueError("a paired t-test needs at least two subjects")
    first, second = (np.bincount(subject, weights=column) / counts for column in (a, b))
    apart = first - second
    mean, least = float(apart.mean()), EQUAL * max(np.abs(first).max(), np.abs(second).max())
    if np.ptp(apart) <= least:
        p = float(abs(mean) <= least)
        return Paired(difference=mean, low=mean, high=mean, p_value=p, n=n)
    found = stats.ttest_rel(first, second)
    low, high = found.confidence_interval(0.95)
    return Paired(
        difference=mean, low=float(low), high=float(high), p_value=float(found.pvalue), n=n
    )


def pearson_by_subject(
    a: Float[np.ndarray, " n"],
    b: Float[np.ndarray, " n"],
    subjects: Sequence[str],
    *,
    seed: int = 0,
    resamples: int = 2_000,
) -> Metric:
    """Correlation over cases, with the 95 % percentile interval over resampled subjects.

    Cases that are NaN in either column are left out, and `n` counts what is left. Resamples in
    which a column is constant say nothing and do not count; the interval holds the value.

    Raises:
        ValueError: If a column does not vary.

    >>> two = np.array([1.0, 2.0])
    >>> pearson_by_subject(two, 3 - two, ["a", "a"])
    Metric(value=-1.0, low=-1.0, high=-1.0, unit='', n=2)
    """
    a, b, subject = _known(a, b, subjects)
    if not (len(a) and np.ptp(a) and np.ptp(b)):
        raise ValueError("a column does not vary")
    x, y = ((column - column.mean()) / column.std() for column in (a, b))
    parts = np.ones_like(x), x, y, x * x, y * y, x * y
    sums = np.stack([np.bincount(subject, weights=part) for part in parts], axis=1)
    s = len(sums)
    drawn = np.random.default_rng(seed).multinomial(s, np.full(s, 1 / s), size=resamples)
    value = float(_correlations(sums.sum(0, keepdims=True))[0])
    again = np.append(_correlations(drawn @ sums), value)
    low, high = np.nanpercentile(again, [2.5, 97.5]).tolist()
    return Metric(value=value, low=min(low, value), high=max(high, value), unit="", n=len(a))


def _correlations(sums: Float[np.ndarray, "r 6"]) -> Float[np.ndarray, " r"]:
    """From count and sums of x, y, x², y² and xy; NaN where one of them is constant."""
    n, *moments = sums.T
    x, y, xx, yy, xy = (moment / n for moment in moments)
    spread = np.clip(xx - x**2, 0, None) * np.clip(yy - y**2, 0, None)
    r = (xy - x * y) / np.sqrt(np.where(spread > EQUAL, spread, np.nan))
    return np.clip(r, -1, 1)


def _known(
    a: Float[np.ndarray, " n"], b: Float[np.ndarray, " n"], subjects: Sequence[str]
) -> tuple[Float[np.ndarray, " k"], Float[np.ndarray, " k"], Int[np.ndarray, " k"]]:
    """The cases that both columns know, and the number of the subject of each."""
    known = ~(np.isnan(a) | np.isnan(b))
    _, subject = np.unique(np.asarray(subjects)[known], return_inverse=True)
    return a[known], b[known], subject
