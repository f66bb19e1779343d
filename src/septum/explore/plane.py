"""All images of a run as points on a plane: where they lie, what they are, which are unusual.

pooled features --PCA or UMAP--> points in the unit square --lasso or labels--> chosen records
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float32, Float64
from matplotlib.path import Path as Outline

from septum.cells import Cell
from septum.contract import Record
from septum.data.limits import written
from septum.metrics import density

MOST_VALUES = 12
"""A text label with more values is no colour: nobody tells more colours and shapes apart."""
UNUSUAL = 0.01
"""Share of the images that are marked as the least typical."""
CORNERS = 28
"""Of a lasso; as many as a link carries."""
STEPS = 999
"""Of the unit square, in which the corners of a lasso are counted."""
MARGIN = 0.04
"""Between the outermost points and the edge of the unit square."""

Column = Sequence[str] | Float64[np.ndarray, " n"]
"""A label of every record: texts, empty where unknown, or numbers, NaN where unknown."""


@dataclass(frozen=True, kw_only=True)
class Plane:
    """Points, and what the axes are called."""

    xy: Float64[np.ndarray, "n 2"]
    names: tuple[str, str]

    def unit(self) -> Float64[np.ndarray, "n 2"]:
        """The points in the unit square, each axis stretched by itself."""
        low, high = self.xy.min(0), self.xy.max(0)
        scaled = (self.xy - low) / np.where(high > low, high - low, 1)
        return MARGIN + (1 - 2 * MARGIN) * scaled


def principal(pooled: Float32[np.ndarray, "n e"]) -> Plane:
    """The first two principal components, with the share of the variance that each explains.

    The sign of an axis is such that its largest loading is positive.
    """
    centred = pooled.astype(np.float64) - pooled.mean(0, dtype=np.float64)
    variance, axes = np.linalg.eigh(centred.T @ centred)
    axes = axes[:, :-3:-1]
    if axes.shape[1] < 2:
        axes = np.pad(axes, ((0, 0), (0, 2 - axes.shape[1])))
    axes = axes * np.sign(axes[np.abs(axes).argmax(0), [0, 1]])
    total = max(float(variance.sum()), np.finfo(float).tiny)
    shares = [*(variance[::-1][:2].clip(0) / total), 0.0]
    names = tuple(f"PC {i + 1} ({100 * shares[i]:.1f} % of variance)" for i in range(2))
    return Plane(xy=centred @ axes, names=(names[0], names[1]))


def rarity(pooled: Float32[np.ndarray, "n e"]) -> Float64[np.ndarray, " n"]:
    """Minus the log-density in nats of a Gaussian that was fitted to all, shrunk to a sphere.

    Its covariance is shrunk as much as Chen et al. say (`septum.metrics.density`).
    """
    x = torch.tensor(pooled)
    seen = density.moments(x)
    flow = density.shrunk_flow(seen)
    return -flow.log_density(x).numpy()


def least_typical(rarity: Float64[np.ndarray, " n"]) -> Bool[np.ndarray, " n"]:
    """The share of the images with the largest rarity, rounded up."""
    count = math.ceil(UNUSUAL * len(rarity))
    found = np.zeros(len(rarity), bool)
    found[np.argsort(-rarity, kind="stable")[:count]] = True
    return found


def columns(records: Sequence[Record], rarity: Float64[np.ndarray, " n"]) -> dict[str, Column]:
    """What points can be coloured and chosen by: split, labels, rarity.

    A text label counts if it has more than one value and no more than `MOST_VALUES`, a number if
    it varies.
    """
    names = sorted({name for record in records for name in record.labels})
    found: dict[str, Column] = {"split": [record.split or "" for record in records]}
    for name in names:
        values = [record.labels.get(name) for record in records]
        if any(isinstance(value, str) for value in values):
            found[name] = [written(value) for value in values]
        else:
            found[name] = np.array([np.nan if v is None else float(v) for v in values])
    found["rarity"] = rarity
    found["unusual"] = ["yes" if unusual else "no" for unusual in least_typical(rarity)]
    return {name: column for name, column in found.items() if _varies(column)}


def _varies(column: Column) -> bool:
    if isinstance(column, np.ndarray):
        known = column[~np.isnan(column)]
        return known.size > 0 and bool(np.ptp(known) > 0)
    return 1 < len(set(column)) <= MOST_VALUES


def values(column: Column) -> list[str]:
    """The values of texts, sorted; none of numbers."""
    return [] if isinstance(column, np.ndarray) else sorted(set(column))


def lasso(corners: Sequence[Sequence[float]]) -> str:
    """A drawn outline in the unit square as text: at most `CORNERS` corners, evenly drawn.

    >>> lasso([(0.0, 0.0), (1.0, 0.0), (0.5, 1.2)])
    '0,0 999,0 500,999'
    """
    kept = np.linspace(0, len(corners) - 1, min(len(corners), CORNERS)).round().astype(int)
    clipped = np.rint(STEPS * np.clip([corners[i] for i in kept], 0, 1)).astype(int)
    return " ".join(f"{x},{y}" for x, y in clipped.tolist())


def inside(outline: str, points: Float64[np.ndarray, "n 2"]) -> Bool[np.ndarray, " n"]:
    """Which points of the unit square are in a lasso; none where its text cannot be read."""
    pairs = [re.fullmatch(r"(\d{1,3}),(\d{1,3})", pair) for pair in outline.split()]
    corners = [(int(pair[1]) / STEPS, int(pair[2]) / STEPS) for pair in pairs if pair]
    if len(corners) < max(3, len(pairs)):
        return np.zeros(len(points), bool)
    return Outline(corners).contains_points(points)


def having(column: Column, wanted: Sequence[str]) -> Bool[np.ndarray, " n"]:
    """Which records have one of these values."""
    return np.isin(np.array([str(value) for value in column]), list(wanted))


def summary(column: Column, chosen: Bool[np.ndarray, " n"]) -> str:
    """What the chosen have: how many of every value, or mean and range of numbers."""
    picked = np.asarray(column)[chosen]
    if isinstance(column, np.ndarray):
        known = picked[~np.isnan(picked)]
        if known.size == 0:
            return "unknown"
        return f"mean {known.mean():.4g}, from {known.min():.4g} to {known.max():.4g}"
    found, counts = np.unique(picked, return_counts=True)
    said = zip(found.tolist(), counts.tolist(), strict=True)
    return ", ".join(f"{value or 'unknown'} {count}" for value, count in said)


def rows(
    records: Sequence[Record], plane: Plane, table: Mapping[str, Column], by: str,
    chosen: Bool[np.ndarray, " n"],
) -> list[dict[str, Cell]]:  # fmt: skip
    """One row per chosen record: where it lies and the label that it is coloured by."""
    return [
        {
            "id": records[i].id,
            "subject": records[i].subject,
            "split": records[i].split or "",
            "x": float(plane.xy[i, 0]),
            "y": float(plane.xy[i, 1]),
            by: cell(table[by][i]),
        }
        for i in np.flatnonzero(chosen).tolist()
    ]


def cell(value: str | float) -> Cell:
    """A value for a table; None for an unknown number."""
    if isinstance(value, str):
        return value
    return None if math.isnan(value) else float(value)
