"""Intervals that hold the truth as often as they promise, whatever the model is worth.

    scores of calibration cases --quantile--> q      new case --> estimate - q s ... estimate + q s

Split-conformal prediction: Papadopoulos, Proedrou, Vovk, Gammerman, Inductive Confidence Machines
for Regression, ECML 2002; Lei, G'Sell, Rinaldo, Tibshirani, Wasserman, Distribution-Free Predictive
Inference for Regression, JASA 113(523), 2018, Theorem 2.2. All it asks for is that calibration and
new cases are exchangeable, so that no score is likelier than another to be the largest.
"""

import math

import numpy as np
from jaxtyping import Bool, Float
from scipy import stats

from septum.contract import Metric


def quantile(scores: Float[np.ndarray, " n"], miss: float) -> float:
    """The ⌈(n + 1)(1 - miss)⌉-th smallest score; infinite where there are fewer.

    A new score lies at or below it with probability at least 1 - miss, and below
    1 - miss + 1 / (n + 1) if there are no ties.

    Args:
        scores: Of the calibration cases.
        miss: Share of new cases in (0, 1) that may lie above.

    >>> quantile(np.array([3.0, 1.0, 4.0, 2.0]), 0.4)  # ⌈5 · 0.6⌉ = 3
    3.0
    """
    rank = math.ceil((len(scores) + 1) * (1 - miss) - 1e-9)  # 0.9 is a little less than 9 / 10
    return float(np.sort(scores)[rank - 1]) if rank <= len(scores) else math.inf


def interval(
    estimate: Float[np.ndarray, " n"],
    scale: Float[np.ndarray, " n"],
    q: float,
    *,
    within: tuple[float, float] = (-math.inf, math.inf),
) -> Float[np.ndarray, "2 n"]:
    """Lower and upper ends: `estimate` ∓ `q` times `scale`, which is above 0, clipped to `within`.

    A truth that lies within these bounds is missed no more often for the clipping.
    """
    return np.clip(np.stack([estimate - q * scale, estimate + q * scale]), *within)


def clopper_pearson(hits: int, n: int, *, level: float = 0.95) -> tuple[float, float]:
    """Exact interval of a share of which `hits` of `n` independent cases are seen.

    Clopper, Pearson: The Use of Confidence or Fiducial Limits Illustrated in the Case of the
    Binomial, Biometrika 26(4), 1934; by quantiles of the beta distribution.

    >>> low, high = clopper_pearson(0, 10)
    >>> low, round(high, 4)  # 1 - 0.025^(1 / 10)
    (0.0, 0.3085)
    """
    tail = (1 - level) / 2
    low = stats.beta.ppf(tail, hits, n - hits + 1) if hits else 0.0
    high = stats.beta.ppf(1 - tail, hits + 1, n - hits) if hits < n else 1.0
    return float(low), float(high)


def share(held: Bool[np.ndarray, " n"]) -> Metric:
    """Share of independent cases for which something holds, with its exact 95 % interval.

    Raises:
        ValueError: If there is no case.
    """
    if not len(held):
        raise ValueError("no case to take a share of")
    low, high = clopper_pearson(int(held.sum()), len(held))
    return Metric(value=float(held.mean()), low=low, high=high, unit="", n=len(held))
