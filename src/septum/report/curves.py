"""Small charts of what a run logged: one per quantity, all with the same axis of steps."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float

from septum.contract import BadInput

WIDTH, HEIGHT = 240.0, 96.0
"""Of the drawing area, in its own units."""
MOST_POINTS = 400
SMOOTHING = 25
"""Points of the running mean that is drawn over the raw values, at most a tenth of them."""
LOG_RANGE = 30.0
"""Positive values that span more than this factor are drawn on a logarithmic scale."""

HEALTHY: Mapping[str, tuple[float, float]] = {
    "monitor/usage_perplexity": (8.0, 15.0),
    "monitor/background_accuracy": (0.95, 1.0),
    "monitor/style_covariance_error": (0.0, 0.1),
    "monitor/variance_least": (0.0, 0.9),
}
"""Ranges in which a monitor of this name says that all is well."""

Series = Mapping[str, tuple[Float[np.ndarray, " n"], Float[np.ndarray, " n"]]]
"""Steps and values by name."""


@dataclass(frozen=True, kw_only=True)
class Chart:
    """One quantity over the steps, ready to be drawn in a box of WIDTH x HEIGHT.

    Attributes:
        raw: Points `x,y x,y ...` of the values, y downwards.
        smooth: And of their running mean.
        band: Top and height of the healthy range, if there is one.
        low: Value at the bottom edge; `high` at the top.
        last: Mean over the end of the run.
    """

    name: str
    raw: str
    smooth: str
    band: tuple[float, float] | None
    low: float
    high: float
    last: float
    last_step: int
    logarithmic: bool


@dataclass(frozen=True, kw_only=True)
class Group:
    """Charts that belong together."""

    title: str
    charts: Sequence[Chart]

    def label(self, chart: Chart) -> str:
        """The name of one of them, without a beginning that all of them share."""
        shared = {other.name.partition("/")[0] for other in self.charts}
        head, _, rest = chart.name.partition("/")
        return rest if rest and shared == {head} else chart.name


def read(path: Path) -> Series:
    """The finite values of a log with one JSON object per line and a `step` in each.

    A resumed run logs some steps again: the later line counts. A last line cut short by a kill is
    left out.

    Raises:
        BadInput: If another line is no such object.
    """
    lines = path.read_text(encoding="utf-8", errors="replace").split("\n")
    seen: dict[str, dict[float, float]] = {}
    for number, line in enumerate(lines[:-1], start=1):
        row = _row(line, f"line {number} of {path}")
        for name, value in row.items():
            if name != "step" and math.isfinite(value):
                seen.setdefault(name, {})[row["step"]] = value
    return {name: _sorted(points) for name, points in seen.items()}


def groups(series: Series, *, healthy: Mapping[str, tuple[float, float]] = HEALTHY) -> list[Group]:
    """Charts of loss terms, of monitors, and of how training ran; empty groups are left out."""
    by_title: dict[str, list[Chart]] = {"Loss terms": [], "Monitors": [], "How training ran": []}
    for name, (steps, values) in series.items():
        by_title[_title(name)].append(chart(name, steps, values, healthy=healthy.get(name)))
    return [Group(title=title, charts=charts) for title, charts in by_title.items() if charts]


def chart(
    name: str,
    steps: Float[np.ndarray, " n"],
    values: Float[np.ndarray, " n"],
    *,
    healthy: tuple[float, float] | None = None,
) -> Chart:
    """Fit values, their running mean and the healthy range into the box."""
    mean = _running_mean(values)
    logarithmic = not healthy and 0 < LOG_RANGE * values.min() < values.max()
    low, high = _limits([*values.tolist(), *(healthy or ())], logarithmic=bool(logarithmic))
    last_step = float(steps[-1])

    scale = np.log if logarithmic else np.asarray
    bottom, top = scale(low), scale(high)

    def y(value: np.ndarray) -> np.ndarray:
        return HEIGHT * (1 - (scale(value) - bottom) / (top - bottom))

    x = WIDTH * steps / max(last_step, 1.0)
    keep = np.linspace(0, len(x) - 1, min(len(x), MOST_POINTS)).round().astype(int)
    floor, ceiling = y(np.array(healthy or (low, high))).tolist()
    return Chart(
        name=name,
        raw=_points(x[keep], y(values[keep])),
        smooth=_points(x[keep], y(mean[keep])),
        band=(ceiling, floor - ceiling) if healthy else None,
        low=low,
        high=high,
        last=float(mean[-1]),
        last_step=int(last_step),
        logarithmic=bool(logarithmic),
    )


def _row(line: str, where: str) -> dict[str, float]:
    try:
        row = json.loads(line)
    except json.JSONDecodeError as error:
        raise BadInput(f"{where} is no JSON; train again or remove it.") from error
    numbers = row.items() if isinstance(row, dict) else ()
    found = {str(name): float(value) for name, value in numbers if isinstance(value, int | float)}
    if not math.isfinite(found.get("step", math.nan)):
        raise BadInput(f"{where} has no step; train again or remove it.")
    return found


def _sorted(points: Mapping[float, float]) -> tuple[np.ndarray, np.ndarray]:
    steps = np.array(sorted(points))
    return steps, np.array([points[step] for step in steps])


def _title(name: str) -> str:
    head, slash, _ = name.partition("/")
    if head == "monitor":
        return "Monitors"
    return "Loss terms" if slash and head != "grad_norm" else "How training ran"


def _running_mean(values: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    """Centred; at the ends over the points there are."""
    window = np.ones(max(1, min(SMOOTHING, len(values) // 10)))
    weight = np.convolve(np.ones_like(values), window, mode="same")
    return np.convolve(values, window, mode="same") / weight


def _limits(shown: Sequence[float], *, logarithmic: bool) -> tuple[float, float]:
    """Bottom and top of a chart: from 0 where that costs less than half of its height."""
    low, high = min(shown), max(shown)
    if logarithmic:
        return low, high
    if 0 < low < high / 2:
        return 0.0, high
    return (low, high) if low < high else (low - 0.5, high + 0.5)


def _points(x: Float[np.ndarray, " n"], y: Float[np.ndarray, " n"]) -> str:
    return " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, y, strict=True))
