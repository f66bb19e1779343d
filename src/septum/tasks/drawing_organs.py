"""The pictures of models that are told the organ: where they look, and what is alike to them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from math import ceil

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from septum.contract import Metric
from septum.tasks.drawing import COLOURS, show

HATCHES = ("", "///", "...")
"""Beyond seven organs their colours come again, hatched."""
QUERIES = (0.2, 0.5, 0.8)
"""Where cells are asked, as shares of height and width; those in the middle, and the corners."""
COLUMNS = 5
"""Images beside one another."""


@dataclass(frozen=True, kw_only=True)
class Look:
    """An image in [0, 1], and from every cell to where each tap samples, (down, right) in cells."""

    image: Float[Tensor, "H W"]
    offsets: Float[Tensor, "taps 2 h w"]
    name: str


@dataclass(frozen=True, kw_only=True)
class Coloured:
    """An image in [0, 1], the colours and the opacity of its cells, and what it is an image of."""

    image: Float[Tensor, "H W"]
    rgba: Float[Tensor, "h w 4"]
    name: str = ""


def conditions(metrics: Mapping[str, Metric]) -> Figure:
    """How often the class is told under every condition, and how far features drift from `given`.

    A missing kind of bar has no entry among the metrics; without accuracies their panel is empty.
    """
    figure = Figure(figsize=(8, 3.4), layout="constrained")
    told, drifts = figure.subplots(1, 2, width_ratios=(3, 2))
    names = ["given", *(path.split("/")[1] for path in metrics if path.startswith("drift/"))]
    for i, (kind, label) in enumerate(
        {"accuracy": "fitted to given", "accuracy_matched": "fitted to the same"}.items()
    ):
        found = {x: m for x, name in enumerate(names) if (m := metrics.get(f"{kind}/{name}"))}
        _bars(told, {x + 0.36 * i - 0.18: m for x, m in found.items()}, i, label=label, width=0.34)
    if "accuracy/chance" in metrics:
        told.axhline(metrics["accuracy/chance"].value, color="black", linestyle=":", label="chance")
        told.legend(frameon=False, loc="lower left", bbox_to_anchor=(0, 1), ncols=3, fontsize=8)
    _bars(drifts, {float(x): metrics[f"drift/{n}"] for x, n in enumerate(names) if x}, 2, width=0.5)
    for axes, label in ((told, "accuracy"), (drifts, "drift of features")):
        axes.set_xticks(range(len(names)), names)
        axes.set_xlim(-0.6, len(names) - 0.4)
        axes.set_ylabel(label)
        axes.set_xlabel("organ")
    told.set_ylim(0, 1.03)
    drifts.set_xlim(0.4, max(1, len(names) - 1) + 0.6)
    drifts.set_ylim(bottom=0)
    return figure


def reach(metrics: Mapping[str, Metric], organs: Sequence[str]) -> Figure:
    """The metrics `reach_cells/ORGAN/BLOCK`, a group per block, with their intervals."""
    first = f"reach_cells/{organs[0]}/"
    blocks = [path.removeprefix(first) for path in metrics if path.startswith(first)]
    width = 0.84 / len(organs)
    size = (max(4.0, 0.24 * len(blocks) * len(organs) + 1.2), 3.4)
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.subplots()
    for i, organ in enumerate(organs):
        found = {
            x + (i - (len(organs) - 1) / 2) * width: metrics[f"reach_cells/{organ}/{block}"]
            for x, block in enumerate(blocks)
        }
        _bars(axes, found, i, label=organ.replace("_", " "), width=0.92 * width)
    axes.set_xticks(range(len(blocks)), [block.removeprefix("block") for block in blocks])
    axes.set_xlabel("block")
    axes.set_ylabel("reach of the taps (cells)")
    figure.legend(loc="outside upper center", ncols=min(5, len(organs)), frameon=False)
    return figure


def taps(looks: Sequence[Look], *, block: int) -> Figure:
    """Images with a few cells, crosses, and lines from them to where their taps sample."""
    columns = min(COLUMNS, len(looks))
    rows = ceil(len(looks) / columns)
    height = 2.4 * max(look.image.shape[0] / look.image.shape[1] for look in looks)
    size = (2.4 * columns + 0.2, (height + 0.25) * rows + 0.3)
    figure = Figure(figsize=size, layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False)
    for axes in grid.flat[len(looks) :]:
        axes.set_axis_off()
    for axes, look in zip(grid.flat, looks, strict=False):
        show(axes, look.image)
        axes.autoscale(enable=False)
        axes.set_title(look.name.replace("_", " "), fontsize="small")
        for i, cell in enumerate(_queries(look.offsets.shape[-2:])):
            _tapped(axes, look, cell, COLOURS[i])
    figure.supxlabel(f"block {block}: + a cell, lines to where its taps sample", fontsize="small")
    return figure


def colours(rows: Sequence[Sequence[Coloured]]) -> Figure:
    """Images, and beside each the colours of its cells."""
    columns = max(len(row) for row in rows)
    height, width = rows[0][0].image.shape
    size = (3.2 * columns + 0.4, (1.6 * height / width + 0.08) * len(rows) + 0.3)
    figure = Figure(figsize=size, layout="constrained")
    grid = figure.subplots(len(rows), 2 * columns, squeeze=False)
    for axes in grid.flat:
        axes.set_axis_off()
    for axes_of_row, row in zip(grid, rows, strict=True):
        for i, picture in enumerate(row):
            left, right = axes_of_row[2 * i : 2 * i + 2]
            for axes in (left, right):
                axes.set_axis_on()
                show(axes, picture.image)
            height, width = picture.image.shape
            right.images[0].set_data(np.zeros((height, width)))
            edge = (-0.5, width - 0.5, height - 0.5, -0.5)
            right.imshow(picture.rgba.numpy(), extent=edge, interpolation="nearest")
        axes_of_row[0].set_ylabel(row[0].name.replace("_", " "), fontsize="small")
    return figure


def _bars(
    axes: Axes, found: Mapping[float, Metric], i: int, *, width: float, label: str = ""
) -> None:
    """Bars at these places, in the i-th colour, with their intervals."""
    xs, values = [*found], [m.value for m in found.values()]
    again, place = divmod(i, len(COLOURS))
    drawn = axes.bar(xs, values, width, color=COLOURS[place], label=label, linewidth=0)
    for bar in drawn:
        bar.set(hatch=HATCHES[again % len(HATCHES)], edgecolor="white")
    span = [
        [max(0.0, m.value - m.low) for m in found.values()],
        [max(0.0, m.high - m.value) for m in found.values()],
    ]
    axes.errorbar(xs, values, span, fmt="none", color="black", capsize=2, linewidth=1)


def _queries(grid: Iterable[int]) -> list[tuple[int, int]]:
    """Row and column of the cells that are drawn: the middle one, and four round it."""
    h, w = grid
    cells = [(int(y * h), int(x * w)) for y, x in product(QUERIES, QUERIES)]
    return cells[::2]


def _tapped(axes: Axes, look: Look, cell: tuple[int, int], colour: str) -> None:
    """One cell and its taps; lines to what is sampled beyond the border end there."""
    (height, width), (h, w) = look.image.shape, look.offsets.shape[-2:]
    y, x = cell
    down, right = look.offsets[:, :, y, x].T.double().numpy()
    rows, columns = (y + 0.5 + down) * height / h - 0.5, (x + 0.5 + right) * width / w - 0.5
    from_x, from_y = (x + 0.5) * width / w - 0.5, (y + 0.5) * height / h - 0.5
    for row, column in zip(rows, columns, strict=True):
        axes.plot([from_x, column], [from_y, row], "-", color=colour, linewidth=0.8)
    axes.plot(columns, rows, "o", color=colour, markersize=3, markeredgewidth=0)
    axes.plot(from_x, from_y, "+", color="white", markersize=7, markeredgewidth=1.5)
