"""How far two sets of vectors are apart as sets: one is drawn from what the other is drawn from?

    mmd_rbf     squared maximum mean discrepancy, mixture of Gaussian kernels, biased: 0 or more
    mmd_linear  the same with the kernel x · y, as MONAI's `compute_mmd` has it: below 0 if alike
    frechet     squared Fréchet distance of the normal distributions with their moments

Values of different kernels, sizes of images or networks cannot be compared with one another.
"""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from jaxtyping import Float
from scipy import stats
from torch import Tensor

from septum.contract import Metric
from septum.metrics.resample import grouped

FACTORS = (0.25, 0.5, 1.0, 2.0, 4.0)
"""Bandwidths, as multiples of the median distance."""
EQUAL = 1e-12
"""Squared distance, as a share of the largest, that is rounding."""

Distance = Callable[[Float[Tensor, "n d"], Float[Tensor, "m d"]], float]


def mmd_rbf(x: Float[Tensor, "n d"], y: Float[Tensor, "m d"]) -> float:
    """Squared MMD with the mean of five Gaussian kernels, in [0, 2]; 0 for equal sets.

    A kernel is exp(-|a - b|² / 2 s²), its bandwidth s a quarter, a half, once, twice and four times
    the median of the distances in both sets together, pairs of equal vectors left out. It is the
    biased statistic, which has every vector beside itself too: Gretton, Borgwardt, Rasch, Schölkopf
    and Smola, A Kernel Two-Sample Test, JMLR 13:723, 2012, Eq. 5 and section 8.
    """
    squared = _squared_distances(torch.cat([x, y]).double())
    apart = squared[squared > 0]
    if not len(apart):
        return 0.0
    exponent = squared / (-2 * apart.median())
    kernel = torch.stack([(exponent / factor**2).exp() for factor in FACTORS]).mean(0)
    n = len(x)
    within = kernel[:n, :n].mean() + kernel[n:, n:].mean()
    return max(0.0, float(within - 2 * kernel[:n, n:].mean()))


def mmd_linear(x: Float[Tensor, "n d"], y: Float[Tensor, "m d"]) -> float:
    """Squared MMD with the kernel a · b: what MONAI's `compute_mmd` is without a mapping.

    The unbiased statistic (Gretton et al., as above, Eq. 3): |mean x - mean y|² without the
    products of vectors with themselves. Where every y is made from an x, the two are not
    independent, and the statistic is below 0 when they are alike. It grows with the number of
    pixels, and sees means only.
    """
    n, m = len(x), len(y)
    x, y = x.double(), y.double()
    a, b = x.sum(0), y.sum(0)
    within = (a @ a - x.square().sum()) / (n * (n - 1)) + (b @ b - y.square().sum()) / (m * (m - 1))
    return float(within - 2 * (a @ b) / (n * m))


def frechet(x: Float[Tensor, "n d"], y: Float[Tensor, "m d"]) -> float:
    """|μ1 - μ2|² + tr(Σ1 + Σ2 - 2 (Σ1 Σ2)^½), of means and covariances; 0 or more.

    Dowson, Landau: The Fréchet distance between multivariate normal distributions, Journal of
    Multivariate Analysis 12(3), 1982. With A'A = Σ1 and B'B = Σ2 the trace of the root is the sum
    of the singular values of AB': no root of a matrix is drawn, and fewer vectors than dimensions
    do no harm to the arithmetic. The estimate itself is too large for few vectors.
    """
    x, y = x.double(), y.double()
    a, b = _root(x), _root(y)
    means = (x.mean(0) - y.mean(0)).square().sum()
    shared = torch.linalg.svdvals(a @ b.T).sum()
    return max(0.0, float(means + a.square().sum() + b.square().sum() - 2 * shared))


def distance_by_subject(
    distance: Distance,
    x: Float[Tensor, "n d"],
    y: Float[Tensor, "n d"],
    subjects: Sequence[str],
    *,
    seed: int,
    least: float = 0.0,
) -> Metric:
    """A distance of two sets of the same cases, with its 95 % interval.

    Groups of subjects are left out of both sets in turn (`septum.metrics.resample`): a subject
    drawn twice would itself move the sets apart. The interval is symmetric but for its end at
    `least`; where a group cannot be spared, it is [value, value].

    Args:
        distance: One of those above.
        x: A set.
        y: The other; of every row of the same subject.
        subjects: Of the rows; two of them at least.
        seed: Deals subjects into groups.
        least: What the distance is never below.
    """
    group = grouped(subjects, seed=seed)
    value = distance(x, y)
    rest = [np.flatnonzero(group != g) for g in range(group.max() + 1)]
    if min(map(len, rest)) < 2:
        return Metric(value=value, low=value, high=value, unit="", n=len(x))
    without = [distance(x[rows], y[rows]) for rows in map(torch.from_numpy, rest)]
    error = np.sqrt((len(rest) - 1) * np.var(without))
    half = float(stats.t.ppf(0.975, len(rest) - 1) * error)
    return Metric(value=value, low=max(least, value - half), high=value + half, unit="", n=len(x))


def _squared_distances(z: Float[Tensor, "n d"]) -> Float[Tensor, "n n"]:
    """By products, which is fast; rounding is 0."""
    product = z @ z.T
    size = product.diagonal()
    squared = size[:, None] + size - 2 * product
    return squared.where(squared > EQUAL * size.max(), 0.0)


def _root(x: Float[Tensor, "n d"]) -> Float[Tensor, "r d"]:
    """A with A'A the covariance of the rows, divided by n - 1; no more rows than columns."""
    centred = (x - x.mean(0)) / np.sqrt(len(x) - 1)
    return torch.linalg.qr(centred, mode="r").R
