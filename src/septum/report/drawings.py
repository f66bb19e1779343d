"""What a model sees in a few frames and draws from them, as arrays of grey levels in [0, 1].

    see           likeliest concept of every cell, and how sure      ConceptVAE, Fig. 3
    swap          two concepts change places, no style               its Fig. 4
    channels      which channel of the anatomy holds each pixel      SDNet, Fig. 3
    outline       true masks, and those the model draws              SDNet, section 5.1
    rebuild       input, from everything, from content alone         ConceptVAE, section 3.2
    style_levels  more and more of the same noise on the style       its Fig. 7
    style_draws   different noises of the same strength              its Fig. 8

What a model must be able to do is the type it is asked as. It works where its parameters lie, in
evaluation mode; what it draws comes back to the CPU.
"""

from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from septum.contract import Batch, Decodes, Discretises, Model, Segments
from septum.nn.style_noise import noisy
from septum.report import islands

LEVELS = (0.2, 0.4, 0.6)
"""beta of Fig. 7."""
DRAW_LEVEL = 0.3
"""beta of Fig. 8."""
DRAWS = 3

Frames = Float[np.ndarray, "b h w"]
Maps = Bool[np.ndarray, "b d h w"]


@runtime_checkable
class Discrete(Model, Discretises, Protocol):
    """A model whose content is a map of concepts."""


@runtime_checkable
class Painter(Model, Decodes, Protocol):
    """A model that draws images."""


@runtime_checkable
class DiscretePainter(Model, Decodes, Discretises, Protocol):
    """A model that draws images from maps of concepts."""


@runtime_checkable
class Outliner(Model, Segments, Protocol):
    """A model that draws masks."""


@dataclass(frozen=True, kw_only=True)
class Seen:
    """Frames, the likeliest concept of each of their grid cells, and its probability."""

    frames: Frames
    concepts: Int[np.ndarray, "b gh gw"]
    confidence: Float[np.ndarray, "b gh gw"]


@dataclass(frozen=True, kw_only=True)
class Outlines:
    """Frames, and which pixels are in which structure, the background left out.

    Attributes:
        truth: None where no frame comes with a mask.
    """

    frames: Frames
    truth: Maps | None
    drawn: Maps


@dataclass(frozen=True, kw_only=True)
class Swap:
    """One frame drawn from its concepts alone, as found and after two pairs were swapped.

    Attributes:
        target: The blurred frame that concepts alone should render.
        found: Drawn from the concepts as found.
        pairs: `isolated`, two modifiers, and `frequent`, two anatomical concepts.
        drawn: Drawn after the pair of that name was swapped.
    """

    target: Float[np.ndarray, "h w"]
    found: Float[np.ndarray, "h w"]
    pairs: Mapping[str, tuple[int, int]]
    drawn: Mapping[str, Float[np.ndarray, "h w"]]


def see(model: Discrete, batch: Batch) -> Seen:
    """Concept maps of these frames."""
    with _asking(model, batch) as image:
        content = model.encode(image).content.float().cpu().numpy()
    return Seen(frames=_grey(image), concepts=content.argmax(1), confidence=content.max(1))


def swap(model: DiscretePainter, batch: Batch, seen: Seen) -> Swap | None:
    """Swap concepts on the first frame; what was seen in all says which are isolated.

    None where the first frame has fewer than four concepts.
    """
    habits = islands.habits(seen.concepts)
    here = [habit for habit in habits if habit.concept in seen.concepts[0]]
    if len(here) < 4:
        return None
    pairs = {"isolated": islands.modifiers(here), "frequent": islands.anatomical(here)}
    with _asking(model, batch) as images:
        image = images[:1]
        found = model.discretise(model.encode(image).content)
        no_style = torch.zeros_like(model.restyle(image, found))

        def drawn(concepts: Tensor) -> Float[np.ndarray, "h w"]:
            return _grey(model.decode(concepts, no_style))[0]

        return Swap(
            target=_grey(model.plain(image))[0],
            found=drawn(found),
            pairs=pairs,
            drawn={name: drawn(islands.swapped(found, pair)) for name, pair in pairs.items()},
        )


def channels(model: Model, batch: Batch) -> Maps | None:
    """Which pixels are in which channel of the content; None where its grid is not the frame's."""
    with _asking(model, batch) as image:
        content = model.encode(image).content
    return (content > 0.5).cpu().numpy() if content.shape[2:] == image.shape[2:] else None


def outline(model: Outliner, batch: Batch) -> Outlines:
    """The likeliest structure of every pixel, beside the true one."""
    with _asking(model, batch) as image:
        p = model.segment(image).float().cpu()
    drawn = _structures(p.argmax(1), p.shape[1])
    known = batch.mask is not None and bool((batch.mask >= 0).any())
    truth = _structures(batch.mask.cpu(), p.shape[1]) if known and batch.mask is not None else None
    return Outlines(frames=_grey(batch.image), truth=truth, drawn=drawn)


def rebuild(model: Painter, batch: Batch) -> Mapping[str, Frames]:
    """The frames and what the model makes of them, by title."""
    with _asking(model, batch) as image:
        content, style = _latent(model, image)
        rows = {"input": _grey(image), "content and style": _grey(model.decode(content, style))}
        alone = _grey(model.decode(content, torch.zeros_like(style)))
        if isinstance(model, DiscretePainter):
            return rows | {"input, blurred": _grey(model.plain(image)), "concepts alone": alone}
    return rows | {"content alone": alone}


def style_levels(
    model: Painter, batch: Batch, *, levels: Sequence[float] = LEVELS, seed: int = 0
) -> Mapping[str, Frames]:
    """Drawn with the same noise on the style at rising strength, by title."""
    with _asking(model, batch) as image:
        content, style = _latent(model, image)
        noise = _noise(style, seed)
        drawn = {
            f"β = {beta:g}": _grey(model.decode(content, noisy(style, noise, beta)))
            for beta in (0.0, *levels)
        }
    return {"input": _grey(image)} | drawn


def style_draws(
    model: Painter, batch: Batch, *, level: float = DRAW_LEVEL, draws: int = DRAWS
) -> Mapping[str, Frames]:
    """Drawn with different noises of one strength on the style, by title."""
    with _asking(model, batch) as image:
        content, style = _latent(model, image)
        rows = {"β = 0": _grey(model.decode(content, style))}
        for seed in range(1, draws + 1):
            shaken = noisy(style, _noise(style, seed), level)
            rows[f"β = {level:g}, draw {seed}"] = _grey(model.decode(content, shaken))
    return rows


def _latent(model: Painter, image: Tensor) -> tuple[Tensor, Tensor]:
    """What the image is drawn from: content, one-hot where it is discrete, and style."""
    features = model.encode(image)
    if isinstance(model, DiscretePainter):
        concepts = model.discretise(features.content)
        return concepts, model.restyle(image, concepts)
    style = features.content[:, :0] if features.style is None else features.style
    return features.content, style


def _noise(like: Tensor, seed: int) -> Tensor:
    """Drawn on the CPU, so that a seed means the same everywhere.

    A style that is one vector per image gets noise that is one, too: any other would average out.
    """
    generator = torch.Generator().manual_seed(seed)
    repeated = bool((like == like[..., :1, :1]).all())
    shape = (*like.shape[:2], 1, 1) if repeated else like.shape
    return torch.randn(shape, generator=generator).to(like).expand(like.shape)


def _structures(mask: Int[Tensor, "b h w"], classes: int) -> Maps:
    return np.stack([(mask == k).numpy() for k in range(1, classes)], axis=1)


def _grey(image: Tensor) -> Frames:
    return image[:, 0].float().clamp(0, 1).cpu().numpy()


@contextmanager
def _asking(model: Model, batch: Batch) -> Generator[Tensor]:
    """The images of a batch beside the model; it is left in the mode it came in."""
    if not isinstance(model, nn.Module):
        with torch.no_grad():
            yield batch.image
        return
    device = next((p.device for p in model.parameters()), batch.image.device)
    was_training = model.training
    model.eval()
    try:
        with torch.no_grad():
            yield batch.image.to(device)
    finally:
        model.train(was_training)
