"""What a model sees where, as layers over the picture: structures, and channels of its content."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor

from septum import palette
from septum.contract import Model, Segments
from septum.explore import pictures
from septum.explore.shown import Shown


@dataclass(frozen=True, kw_only=True)
class Layer:
    """One structure or channel: where it is, its name and its colour.

    Attributes:
        at_first: Whether it is shown before anybody chooses.
    """

    name: str
    colour: str
    inside: Bool[np.ndarray, "h w"]
    at_first: bool = True

    @property
    def share(self) -> float:
        """Of the picture, in [0, 1]."""
        return float(self.inside.mean())


@torch.no_grad()
def asked(shown: Shown, place: int) -> list[Layer]:
    """Structures that the model of a run draws on an image, then the channels of its content."""
    image, model = shown.image(place), shown.run.model
    assert isinstance(model, Segments)
    p = model.segment(image)[0].float().cpu().numpy()
    structures = of_classes(p.argmax(0), names(shown, len(p)))
    return [*structures, *of_content(model, image, colour=len(p))]


def names(shown: Shown, count: int) -> list[str]:
    """Names of so many classes; numbers where the images have others than the model."""
    known = shown.samples.classes
    return list(known) if len(known) == count else [f"class {k}" for k in range(count)]


def of_classes(classes: Int[np.ndarray, "h w"], names: Sequence[str]) -> list[Layer]:
    """One per class but the first, the background."""
    return [
        Layer(name=f"{k} {name.replace('_', ' ')}", colour=palette.colour(k), inside=classes == k)
        for k, name in enumerate(names)
        if k
    ]


@torch.no_grad()
def of_content(model: Model, image: Float[Tensor, "1 1 h w"], *, colour: int = 1) -> list[Layer]:
    """One per channel of an anatomy, whose maps are 0 or 1; none where the content is no such.

    `colour` is the number of the first one's in the palette.
    """
    content = model.encode(image).content[0]
    if content.shape[1:] != image.shape[2:] or not bool(((content == 0) | (content == 1)).all()):
        return []
    return [
        Layer(name=f"s{k}", colour=palette.colour(colour + k), inside=where, at_first=False)
        for k, where in enumerate(content.bool().cpu().numpy())
    ]


def tints(layers: Sequence[Layer]) -> Float[np.ndarray, "h w 4"]:
    """Colour and opacity of every pixel; a later layer covers an earlier one."""
    inside = np.stack([layer.inside for layer in layers])
    return palette.tints(inside, [layer.colour for layer in layers])


def over(
    frame: UInt8[np.ndarray, "h w"], layers: Sequence[Layer], *, opacity: float
) -> UInt8[np.ndarray, "h w *c"]:
    """A picture under layers, or alone where there are none."""
    return pictures.tinted(frame, tints(layers), opacity=opacity) if layers else frame
