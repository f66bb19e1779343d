"""Are embeddings ordered by a quantity: does what lies near have a like one?

Of all pairs of cases of different subjects: do those whose quantities are further apart also lie
further apart? Pairs share their cases, so subjects are drawn again, not pairs (the cluster
bootstrap of `septum.metrics.interval`): a pair then counts as often as its two subjects were drawn,
multiplied. Kendall's coefficient is too slow for that; its interval is a jackknife's.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy import stats

from septum.contract import Metric
from septum.metrics.resample import grouped, jackknifed

CHUNK = 500_000
"""Counts that are held at a time."""

Rho = Float[np.ndarray, " r"]
Order = tuple[Int[np.ndarray, " n"], Int[np.ndarray, " _"], Int[np.ndarray, " n"]]
"""Of a column: places of the cases as it rises; where in these every new value begins; and the
number of the value of each."""


@dataclass(frozen=True, kw_only=True)
class Pairs:
    """All pairs of cases of different subjects.

    Attributes:
        subjects: Numbers of their two subjects, from 0 on.
        apart: Distance of their embeddings.
        differ: Difference of their quantities, not negative.
    """

    subjects: Int[np.ndarray, "2 p"]
    apart: Float[np.ndarray, " p"]
    differ: Float[np.ndarray, " p"]

    @property
    def count(self) -> int:
        """Subjects."""
        return int(self.subjects.max()) + 1


def paired(
    distance: Float[np.ndarray, "n n"], quantity: Float[np.ndarray, " n"], subjects: Sequence[str]
) -> Pairs:
    """The pairs among n cases with these distances of their embeddings.

    Raises:
        ValueError: If there is none, or all are equally far apart or equally different.
    """
    _, subject = np.unique(np.asarray(subjects), return_inverse=True)
    one, other = np.triu_indices(len(quantity), 1)
    kept = subject[one] != subject[other]
    one, other = one[kept], other[kept]
    apart, differ = distance[one, other], np.abs(quantity[one] - quantity[other])
    if not (len(one) and np.ptp(apart) and np.ptp(differ)):
        raise ValueError("pairs that do not vary have no order")
    return Pairs(subjects=subject[np.stack([one, other])], apart=apart, differ=differ)


def spearman_of_pairs(pairs: Pairs, *, seed: int = 0, resamples: int = 500) -> Metric:
    """Rank correlation of distance and difference; 95 % percentile interval over subjects.

    `n` counts pairs.
    """
    one, other = pairs.subjects
    drawn = _draws(pairs.count, resamples, seed)
    return _spearman(
        pairs.apart, pairs.differ, drawn, lambda times: times[:, one] * times[:, other]
    )


def kendall_of_pairs(pairs: Pairs, *, seed: int = 0) -> Metric:
    """Kendall's tau-b of distance and difference; 95 % jackknife interval over subjects.

    Ten groups of subjects are left out in turn, each with all pairs it has part in. Where no
    smaller set of subjects has an order, the interval is [value, value]. `n` counts pairs.
    """
    value, n = _kendall(pairs, np.ones(len(pairs.apart), dtype=bool)), len(pairs.apart)
    group = grouped([str(k) for k in range(pairs.count)], seed=seed)
    without = (_kendall(pairs, (group[pairs.subjects] != g).all(0)) for g in np.unique(group))
    found = [tau for tau in without if not np.isnan(tau)]
    share = jackknifed((1 + value) / 2, [(1 + tau) / 2 for tau in found], n=n)
    low, high = min(2 * share.low - 1, value), max(2 * share.high - 1, value)
    return replace(share, value=value, low=low, high=high)


def spearman_by_subject(
    a: Float[np.ndarray, " n"],
    b: Float[np.ndarray, " n"],
    subjects: Sequence[str],
    *,
    seed: int = 0,
    resamples: int = 2_000,
) -> Metric:
    """Rank correlation over cases, with the 95 % percentile interval over resampled subjects.

    Raises:
        ValueError: If a column does not vary.

    >>> two = np.array([1.0, 2.0])
    >>> spearman_by_subject(two, np.exp(two), ["a", "a"])
    Metric(value=1.0, low=1.0, high=1.0, unit='', n=2)
    """
    if not (len(a) and np.ptp(a) and np.ptp(b)):
        raise ValueError("a column does not vary")
    _, subject = np.unique(np.asarray(subjects), return_inverse=True)
    drawn = _draws(int(subject.max()) + 1, resamples, seed)
    return _spearman(a, b, drawn, lambda times: times[:, subject])


def of_neighbours(
    distance: Float[np.ndarray, "n n"],
    quantity: Float[np.ndarray, " n"],
    subjects: Sequence[str],
    *,
    k: int,
) -> Float[np.ndarray, " n"]:
    """Mean quantity of the k nearest cases of other subjects; of all of them if they are fewer.

    NaN for a case that has no other. Of equally near ones the first comes first.

    >>> place = np.array([0.0, 1.0, 3.0])
    >>> of_neighbours(np.abs(place[:, None] - place), 10 * place, ["a", "b", "c"], k=1)
    array([10.,  0., 10.])
    """
    who = np.asarray(subjects)
    far = np.where(who[:, None] == who, np.inf, distance)
    nearest = far.argsort(axis=1, kind="stable")[:, :k]
    is_other = np.isfinite(np.take_along_axis(far, nearest, axis=1))
    sums, count = (quantity[nearest] * is_other).sum(1), is_other.sum(1)
    return np.where(count > 0, sums / np.maximum(count, 1), np.nan)


def _spearman(
    a: Float[np.ndarray, " n"],
    b: Float[np.ndarray, " n"],
    drawn: Int[np.ndarray, "r s"],
    counts_of: Callable[[Int[np.ndarray, "r s"]], Int[np.ndarray, "r n"]],
) -> Metric:
    """The interval holds the value; resamples in which a column is constant do not count.

    Args:
        a: One column.
        b: The other.
        drawn: How often each subject is drawn, in each resample.
        counts_of: How often every case counts where subjects are drawn so often.
    """
    orders = _order(a), _order(b)
    value = float(_weighted_spearman(*orders, np.ones((1, len(a)), dtype=np.int64))[0])
    rows = max(1, CHUNK // len(a))
    again = [
        _weighted_spearman(*orders, counts_of(drawn[start : start + rows]))
        for start in range(0, len(drawn), rows)
    ]
    low, high = np.nanpercentile(np.append(np.concatenate(again), value), [2.5, 97.5]).tolist()
    return Metric(value=value, low=min(low, value), high=max(high, value), unit="", n=len(a))


def _order(column: Float[np.ndarray, " n"]) -> Order:
    place = column.argsort()
    _, first, level = np.unique(column[place], return_index=True, return_inverse=True)
    return place, first, level


def _weighted_spearman(a: Order, b: Order, counts: Int[np.ndarray, "r n"]) -> Rho:
    """Spearman's rho with ties, where cases come so often; NaN where a column is constant.

    Ranks are taken from the middle rank, which is their mean.
    """
    x, y = _ranks(a, counts), _ranks(b, counts)
    spread = (counts * x * x).sum(1) * (counts * y * y).sum(1)
    return np.clip((counts * x * y).sum(1) / np.sqrt(np.where(spread > 0, spread, np.nan)), -1, 1)


def _ranks(order: Order, counts: Int[np.ndarray, "r n"]) -> Float[np.ndarray, "r n"]:
    """Rank of every case less the middle rank; equal cases have the mean of their ranks."""
    place, first, level = order
    mass = np.add.reduceat(counts[:, place], first, axis=1)
    below = mass.cumsum(1)
    ranks = np.empty(counts.shape)
    ranks[:, place] = (below - (mass + below[:, -1:]) / 2)[:, level]
    return ranks


def _kendall(pairs: Pairs, kept: Bool[np.ndarray, " p"]) -> float:
    """Of some of the pairs; NaN where they have no order."""
    a, b = pairs.apart[kept], pairs.differ[kept]
    found: Any = stats.kendalltau(a, b) if len(a) > 1 else None
    return np.nan if found is None else float(found.statistic)


def _draws(subjects: int, resamples: int, seed: int) -> Int[np.ndarray, "r s"]:
    """How often each subject is among as many as there are, drawn with replacement."""
    rng = np.random.default_rng(seed)
    return rng.multinomial(subjects, np.full(subjects, 1 / subjects), size=resamples)
