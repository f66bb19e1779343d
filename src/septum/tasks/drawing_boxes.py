"""The pictures of detection: where an object was looked for, and how well cells were ranked."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from sklearn.metrics import precision_recall_curve
from torch import Tensor

from septum.tasks.drawing import COLOURS, CROSS, OPACITY, show

LIKELY, BOX = COLOURS[1], COLOURS[0]


@dataclass(frozen=True, kw_only=True)
class Searched:
    """An image with the true box and the objectness of every grid cell, in [0, 1].

    Attributes:
        edges_px: Left, upper, right and lower edge of the box, from the corner of the image.
    """

    image: Float[Tensor, "H W"]
    edges_px: Float[Tensor, " 4"]
    objectness: Float[Tensor, "h w"]
    title: str


@dataclass(frozen=True, kw_only=True)
class Ranked:
    """Cells with their scores, and which of them a good score would rank first."""

    score: Float[np.ndarray, " n"]
    positive: Bool[np.ndarray, " n"]


def searched(rows: Mapping[str, Sequence[Searched]]) -> Figure:
    """One row of pictures per name; the cross is on the likeliest cell."""
    columns = max(len(row) for row in rows.values())
    figure = Figure(figsize=(2 * columns + 0.5, 2.2 * len(rows) + 0.4), layout="constrained")
    grid = figure.subplots(len(rows), columns, squeeze=False)
    for axes_of_row, (name, row) in zip(grid, rows.items(), strict=True):
        for axes, picture in zip(axes_of_row, row, strict=True):
            show(axes, picture.image)
            height, width = picture.image.shape
            extent = (-0.5, width - 0.5, height - 0.5, -0.5)
            axes.imshow(_tinted(picture.objectness), extent=extent, interpolation="nearest")
            left, upper, right, lower = (picture.edges_px - 0.5).tolist()
            size = (right - left, lower - upper)
            axes.add_patch(Rectangle((left, upper), *size, fill=False, edgecolor=BOX, linewidth=2))
            h, w = picture.objectness.shape
            i, j = divmod(int(picture.objectness.argmax()), w)
            x, y = (j + 0.5) * width / w - 0.5, (i + 0.5) * height / h - 0.5
            axes.plot(x, y, "+", color=CROSS, markersize=9, markeredgewidth=2)
            axes.set_title(picture.title, fontsize="small")
        axes_of_row[0].set_ylabel(name)
    figure.supxlabel("true box | shade: objectness | + likeliest cell", fontsize="small")
    return figure


def precision_recall(panels: Mapping[str, Mapping[str, Ranked]]) -> Figure:
    """One panel per question, one line per input; dotted is chance, the share of positives."""
    figure = Figure(figsize=(3 * len(panels) + 0.3, 3.1), layout="constrained")
    (grid,) = figure.subplots(1, len(panels), squeeze=False, sharey=True)
    for axes, (question, lines) in zip(grid, panels.items(), strict=True):
        for colour, (name, ranked) in zip(COLOURS, lines.items(), strict=False):
            precision, recall, _ = precision_recall_curve(ranked.positive, ranked.score)
            axes.step(recall, precision, where="post", color=colour, label=name)
            axes.axhline(ranked.positive.mean(), color="0.5", linestyle=":")
        axes.set(title=question, xlabel="recall", xlim=(0, 1), ylim=(0, 1.02))
        axes.grid(visible=True, alpha=0.3)
    grid[0].set_ylabel("precision")
    grid[0].legend(frameon=False)
    return figure


def _tinted(share: Float[Tensor, "h w"]) -> Float[np.ndarray, "h w 4"]:
    """One colour, the clearer the smaller the share."""
    colour = torch.tensor(to_rgb(LIKELY)).expand(*share.shape, 3)
    return torch.cat([colour, OPACITY * share[..., None]], dim=2).numpy()
