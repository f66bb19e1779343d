"""Variance, invariance, covariance: the three terms of VICReg (Bardes et al., 2022).

VICReg: Variance-Invariance-Covariance Regularization for Self-Supervised Learning, ICLR 2022,
arXiv:2105.04906, section 4. Two of them depend on the covariance of the embeddings over the batch.
It is made of global sums, so that several processes minimise the loss of the whole batch, and is
float32 under autocast: in bf16 the hinge at 1 would be met by rounding.
"""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from septum.nn.ranks import global_sum

EPSILON = 1e-4
"""Added to the variance, for the gradient of its root at 0 (Eq. 2)."""


def covariance(z: Float[Tensor, "b d"]) -> Float[Tensor, "d d"]:
    """Unbiased covariance of the embeddings of the whole batch (Eq. 3); 0 for a single one."""
    with torch.autocast(z.device.type, enabled=False):
        z = z.to(torch.promote_types(z.dtype, torch.float32))
        count = global_sum(torch.tensor(float(len(z)), dtype=z.dtype, device=z.device))
        z = z - global_sum(z.sum(dim=0)) / count
        return global_sum(z.T @ z) / (count - 1).clamp(min=1)


def invariance(a: Float[Tensor, "b d"], b: Float[Tensor, "b d"]) -> Float[Tensor, ""]:
    """Mean squared difference of the embeddings of two views (s of Eq. 5, divided by d).

    >>> invariance(torch.tensor([[0.0, 0.0]]), torch.tensor([[1.0, 2.0]])).item()
    2.5
    """
    wide = torch.promote_types(a.dtype, torch.float32)
    return F.mse_loss(a.to(wide), b.to(wide))


def stds(cov: Float[Tensor, "d d"]) -> Float[Tensor, " d"]:
    """Standard deviation of every dimension, at least .01 (S of Eq. 2)."""
    return (cov.diagonal() + EPSILON).sqrt()


def variance(cov: Float[Tensor, "d d"]) -> Float[Tensor, ""]:
    """How far standard deviations stay below 1, on average (v of Eq. 1): .99 at a collapse.

    >>> round(variance(torch.diag(torch.tensor([4.0, 0.25]))).item(), 3)
    0.25
    """
    return F.relu(1 - stds(cov)).mean()


def redundancy(cov: Float[Tensor, "d d"]) -> Float[Tensor, ""]:
    """Squares of the covariances between dimensions, summed over all and divided by d (c of Eq. 4).

    0 for independent dimensions, but for a collapse too.

    >>> redundancy(torch.tensor([[1.0, 0.5], [0.5, 1.0]])).item()
    0.25
    """
    return (cov - torch.diag(cov.diagonal())).square().sum() / len(cov)
