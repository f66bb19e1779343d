"""The pictures of classes: what is taken for what, how sure it is, and how many labels it takes."""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float, Int
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from septum.contract import Metric
from septum.metrics import calibration
from septum.tasks.drawing import COLOURS

MAP = "Blues"
"""Light is 0, dark is 1; told apart by colour-blind eyes and in print."""
DARK = 0.6
"""Share from which writing is white."""
SCORES = ("accuracy", "balanced_accuracy")

Chances = Mapping[str, Float[np.ndarray, "n k"]]


def confusion(chances: Chances, truth: Int[np.ndarray, " n"], classes: Sequence[str]) -> Figure:
    """Images by class and by what they are taken for; the colour is the share of the class."""
    k = len(classes)
    size = ((0.75 * k + 1.6) * len(chances), 0.75 * k + 1.4)
    figure = Figure(figsize=size, layout="constrained")
    grid = figure.subplots(1, len(chances), squeeze=False)[0]
    names = [name.replace("_", " ") for name in classes]
    for axes, (name, chance) in zip(grid, chances.items(), strict=True):
        counts = np.zeros((k, k), dtype=int)
        np.add.at(counts, (truth, chance.argmax(1)), 1)
        _cells(axes, counts)
        axes.set_xticks(range(k), names, rotation=35)
        for label in axes.get_xticklabels():
            label.set(ha="right", rotation_mode="anchor")
        axes.set_yticks(range(k), names)
        axes.set_xlabel(f"said ({name})")
    grid[0].set_ylabel("true class")
    return figure


def reliability(
    chances: Chances, truth: Int[np.ndarray, " n"], metrics: Mapping[str, Metric]
) -> Figure:
    """Share of right answers against the probability they were given, in bins of equal mass.

    The calibration errors are `ece/NAME` of the metrics; dots are as large as their bins.
    """
    figure = Figure(figsize=(4.2, 4.8), layout="constrained")
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], ":", color="grey")
    for colour, (name, chance) in zip(COLOURS, chances.items(), strict=False):
        said, share, cases = calibration.reliability(chance.max(1), chance.argmax(1) == truth)
        ece = metrics[f"ece/{name}"]
        label = f"{name}, error {ece.value:.3f} [{ece.low:.3f}, {ece.high:.3f}]"
        axes.plot(said, share, "-", color=colour, label=label)
        axes.scatter(said, share, 300 * cases / cases.sum(), color=colour)
    axes.set_xlabel("probability of the answer")
    axes.set_ylabel("share of right answers")
    axes.set_xlim(0, 1.02)
    axes.set_ylim(-0.02, 1.02)
    axes.set_aspect("equal")
    axes.grid(visible=True, alpha=0.3)
    figure.legend(loc="outside lower center", frameon=False, fontsize="small")
    return figure


def by_share(metrics: Mapping[str, Metric], *, shares: Sequence[float]) -> Figure:
    """Scores of the logistic regression against the share of labels, and that of the majority.

    A share without a metric is named in the title.
    """
    figure = Figure(figsize=(5, 3.6), layout="constrained")
    axes = figure.subplots()
    there = [share for share in shares if f"accuracy/logistic/{share:.0%}" in metrics]
    for colour, score in zip(COLOURS, SCORES, strict=False):
        found = [metrics[f"{score}/logistic/{share:.0%}"] for share in there]
        axes.plot(
            there, [m.value for m in found], "o-", color=colour, label=score.replace("_", " ")
        )
        low, high = [m.low for m in found], [m.high for m in found]
        axes.fill_between(there, low, high, color=colour, alpha=0.25, linewidth=0)
    most = metrics["accuracy/majority"].value
    axes.axhline(most, color="black", linestyle=":", linewidth=1, label="accuracy of the majority")
    axes.set_xscale("log")
    axes.set_xticks(shares, [f"{share:.0%}" for share in shares])
    axes.minorticks_off()
    axes.set_xlabel("share of the training subjects whose label is shown")
    axes.set_ylim(0, 1.02)
    axes.grid(visible=True, alpha=0.3)
    axes.legend(frameon=False, loc="lower right")
    if missing := [f"{share:.0%}" for share in shares if share not in there]:
        axes.set_title(f"{', '.join(missing)}: not a subject of every class", fontsize="small")
    return figure


def _cells(axes: Axes, counts: Int[np.ndarray, "k k"]) -> None:
    share = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    axes.imshow(share, cmap=MAP, vmin=0, vmax=1)
    for (row, column), cases in np.ndenumerate(counts):
        colour = "white" if share[row, column] >= DARK else "black"
        axes.text(column, row, str(cases), ha="center", va="center", color=colour)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
