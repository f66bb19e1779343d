"""What is done to a labelled image before a segmenter sees it.

    classical    rotate, shear, zoom, move, gamma, blur; the mask moves along
    style noise  draw the image again with noisy styles (ConceptVAE, section 5.5); the mask stays

Style noise has its own random numbers, so that the same classical transforms are drawn with it and
without it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from septum.contract import BadInput, Decodes, Discretises, Model, Samples
from septum.nn import augment
from septum.nn.device import device_of
from septum.nn.style_noise import noisy
from septum.tasks.frozen import encoded, still
from septum.tasks.segmenter import Augmentation, Shown, shrunk

CELL = 8
"""Pixels of the segmenter per step of a classical translation."""
CLASSICAL = augment.Ranges(blur_px=0.75)
"""As in pretraining; the blur is halved with the image."""

Draw = Callable[[Tensor], Tensor]
"""Styles to the images that are drawn in them."""


@runtime_checkable
class Painter(Model, Decodes, Protocol):
    """A model that draws images."""


def redrawn(image: Tensor, draw: Draw, style: Tensor, shaken: Tensor) -> Tensor:
    """The reconstruction with noisy styles, as in the paper."""
    del image, style
    return draw(shaken)


def retextured(image: Tensor, draw: Draw, style: Tensor, shaken: Tensor) -> Tensor:
    """The image, changed as its reconstruction changes: it keeps its own speckle; in [0, 1]."""
    return (image + draw(shaken) - draw(style)).clamp(0, 1)


@dataclass(frozen=True, kw_only=True)
class Noise:
    """How style noise augments.

    Attributes:
        beta: Largest strength in Eq. 7; every image has its own, uniform in [0, beta].
        share: Of the images that are changed. Not all: a reconstruction is smoother than what a
            segmenter is asked about.
        change: What becomes of an image, its style and its noisy style: `redrawn` or `retextured`.
    """

    beta: float = 0.6
    share: float = 0.5
    change: Callable[[Tensor, Draw, Tensor, Tensor], Tensor] = redrawn


@dataclass(frozen=True, kw_only=True)
class Latent:
    """What images are drawn from: content, one-hot where it is discrete, and style."""

    content: Float[Tensor, "n d h w"]
    style: Float[Tensor, "n s h w"]


def latent(model: Painter, samples: Samples, places: Sequence[int]) -> Latent:
    """Encode these images.

    Raises:
        BadInput: If the model has no style, or encodes clips only.
    """
    contents: list[Tensor] = []
    styles: list[Tensor] = []
    for _, features in encoded(model, samples, places):
        if features.style is None:
            raise without_style()
        discrete = isinstance(model, Discretises)
        contents.append(model.discretise(features.content) if discrete else features.content)
        styles.append(features.style)
    return Latent(content=torch.cat(contents), style=torch.cat(styles))


def without_style() -> BadInput:
    """Why a model cannot be asked, and what it can be asked."""
    return BadInput(
        "The model draws no image from content and style, which this task puts noise on; ask it "
        "segment, retrieve, outliers or detect, which need features alone."
    )


@torch.no_grad()
def drawn(model: Painter, content: Tensor, style: Tensor) -> Float[Tensor, "b 1 H W"]:
    """The image in fp32; the model is left in the mode it came in."""
    device = device_of(model)
    with still(model):
        return model.decode(content.to(device), style.to(device)).float()


def style_noise(
    model: Painter, known: Latent, noise: Noise, *, shrink: int, seed: int
) -> Augmentation:
    """New styles for the images that a segmenter is shown; `known` has them in its order."""
    generator = torch.Generator().manual_seed(seed)

    def restyled(shown: Shown) -> Shown:
        chance, strength = torch.rand(2, len(shown.rows), generator=generator)
        style = known.style[shown.rows]
        n = torch.randn(style.shape, generator=generator)
        chosen = chance < noise.share
        if not chosen.any():
            return shown
        style, beta = style[chosen], noise.beta * strength[chosen]
        content = known.content[shown.rows[chosen]]
        image = shown.image.clone()
        image[chosen] = noise.change(
            image[chosen],
            lambda styles: shrunk(drawn(model, content, styles), shrink),
            style,
            noisy(style, n[chosen], beta),
        )
        return replace(shown, image=image)

    return restyled


def classical(shown: Shown) -> Shown:
    """Draw a transform from torch's generator for every image, and move its mask along.

    Shares of the classes are moved like intensities; what comes in from outside is background.
    """
    b, _, h, w = shown.image.shape
    inside = torch.ones(b, 1, max(1, h // CELL), max(1, w // CELL), dtype=torch.bool)
    # drawn on the CPU, so that a seed means the same everywhere
    sampled = vars(augment.sample(inside, CLASSICAL))
    tracked = augment.Tracked(**{k: value.to(shown.image.device) for k, value in sampled.items()})
    still = replace(
        tracked,
        gamma=torch.ones_like(tracked.gamma),
        blur_px=torch.zeros_like(tracked.blur_px),
    )
    planes = shown.target[:, 1:].split(1, dim=1)
    moved = torch.cat([augment.apply(plane, still, stride=CELL) for plane in planes], dim=1)
    return replace(
        shown,
        image=augment.apply(shown.image, tracked, stride=CELL),
        target=torch.cat([1 - moved.sum(1, keepdim=True), moved], dim=1),
    )


def chains(
    model: Painter, known: Latent, noise: Noise, *, shrink: int, seed: int
) -> dict[str, Sequence[Augmentation]]:
    """What is done, one after the other, under every name; random numbers start afresh."""
    alone, first = (style_noise(model, known, noise, shrink=shrink, seed=seed) for _ in range(2))
    return {
        "none": [],
        "classical": [classical],
        "style": [alone],
        "both": [first, classical],
    }
