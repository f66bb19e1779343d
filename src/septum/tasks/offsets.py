"""Where does a model look for every organ: the places that its deformable blocks sample (ARL).

    image, organ --model--> from every cell to where each tap samples, block by block

Anatomy-aware Representation Learning for Medical Ultrasound, ICLR 2026,
https://openreview.net/forum?id=5ThIWuDkEf, says that receptive fields expand for global structures
such as the heart and contract for local ones. Of every organ and block, over cells and images:

* `reach_cells`, `reach_percent`: mean distance of the taps from their cell, in cells and in percent
  of the longer side of the image. An undeformed 3 x 3 kernel has (4 + 4 √2) / 9 = 1.07 cells.
* `spread_cells`: root mean square distance of the taps of a cell from their centre, 1.15 for that
  kernel. A kernel that merely moves has a larger reach and the same spread.
* `anisotropy`: (a - b) / (a + b) of the variances a >= b of the taps of a cell along their
  principal axes; 0 for a round constellation, 1 for a line.

Two measurements of how far organs are apart:

* `label_effect_cells`: mean distance by which the taps move when the same image is given as another
  organ, drawn at random. The label alone does this.
* `eta_squared`: share of the variance of the images' mean offsets that lies between organs. Images
  of two organs differ as well, so this is label and content together. `eta_squared_chance` is what
  organs dealt to the subjects at random have, its interval that of 95 % of the deals, and `p_value`
  the share of the deals that have as much.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from septum.contract import (
    BadInput,
    Deforms,
    Label,
    Metric,
    Model,
    Record,
    Report,
    Samples,
)  # fmt: skip
from septum.metrics.effect import centred, eta_squared
from septum.metrics.interval import mean_by_subject
from septum.tasks import drawing_organs
from septum.tasks.conditioning import ORGAN, Known, at_rest, known, one_hot, others
from septum.tasks.drawing_organs import Look
from septum.tasks.frozen import BATCH
from septum.tasks.transform import path

IMAGES = 64
"""Tested images of every organ, drawn at random, at most."""
DEALS = 999
"""Times that organs are dealt at random."""
SHAPES = {"reach_cells": "cells", "reach_percent": "%", "spread_cells": "cells", "anisotropy": ""}
"""What is told of every organ and block, and its unit."""

Offsets = Float[Tensor, "b blocks taps 2 h w"]
ByBlock = Float[Tensor, "b blocks"]


@runtime_checkable
class Looks(Model, Deforms, Protocol):
    """A model whose taps lie where the organ says."""


@dataclass(frozen=True, kw_only=True)
class Shape:
    """The taps of every image and block; mean over its cells.

    Attributes:
        label_effect_cells: How far they move for another organ; NaN of a model that knows one.
        offset: Mean of every tap, (down, right).
        power: Mean of the squared distance from the own cell, summed over taps.
    """

    reach_cells: ByBlock
    reach_percent: ByBlock
    spread_cells: ByBlock
    anisotropy: ByBlock
    label_effect_cells: ByBlock
    offset: Float[Tensor, "b blocks e"]
    power: ByBlock


def run(model: Model, train: Samples, test: Samples, seed: int, *, images: int = IMAGES) -> Report:
    """Shape of the taps by organ and block, and how far organs are apart; a row per image.

    A path ends in the block, counted from 0, or in `mean` over blocks; `eta_squared` in `all` has
    the offsets of all of them in one vector. `label_effect_cells` is left out of a model that knows
    one organ, `eta_squared` where the images show one.

    Raises:
        BadInput: If the model does not deform, or no image states an organ that it knows.
    """
    del train
    if not isinstance(model, Looks):
        raise BadInput(
            "The model samples the same places for every organ; ask it conditioning or classify, "
            "or choose a model that deforms, such as anatomy_vit."
        )
    table = list(model.organs())
    of = few(known(test, table), images, seed=seed)
    found = measured(model, test, of, seed)
    records = [test.records[place] for place in of.places]
    names = [table[k] for k in of.organ.tolist()]
    columns = _columns(found)
    shown = [path(table[organ]) for organ in np.unique(of.organ)]
    metrics = shapes(columns, names, records, seed) | label_effect(columns, records, seed)
    metrics |= separation(found.offset.double().numpy(), of.organ, records, seed)
    block = most_deformed(found)
    figures = {
        "reach": drawing_organs.reach(metrics, shown),
        "taps": drawing_organs.taps([*_looks(model, test, of, block)], block=block),
    }
    return Report(metrics=metrics, rows=_rows(columns, names, records), figures=figures)


def few(of: Known, images: int, *, seed: int) -> Known:
    """At most so many of every organ, drawn at random, in the order of the split."""
    order = np.random.default_rng(seed).permutation(len(of.organ))
    kept = [order[of.organ[order] == organ][:images] for organ in np.unique(of.organ)]
    return of.at(sorted(np.concatenate(kept).tolist()))


def measured(model: Looks, samples: Samples, of: Known, seed: int) -> Shape:
    """The taps of these images, each given as its own organ and as another one."""
    count = len(model.organs())
    wrong = others(of.organ, count, seed=seed) if count > 1 else of.organ
    parts: list[Shape] = []
    with at_rest(model) as device:
        for start in range(0, len(of.places), BATCH):
            some = slice(start, start + BATCH)
            image = samples.batch(of.places[some].tolist()).image.to(device)
            own, other = (
                model.offsets(image, one_hot(organ[some], count).to(device)).float().cpu()
                for organ in (of.organ, wrong)
            )
            parts.append(shaped(own, other if count > 1 else torch.full_like(own, torch.nan)))
    columns = {
        field.name: torch.cat([getattr(part, field.name) for part in parts])
        for field in fields(Shape)
    }
    return Shape(**columns)


def shaped(own: Offsets, other: Offsets) -> Shape:
    """What is told of offsets, and how far the other ones are from them."""
    reach = own.norm(dim=3).mean((2, 3, 4))
    apart = own - own.mean(2, keepdim=True)
    return Shape(
        reach_cells=reach,
        reach_percent=100 * reach / max(own.shape[-2:]),
        spread_cells=apart.square().sum(3).mean(2).sqrt().mean((2, 3)),
        anisotropy=_anisotropy(apart).mean((2, 3)),
        label_effect_cells=(own - other).norm(dim=3).mean((2, 3, 4)),
        offset=own.mean((4, 5)).flatten(2),
        power=own.square().sum((2, 3)).mean((2, 3)),
    )


def shapes(
    columns: Mapping[str, Float[np.ndarray, " n"]],
    names: Sequence[str],
    records: Sequence[Record],
    seed: int,
) -> dict[str, Metric]:
    """The metrics `SHAPE/ORGAN/BLOCK`."""
    metrics: dict[str, Metric] = {}
    for organ in sorted(set(names)):
        rows = np.array(names) == organ
        subjects = [record.subject for record, here in zip(records, rows, strict=True) if here]
        for name, values in columns.items():
            head, block = name.split("/")
            if head in SHAPES:
                metrics[f"{head}/{path(organ)}/{block}"] = mean_by_subject(
                    values[rows], subjects, unit=SHAPES[head], seed=seed
                )
    return metrics


def label_effect(
    columns: Mapping[str, Float[np.ndarray, " n"]], records: Sequence[Record], seed: int
) -> dict[str, Metric]:
    """The metrics `label_effect_cells/BLOCK`; none where no other organ is known."""
    subjects = [record.subject for record in records]
    return {
        name: mean_by_subject(values, subjects, unit="cells", seed=seed)
        for name, values in columns.items()
        if name.startswith("label_effect_cells/") and not np.isnan(values).any()
    }


def separation(
    offset: Float[np.ndarray, "n blocks e"],
    organ: Int[np.ndarray, " n"],
    records: Sequence[Record],
    seed: int,
) -> dict[str, Metric]:
    """η² between organs of every block and of all, with what chance has; none of a single organ."""
    if len(np.unique(organ)) < 2:
        return {}
    subjects = [record.subject for record in records]
    deals = dealt(organ, subjects, seed=seed)
    vectors = {f"block{k}": offset[:, k] for k in range(offset.shape[1])}
    metrics: dict[str, Metric] = {}
    for name, x in {**vectors, "all": offset.reshape(len(offset), -1)}.items():
        metric = eta_squared(x, organ, subjects, seed=seed)
        chance = np.array([_between(centred(x), deal) for deal in deals])
        low, high = np.percentile(chance, [2.5, 97.5]).tolist()
        p = float((1 + (chance >= metric.value * (1 - 1e-9)).sum()) / (1 + len(chance)))
        metrics[f"eta_squared/{name}"] = metric
        metrics[f"eta_squared_chance/{name}"] = Metric(
            value=float(np.clip(chance.mean(), low, high)), low=low, high=high, unit="", n=len(x)
        )
        metrics[f"p_value/{name}"] = Metric(value=p, low=p, high=p, unit="", n=len(x))
    return metrics


def dealt(
    organ: Int[np.ndarray, " n"], subjects: Sequence[str], *, seed: int, deals: int = DEALS
) -> list[Int[np.ndarray, " n"]]:
    """Organs exchanged at random between subjects, whose images of one organ stay together."""
    pairs = [f"{k} {subject}" for k, subject in zip(organ, subjects, strict=True)]
    _, first, unit = np.unique(pairs, return_index=True, return_inverse=True)
    draw = np.random.default_rng(seed)
    return [draw.permutation(organ[first])[unit] for _ in range(deals)]


def most_deformed(found: Shape) -> int:
    """The block whose taps vary most over cells, images and organs; the last of equals."""
    variance = found.power.double().mean(0) - found.offset.double().mean(0).square().sum(1)
    most = variance.max()
    near = (variance >= most - 1e-6 * found.power.mean()).nonzero()
    return int(near[-1])


def _anisotropy(apart: Offsets) -> Float[Tensor, "b blocks h w"]:
    """Of taps from their centre; 0 where all of them are there."""
    down, right = apart.unbind(3)
    a, b, c = (down**2).mean(2), (right**2).mean(2), (down * right).mean(2)
    trace = a + b
    gap = ((a - b) ** 2 + 4 * c**2).sqrt()
    return (gap / torch.where(trace > 0, trace, 1)).clamp(max=1)


def _columns(found: Shape) -> dict[str, Float[np.ndarray, " n"]]:
    """By `SHAPE/BLOCK`, one value per image, then their mean over blocks."""
    columns: dict[str, Float[np.ndarray, " n"]] = {}
    for name in (*SHAPES, "label_effect_cells"):
        values: Float[np.ndarray, "n blocks"] = getattr(found, name).double().numpy()
        columns |= {f"{name}/block{k}": column for k, column in enumerate(values.T)}
        columns[f"{name}/mean"] = values.mean(1)
    return columns


def _between(x: Float[np.ndarray, "n d"], kinds: Int[np.ndarray, " n"]) -> float:
    """η² of centred vectors."""
    of = np.eye(kinds.max() + 1)[kinds]
    counts = of.sum(0)
    sums = np.square(of.T @ x).sum(1) / np.where(counts > 0, counts, 1)
    total = np.square(x).sum()
    return float(sums.sum() / total) if total > 0 else 0.0


def _looks(model: Looks, samples: Samples, of: Known, block: int) -> Iterator[Look]:
    """An image of every organ, from the middle of those that were asked about."""
    table = model.organs()
    for organ in np.unique(of.organ):
        here = np.flatnonzero(of.organ == organ)
        one = of.at([int(here[len(here) // 2])])
        with at_rest(model) as device:
            image = samples.batch(one.places.tolist()).image
            told = one_hot(one.organ, len(table)).to(device)
            found = model.offsets(image.to(device), told)[0, block]
        yield Look(image=image[0, 0], offsets=found.float().cpu(), name=table[int(organ)])


def _rows(
    columns: Mapping[str, Float[np.ndarray, " n"]], names: Sequence[str], records: Sequence[Record]
) -> list[dict[str, Label]]:
    """What is known of every image; NaN is left out."""
    return [
        {"id": record.id, "subject": record.subject, ORGAN: names[i]}
        | {name: float(values[i]) for name, values in columns.items() if not np.isnan(values[i])}
        for i, record in enumerate(records)
    ]
