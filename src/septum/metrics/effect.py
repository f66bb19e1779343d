"""Effect size: how much of the variance of vectors lies between groups of them."""

from collections.abc import Sequence
from functools import partial

import numpy as np
from jaxtyping import Float, Int

from septum.contract import Metric
from septum.metrics.agreement import of_sums

RESAMPLES = 2_000
EQUAL = 1e-6
"""Largest distance from the mean, as a share of the largest value, that is rounding."""


def eta_squared(
    x: Float[np.ndarray, "n d"],
    kinds: Int[np.ndarray, " n"],
    subjects: Sequence[str],
    *,
    seed: int,
    resamples: int = RESAMPLES,
) -> Metric:
    """Share of the variance of vectors that lies between kinds, in [0, 1].

    Σ n_k |mean_k - mean|² / Σ |x - mean|², with the 95 % percentile interval over resampled
    subjects; 0 where the vectors do not vary.

    >>> x = np.array([[0.0], [0.0], [1.0], [1.0]])
    >>> eta_squared(x, np.array([0, 0, 1, 1]), list("abcd"), seed=0).value
    1.0
    >>> eta_squared(x, np.array([0, 1, 0, 1]), list("abcd"), seed=0).value
    0.0
    """
    x = centred(x)
    _, kind = np.unique(kinds, return_inverse=True)
    of = np.eye(kind.max() + 1)[kind]
    columns = np.concatenate([np.square(x).sum(1)[:, None], of, *(of * c[:, None] for c in x.T)], 1)
    score = partial(_eta_squared, kinds=of.shape[1])
    return of_sums([*columns.T], score, subjects, unit="", seed=seed, resamples=resamples)


def centred(x: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n d"]:
    """Without the mean; exactly 0 where what is left is rounding."""
    apart = x - x.mean(0)
    return np.where(np.abs(apart) > EQUAL * np.abs(x).max(), apart, 0.0)


def _eta_squared(sums: Float[np.ndarray, "r _"], *, kinds: int) -> Float[np.ndarray, " r"]:
    """From the sums of squares, of every kind's cases, and of their vectors."""
    squares, counts = sums[:, 0], sums[:, 1 : kinds + 1]
    vectors = sums[:, kinds + 1 :].reshape(len(sums), -1, kinds)
    mean = np.square(vectors.sum(2)).sum(1) / counts.sum(1)
    between = (np.square(vectors).sum(1) / np.where(counts > 0, counts, 1)).sum(1) - mean
    total = squares - mean
    some = total > EQUAL * squares
    return np.where(some, np.clip(between / np.where(some, total, 1), 0, 1), 0.0)
