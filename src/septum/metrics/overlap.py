"""Overlap of predicted and true regions."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor


def dice_loss_soft(
    p: Float[Tensor, "b c h w"], t: Float[Tensor, "b c h w"]
) -> Float[Tensor, "b c"]:
    """1 - 2 Σ p t / (Σ p² + Σ t²), sums over locations only (ConceptVAE, section 5.2, Eq. 5).

    In [0, 1] for maps in [0, 1]; both may be fractions, such as area-downsampled masks, and the
    loss is 0 only where they are equal. The equation has no ε: a class that is absent from both
    maps has no loss and is NaN, for the caller to leave out.

    >>> dice_loss_soft(torch.full((1, 1, 2, 2), 0.5), torch.ones(1, 1, 2, 2))  # 1 - 4 / 5
    tensor([[0.2000]])
    """
    both = (p * t).sum((-2, -1))
    squares = (p.square() + t.square()).sum((-2, -1))
    empty = squares == 0
    # divide by 1 where it is empty: 0 / 0 would send NaN into every gradient
    loss = 1 - 2 * both / torch.where(empty, 1.0, squares)
    return torch.where(empty, torch.nan, loss)


def dice(p: Bool[Tensor, "b c h w"], t: Bool[Tensor, "b c h w"]) -> Float[Tensor, "b c"]:
    """2 |p ∩ t| / (|p| + |t|) of hard masks, in [0, 1]; NaN where a class is in neither.

    >>> dice(torch.tensor([[[[True, True, False]]]]), torch.tensor([[[[False, True, True]]]]))
    tensor([[0.5000]])
    """
    return 1 - dice_loss_soft(p.float(), t.float())
