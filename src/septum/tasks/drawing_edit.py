"""The pictures of attributes: proxies against labels, edits, and what is measured along them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from textwrap import fill
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from scipy import stats
from torch import Tensor

from septum.tasks.drawing import COLOURS

HEAT = "inferno"
OUTLINE, FRAME = "#56B4E9", "#E69F00"
GAP_PX = 3
"""Between pictures beside one another."""
COLUMNS = 3
"""Panels beside one another."""
MARKERS = "osD^vP*Xph"
LEAST_PERCENT = 25.0
"""A panel of changes reaches at least so far up and down."""
SIGNS = {"px": "px", "mm": "mm", "mm2": "mm²", "ml": "mL", "voxels": "voxels", "percent": "%"}


@dataclass(frozen=True, kw_only=True)
class Trail:
    """An image along the edits of one attribute.

    Attributes:
        pictures: In [0, 1], one per alpha.
        heat: How much every pixel changes with alpha, in any unit.
        inside: What the attribute is about.
    """

    name: str
    pictures: Float[Tensor, "steps H W"]
    heat: Float[Tensor, "steps H W"]
    inside: Bool[Tensor, "H W"]


def scatter(
    columns: Mapping[str, tuple[Float[np.ndarray, " _"], Float[np.ndarray, " _"]]],
) -> Figure:
    """Proxies against labels, a panel per attribute with its rank correlation."""
    figure, panels = _panels(len(columns))
    for axes, (name, (said, true)) in zip(panels, columns.items(), strict=True):
        axes.plot(true, said, "o", color=COLOURS[6], alpha=0.5, markersize=3)
        found: Any = stats.spearmanr(true, said) if np.ptp(said) else None
        rho = "no order" if found is None else f"Spearman {found.statistic:.2f}"
        axes.set_title(f"{rho}, n = {len(true)}", fontsize="small")
        axes.set_xlabel(words(name), fontsize="small")
        axes.set_ylabel("proxy", fontsize="small")
        axes.grid(visible=True, alpha=0.3)
    return figure


def edits(
    image: Float[Tensor, "H W"], trails: Sequence[Trail], *, alphas: Sequence[float]
) -> Figure:
    """Two rows per attribute: the pictures, that of alpha = 0 framed, and where they change.

    The image itself stands first. The structure that the attribute is about is outlined. Heat of a
    row is as bright as the 99th percentile over all of its pictures.
    """
    height, width = image.shape
    columns = 1 + len(alphas)
    size = (1.15 * columns + 1.6, (2.3 * height / width + 0.1) * len(trails) + 0.4)
    figure = Figure(figsize=size, layout="constrained")
    grid = figure.subplots(2 * len(trails), 1, squeeze=False)[:, 0]
    for above, beneath, trail in zip(grid[::2], grid[1::2], trails, strict=True):
        _strip(above, [image, *trail.pictures], colours="gray", most=1.0)
        middle = (columns // 2) * (width + GAP_PX)
        above.add_patch(Rectangle((middle - 1, -1), width + 1, height + 1, **_LINE))
        most = float(np.percentile(trail.heat.numpy(), 99)) or 1.0
        _strip(beneath, [torch.full_like(image, torch.nan), *trail.heat], colours=HEAT, most=most)
        beneath.imshow(image.numpy(), cmap="gray", vmin=0, vmax=1)
        beneath.set_xlim(above.get_xlim())
        _outline(beneath, trail.inside, columns)
        above.set_ylabel(fill(words(trail.name), 14), fontsize="small")
        beneath.set_ylabel("where it\nchanges", fontsize="small")
    places = [k * (width + GAP_PX) + width / 2 for k in range(columns)]
    grid[0].set_xticks(places, ["image", *(f"{alpha:+g}" if alpha else "0" for alpha in alphas)])
    grid[0].tick_params(top=True, labeltop=True, bottom=False, labelbottom=False, length=0)
    bar: dict[str, Any] = {"shrink": min(1.0, 2 / len(trails)), "aspect": 30, "pad": 0.01}
    label = "|change| with alpha, of the most in its row"
    figure.colorbar(ScalarMappable(cmap=HEAT), ax=grid, label=label, **bar)
    return figure


def along(
    changes: Mapping[str, Float[np.ndarray, "n steps a"]],
    names: Sequence[str],
    *,
    alphas: Sequence[float],
) -> Figure:
    """Medians and quartiles of what is measured along the edits, a panel per edited attribute.

    A panel is as high as the one that is edited needs.

    Args:
        changes: By the attribute that is edited: relative changes of all.
        names: Of all that are measured, in their order.
        alphas: Of the steps.
    """
    figure, panels = _panels(len(changes))
    for axes, (edited, values) in zip(panels, changes.items(), strict=True):
        for k, name in enumerate(names):
            known = 100 * values[~np.isnan(values[:, :, k]).any(1), :, k]
            if len(known):
                _line(axes, known, alphas, _look(k), is_edited=name == edited)
        axes.set_title(f"edited: {words(edited)}", fontsize="small")
        axes.set_xlabel("alpha", fontsize="small")
        axes.set_ylabel("change since alpha = 0 (%)", fontsize="small")
        axes.grid(visible=True, alpha=0.3)
    handles = [Line2D([], [], label=words(name), **_look(k)) for k, name in enumerate(names)]
    figure.legend(handles=handles, loc="outside lower center", ncols=3, frameon=False)
    return figure


def words(name: str) -> str:
    """The name of an attribute, its unit in brackets.

    >>> words("left_ventricle_area_mm2"), words("eccentricity")
    ('left ventricle area (mm²)', 'eccentricity')
    """
    *first, last = name.split("_")
    return " ".join([*first, f"({SIGNS[last]})" if first and last in SIGNS else last])


_LINE: dict[str, Any] = {"fill": False, "edgecolor": FRAME, "linewidth": 2.5, "clip_on": False}


def _look(k: int) -> dict[str, Any]:
    return {
        "color": COLOURS[k % len(COLOURS)],
        "marker": MARKERS[k % len(MARKERS)],
        "markersize": 4,
    }


def _line(
    axes: Axes,
    percent: Float[np.ndarray, "n steps"],
    alphas: Sequence[float],
    look: Mapping[str, Any],
    *,
    is_edited: bool,
) -> None:
    """The median, broad where the attribute is the one that is edited, in its quartiles."""
    low, middle, high = np.percentile(percent, [25, 50, 75], axis=0)
    axes.plot(alphas, middle, **look, linewidth=2.5 if is_edited else 1)
    axes.fill_between(alphas, low, high, color=look["color"], alpha=0.2, linewidth=0)
    if is_edited:
        most = max(LEAST_PERCENT, 1.3 * float(np.abs([low, high]).max()))
        axes.set_ylim(-min(most, 110), most)


def _panels(count: int) -> tuple[Figure, list[Axes]]:
    """As many as there are, in rows of three."""
    columns = min(COLUMNS, count)
    rows = -(-count // columns)
    figure = Figure(figsize=(3.4 * columns + 0.4, 2.9 * rows + 0.7), layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False).flatten().tolist()
    for spare in panels[count:]:
        spare.remove()
    return figure, panels[:count]


def _strip(
    axes: Axes, pictures: Sequence[Float[Tensor, "H W"]], *, colours: str, most: float
) -> None:
    """Pictures beside one another, from 0 to `most`, with white between them."""
    height, _ = pictures[0].shape
    gap = np.full((height, GAP_PX), np.nan)
    parts = [part for picture in pictures for part in (picture.numpy(), gap)]
    axes.imshow(np.concatenate(parts[:-1], axis=1), cmap=colours, vmin=0, vmax=most)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_visible(False)


def _outline(axes: Axes, inside: Bool[Tensor, "H W"], columns: int) -> None:
    """Round the structure in every picture of a strip."""
    one = np.pad(inside.double().numpy(), ((0, 0), (0, GAP_PX)))
    axes.contour(np.tile(one, columns)[:, :-GAP_PX], [0.5], colors=OUTLINE, linewidths=1.0)
