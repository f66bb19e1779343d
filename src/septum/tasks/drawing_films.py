"""The pictures of films: embeddings in planes, a curve, and frames under what explains them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from torch import Tensor

from septum.contract import Metric
from septum.tasks.drawing import COLOURS, show

SIGNED = "RdBu_r"
"""Blue below 0, red above; told apart by colour-blind eyes."""
UNSIGNED = "inferno"
OUTLINE = "#009E73"


@dataclass(frozen=True, kw_only=True)
class Strip:
    """Frames of a film.

    Attributes:
        name: To their left.
        heat: What is laid over them, in any unit.
        inside: What is outlined.
    """

    name: str
    frames: Float[Tensor, "t h w"]
    heat: Float[Tensor, "t h w"]
    inside: Bool[Tensor, "h w"]


def planes(
    plane: Mapping[str, Float[np.ndarray, "n 2"]],
    values: Float[np.ndarray, " n"],
    *,
    name: str,
    note: str = "",
) -> Figure:
    """Points in planes beside one another, in the colour of their value; a note below."""
    figure = Figure(figsize=(4.4 * len(plane) + 0.9, 4.2), layout="constrained")
    colours = ScalarMappable(Normalize(values.min(), values.max()), "viridis")
    grid = figure.subplots(1, len(plane), squeeze=False)[0]
    for axes, (kind, points) in zip(grid, plane.items(), strict=True):
        axes.scatter(*points.T, s=12, c=colours.to_rgba(values))
        axes.set_title(kind)
        axes.set_xlabel("first axis")
        axes.set_ylabel("second axis")
        axes.set_box_aspect(1)
        axes.grid(visible=True, alpha=0.3)
    figure.colorbar(colours, ax=grid, label=name)
    if note:
        figure.supxlabel(note, fontsize="small")
    return figure


def roc(false: Float[np.ndarray, " t"], true: Float[np.ndarray, " t"], area: Metric) -> Figure:
    """The ROC curve of a diagnosis, with the area under it in its title."""
    figure = Figure(figsize=(4.2, 4.4), layout="constrained")
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], ":", color="grey")
    axes.plot(false, true, color=COLOURS[6])
    axes.set_title(f"AUROC {area.value:.3f} [{area.low:.3f}, {area.high:.3f}]", fontsize="medium")
    axes.set_xlabel("1 - specificity")
    axes.set_ylabel("sensitivity")
    axes.set_aspect("equal")
    axes.grid(visible=True, alpha=0.3)
    return figure


def heated(strips: Sequence[Strip], *, frames: Sequence[int], name: str) -> Figure:
    """A film per row: its frames, under the heat of each, with the outline.

    Heat of either sign is clear at 0, blue below and red above; heat without a sign is clear at 0
    and the brighter the more. Every row reaches to the 99th percentile of its own heat.

    Args:
        strips: All with as many frames.
        frames: Their numbers in the film's clip, above the columns.
        name: Of the heat.
    """
    height, width = strips[0].frames.shape[1:]
    size = (1.5 * len(frames) + 1.2, (1.42 * height / width + 0.06) * len(strips) + 0.4)
    figure = Figure(figsize=size, layout="constrained")
    grid = figure.subplots(len(strips), len(frames), squeeze=False)
    is_signed = any(bool((strip.heat < 0).any()) for strip in strips)
    for axes_of_row, strip in zip(grid, strips, strict=True):
        most = float(np.percentile(strip.heat.abs().numpy(), 99)) or 1.0
        for axes, image, heat in zip(axes_of_row, strip.frames, strip.heat, strict=True):
            show(axes, image)
            _heat(axes, heat / most, is_signed=is_signed)
            axes.contour(strip.inside.float().numpy(), [0.5], colors=OUTLINE, linewidths=1.2)
        axes_of_row[0].set_ylabel(strip.name, fontsize="small")
    for axes, number in zip(grid[0], frames, strict=True):
        axes.set_title(f"frame {number}", fontsize="small")
    limits = Normalize(-1 if is_signed else 0, 1)
    bar: dict[str, Any] = {"shrink": min(1.0, 3 / len(strips)), "aspect": 30, "pad": 0.01}
    colours = ScalarMappable(limits, SIGNED if is_signed else UNSIGNED)
    figure.colorbar(colours, ax=grid, label=f"{name}, of the most in its row", **bar)
    return figure


def _heat(axes: Axes, heat: Float[Tensor, "h w"], *, is_signed: bool) -> None:
    """Heat in [-1, 1] in its colour, the fainter the nearer to 0."""
    limits = Normalize(-1 if is_signed else 0, 1)
    rgba = ScalarMappable(limits, SIGNED if is_signed else UNSIGNED).to_rgba(heat.numpy())
    rgba[..., 3] = 0.75 * heat.abs().clamp(max=1).numpy()
    axes.imshow(rgba, interpolation="nearest")
