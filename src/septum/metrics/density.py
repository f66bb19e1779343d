"""How typical a vector is of many that were seen: a linear flow, the nearest of them.

    vectors, in parts --> Moments --> LinearFlow, PrincipalAxes --> Neighbours on the axes

All of it in fp64: windows of probabilities that overlap are nearly collinear.
"""

import math
from dataclasses import dataclass
from itertools import product

import torch
from jaxtyping import Bool, Float, Float64
from torch import Tensor

TINY = 1e-12


@dataclass(frozen=True, kw_only=True)
class Moments:
    """Count, mean and covariance (divided by the count). Moments of parts add up to the whole's.

    Chan, Golub, LeVeque: Algorithms for Computing the Sample Variance, The American Statistician
    37(3), 1983, Eq. 2.1.
    """

    count: int
    mean: Float64[Tensor, " d"]
    covariance: Float64[Tensor, "d d"]

    def __add__(self, other: "Moments") -> "Moments":
        both = self.count + other.count
        a, b = self.count / both, other.count / both
        apart = other.mean - self.mean
        return Moments(
            count=both,
            mean=self.mean + b * apart,
            covariance=a * self.covariance + b * other.covariance + a * b * apart.outer(apart),
        )


def moments(x: Float[Tensor, "n d"]) -> Moments:
    """The moments of at least one vector."""
    x = x.double()
    mean = x.mean(0)
    centred = x - mean
    return Moments(count=len(x), mean=mean, covariance=centred.T @ centred / len(x))


@dataclass(frozen=True, kw_only=True)
class LinearFlow:
    """y = A x + b with a standard normal y (ConceptVAE, section 5.3, Eq. 6)."""

    A: Float64[Tensor, "d d"]
    b: Float64[Tensor, " d"]

    def distance(self, x: Float[Tensor, "n d"]) -> Float64[Tensor, " n"]:
        """|y|: of Mahalanobis, from what the flow was fitted to."""
        return (x.double() @ self.A.T + self.b).norm(dim=1)

    def log_density(self, x: Float[Tensor, "n d"]) -> Float64[Tensor, " n"]:
        """In nats: ln p(x) = ln N(y | 0, I) + ln |det A|."""
        y = x.double() @ self.A.T + self.b
        prior = -(y.square().sum(1) + x.shape[1] * math.log(2 * math.pi)) / 2
        return prior + torch.linalg.slogdet(self.A).logabsdet


def linear_flow(seen: Moments, *, shrinkage: float) -> LinearFlow:
    """The flow of greatest likelihood, in closed form: the Gaussian with these moments.

    A is the inverse Cholesky factor of the covariance; any rotation of it is as good.

    Args:
        seen: Moments of what the flow is fitted to.
        shrinkage: Share in [0, 1] of the spherical covariance with the same trace that takes the
            place of the covariance; above 0 a singular one will do.
    """
    d = len(seen.mean)
    sphere = torch.eye(d, dtype=torch.float64) * (seen.covariance.trace() / d).clamp(min=TINY)
    factor = torch.linalg.cholesky((1 - shrinkage) * seen.covariance + shrinkage * sphere)
    inverse = torch.linalg.solve_triangular(factor, torch.eye(d, dtype=torch.float64), upper=False)
    return LinearFlow(A=inverse, b=-inverse @ seen.mean)


def shrunk_flow(seen: Moments) -> LinearFlow:
    """The flow of these moments with the covariance shrunk as `oracle_shrinkage` says."""
    return linear_flow(seen, shrinkage=oracle_shrinkage(seen))


def oracle_shrinkage(seen: Moments) -> float:
    """Oracle approximating shrinkage, in (0, 1], without its terms in 2 / d, as in scikit-learn.

    Chen, Wiesel, Eldar, Hero: Shrinkage Algorithms for MMSE Covariance Estimation, IEEE
    Transactions on Signal Processing 58(10), 2010, Eq. 23.
    """
    squares = seen.covariance.square().sum()
    trace_squared = seen.covariance.trace().square()
    spread = squares - trace_squared / len(seen.mean)
    if spread <= 0:  # spherical already
        return 1.0
    return min(1.0, float((squares + trace_squared) / ((seen.count + 1) * spread)))


@dataclass(frozen=True, kw_only=True)
class PrincipalAxes:
    """The directions of greatest variance, greatest first; columns of `axes`."""

    mean: Float64[Tensor, " d"]
    axes: Float64[Tensor, "d k"]

    def __call__(self, x: Float[Tensor, "*n d"]) -> Float64[Tensor, "*n k"]:
        """Coordinates along the axes."""
        return (x.double() - self.mean) @ self.axes


def principal_axes(seen: Moments, *, axes: int) -> PrincipalAxes:
    """The first axes of these moments; all of them where there are fewer."""
    vectors = torch.linalg.eigh(seen.covariance).eigenvectors
    return PrincipalAxes(mean=seen.mean, axes=vectors.flip(1)[:, :axes])


@dataclass(frozen=True, kw_only=True)
class Neighbours:
    """Maps that were seen, to compare a map with place by place.

    Attributes:
        inside: Which vectors of the maps count.
        k: A vector is as far away as the k-th nearest of them.
    """

    maps: Float64[Tensor, "m y x d"]
    inside: Bool[Tensor, "m y x"]
    k: int

    def distance(self, maps: Float64[Tensor, "n y x d"]) -> Float64[Tensor, "n y x"]:
        """Of every vector to the k-th nearest of those that were seen at its place or beside it."""
        found = maps.new_empty(maps.shape[:3])
        for row, column in product(*map(range, maps.shape[1:3])):
            near = torch.cdist(maps[:, row, column], self._around(row, column))
            found[:, row, column] = near.kthvalue(min(self.k, near.shape[1]), dim=1).values
        return found

    def _around(self, row: int, column: int) -> Float64[Tensor, "r d"]:
        """What was seen at most one cell away, or further where that is less than k vectors."""
        reach, enough = 1, min(self.k, int(self.inside.sum()))
        while len(seen := self._within(row, column, reach)) < enough:
            reach += 1
        return seen

    def _within(self, row: int, column: int, reach: int) -> Float64[Tensor, "r d"]:
        rows = slice(max(0, row - reach), row + reach + 1)
        columns = slice(max(0, column - reach), column + reach + 1)
        return self.maps[:, rows, columns][self.inside[:, rows, columns]]
