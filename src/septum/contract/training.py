"""What a model owes the rest, and how it is trained."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from jaxtyping import Float
from torch import Tensor, nn

from septum.contract.facts import Batch, Clip, Samples

Terms = dict[str, Tensor]


@dataclass(frozen=True, kw_only=True)
class Features:
    """What a frozen model tells a downstream task.

    Attributes:
        content: What is there, on a grid: concept probabilities, anatomy maps, sparse codes.
        style: How it looks, on the same grid; one vector per image is repeated over it.
        pooled: One vector per image.
    """

    content: Float[Tensor, "b d *t h w"]
    style: Float[Tensor, "b s *t h w"] | None
    pooled: Float[Tensor, "b e"]


@dataclass(frozen=True, kw_only=True)
class Phase:
    """One optimiser, and the loss terms it minimises at a given progress in [0, 1].

    The terms come weighted; the loop adds them up and logs every one by its name. A batch that has
    nothing for a phase gives no terms, and its parameters stay. Phases may share parameters; each
    has its own optimiser.

    Attributes:
        rate: Factor of the learning rate of the recipe.
        rates: A factor of every parameter beside, such as that of its layer; none for 1 each.
    """

    name: str
    parameters: Sequence[nn.Parameter]
    loss: Callable[[Batch, float], Terms]
    betas: tuple[float, float] = (0.9, 0.999)
    rate: float = 1.0
    rates: Sequence[float] = ()


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How a model is trained: the part of a paper that is not its network.

    Attributes:
        data: Names of the data sets of the paper, or of their stand-ins.
        steps: Optimiser steps.
        batch_size: Images or films per step, over all processes.
        labelled: How many of them are drawn from the images with a mask; the others are drawn from
            all images, come without a mask, and as many unpaired masks come with them. At 0 all
            are drawn from all, as they are.
        balanced: Label whose values are drawn equally often, such as `organ`; empty for every image
            as often as any other.
        image_size: Height and width in pixels that images are prepared at.
        clip: What is seen of a film; None for still images.
        lr_drop_steps: The learning rate is divided by 10 after every so many steps; 0 for never.
        warmup_steps: Steps over which the learning rate rises linearly from 0.
        final_lr: Share of `lr` left at the last step (cosine decay); 1 keeps it constant.
        lr_decay: The learning rate is divided by 1 + lr_decay * step besides.
        clip_norm: Largest gradient norm of a phase; 0 leaves gradients alone.
        optimiser: `adamw`, `lars` for large batches, or `madgrad`.
        precision: `bf16` autocast or `fp32`.
    """

    data: str
    steps: int
    batch_size: int = 16
    labelled: int = 0
    balanced: str = ""
    image_size: tuple[int, int] = (224, 224)
    clip: Clip | None = None
    lr: float = 1e-4
    weight_decay: float = 0.0
    warmup_steps: int = 0
    final_lr: float = 1.0
    lr_decay: float = 0.0
    lr_drop_steps: int = 0
    clip_norm: float = 0.0
    optimiser: str = "adamw"
    precision: str = "bf16"


@dataclass(frozen=True, kw_only=True)
class Size:
    """One published or practical size of a system: network and schedule."""

    config: Any
    recipe: Recipe


def _as_it_is(config: Any, samples: Samples) -> Any:
    del samples
    return config


@dataclass(frozen=True, kw_only=True)
class Paper:
    """A published system: what to cite, how to build it, how it was trained.

    Attributes:
        build: The model, from a config; parameters are drawn from torch's generator.
        sizes: `small` runs on a CPU in minutes, `paper` is the published size.
        adapt: The config for the images it is to learn from: where these decide a field, such as
            the number of classes.
    """

    title: str
    cite: str
    build: Callable[[Any], nn.Module]
    sizes: Mapping[str, Size]
    adapt: Callable[[Any, Samples], Any] = _as_it_is


@runtime_checkable
class Model(Protocol):
    """A trainable representation."""

    def phases(self) -> Sequence[Phase]:
        """The losses to minimise, in turn, on every batch."""
        ...

    def after_step(self, progress: float) -> None:
        """Bookkeeping between batches, such as a moving-average teacher."""
        ...

    def encode(self, image: Float[Tensor, "b c *t h w"]) -> Features:
        """Image to features, without gradients."""
        ...
