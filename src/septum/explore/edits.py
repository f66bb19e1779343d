"""An image whose code is moved, and what comes of it.

    image --code--> Z --edited by one attribute after the other--> Z' --render--> picture
    image --encode--> content, z --z + amount * deviation--> z' --decode--> picture
    picture --segment--> mask --measure--> attributes

Attributes are moved in the order in which the model names them, each from where the one before has
left the code: attributes that share a code do not add up, so that another order may end elsewhere.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor
from torch.nn import functional as F

from septum.contract import BadInput, Decodes, Discretises, Edits, Features, Record, Segments
from septum.explore.index import Progress
from septum.explore.shown import Shown
from septum.metrics import attributes
from septum.metrics.labels import pixel_mm
from septum.nn.device import device_of
from septum.palette import CHANGE

IMAGES = 64
"""Images, spread over all of the page, that tell how much styles vary."""
BATCH = 16
DEVIATIONS = 3.0
"""How far a style is moved to either side, in standard deviations."""
LEAST = 0.01
"""Change of intensity that the scale of a picture of changes reaches at least."""


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """What the model makes of a code.

    Attributes:
        picture: Intensities in [0, 1].
        said: What the code says of every attribute; nothing where codes stand for none.
    """

    picture: Float[np.ndarray, "h w"]
    said: Mapping[str, float]


@runtime_checkable
class Movable(Protocol):
    """An image whose code can be moved along some directions, by up to `most` to either side."""

    @property
    def names(self) -> Sequence[str]:
        """Of the directions."""
        ...

    @property
    def most(self) -> float:
        """Farthest amount."""
        ...

    def drawn(self, amounts: Mapping[str, float]) -> Drawn:
        """The image with these amounts; a name that is left out has 0, where nothing changes."""
        ...


@dataclass(frozen=True, kw_only=True)
class Attributes:
    """A code along the attributes that its model names; amounts in [-1, 1] (`Edits.edited`)."""

    model: Edits
    code: Float[Tensor, "1 k *m"]
    most: float = 1.0

    @property
    def names(self) -> Sequence[str]:
        """Of the attributes."""
        return self.model.attributes()

    @torch.no_grad()
    def drawn(self, amounts: Mapping[str, float]) -> Drawn:
        """Edited by one attribute after the other; of a volume the slice in the middle."""
        code = self.code
        for name in self.names:
            if amount := amounts.get(name, 0.0):
                code = self.model.edited(code, name, code.new_tensor([amount]))
        said = self.model.proxies(code)[0].tolist()
        return Drawn(
            picture=_middle(self.model.render(code)), said=dict(zip(self.names, said, strict=True))
        )


@dataclass(frozen=True, kw_only=True)
class Styles:
    """A style along its dimensions, the content as it is; amounts in standard deviations.

    Attributes:
        deviations: Of every dimension, over images.
    """

    model: Decodes
    content: Float[Tensor, "1 d h w"]
    style: Float[Tensor, "1 s h w"]
    deviations: Float[Tensor, " s"]
    most: float = DEVIATIONS

    @property
    def names(self) -> Sequence[str]:
        """Of the dimensions of z; none where the style is no single vector."""
        flat = self.style.flatten(2)
        single = torch.equal(flat, flat[..., :1].expand_as(flat))
        return [f"z{k}" for k in range(len(self.deviations))] if single else []

    @torch.no_grad()
    def drawn(self, amounts: Mapping[str, float]) -> Drawn:
        """Drawn in a style that is moved."""
        steps = [amounts.get(f"z{k}", 0.0) for k in range(len(self.deviations))]
        moved = self.deviations * self.deviations.new_tensor(steps)
        style = self.style + moved[:, None, None]
        return Drawn(picture=_middle(self.model.decode(self.content, style)), said={})


def can_move(shown: Shown) -> bool:
    """Whether the model edits attributes, or draws stills from a content and a style.

    Styles of discrete concepts are those of places, not of the image.
    """
    model = shown.run.model
    styled = isinstance(model, Decodes) and not isinstance(model, Discretises)
    return isinstance(model, Edits) or (styled and not shown.is_film())


def movable(shown: Shown, place: int, deviations: Float[Tensor, " s"] | None) -> Movable:
    """An image of a run as its code; `deviations` of styles for a model that edits none.

    Raises:
        BadInput: The model has no style after all.
    """
    model = shown.run.model
    if isinstance(model, Edits):
        return Attributes(model=model, code=model.code(_image(shown, place)))
    assert isinstance(model, Decodes)
    assert deviations is not None
    content, style = _parts(shown, place)
    return Styles(model=model, content=content, style=style, deviations=deviations)


def deviations(shown: Shown, progress: Progress) -> Float[Tensor, " s"]:
    """Standard deviation of every dimension of the style over images of a run."""
    count = len(shown.records)
    places = np.unique(np.linspace(0, count - 1, min(IMAGES, count)).round().astype(int)).tolist()
    parts: list[Tensor] = []
    for start in range(0, len(places), BATCH):
        image = shown.samples.batch(places[start : start + BATCH]).image
        with shown.lock, torch.no_grad():
            features = shown.run.model.encode(image.to(device_of(shown.run.model)))
        parts.append(_style(features).mean((2, 3)))
        progress(min(1.0, (start + BATCH) / len(places)))
    return torch.cat(parts).std(0, correction=0)


@torch.no_grad()
def swapped(shown: Shown, here: int, there: int) -> Float[np.ndarray, "2 2 h w"]:
    """Two images drawn in the style of either: the row says whose content, the column whose style.

    Raises:
        BadInput: The model has no style after all.
    """
    model = shown.run.model
    assert isinstance(model, Decodes)
    contents, styles = zip(*(_parts(shown, place) for place in (here, there)), strict=True)
    content = torch.cat(contents).repeat_interleave(2, dim=0)
    drawn = model.decode(content, torch.cat(styles).repeat(2, 1, 1, 1))
    return drawn[:, 0].unflatten(0, (2, 2)).float().cpu().numpy()


def rulers(runs: Sequence[Shown], shown: Shown) -> list[int]:
    """Places of the runs whose masks tell attributes, the likeliest first.

    That is the run itself, then those on the same data, then others.
    """
    found = [i for i, run in enumerate(runs) if _measures(run)]
    return sorted(found, key=lambda i: (runs[i] is not shown, not same_data(runs[i], shown)))


def same_data(one: Shown, other: Shown) -> bool:
    """Whether two runs show the same data sets."""
    return one.samples.name == other.samples.name


def measured(ruler: Shown, picture: Float[np.ndarray, "h w"], record: Record) -> dict[str, float]:
    """Attributes of the mask that another run, or the same, draws on a picture.

    The run sees the picture at the size it was trained at. Takes the lock of that run, so that no
    other may be held.

    Raises:
        BadInput: The run has other classes than its images.
    """
    size, pixel = ruler.run.recipe.image_size, pixel_mm(record)
    with ruler.lock:
        mask = segmented(ruler, picture)
    height, width = (was / now for was, now in zip(picture.shape, size, strict=True))
    there = None if pixel is None else (pixel[0] * height, pixel[1] * width)
    return attributes.of_slice(mask, ruler.samples.classes, pixel_mm=there)


@torch.no_grad()
def segmented(shown: Shown, picture: Float[np.ndarray, "h w"]) -> UInt8[np.ndarray, "h2 w2"]:
    """Likeliest class of every pixel of a picture, at the size of the run; its lock is held.

    Raises:
        BadInput: The run has other classes than its images.
    """
    model, size = shown.run.model, shown.run.recipe.image_size
    assert isinstance(model, Segments)
    image = torch.from_numpy(np.ascontiguousarray(picture))[None, None].float()
    if picture.shape != tuple(size):
        image = F.interpolate(image, size, mode="bilinear", antialias=True)
    shares = model.segment(image.to(device_of(shown.run.model)))
    if shares.shape[1] != len(shown.samples.classes):
        raise BadInput(
            f"{shown.title} draws {shares.shape[1]} classes, and its images have "
            f"{len(shown.samples.classes)}; name the data it was trained on."
        )
    return shares.argmax(1)[0].byte().cpu().numpy()


@dataclass(frozen=True, kw_only=True)
class Row:
    """One attribute before and after an edit; None where a picture does not show it.

    Attributes:
        source: Who says so.
    """

    attribute: str
    source: str
    original: float | None
    edited: float | None

    @property
    def change(self) -> float | None:
        """Edited minus original."""
        if self.original is None or self.edited is None:
            return None
        return self.edited - self.original


def rows(before: Mapping[str, float], after: Mapping[str, float], *, source: str) -> list[Row]:
    """One per attribute that is known before or after."""
    return [
        Row(attribute=name, source=source, original=before.get(name), edited=after.get(name))
        for name in dict.fromkeys([*before, *after])
    ]


def reach(change: Float[np.ndarray, "h w"]) -> float:
    """Largest change, rounded up to 1, 2 or 5 times a power of ten: the end of a scale.

    >>> reach(np.array([[-0.013, 0.004]])), reach(np.zeros((1, 1)))
    (0.02, 0.01)
    """
    most = max(LEAST, float(np.abs(change).max()))
    power = 10.0 ** math.floor(math.log10(most) + 1e-9)
    return round(next(k for k in (1, 2, 5, 10) if k * power >= most * (1 - 1e-9)) * power, 9)


def changed(change: Float[np.ndarray, "h w"], most: float) -> UInt8[np.ndarray, "h w 3"]:
    """Blue where a picture is darker by up to `most`, orange where brighter, else black."""
    return np.rint(255 * CHANGE((change / most + 1) / 2)[..., :3]).astype(np.uint8)


def with_scale(change: UInt8[np.ndarray, "h w 3"]) -> UInt8[np.ndarray, "h2 w 3"]:
    """A picture of changes above all the colours it may have, from the least to the most."""
    width = change.shape[1]
    bar = changed(np.linspace(-1, 1, width)[None].repeat(max(2, width // 24), axis=0), 1.0)
    gap = np.full((max(1, width // 48), width, 3), 255, np.uint8)
    return np.concatenate([change, gap, bar])


def _measures(shown: Shown) -> bool:
    known = attributes.named(shown.samples.classes, in_mm=False)
    return isinstance(shown.run.model, Segments) and not shown.is_film() and bool(known)


def _image(shown: Shown, place: int) -> Float[Tensor, "1 1 *t h w"]:
    return shown.image(place)


@torch.no_grad()
def _parts(shown: Shown, place: int) -> tuple[Float[Tensor, "1 d h w"], Float[Tensor, "1 s h w"]]:
    """Content and style of an image."""
    features = shown.run.model.encode(_image(shown, place))
    return features.content, _style(features)


def _style(features: Features) -> Float[Tensor, "b s h w"]:
    if features.style is None:
        raise BadInput("The model has no style that could be moved; choose one that has.")
    return features.style


def _middle(image: Float[Tensor, "1 1 *t h w"]) -> Float[np.ndarray, "h w"]:
    """The picture, or the slice in the middle."""
    slices = image[0, 0].flatten(0, -3) if image.ndim > 4 else image[0]
    return slices[len(slices) // 2].float().cpu().numpy()
