"""The pictures of ejection fraction (EF): agreement, the worst films, intervals, disks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from septum.contract import Films, Metric
from septum.metrics.agreement import LIMITS
from septum.metrics.disks import Disks
from septum.tasks.drawing import COLOURS, show
from septum.tasks.drawing_anatomy import Picture, sheet

CUTS = (35, 50)
"""EF in percent at which its class changes."""
ROWS, FRAMES = 4, 6
"""Films with large errors that are shown, and frames of each."""
HELD, MISSED, MARK = COLOURS[6], COLOURS[5], COLOURS[4]


@dataclass(frozen=True, kw_only=True)
class Cut:
    """A still with the disks of the cavity that was drawn on it.

    Attributes:
        title: Above it.
        disks: None where nothing was drawn.
        spacing: Height and width of a pixel in the unit of the disks.
    """

    image: Float[Tensor, "h w"]
    title: str
    disks: Disks | None
    spacing: tuple[float, float]


def agreement(
    truth: Float[np.ndarray, " n"], said: Mapping[str, Float[np.ndarray, " n"]]
) -> Figure:
    """Estimates against the truth, and their differences as Bland and Altman draw them."""
    figure = Figure(figsize=(8.6, 4.2), layout="constrained")
    scatter, differences = figure.subplots(1, 2)
    ends = [f([truth.min(), *map(f, said.values())]) for f in (np.min, np.max)]
    ends = [min(ends[0], truth.min()) - 2, max(ends[1], truth.max()) + 2]
    scatter.plot(ends, ends, ":", color="grey")
    for cut in CUTS:
        scatter.axvline(cut, color="grey", linewidth=0.6, alpha=0.6)
        scatter.axhline(cut, color="grey", linewidth=0.6, alpha=0.6)
    differences.axhline(0, color="grey", linestyle=":")
    for colour, (name, column) in zip((HELD, MISSED), said.items(), strict=False):
        scatter.plot(truth, column, ".", color=colour, alpha=0.6, label=name)
        _bland_altman(differences, truth, column, colour)
    scatter.set(xlim=ends, ylim=ends, aspect="equal", xlabel="true EF (%)", ylabel="said EF (%)")
    differences.set(xlabel="mean of true and said EF (%)", ylabel="said - true EF (points)")
    for axes in (scatter, differences):
        axes.grid(visible=True, alpha=0.3)
    scatter.legend(loc="upper left", fontsize="small")
    return figure


def worst(
    films: Films,
    places: Sequence[int],
    truth: Float[np.ndarray, " n"],
    said: Float[np.ndarray, " n"],
) -> Figure:
    """Frames of the first clip of the films with the largest errors, the largest first."""
    chosen = np.argsort(-np.abs(said - truth), kind="stable")[:ROWS]
    names = [
        f"{films.records[places[i]].id}\nEF {truth[i]:.0f} %, said {said[i]:.0f} %" for i in chosen
    ]
    return sheet([_frames(films, places[i]) for i in chosen], names=names, structures=())


def intervals(
    truth: Float[np.ndarray, " n"],
    estimate: Float[np.ndarray, " n"],
    ends: Mapping[str, Float[np.ndarray, "2 n"]],
) -> Figure:
    """Intervals of every film by rising truth, a panel for each way to make them."""
    figure = Figure(figsize=(4.6 * len(ends), 3.9), layout="constrained")
    panels: Any = figure.subplots(1, len(ends), squeeze=False, sharey=True)[0]
    order = np.argsort(truth, kind="stable")
    x = np.arange(len(truth))
    for axes, (name, both) in zip(panels, ends.items(), strict=True):
        low, high = both[:, order]
        held = (low <= truth[order]) & (truth[order] <= high)
        for kept, colour, word in ((held, HELD, "holds"), (~held, MISSED, "misses")):
            label = f"{word} the truth ({kept.sum()})"
            axes.vlines(x[kept], low[kept], high[kept], color=colour, alpha=0.6, label=label)
        axes.plot(x, estimate[order], "k_", markersize=4, label="said EF")
        axes.plot(x, truth[order], "k.", markersize=3, label="true EF")
        axes.set(title=name, xlabel="films by their EF", ylim=(-2, 128))
        axes.set_yticks(range(0, 101, 20))
        axes.legend(frameon=False, loc="upper left", fontsize="small", ncols=2)
        axes.grid(visible=True, alpha=0.3)
    panels[0].set_ylabel("EF (%)")
    return figure


def coverage(found: Mapping[str, Mapping[str, Metric]], *, promised: float) -> Figure:
    """Coverage with its interval, of the subgroups in rows, by the way intervals are made."""
    rows = list(dict.fromkeys(group for by in found.values() for group in by))
    figure = Figure(figsize=(6, 0.42 * len(rows) + 1.3), layout="constrained")
    axes = figure.subplots()
    axes.axvline(promised, color="black", linestyle=":", linewidth=1)
    for k, (colour, (name, by)) in enumerate(zip((HELD, MISSED), found.items(), strict=False)):
        y = [rows.index(group) + 0.2 * (2 * k - 1) for group in by]
        value, low, high = np.array([(m.value, m.low, m.high) for m in by.values()]).T
        span = np.stack([value - low, high - value])
        axes.errorbar(value, y, xerr=span, fmt="o", color=colour, capsize=3, label=name)
    count = next(iter(found.values()))
    ticks = [f"{group} (n = {count[group].n})" for group in rows]
    axes.set_yticks(range(len(rows)), ticks)
    axes.set(ylim=(len(rows) - 0.5, -0.5), xlim=(0, 1.02), xlabel="share of intervals that hold")
    axes.grid(visible=True, axis="x", alpha=0.3)
    axes.legend(frameon=False, loc="lower left")
    return figure


def distances(
    distance: Float[np.ndarray, " n"], off: Float[np.ndarray, " n"], *, most: float
) -> Figure:
    """Error against distance from the training films; a line where answers end."""
    figure = Figure(figsize=(5, 3.8), layout="constrained")
    axes = figure.subplots()
    far: Bool[np.ndarray, " n"] = distance > most
    for kept, colour, word in ((~far, HELD, "answered"), (far, MISSED, "abstained")):
        axes.plot(distance[kept], off[kept], ".", color=colour, label=f"{word} ({kept.sum()})")
    if np.isfinite(most):
        axes.axvline(most, color="black", linestyle=":")
    axes.set(xlabel="Mahalanobis distance from training films", ylabel="|said - true EF| (points)")
    axes.grid(visible=True, alpha=0.3)
    axes.legend(fontsize="small")  # framed: its dots are none of the films'
    return figure


def cuts(rows: Sequence[Sequence[Cut]], *, names: Sequence[str]) -> Figure:
    """Stills in rows with their disks: the long axis, and a diameter across every slice."""
    columns = max(map(len, rows))
    figure = Figure(figsize=(2.3 * columns + 0.5, 2.5 * len(rows) + 0.2), layout="constrained")
    grid = figure.subplots(len(rows), columns, squeeze=False)
    for axes_of_row, row, name in zip(grid, rows, names, strict=True):
        for axes, cut in zip(axes_of_row, row, strict=True):
            show(axes, cut.image)
            axes.set_title(cut.title, fontsize="small")
            if cut.disks is not None:
                _chords(axes, cut.disks, np.array(cut.spacing[::-1]))
        axes_of_row[0].set_ylabel(name, fontsize="small")
    return figure


def _bland_altman(
    axes: Axes, truth: Float[np.ndarray, " n"], said: Float[np.ndarray, " n"], colour: str
) -> None:
    """Lines at the mean difference, and where 95 % of normal differences would end."""
    apart = said - truth
    axes.plot((said + truth) / 2, apart, ".", color=colour, alpha=0.6)
    spread = apart.std(ddof=1) if len(apart) > 1 else 0.0
    for times in (0, -LIMITS, LIMITS):
        y = float(apart.mean() + times * spread)
        axes.axhline(y, color=colour, linestyle="--" if times else "-")
        beside: dict[str, Any] = {"transform": axes.get_yaxis_transform(), "va": "center"}
        axes.text(1.01, y, f"{y:+z.1f}", color=colour, fontsize="small", **beside)


def _frames(films: Films, place: int) -> list[Picture]:
    """Frames of the first clip, evenly spread over what it has of the film."""
    clip = films.clip
    frames = films.clips([place], [0]).image[0].mean(0)
    inside = -(-films.lengths()[place] // clip.stride) if clip.stride else clip.frames
    spread = np.linspace(0, min(inside, clip.frames) - 1, FRAMES).round().astype(int)
    return [
        Picture(image=frames[k], note=f"frame {k * max(clip.stride, 1)}") for k in spread.tolist()
    ]


def _chords(axes: Axes, found: Disks, unit: Float[np.ndarray, " 2"]) -> None:
    """The long axis and, across it, every diameter as if it were round it."""
    axis = found.apex - found.base
    count = len(found.diameters)
    across = np.array([-axis[1], axis[0]]) / np.linalg.norm(axis)
    middles = found.base + axis * ((np.arange(count) + 0.5) / count)[:, None]
    half = across * found.diameters[:, None] / 2
    ends = np.stack([middles - half, middles + half]) / unit
    axes.plot(*(np.stack([found.base, found.apex]) / unit).T, "-", color=MARK, linewidth=1.2)
    axes.plot(*ends.transpose(2, 0, 1), color=MARK, linewidth=0.6)
