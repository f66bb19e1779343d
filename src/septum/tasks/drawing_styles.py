"""The pictures of style noise: images beside one another, and what the noise is good for."""

from collections.abc import Mapping

from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from septum.contract import Metric
from septum.tasks.drawing import COLOURS, show

NAMES = ("none", "classical", "style", "both")
"""Augmentations; each has one colour in all panels."""


def strips(columns: Mapping[str, Float[Tensor, "n H W"]]) -> Figure:
    """One row per image; every column has its name on top."""
    n = min(len(images) for images in columns.values())
    figure = Figure(figsize=(2 * len(columns), 2 * n + 0.3), layout="constrained")
    grid = figure.subplots(n, len(columns), squeeze=False)
    for axes_of_column, (name, images) in zip(grid.T, columns.items(), strict=True):
        axes_of_column[0].set_title(name, fontsize="small")
        for axes, image in zip(axes_of_column, images, strict=True):
            show(axes, image)
    return figure


def curves(metrics: Mapping[str, Metric]) -> Figure:
    """Dice and gain in Dice against the share of the labels, with their intervals."""
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    dice, gain = figure.subplots(1, 2)
    _panel(dice, metrics, "dice")
    _panel(gain, metrics, "dice_gain")
    dice.set_ylabel("Dice")
    gain.set_ylabel("gain in Dice")
    gain.set_title("classical, style: over none; both: over classical", fontsize="small")
    gain.axhline(0, color="black", linewidth=0.8)
    return figure


def _panel(axes: Axes, metrics: Mapping[str, Metric], kind: str) -> None:
    """The metrics `KIND/NAME/P_percent` against P, one line per name."""
    for i, (name, colour) in enumerate(zip(NAMES, COLOURS, strict=False)):
        points = _points(metrics, f"{kind}/{name}/")
        # a little apart, that intervals do not hide one another
        xs = [percent * 1.04 ** (i - 1.5) for percent in points]
        values = [metric.value for metric in points.values()]
        below = [metric.value - metric.low for metric in points.values()]
        above = [metric.high - metric.value for metric in points.values()]
        if points:
            axes.errorbar(xs, values, [below, above], fmt="o-", color=colour, capsize=3, label=name)
            axes.set_xscale("log")
            axes.set_xticks(list(points), [f"{percent} %" for percent in points], minor=False)
    axes.minorticks_off()
    axes.set_xlabel("training subjects with labels")
    axes.grid(visible=True, alpha=0.3)
    axes.legend(frameon=False)


def _points(metrics: Mapping[str, Metric], start: str) -> dict[int, Metric]:
    """Metrics by percentage, in rising order."""
    found = {
        int(path.removeprefix(start).removesuffix("_percent")): metric
        for path, metric in metrics.items()
        if path.startswith(start)
    }
    return dict(sorted(found.items()))
