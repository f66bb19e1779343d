"""Losses of drawing what is hidden so that a critic cannot tell it from what was seen.

Anatomy-aware Representation Learning for Medical Ultrasound (ARL), ICLR 2026,
https://openreview.net/forum?id=5ThIWuDkEf: L_MIM, L_adv and the adaptive weight lambda. The other
side of L_adv, which is not printed there, is that of Goodfellow et al., arXiv:1406.2661.
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import Parameter
from torch.nn import functional as F

from septum.nn.ranks import count, global_sum


def hidden_error(
    patches: Float[Tensor, "b h w p"],
    drawn: Float[Tensor, "b h w p"],
    hidden: Bool[Tensor, "b h w"],
) -> Float[Tensor, ""]:
    """L_MIM: mean over hidden patches of the mean squared error of their pixels; 0 without any.

    The sum over pixels, as printed, is p times that.

    >>> shown = torch.tensor([[[[1.0, 1.0], [5.0, 5.0]]]])
    >>> hidden_error(shown, 0 * shown, torch.tensor([[[True, False]]]))
    tensor(1.)
    """
    # filled, not multiplied: what is not finite in a visible patch stays out of the gradient too
    off = (drawn.float() - patches.float()).masked_fill(~hidden[..., None], 0.0)
    return off.square().mean(3).sum() / hidden.sum().clamp(min=1)


def fool(logits: Float[Tensor, " n"]) -> Float[Tensor, ""]:
    """L_adv of who draws: mean of -ln D of drawn patches, D = sigmoid(logit).

    >>> fool(torch.tensor([0.0, 0.0]))  # ln 2
    tensor(0.6931)
    """
    return F.softplus(-logits.float()).mean()


def real(logits: Float[Tensor, " n"]) -> Float[Tensor, ""]:
    """Of the critic, of real patches: mean of -ln D.

    >>> real(torch.tensor([1000.0]))
    tensor(0.)
    """
    return fool(logits)


def fake(logits: Float[Tensor, " n"]) -> Float[Tensor, ""]:
    """Of the critic, of drawn patches, which are to be detached: mean of -ln(1 - D).

    >>> fake(torch.tensor([1000.0]))
    tensor(1000.)
    """
    return F.softplus(logits.float()).mean()


def balance(
    reconstruction: Float[Tensor, ""],
    adversarial: Float[Tensor, ""],
    weight: Parameter,
    *,
    eps: float = 1e-4,
    most: float = 1e4,
) -> Float[Tensor, ""]:
    """Lambda = |grad L_MIM| / (|grad L_adv| + eps), a number with which both pull alike.

    Gradients are taken at the last layer that draws, as in VQGAN (Esser, Rombach, Ommer, CVPR
    2021, arXiv:2012.09841, eq. 7); the paper does not say at which. They are those of the whole
    batch: every process must call it. Both graphs are kept for the backward pass that follows, and
    nothing is added to `weight.grad`.

    Args:
        reconstruction: L_MIM, as it is before any scaling of losses.
        adversarial: L_adv, likewise.
        weight: Of the last layer; both losses depend on it.
        eps: Keeps the ratio finite.
        most: Above all ratios. Reached where the critic has no opinion.

    Returns:
        In [0, `most`], without a gradient, in float32; 0 where gradients are off.
    """
    if not torch.is_grad_enabled():
        return torch.zeros((), device=weight.device)
    pull, push = (
        global_sum(torch.autograd.grad(loss, weight, retain_graph=True)[0].float()).norm() / count()
        for loss in (reconstruction, adversarial)
    )
    return (pull / (push + eps)).clamp(0.0, most)
