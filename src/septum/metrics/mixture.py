"""How typical a vector is of many: a mixture of Gaussians. The rest is `septum.metrics.density`."""

from dataclasses import dataclass

import torch
from jaxtyping import Float64
from sklearn.mixture import GaussianMixture
from torch import Tensor

from septum.metrics.density import TINY

PER_COMPONENT = 500
"""Vectors that a component of a mixture needs."""


@dataclass(frozen=True, kw_only=True)
class Mixture:
    """Gaussians with weights."""

    fitted: GaussianMixture

    def log_density(self, x: Float64[Tensor, "n d"]) -> Float64[Tensor, " n"]:
        """In nats."""
        return torch.from_numpy(self.fitted.score_samples(x.numpy()))


def mixture(x: Float64[Tensor, "n d"], *, components: int, seed: int) -> Mixture:
    """Gaussians with full covariances; fewer than `components` where there are few vectors.

    A thousandth of the mean variance is added along every axis, so that none collapses.
    """
    model = GaussianMixture(
        max(1, min(components, len(x) // PER_COMPONENT)),
        reg_covar=max(1e-3 * float(x.var(0, correction=0).mean()), TINY),
        max_iter=500,
        random_state=seed,
    )
    return Mixture(fitted=model.fit(x.numpy()))
