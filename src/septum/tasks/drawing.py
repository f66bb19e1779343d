"""The pictures of the tasks. Colours are Okabe and Ito's, told apart by colour-blind eyes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize, to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from torch import Tensor

from septum.contract import Metric

COLOURS = ("#56B4E9", "#E69F00", "#009E73", "#CC79A7", "#F0E442", "#D55E00", "#0072B2")
OPACITY = 0.55
CROSS = "#F0E442"
MATCH = "#56B4E9"

Rates = Float[np.ndarray, " t"]


@dataclass(frozen=True, kw_only=True)
class Marked:
    """An image with a cross at a place, given as shares of its width and height."""

    image: Float[Tensor, "H W"]
    x: float
    y: float
    title: str
    match: bool = False


def curves(metrics: Mapping[str, Metric], *, name: str) -> Figure:
    """The metrics `NAME/input/kK` against K, one line per input, with their intervals."""
    figure = Figure(figsize=(5, 3.6), layout="constrained")
    axes = figure.subplots()
    for colour, (label, points) in zip(COLOURS, _by_input(metrics, name).items(), strict=False):
        ks = sorted(points)
        axes.plot(ks, [points[k].value for k in ks], "o-", color=colour, label=label)
        low, high = [points[k].low for k in ks], [points[k].high for k in ks]
        axes.fill_between(ks, low, high, color=colour, alpha=0.25, linewidth=0)
        axes.set_xticks(ks)
    axes.set_xlabel("kernel side k (grid cells)")
    axes.set_ylabel(name.replace("_", " "))
    axes.set_ylim(bottom=0)
    axes.grid(visible=True, alpha=0.3)
    axes.legend(frameon=False)
    return figure


def overlays(
    images: Float[Tensor, "n H W"],
    rows: Mapping[str, Float[Tensor, "n classes h w"]],
    classes: Sequence[str],
) -> Figure:
    """Shares of the classes over the images, one row of pictures per name; class 0 is clear."""
    n = len(images)
    figure = Figure(figsize=(2 * n + 0.5, 2 * len(rows) + 0.6), layout="constrained")
    grid = figure.subplots(len(rows), n, squeeze=False)
    for axes_of_row, (name, shares) in zip(grid, rows.items(), strict=True):
        for axes, image, share in zip(axes_of_row, images, shares, strict=True):
            show(axes, image)
            axes.imshow(_coloured(share).numpy(), extent=_extent(image), interpolation="nearest")
        axes_of_row[0].set_ylabel(name)
    patches = [
        Patch(color=_colour(i), label=c.replace("_", " ")) for i, c in enumerate(classes) if i > 0
    ]
    figure.legend(handles=patches, loc="outside lower center", ncols=4, frameon=False)
    return figure


def marked(rows: Sequence[Sequence[Marked]]) -> Figure:
    """A query and its results per row; a ring says that the result is a match."""
    columns = len(rows[0])
    figure = Figure(figsize=(2 * columns, 2.25 * len(rows) + 0.3), layout="constrained")
    grid = figure.subplots(len(rows), columns, squeeze=False)
    for axes_of_row, row in zip(grid, rows, strict=True):
        for axes, picture in zip(axes_of_row, row, strict=True):
            show(axes, picture.image)
            height, width = picture.image.shape
            x, y = picture.x * width - 0.5, picture.y * height - 0.5
            axes.plot(x, y, "+", color=CROSS, markersize=11, markeredgewidth=2)
            if picture.match:
                axes.plot(
                    x, y, "o", color=MATCH, markersize=16, fillstyle="none", markeredgewidth=2
                )
            axes.set_title(picture.title, fontsize="small")
    figure.supxlabel("query | nearest | * same acquisition, o match", fontsize="small")
    return figure


def roc(curves: Mapping[str, tuple[Rates, Rates]], metrics: Mapping[str, Metric]) -> Figure:
    """ROC curves (false and true positive rates) by name; their areas are `auroc/NAME`."""
    figure = Figure(figsize=(4.2, 4.4), layout="constrained")
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], ":", color="grey")
    for colour, (name, (false, true)) in zip(COLOURS, curves.items(), strict=False):
        area = metrics[f"auroc/{name}"]
        label = f"{name} {area.value:.3f} [{area.low:.3f}, {area.high:.3f}]"
        axes.plot(false, true, color=colour, label=label)
    axes.set_xlabel("share of unknown kinds taken for known")
    axes.set_ylabel("share of known kinds taken for known")
    axes.set_aspect("equal")
    axes.grid(visible=True, alpha=0.3)
    axes.legend(frameon=False, loc="lower right")
    return figure


def scores(
    images: Float[Tensor, "n H W"],
    rows: Mapping[str, Float[Tensor, "n h w"]],
    *,
    titles: Sequence[str],
) -> Figure:
    """Images, and under them a score per cell over each, a row per name; NaN is clear.

    Dark blue is low and yellow is high. Colours of a row span the 2nd to 98th percentile in it.
    """
    n, (height, width) = len(images), images.shape[1:]
    size = (2 * n + 0.6, 2 * (len(rows) + 1) * height / width + 0.4)
    figure = Figure(figsize=size, layout="constrained")
    first, *others = figure.subplots(len(rows) + 1, n, squeeze=False)
    for axes, image, title in zip(first, images, titles, strict=True):
        show(axes, image)
        axes.set_title(title, fontsize="small")
    for axes_of_row, (name, cells) in zip(others, rows.items(), strict=True):
        low, high = np.nanpercentile(cells.numpy(), [2, 98])
        colours = ScalarMappable(Normalize(low, high), "cividis")
        for axes, image, part in zip(axes_of_row, images, cells, strict=True):
            show(axes, image)
            tint = colours.to_rgba(part.numpy(), alpha=OPACITY) * part.isfinite().numpy()[..., None]
            axes.imshow(tint, extent=_extent(image), interpolation="nearest")
        axes_of_row[0].set_ylabel(name)
        figure.colorbar(colours, ax=axes_of_row)
    return figure


def show(axes: Axes, image: Float[Tensor, "H W"]) -> None:
    """The image upright in grey, without ticks."""
    axes.imshow(image.numpy(), cmap="gray", vmin=0, vmax=1)
    axes.set_xticks([])
    axes.set_yticks([])


def _extent(image: Float[Tensor, "H W"]) -> tuple[float, float, float, float]:
    """Left, right, bottom and top of an image whose pixel centres are at integers."""
    height, width = image.shape
    return -0.5, width - 0.5, height - 0.5, -0.5


def _by_input(metrics: Mapping[str, Metric], name: str) -> dict[str, dict[int, Metric]]:
    points: dict[str, dict[int, Metric]] = {}
    for path, metric in metrics.items():
        parts = path.split("/")
        if len(parts) == 3 and parts[0] == name:
            points.setdefault(parts[1], {})[int(parts[2].removeprefix("k"))] = metric
    return points


def _colour(index: int) -> tuple[float, float, float]:
    return to_rgb(COLOURS[(index - 1) % len(COLOURS)])


def _coloured(share: Float[Tensor, "classes h w"]) -> Float[Tensor, "h w 4"]:
    """Colours mixed by share; the more background, the more transparent."""
    structures = share[1:].clamp(min=0)
    palette = torch.tensor([_colour(i) for i in range(1, len(share))])
    total = structures.sum(0)
    rgb = torch.einsum("chw,cd->hwd", structures, palette) / total.clamp(min=1e-6)[..., None]
    return torch.cat([rgb.clamp(0, 1), OPACITY * total.clamp(max=1)[..., None]], dim=2)
