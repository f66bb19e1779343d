"""A model asked about images, by whatever it can do.

samples → their frames or clips, a batch at a time → Said of each → mean over those of one input
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from septum.contract import (
    Classifies,
    Conditions,
    Discretises,
    Edits,
    Features,
    Films,
    Model,
    Regresses,
    Samples,
    Segments,
)  # fmt: skip
from septum.nn.device import device_of
from septum.tasks import filmed, frozen

Numbers = Mapping[str, Float[Tensor, " _"]]


@dataclass(frozen=True, kw_only=True)
class Said:
    """What a model said of some frames or clips.

    Attributes:
        place: The record that each belongs to.
        numbers: Estimates by label name.
        shares: Probabilities of the values of a label, by its name.
        proxies: By attribute.
        masks: Class index per pixel.
        cells: Index of the likeliest concept per cell of the grid.
    """

    place: Sequence[int]
    pooled: Float[Tensor, "b e"]
    numbers: Numbers = field(default_factory=dict[str, Tensor])
    shares: Mapping[str, Numbers] = field(default_factory=dict[str, Numbers])
    proxies: Numbers = field(default_factory=dict[str, Tensor])
    masks: UInt8[np.ndarray, "b h w"] | None = None
    cells: UInt8[np.ndarray, "b y x"] | None = None


def ask(
    model: Model, samples: Samples, *, everything: bool = True, how: filmed.How = "all"
) -> Iterator[Said]:
    """What the model says of every frame, or of clips of every film, in order.

    Args:
        model: Works where its parameters lie, in evaluation mode and without autocast.
        samples: Stills, or films in clips.
        everything: Or else only what a reference is made of: `pooled` and `numbers`.
        how: Which clips (`septum.tasks.filmed.clip_starts`).
    """
    whole = [*_parts(samples, how)]
    size = filmed.BATCH if isinstance(samples, Films) else frozen.BATCH
    for at in range(0, len(whole), size):
        few = whole[at : at + size]
        places, starts = [place for place, _ in few], [start for _, start in few]
        clips = isinstance(samples, Films)
        batch = samples.clips(places, starts) if clips else samples.batch(places)
        yield _said(model, batch.image, places, everything=everything)


def _parts(samples: Samples, how: filmed.How) -> Iterator[tuple[int, int]]:
    """Place of the record and first frame of every part that is asked about."""
    for place in range(len(samples.records)):
        starts = filmed.clip_starts(samples, place, how) if isinstance(samples, Films) else [0]
        yield from ((place, start) for start in starts)


def joined(said: Sequence[Said]) -> Said:
    """All of them as one, in order."""
    first = said[0]
    return Said(
        place=[place for one in said for place in one.place],
        pooled=torch.cat([one.pooled for one in said]),
        numbers=_together([one.numbers for one in said]),
        shares={name: _together([one.shares[name] for one in said]) for name in first.shares},
        proxies=_together([one.proxies for one in said]),
        masks=_stacked([one.masks for one in said]),
        cells=_stacked([one.cells for one in said]),
    )


def between(said: Said, first: int, last: int) -> Said:
    """What was said of the records from one place up to another, which is left out."""
    rows = slice(*np.searchsorted(said.place, [first, last]).tolist())
    return Said(
        place=said.place[rows],
        pooled=said.pooled[rows],
        numbers=_some(said.numbers, rows),
        shares={name: _some(shares, rows) for name, shares in said.shares.items()},
        proxies=_some(said.proxies, rows),
        masks=None if said.masks is None else said.masks[rows],
        cells=None if said.cells is None else said.cells[rows],
    )


def _together(said: Sequence[Numbers]) -> Numbers:
    return {name: torch.cat([one[name] for one in said]) for name in said[0]}


def _stacked(
    maps: Sequence[UInt8[np.ndarray, "_ h w"] | None],
) -> UInt8[np.ndarray, "n h w"] | None:
    found = [some for some in maps if some is not None]
    return np.concatenate(found) if found else None


def _some(said: Numbers, rows: slice) -> Numbers:
    return {name: values[rows] for name, values in said.items()}


@torch.no_grad()
def _said(
    model: Model, image: Float[Tensor, "b c *t h w"], place: Sequence[int], *, everything: bool
) -> Said:
    with frozen.still(model):
        image = image.to(device_of(model))
        features = model.encode(image)
        found = Said(
            place=place,
            pooled=features.pooled.double().cpu(),
            numbers=_on_cpu(model.regress(image)) if isinstance(model, Regresses) else {},
        )
        if not everything:
            return found
        return Said(
            place=place,
            pooled=found.pooled,
            numbers=found.numbers,
            shares=_shares(model, image),
            proxies=_proxies(model, image),
            masks=_masks(model, image),
            cells=_cells(model, features),
        )


def _on_cpu(said: Numbers) -> Numbers:
    return {name: values.double().cpu() for name, values in said.items()}


def _shares(model: Model, image: Float[Tensor, "b c *t h w"]) -> dict[str, Numbers]:
    found: dict[str, Numbers] = {}
    if isinstance(model, Conditions) and model.organs():
        shares = model.recognise(image)
        found["organ"] = dict(zip(model.organs(), shares.double().cpu().T, strict=True))
    if isinstance(model, Classifies):
        label, values = model.classified()
        found[label] = dict(zip(values, model.classify(image).double().cpu().T, strict=True))
    return found


def _proxies(model: Model, image: Float[Tensor, "b c *t h w"]) -> Numbers:
    if not isinstance(model, Edits) or not model.attributes():
        return {}
    said = model.proxies(model.code(image)).double().cpu()
    return dict(zip(model.attributes(), said.T, strict=True))


def _masks(model: Model, image: Float[Tensor, "b c *t h w"]) -> UInt8[np.ndarray, "b h w"] | None:
    if not isinstance(model, Segments):
        return None
    return model.segment(image).argmax(1).to(torch.uint8).cpu().numpy()


def _cells(model: Model, features: Features) -> UInt8[np.ndarray, "b y x"] | None:
    if not isinstance(model, Discretises):
        return None
    return model.discretise(features.content).argmax(1).to(torch.uint8).cpu().numpy()
