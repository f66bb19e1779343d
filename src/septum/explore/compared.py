"""What a run says of one image, in pictures and numbers that stand beside those of another run."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from septum import palette
from septum.contract import (
    BadInput,
    Batch,
    Classifies,
    Codes,
    Conditions,
    Decodes,
    Discretises,
    Label,
    Model,
    Regresses,
    Segments,
)
from septum.explore import concepts, layers, pictures
from septum.explore.concepts import Conceptual
from septum.explore.layers import Layer
from septum.explore.shown import Shown
from septum.metrics.overlap import dice
from septum.nn.device import device_of

ERROR = "mean absolute error of the drawing"
DICE = "Dice of"


@dataclass(frozen=True, kw_only=True)
class Part:
    """A structure or concept of a map: name, colour, and share of the picture in [0, 1]."""

    name: str
    colour: str
    share: float


@dataclass(frozen=True, kw_only=True)
class Map:
    """What a model sees where: colours and opacities over the picture, and what they mean."""

    tints: Float[np.ndarray, "h w 4"]
    parts: Sequence[Part]


@dataclass(frozen=True, kw_only=True)
class Said:
    """What one run says of an image.

    Attributes:
        clip: The image as the model sees it, one frame; of a film, its first clip.
        map: The classes it draws, or else its concepts; None for a model without either.
        again: The image as the model draws it; None for one that draws none.
        numbers: Estimates by label name, probabilities as `organ: heart`, and what the drawings
            are worth: Dice of every structure where there is a mask, error of the reconstruction.
        trouble: Why it draws nothing although others of its kind do; empty otherwise.
    """

    clip: Float[np.ndarray, "t h w"]
    map: Map | None
    again: Float[np.ndarray, "t h w"] | None
    numbers: Mapping[str, float]
    trouble: str = ""


@torch.no_grad()
def said(shown: Shown, place: int) -> Said:
    """Ask a run about one of its images; takes its lock, so that no other may be held."""
    batch = shown.batch(place)
    image, model = batch.image.to(device_of(shown.run.model)), shown.run.model
    with shown.lock:
        again, trouble = _again(model, image)
        map_, dices = (None, {}) if shown.is_film() else _map(shown, image, batch)
        numbers = _estimates(model, image) | ({} if shown.is_film() else _chances(model, image))
    clip = image[0, 0].float().cpu().numpy().reshape(-1, *image.shape[-2:])
    error = {} if again is None else {ERROR: float(np.abs(again - clip).mean())}
    numbers = {**numbers, **dices, **error}
    return Said(clip=clip, map=map_, again=again, numbers=numbers, trouble=trouble)


def views(found: Said, time: int) -> dict[str, UInt8[np.ndarray, "h w *c"]]:
    """The pictures of one frame by what they show; the last frame where there are not so many."""
    time = min(time, len(found.clip) - 1)
    frame = pictures.grey(found.clip[time])
    shown: dict[str, UInt8[np.ndarray, "h w *c"]] = {"image": frame}
    if found.map is not None:
        shown["map"] = pictures.tinted(frame, found.map.tints)
    if found.again is not None:
        shown["drawn by the model"] = pictures.grey(found.again[time])
    return shown


@dataclass(frozen=True, kw_only=True)
class Row:
    """A number as the labels have it and as two runs say; None where nothing is said."""

    name: str
    truth: float | None
    here: float | None
    there: float | None

    @property
    def difference(self) -> float | None:
        """There minus here."""
        if self.here is None or self.there is None:
            return None
        return self.there - self.here


def rows(
    labels: Mapping[str, Label], here: Mapping[str, float], there: Mapping[str, float]
) -> list[Row]:
    """One per number that either run says."""
    return [
        Row(name=name, truth=_truth(labels, name), here=here.get(name), there=there.get(name))
        for name in dict.fromkeys([*here, *there])
    ]


def _truth(labels: Mapping[str, Label], name: str) -> float | None:
    """What the labels say: a number, or for a probability 1 or 0."""
    label, _, value = name.partition(": ")
    known = labels.get(label)
    if value:
        return None if known is None else float(str(known) == value)
    return known if isinstance(known, float) and np.isfinite(known) else None


def _estimates(model: Model, image: Tensor) -> dict[str, float]:
    if not isinstance(model, Regresses):
        return {}
    return {name: float(value[0]) for name, value in model.regress(image).items()}


def _chances(model: Model, image: Tensor) -> dict[str, float]:
    found: dict[str, float] = {}
    if isinstance(model, Classifies):
        label, values = model.classified()
        found |= _named(label, values, model.classify(image)[0])
    if isinstance(model, Conditions):
        found |= _named("organ", model.organs(), model.recognise(image)[0])
    return found


def _named(label: str, values: Sequence[str], p: Float[Tensor, " values"]) -> dict[str, float]:
    return {f"{label}: {value}": float(q) for value, q in zip(values, p, strict=True)}


def _again(
    model: Model, image: Float[Tensor, "1 1 *t h w"]
) -> tuple[Float[np.ndarray, "t h w"] | None, str]:
    """The image as the model draws it from what it keeps, or why it does not."""
    try:
        drawn = _drawn(model, image)
    except BadInput as error:
        return None, str(error)
    if drawn is None or drawn.shape[2:] != image.shape[2:]:
        return None, ""
    return drawn[0, 0].float().cpu().numpy().reshape(-1, *image.shape[-2:]), ""


def _drawn(model: Model, image: Float[Tensor, "1 1 *t h w"]) -> Tensor | None:
    if isinstance(model, Codes):
        return model.render(model.code(image))
    if not isinstance(model, Decodes) or image.ndim > 4:
        return None
    features = model.encode(image)
    if features.style is None:
        return None
    is_discrete = isinstance(model, Discretises)
    content = model.discretise(features.content) if is_discrete else features.content
    return model.decode(content, features.style)


def _map(shown: Shown, image: Tensor, batch: Batch) -> tuple[Map | None, dict[str, float]]:
    """The map of a still, and the Dice of its structures where it is one of classes."""
    model = shown.run.model
    if isinstance(model, Segments):
        p = model.segment(image)[0].float().cpu()
        found = layers.of_classes(p.argmax(0).numpy(), layers.names(shown, len(p)))
        return _layered(found), overlaps(p.argmax(0), batch.mask, shown.samples.classes, len(p))
    if isinstance(model, Conceptual):
        return _concept_map(concepts.seen(model, image)), {}
    return None, {}


def _layered(found: Sequence[Layer]) -> Map:
    parts = [Part(name=layer.name, colour=layer.colour, share=layer.share) for layer in found]
    return Map(tints=layers.tints(found), parts=parts)


def _concept_map(seen: concepts.Seen) -> Map:
    shares = concepts.shares(seen.concepts, count=seen.count).tolist()
    parts = [
        Part(name=f"{k}", colour=palette.colour(k), share=share)
        for k, share in enumerate(shares)
        if k and share
    ]
    return Map(tints=palette.cells(seen.concepts, seen.confidence), parts=parts)


def overlaps(
    drawn: Int[Tensor, "h w"], mask: Int[Tensor, "1 h w"] | None, names: Sequence[str], count: int
) -> dict[str, float]:
    """Dice by structure, but for those that are in neither.

    None without a mask, nor where the images have other classes than the `count` of the model.
    """
    if mask is None or not bool((mask >= 0).all()) or len(names) != count:
        return {}
    p, t = (torch.stack([of == k for k in range(1, count)]) for of in (drawn, mask[0]))
    return {
        f"{DICE} {name.replace('_', ' ')}": value
        for name, value in zip(names[1:], dice(p[None], t[None])[0].tolist(), strict=True)
        if np.isfinite(value)
    }
