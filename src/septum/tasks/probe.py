"""A linear k x k kernel on frozen features (ConceptVAE, section 5.2, Eq. 4 and 5).

The paper does not say how its kernels were optimised. Here features are standardised per channel on
the training split, the learning rate falls with the square root of a kernel's inputs, a kernel
starts from the next smaller one, and a third of its steps go down the cross-entropy first. That is
convex; the Dice loss alone ends in local minima even where a kernel could be perfect. On CAMUS,
with a random and with a trained model, twice the steps change no loss by more than .002.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from septum.metrics.overlap import dice_loss_soft

CHUNK = 256


@dataclass(frozen=True, kw_only=True)
class Probe:
    """How kernels are fitted: the same for every input and size.

    Attributes:
        sides: k in grid cells, odd and rising (Table 2).
        inputs: Most inputs d k² of a kernel; wider ones are left out, but for the first.
        images: Most training images that are used, drawn at random (5,000 in the paper).
        steps: Adam steps of every kernel.
        lr: Learning rate at the first step, times √(d k²); it falls to 0 along a cosine.
    """

    sides: Sequence[int] = (1, 3, 5, 7, 9)
    inputs: int = 4_096
    images: int = 5_000
    steps: int = 400
    batch_size: int = 128
    lr: float = 1.0


@dataclass(frozen=True, kw_only=True)
class Kernel:
    """Weights W_k and bias w_b of Eq. 4."""

    weight: Float[Tensor, "classes d k k"]
    bias: Float[Tensor, " classes"]

    def shares(self, x: Float[Tensor, "n d h w"]) -> Float[Tensor, "n classes h w"]:
        """Predicted share of every class in every grid cell (Eq. 4)."""
        return self.logits(x).softmax(1)

    def logits(self, x: Float[Tensor, "n d h w"]) -> Float[Tensor, "n classes h w"]:
        """What the softmax is taken of; the map is continued by zeros."""
        return F.conv2d(x, self.weight, self.bias, padding="same")

    def widened(self, side: int) -> "Kernel":
        """The same prediction by a larger kernel."""
        ring = (side - self.weight.shape[-1]) // 2
        return Kernel(weight=F.pad(self.weight, (ring, ring, ring, ring)), bias=self.bias)


def predicted(
    x: Float[Tensor, "n d h w"],
    target: Float[Tensor, "n classes h w"],
    asked: Float[Tensor, "m d h w"],
    *,
    probe: Probe,
    seed: int,
) -> Iterator[tuple[int, Float[Tensor, "m classes h w"]]]:
    """Side of every kernel fitted to x and its target, and what it predicts for `asked`."""
    mean, std = x.mean((0, 2, 3), keepdim=True), x.std((0, 2, 3), keepdim=True).clamp(min=1e-6)
    x, asked = (x - mean) / std, (asked - mean) / std
    classes, d = target.shape[1], x.shape[1]
    kernel = Kernel(weight=torch.zeros(classes, d, 1, 1), bias=torch.zeros(classes))
    for side in sides(probe, channels=d):
        kernel = fit(kernel.widened(side), x, target, probe=probe, seed=seed)
        yield side, torch.cat([kernel.shares(part) for part in asked.split(CHUNK)])


def sides(probe: Probe, *, channels: int) -> Sequence[int]:
    """The sides that are fitted to features of so many channels.

    >>> sides(Probe(), channels=16), sides(Probe(), channels=1024)
    ((1, 3, 5, 7, 9), (1,))
    """
    wider = (k for k in probe.sides[1:] if channels * k**2 <= probe.inputs)
    return (*probe.sides[:1], *wider)


def fit(
    start: Kernel,
    x: Float[Tensor, "n d h w"],
    target: Float[Tensor, "n classes h w"],
    *,
    probe: Probe,
    seed: int,
) -> Kernel:
    """Adam on the Dice loss of Eq. 5 over images and classes, background included.

    The seed alone decides which images are drawn: every input and size of kernel sees the same.
    """
    weight, bias = start.weight.clone().requires_grad_(), start.bias.clone().requires_grad_()
    kernel = Kernel(weight=weight, bias=bias)
    optimiser = torch.optim.Adam([weight, bias], lr=probe.lr / weight[0].numel() ** 0.5)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, probe.steps)
    draw = torch.Generator().manual_seed(seed)
    for step in range(probe.steps):
        drawn = torch.randint(len(x), (min(probe.batch_size, len(x)),), generator=draw)
        loss_of = _cross_entropy if 3 * step < probe.steps else _dice_loss
        loss = loss_of(kernel.logits(x[drawn]), target[drawn])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    return Kernel(weight=weight.detach(), bias=bias.detach())


def _cross_entropy(
    logits: Float[Tensor, "n classes h w"], target: Float[Tensor, "n classes h w"]
) -> Float[Tensor, ""]:
    return -(target * logits.log_softmax(1)).sum(1).mean()


def _dice_loss(
    logits: Float[Tensor, "n classes h w"], target: Float[Tensor, "n classes h w"]
) -> Float[Tensor, ""]:
    return dice_loss_soft(logits.softmax(1), target).nanmean()
