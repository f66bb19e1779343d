"""What labels are worth: a score against the share of the training subjects that have them.

rows of a bench --> measure, method --> points by share --> a line with its band per method
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from septum import palette
from septum.report.measured import Row, at_share
from septum.report.words import readable

PANELS = ("dice/mean", "dice_slice/joint")
"""Measures that are drawn; of a table with none of them, its first."""
MARKERS = "osD^vP"
SIZE_IN = (11.0, 4.4)
GREY = "#808890"
"""Of axes: to be seen on white and on black."""
TEXT_PT = 9.0


@dataclass(frozen=True, kw_only=True)
class Point:
    """A score at a share of labels, with its 95 % interval, and what was published, if anything."""

    percent: float
    value: float
    low: float
    high: float
    published: float | None


Lines = Mapping[str, Sequence[Point]]
"""Points of every method, from few labels to many."""


def lines(rows: Sequence[Row]) -> dict[str, Lines]:
    """The rows that were measured at a share of labels, by measure and method."""
    found: dict[str, dict[str, list[Point]]] = {}
    for row in rows:
        measure, percent = at_share(str(row.get("metric", "")))
        if percent is not None:
            methods = found.setdefault(measure, {})
            methods.setdefault(str(row["model"]), []).append(_point(row, percent))
    return {
        measure: {name: sorted(of, key=lambda p: p.percent) for name, of in methods.items()}
        for measure, methods in found.items()
    }


def curve(rows: Sequence[Row]) -> Figure | None:
    """A panel per measure, on one scale; None where nothing was measured at several shares.

    What was published is hollow, in the colour and with the marker of its method.
    """
    found = {
        measure: methods
        for measure, methods in lines(rows).items()
        if max(len(points) for points in methods.values()) > 1
    }
    chosen = [measure for measure in PANELS if measure in found] or [*found][:1]
    if not chosen:
        return None
    figure = Figure(figsize=SIZE_IN, layout="constrained")
    figure.patch.set_alpha(0)
    grid = figure.subplots(1, len(chosen), squeeze=False, sharey=True)[0]
    methods = list(dict.fromkeys(name for measure in chosen for name in found[measure]))
    for axes, measure in zip(grid, chosen, strict=True):
        _panel(axes, found[measure], methods)
        axes.set_title(readable(measure), fontsize=TEXT_PT + 1)
    handles = [_line(name, place) for place, name in enumerate(methods)]
    if any(p.published is not None for m in chosen for of in found[m].values() for p in of):
        handles.append(Line2D([], [], **_hollow(GREY, "o"), label="hollow: the paper"))
    figure.legend(
        handles=handles, loc="outside lower center", ncols=6, frameon=False, fontsize=TEXT_PT
    )
    return figure


def _point(row: Row, percent: float) -> Point:
    published = row.get("published", "")
    return Point(
        percent=percent,
        value=float(row["value"]),
        low=float(row["low"]),
        high=float(row["high"]),
        published=None if published == "" else float(published),
    )


def _panel(axes: Axes, found: Lines, methods: Sequence[str]) -> None:
    for name, points in found.items():
        line = _line(name, methods.index(name))
        x, value, low, high = np.array([(p.percent, p.value, p.low, p.high) for p in points]).T
        line.set_data(x, value)
        axes.fill_between(x, low, high, color=line.get_color(), alpha=0.15, linewidth=0)
        axes.add_line(line)
        paper = [(p.percent, p.published) for p in points if p.published is not None]
        if paper:
            axes.plot(*np.array(paper).T, **_hollow(line.get_color(), line.get_marker()))
    shares = sorted({point.percent for points in found.values() for point in points})
    axes.set_xscale("log")
    axes.set_xticks(shares, [f"{share:g} %" for share in shares], fontsize=TEXT_PT)
    axes.minorticks_off()
    axes.set_xlabel("training subjects with labels", fontsize=TEXT_PT)
    axes.tick_params(color=GREY, labelsize=TEXT_PT)
    axes.grid(visible=True, color=GREY, alpha=0.25)
    axes.spines[:].set_visible(False)
    axes.patch.set_alpha(0)


def _line(name: str, place: int) -> Line2D:
    """The line of a method, without its points."""
    colour = palette.LINES[place % len(palette.LINES)]
    marker = MARKERS[place % len(MARKERS)]
    return Line2D([], [], color=colour, marker=marker, markersize=5, linewidth=1.8, label=name)


def _hollow(colour: Any, marker: Any) -> dict[str, Any]:
    """How what was published looks."""
    look = {"color": colour, "marker": marker, "linestyle": "none", "markersize": 8}
    return look | {"markerfacecolor": "none", "markeredgewidth": 1.4}
