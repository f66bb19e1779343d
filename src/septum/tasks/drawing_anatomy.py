"""The pictures of anatomy and modality: styles in a plane, maps of the content, altered images."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize, to_rgba
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from torch import Tensor

from septum.contract import Metric
from septum.tasks.drawing import COLOURS, OPACITY, show

MARKERS = "o^sDvP*"
CHANGE = "RdBu_r"
"""Blue below 0, white at 0, red above; told apart by colour-blind eyes."""
MOST = 16
"""Dimensions or channels that are drawn."""


@dataclass(frozen=True, kw_only=True)
class Picture:
    """An image in [0, 1].

    Attributes:
        title: Head of the column, if it is in the first row.
        note: Written below.
        mask: Masks that are laid over it, the background first.
    """

    image: Float[Tensor, "H W"]
    title: str = ""
    note: str = ""
    mask: Bool[Tensor, "classes H W"] | None = None


@dataclass(frozen=True, kw_only=True)
class Walk:
    """What an image becomes along one dimension.

    Attributes:
        images: One per step, in [0, 1].
        correlation: Of the intensity of every pixel with the step, in [-1, 1].
        difference: Last image less the first, in [-1, 1].
    """

    images: Float[Tensor, "steps H W"]
    correlation: Float[Tensor, "H W"]
    difference: Float[Tensor, "H W"]


def plane(points: Float[np.ndarray, "n 2"], kinds: Sequence[str]) -> Figure:
    """Points in the colour and with the marker of their kind."""
    figure = Figure(figsize=(5, 4.2), layout="constrained")
    axes = figure.subplots()
    for i, name in enumerate(sorted(set(kinds))):
        x, y = points[np.array(kinds) == name].T
        axes.plot(
            x, y, MARKERS[i % len(MARKERS)], color=_colour(i), alpha=0.6, markersize=4, label=name
        )
    axes.set_xlabel("first principal direction of z")
    axes.set_ylabel("second principal direction of z")
    axes.grid(visible=True, alpha=0.3)
    axes.legend(frameon=False)
    return figure


def bars(metrics: Mapping[str, Metric]) -> Figure:
    """The metrics `accuracy/NAME` with their intervals; a line at `accuracy/chance`.

    Of more than 16 dimensions the 16 most accurate are drawn.
    """
    found = {
        p.removeprefix("accuracy/"): m for p, m in metrics.items() if p.startswith("accuracy/")
    }
    single = [name for name in found if name[1:].isdigit()]
    shown = set(sorted(single, key=lambda name: -found[name].value)[:MOST])
    names = ["all", *(name for name in single if name in shown), "content"]
    figure = Figure(figsize=(0.55 * len(names) + 1.6, 3.4), layout="constrained")
    axes = figure.subplots()
    for x, name in enumerate(names):
        m = found[name]
        colour = COLOURS[0] if name in single else COLOURS[1 if name == "all" else 3]
        axes.bar(x, m.value, color=colour)
        span = [[max(0.0, m.value - m.low)], [max(0.0, m.high - m.value)]]
        axes.errorbar(x, m.value, span, color="black", capsize=3)
    axes.axhline(found["chance"].value, color="black", linestyle=":", linewidth=1)
    beside: dict[str, Any] = {
        "transform": axes.get_yaxis_transform(),
        "va": "center",
        "fontsize": "small",
    }
    axes.text(1.01, found["chance"].value, "chance", **beside)
    ticks = ["all of z" if name == "all" else name for name in names]
    axes.set_xticks(range(len(names)), ticks, rotation=35 if len(names) > 12 else 0)
    axes.set_ylim(0, 1.03)
    axes.set_ylabel("accuracy")
    return figure


def sheet(
    rows: Sequence[Sequence[Picture]], *, names: Sequence[str], structures: Sequence[str]
) -> Figure:
    """Pictures in rows with names, under the titles of the first row."""
    height, width = rows[0][0].image.shape
    columns = len(rows[0])
    side = min(2.0, 20 / columns)
    size = (side * columns + 0.5, (side * height / width + 0.25) * len(rows) + 0.7)
    figure = Figure(figsize=size, layout="constrained")
    grid = figure.subplots(len(rows), columns, squeeze=False)
    for axes_of_row, row, name in zip(grid, rows, names, strict=True):
        for axes, picture in zip(axes_of_row, row, strict=True):
            show(axes, picture.image)
            if picture.mask is not None:
                _tint(axes, picture.mask)
            axes.set_xlabel(picture.note, fontsize="small")
        axes_of_row[0].set_ylabel(name, fontsize="small")
    for axes, picture in zip(grid[0], rows[0], strict=True):
        axes.set_title(picture.title, fontsize="small")
    if any(picture.mask is not None for row in rows for picture in row):
        handles = [
            Patch(color=_colour(i), label=s.replace("_", " ")) for i, s in enumerate(structures)
        ]
        figure.legend(handles=handles, loc="outside lower center", ncols=4, frameon=False)
    return figure


def traversal(walks: Mapping[str, Walk], *, steps: Sequence[float]) -> Figure:
    """One row per dimension: its images, and where and how far they change (Fig. 8).

    All differences have the same limits.
    """
    most = max(float(walk.difference.abs().max()) for walk in walks.values()) or 1.0
    figure = Figure(figsize=(1.25 * (len(steps) + 2) + 1.6, 1.3 * len(walks) + 0.4))
    figure.set_layout_engine("constrained")
    grid = figure.subplots(len(walks), len(steps) + 2, squeeze=False)
    for axes_of_row, (name, walk) in zip(grid, walks.items(), strict=True):
        for axes, image in zip(axes_of_row, walk.images, strict=False):
            show(axes, image)
        _change(axes_of_row[-2], walk.correlation, 1.0)
        _change(axes_of_row[-1], walk.difference, most)
        axes_of_row[0].set_ylabel(name)
    for axes, head in zip(
        grid[0], [*(f"{step:g}" for step in steps), "correlation", "difference"], strict=True
    ):
        axes.set_title(head, fontsize="small")
    for name, limit in (("difference", most), ("correlation", 1.0)):
        colours = ScalarMappable(Normalize(-limit, limit), CHANGE)
        bar: dict[str, Any] = {"shrink": min(1.0, 4 / len(walks)), "aspect": 30, "pad": 0.01}
        figure.colorbar(colours, ax=grid, label=name, **bar)
    return figure


def _change(axes: Axes, values: Float[Tensor, "H W"], limit: float) -> None:
    axes.imshow(values.numpy(), cmap=CHANGE, vmin=-limit, vmax=limit)
    axes.set_xticks([])
    axes.set_yticks([])


def _tint(axes: Axes, mask: Bool[Tensor, "classes H W"]) -> None:
    """The colours of the structures over an image; the background is clear."""
    rgba = np.zeros((*mask.shape[1:], 4))
    for i, structure in enumerate(mask[1:].numpy()):
        rgba[structure] = to_rgba(_colour(i), OPACITY)
    axes.imshow(rgba, interpolation="nearest")


def _colour(index: int) -> str:
    return COLOURS[index % len(COLOURS)]
