"""Losses of SDNet (Chartsias et al., Medical Image Analysis 58, 2019, arXiv:1903.09467)."""

from jaxtyping import Float
from torch import Tensor

SMOOTH = 0.1
"""epsilon of the Dice loss."""


def dice(
    drawn: Float[Tensor, "b l h w"], truth: Float[Tensor, "b l h w"], *, smooth: float = SMOOTH
) -> Float[Tensor, ""]:
    """1 - mean over images of 2 (sum m p + eps) / (sum m + sum p + eps), L_segm of section 3.2.

    One ratio per image, over its pixels and all structures together. As printed, eps stands inside
    the factor 2: where both masks are empty the loss is -1, its least value; 0 where they are equal
    and large.

    Args:
        drawn: Probabilities of the structures, without the background.
        truth: Masks of them.
        smooth: eps, in pixels.

    >>> import torch
    >>> dice(torch.zeros(1, 3, 2, 2), torch.zeros(1, 3, 2, 2))
    tensor(-1.)
    """
    both = (drawn * truth).flatten(1).sum(1)
    either = drawn.flatten(1).sum(1) + truth.flatten(1).sum(1)
    return 1 - (2 * (both + smooth) / (either + smooth)).mean()


def kl_to_unit(mean: Float[Tensor, "b z"], log_variance: Float[Tensor, "b z"]) -> Float[Tensor, ""]:
    """KL(N(mean, variance) | N(0, 1)), summed over dimensions, mean over images (L_KL).

    >>> import torch
    >>> kl_to_unit(torch.ones(2, 3), torch.zeros(2, 3))  # a half per dimension
    tensor(1.5000)
    """
    mean, log_variance = mean.float(), log_variance.float()
    per_dimension = (mean.square() + log_variance.exp() - 1 - log_variance) / 2
    return per_dimension.sum(1).mean()


def towards(score: Float[Tensor, "b 1"], goal: float) -> Float[Tensor, ""]:
    """Mean squared distance of scores from 1 (real) or 0 (fake): least-squares GAN (L_adv).

    Mao et al., arXiv:1611.04076, without their factor 1/2.

    >>> import torch
    >>> towards(torch.full((4, 1), 0.5), 1.0)
    tensor(0.2500)
    """
    return (score.float() - goal).square().mean()


def absolute(a: Float[Tensor, "*s"], b: Float[Tensor, "*s"]) -> Float[Tensor, ""]:
    """Mean absolute difference (L_rec over pixels, L_zrec over dimensions).

    >>> import torch
    >>> absolute(torch.tensor([1.0, 2.0]), torch.tensor([0.0, 0.0]))
    tensor(1.5000)
    """
    return (a.float() - b.float()).abs().mean()
