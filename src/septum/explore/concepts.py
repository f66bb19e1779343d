"""What a model sees in an image as discrete concepts, and what it draws from other ones.

    image --encode--> content --arg max--> concepts --edits--> concepts
    concepts, image --restyle--> styles --noise--> styles
    concepts, styles --decode--> picture       concepts, 0 --decode--> picture without styles

Every cell is counted from 0, row by row.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from septum.contract import Decodes, Discretises, Model
from septum.nn.style_noise import noisy

Edits = Sequence[tuple[int, int]]
"""Cell and the concept it is given; of one cell the last holds."""


@runtime_checkable
class Conceptual(Model, Discretises, Protocol):
    """A model whose content is a map of concepts."""


@runtime_checkable
class Speller(Conceptual, Decodes, Protocol):
    """A model that draws images from maps of concepts."""


@dataclass(frozen=True, kw_only=True)
class Seen:
    """The likeliest concept of every cell of one image.

    Attributes:
        count: How many concepts the model has.
        confidence: Of the likeliest one, as the content has it: a model may have tempered that.
    """

    count: int
    concepts: Int[np.ndarray, "h w"]
    confidence: Float[np.ndarray, "h w"]


@dataclass(frozen=True, kw_only=True)
class Maps:
    """The concepts of one image as found and as they are now, of so many that the model has."""

    count: int
    found: Int[np.ndarray, "h w"]
    now: Int[np.ndarray, "h w"]


@dataclass(frozen=True, kw_only=True)
class Drawings:
    """What is wanted, what is drawn from the concepts as found, and from those of now."""

    wanted: Float[np.ndarray, "h w"]
    before: Float[np.ndarray, "h w"]
    after: Float[np.ndarray, "h w"]


@torch.no_grad()
def seen(model: Conceptual, image: Float[Tensor, "1 c H W"]) -> Seen:
    """The concepts of an image."""
    content = model.encode(image).content[0].float().cpu().numpy()
    return Seen(count=len(content), concepts=content.argmax(0), confidence=content.max(0))


def drawings(
    model: Speller, image: Float[Tensor, "1 1 H W"], maps: Maps, *, beta: float, draw: int
) -> Drawings:
    """An image, and it drawn from its concepts as found, and from those of now with noise.

    Args:
        model: Draws.
        image: Says the styles.
        maps: The concepts.
        beta: Strength of the noise on the styles (`septum.nn.style_noise`, ConceptVAE, Eq. 7).
        draw: Which noise; drawn on the CPU, so that it is the same everywhere.
    """
    found, now = (_one_hot(y, maps.count, image) for y in (maps.found, maps.now))
    return Drawings(
        wanted=_intensities(image),
        before=styled(model, image, found, beta=0.0, draw=draw),
        after=styled(model, image, now, beta=beta, draw=draw),
    )


@torch.no_grad()
def plain_drawings(model: Speller, image: Float[Tensor, "1 1 H W"], maps: Maps) -> Drawings:
    """The image as concepts alone should render it, and what they do render."""
    found, now = (_one_hot(y, maps.count, image) for y in (maps.found, maps.now))
    return Drawings(
        wanted=_intensities(model.plain(image)),
        before=unstyled(model, image, found),
        after=unstyled(model, image, now),
    )


@torch.no_grad()
def styled(
    model: Speller,
    image: Float[Tensor, "1 1 H W"],
    one_hot: Float[Tensor, "1 c h w"],
    *,
    beta: float,
    draw: int,
) -> Float[np.ndarray, "H2 W2"]:
    """Drawn from concepts in the styles that they have on this image, with noise on these."""
    style = model.restyle(image, one_hot)
    noise = torch.randn(style.shape, generator=torch.Generator().manual_seed(draw)).to(style)
    return _intensities(model.decode(one_hot, noisy(style, noise, beta)))


@torch.no_grad()
def unstyled(
    model: Speller, image: Float[Tensor, "1 1 H W"], one_hot: Float[Tensor, "1 c h w"]
) -> Float[np.ndarray, "H2 W2"]:
    """Drawn from concepts alone: every style is 0."""
    return _intensities(model.decode(one_hot, torch.zeros_like(model.restyle(image, one_hot))))


def read(text: str, *, cells: int, concepts: int) -> list[tuple[int, int]]:
    """Edits as an address has them; what is none is left out.

    >>> read("3:1,x,99:1,8:0", cells=9, concepts=2)
    [(3, 1), (8, 0)]
    """
    pairs = re.findall(r"(?:^|,)(\d{1,6}):(\d{1,4})(?=,|$)", text, re.ASCII)
    edits = [(int(cell), int(concept)) for cell, concept in pairs]
    return [(cell, concept) for cell, concept in edits if cell < cells and concept < concepts]


def written(edits: Edits) -> str:
    """For an address.

    >>> written([(3, 1), (8, 0)])
    '3:1,8:0'
    """
    return ",".join(f"{cell}:{concept}" for cell, concept in edits)


def edited(concepts: Int[np.ndarray, "h w"], edits: Edits) -> Int[np.ndarray, "h w"]:
    """A map in which cells have other concepts."""
    found = concepts.copy()
    for cell, concept in edits:
        found.flat[cell] = concept
    return found


def shares(concepts: Int[np.ndarray, "h w"], *, count: int) -> Float[np.ndarray, " count"]:
    """Share of the cells that have every concept."""
    return np.bincount(concepts.ravel(), minlength=count) / concepts.size


def rows(seen: Seen, concepts: Int[np.ndarray, "h w"]) -> Iterable[dict[str, int | float]]:
    """One per cell: its place, the concept that was found, how sure, and the one it has now."""
    for (row, column), found in np.ndenumerate(seen.concepts):
        yield {
            "row": row,
            "column": column,
            "concept": int(found),
            "confidence": round(float(seen.confidence[row, column]), 4),
            "now": int(concepts[row, column]),
        }


def _one_hot(
    concepts: Int[np.ndarray, "h w"], count: int, like: Tensor
) -> Float[Tensor, "1 count h w"]:
    indices = torch.from_numpy(concepts.astype(np.int64)).to(like.device)
    return F.one_hot(indices, count).permute(2, 0, 1)[None].to(like.dtype)


def _intensities(image: Float[Tensor, "1 1 h w"]) -> Float[np.ndarray, "h w"]:
    return image[0, 0].float().clamp(0, 1).cpu().numpy()
