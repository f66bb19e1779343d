"""The picture of a matrix of metrics: one cell per row and column, its value written in."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from septum.contract import Metric

MAP = "Blues"
"""Light is 0, dark is 1; told apart by colour-blind eyes and in print."""
DARK = 0.7
"""Value from which writing is white."""


def matrix(
    metrics: Mapping[str, Metric], *, name: str, groups: Mapping[str, Sequence[str]]
) -> Figure:
    """The metrics `NAME/row/column` in [0, 1], with their intervals.

    Args:
        metrics: By path; others than those of `name` are left out.
        name: First part of the paths.
        groups: Columns by title, in the order to draw them; only those that are there are drawn.
    """
    cells = {tuple(path.split("/")[1:]): m for path, m in metrics.items() if _is(path, name)}
    rows = list(dict.fromkeys(row for row, _ in cells))
    there = {column for _, column in cells}
    shown = {title: [c for c in columns if c in there] for title, columns in groups.items()}
    columns = [column for group in shown.values() for column in group]
    figure = Figure(
        figsize=(0.85 * len(columns) + 1.3, 0.6 * len(rows) + 1.9), layout="constrained"
    )
    axes = figure.subplots()
    values = [[cells[r, c].value if (r, c) in cells else np.nan for c in columns] for r in rows]
    axes.imshow(np.array(values), cmap=MAP, vmin=0, vmax=1, aspect="auto")
    for (row, column), metric in cells.items():
        if column in columns:
            _write(axes, columns.index(column), rows.index(row), metric)
    axes.set_xticks(range(len(columns)), [c.replace("_", " ") for c in columns], rotation=35)
    for label in axes.get_xticklabels():
        label.set(ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(rows)), rows)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    _part(axes, shown)
    return figure


def _is(path: str, name: str) -> bool:
    return path.startswith(f"{name}/") and path.count("/") == 2


def _write(axes: Axes, x: int, y: int, metric: Metric) -> None:
    colour = "white" if metric.value >= DARK else "black"
    axes.text(x, y - 0.1, f"{metric.value:.2f}", ha="center", va="center", color=colour)
    span = f"{metric.low:.2f} to {metric.high:.2f}"
    axes.text(x, y + 0.25, span, ha="center", va="center", color=colour, fontsize=6)


def _part(axes: Axes, groups: Mapping[str, Sequence[str]]) -> None:
    """Titles over the groups, and a gap between them."""
    start = 0
    for title, columns in groups.items():
        if not columns:
            continue
        middle = start + (len(columns) - 1) / 2
        axes.text(middle, -0.62, title, ha="center", va="bottom", fontweight="bold")
        if start:
            axes.axvline(start - 0.5, color="white", linewidth=6)
        start += len(columns)
