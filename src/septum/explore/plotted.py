"""The points of `scatter` as a figure to be saved; its library is loaded when one is asked for."""

import io

import numpy as np
from jaxtyping import Bool, Float64
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from septum.explore.plane import Column, Plane
from septum.explore.scatter import MARKERS, Inks, inks


def figure(
    places: Plane, name: str, column: Column, *,
    unusual: Bool[np.ndarray, " n"], chosen: Bool[np.ndarray, " n"],
) -> Figure:  # fmt: skip
    """The points with axes and legend; those that are not chosen are faint."""
    drawn = Figure(figsize=(8, 6), layout="constrained")
    axes = drawn.add_subplot()
    found, faint = inks(column), chosen.any() & ~chosen
    x, y = places.xy.T
    for of, alpha in ((faint, 0.12), (~faint, 0.9)):
        _draw(axes, places.xy, found, of, alpha)
    if found.ends:
        scale = ScalarMappable(Normalize(*found.ends), "cividis")
        drawn.colorbar(scale, ax=axes, label=name)
    for k, label in enumerate(found.legend):
        marker, colour = MARKERS[k % len(MARKERS)], found.colours[k]
        axes.scatter([], [], s=16, marker=marker, color=colour, label=label)
    axes.scatter(
        x[unusual], y[unusual], s=60, c="none", edgecolors="black", label="least typical 1 %"
    )
    axes.legend(title=name if found.legend else None, fontsize="small")
    axes.set(xlabel=places.names[0], ylabel=places.names[1], title=f"n = {len(x)}")
    return drawn


def _draw(
    axes: Axes, xy: Float64[np.ndarray, "n 2"], found: Inks, of: Bool[np.ndarray, " n"],
    alpha: float,
) -> None:  # fmt: skip
    """Some of the points, one colour after the other; hollow where the label is unknown."""
    for k in np.unique(found.which[of]).tolist():
        x, y = xy[of & (found.which == k)].T
        marker = MARKERS[k % len(MARKERS)] if found.legend else "o"
        colour = found.colours[k] if k >= 0 else "none"
        axes.scatter(
            x, y, s=16, marker=marker, c=colour, alpha=alpha, linewidths=0.3, edgecolors="0.4"
        )


def saved(drawn: Figure, kind: str) -> bytes:
    """A figure as the bytes of a `png` or `svg` file."""
    buffer = io.BytesIO()
    drawn.savefig(buffer, format=kind, dpi=150)
    return buffer.getvalue()
