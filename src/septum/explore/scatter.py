"""Points on a plane in the browser, of which one or many can be chosen."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64, Int
from matplotlib import colormaps
from matplotlib.colors import to_hex
from nicegui import events, ui

from septum import palette
from septum.explore import plane
from septum.explore.plane import Column, Plane

SHADES = 64
"""Of a number, from its least to its largest value."""
MARKERS = "os^DPX"
"""Shapes of the values of a text, as in `scatter.js`."""
MOST_CORNERS = 10_000


@dataclass(frozen=True, kw_only=True)
class Inks:
    """How points are coloured by a label.

    Attributes:
        colours: Of its values, or shades from least to largest.
        which: The colour of every point; -1 where the label is unknown.
        legend: The values of a text, and how many have each.
        ends: Least and largest of a number.
    """

    colours: Sequence[str]
    which: Int[np.ndarray, " n"]
    legend: Sequence[str] = ()
    ends: tuple[float, float] | None = None


def inks(column: Column) -> Inks:
    """Colours that are told apart by every common kind of colour vision."""
    if isinstance(column, np.ndarray):
        return _shades(column)
    names = plane.values(column)
    which = np.array([names.index(value) for value in column])
    counts = np.bincount(which, minlength=len(names)).tolist()
    return Inks(
        colours=palette.CONCEPTS[: len(names)],
        which=which,
        legend=[f"{name or 'unknown'} ({n})" for name, n in zip(names, counts, strict=True)],
    )


def _shades(column: Float64[np.ndarray, " n"]) -> Inks:
    low, high = float(np.nanmin(column)), float(np.nanmax(column))
    share = (column - low) / (high - low)
    which = np.where(np.isnan(share), -1, np.nan_to_num(share) * (SHADES - 1)).astype(int)
    shades = colormaps["cividis"](np.linspace(0, 1, SHADES))
    return Inks(colours=[to_hex(shade) for shade in shades], which=which, ends=(low, high))


class Scatter(ui.element, component="scatter.js"):
    """The points (`scatter.js`)."""

    def __init__(self, names: Sequence[str], unusual: Bool[np.ndarray, " n"]) -> None:
        """`names` are told when a point is hovered; those that are unusual have a ring."""
        super().__init__()
        self._props.update(names=list(names), unusual=np.flatnonzero(unusual).tolist())

    def put(self, places: Plane) -> None:
        """Move the points."""
        x, y = np.round(places.unit(), 4).T
        self._props.update(x=x.tolist(), y=y.tolist(), axes=list(places.names))
        self.update()

    def paint(self, name: str, column: Column) -> None:
        """Colour the points by a label."""
        found = inks(column)
        ends = [f"{name} {found.ends[0]:.4g}", f"{found.ends[1]:.4g}"] if found.ends else []
        cells = (plane.cell(value) for value in column)
        said = (f"{c:.4g}" if isinstance(c, float) else c or "unknown" for c in cells)
        self._props.update(
            colours=list(found.colours), colour=found.which.tolist(), ends=ends,
            legend=list(found.legend), said=[f"{name} {text}" for text in said],
        )  # fmt: skip
        self.update()

    def choose(self, chosen: Bool[np.ndarray, " n"]) -> None:
        """Make all but these faint; if there are none, no point is."""
        self._props["chosen"] = np.flatnonzero(chosen).tolist()
        self.update()

    def point(self, place: int) -> None:
        """Put the cursor on a point."""
        self._props["at"] = place
        self.update()

    def on_opened(self, told: Callable[[int], None]) -> None:
        """Be told which point was clicked."""

        def opened(event: events.GenericEventArguments) -> None:
            if isinstance(event.args, int) and 0 <= event.args < len(self._props["names"]):
                told(event.args)

        self.on("opened", opened)

    def on_lassoed(self, told: Callable[[Sequence[Sequence[float]]], None]) -> None:
        """Be told the corners of an outline that was drawn, in the unit square."""
        self.on("lassoed", lambda event: told(_corners(event.args)))


def _corners(said: object) -> list[tuple[float, float]]:
    """What can be read of what a browser says."""
    found: list[tuple[float, float]] = []
    for pair in said[:MOST_CORNERS] if isinstance(said, list) else ():  # pyright: ignore[reportUnknownVariableType]
        match pair:
            case [int() | float() as x, int() | float() as y]:
                found.append((float(x), float(y)))
            case _:
                pass
    return found
