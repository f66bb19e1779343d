"""What a frozen model says about the images of a split."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from septum.contract import BadInput, Batch, Features, Model, Samples
from septum.nn.device import device_of
from septum.nn.mode import evaluating

BATCH = 32


def encoded(
    model: Model, samples: Samples, places: Sequence[int]
) -> Iterator[tuple[Batch, Features]]:
    """The images at these places with their features, 32 at a time, in order.

    The model works where its parameters lie, in evaluation mode and without autocast; what it says
    comes back to the CPU in fp32.

    Raises:
        BadInput: If the features are those of clips: the tasks here ask about still images.
    """
    for start in range(0, len(places), BATCH):
        batch = samples.batch(list(places[start : start + BATCH]))
        features = _features(model, batch.image)
        if features.content.ndim != 4:
            raise BadInput(
                f"The model's content has shape {tuple(features.content.shape)}, and this task "
                "needs one map per still image; choose another model or another task."
            )
        yield batch, features


def area_downsampled(
    mask: Int[Tensor, "b H W"], classes: int, grid: tuple[int, int]
) -> Float[Tensor, "b classes h w"]:
    """Share of every class in every grid cell, from class indices per pixel; -1 is no class."""
    one_hot = torch.stack([mask == c for c in range(classes)], dim=1).float()
    return F.adaptive_avg_pool2d(one_hot, grid)


@torch.no_grad()
def _features(model: Model, image: Float[Tensor, "b c *t h w"]) -> Features:
    """Features on the CPU; the model is left in the mode it came in."""
    if not isinstance(model, nn.Module):
        return model.encode(image)
    with still(model):
        said = model.encode(image.to(device_of(model)))
    return replace(
        said,
        content=said.content.float().cpu(),
        style=None if said.style is None else said.style.float().cpu(),
        pooled=said.pooled.float().cpu(),
    )


def still(model: object) -> AbstractContextManager[None]:
    """In evaluation mode, where the model has one; it returns to the mode it came in."""
    return evaluating(model) if isinstance(model, nn.Module) else nullcontext()
