"""The pictures of speckle: what is filled in, and its spectrum."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from jaxtyping import Bool, Float
from matplotlib.figure import Figure
from numpy import ndarray
from torch import Tensor, nan

from septum.tasks.drawing import COLOURS, show

COLUMNS = 3
"""Spectra side by side."""


@dataclass(frozen=True, kw_only=True)
class Example:
    """An image in [0, 1], the patches of it that are hidden first, and all of them as drawn."""

    image: Float[Tensor, "H W"]
    hidden: Bool[Tensor, "H W"]
    drawn: Float[Tensor, "H W"]
    name: str


@dataclass(frozen=True, kw_only=True)
class Spectrum:
    """Power by frequency, in decibels, of images and of what is drawn of them."""

    real: Float[ndarray, " rings"]
    drawn: Float[ndarray, " rings"]
    name: str


def examples(rows: Sequence[Example]) -> Figure:
    """Image, what is seen of it at first, and what is drawn in all patches, a row each."""
    height, width = rows[0].image.shape
    size = (5.4, (1.68 * height / width + 0.05) * len(rows) + 0.4)
    figure = Figure(figsize=size, layout="constrained")
    grid = figure.subplots(len(rows), 3, squeeze=False)
    for axes_of_row, row in zip(grid, rows, strict=True):
        seen = row.image.masked_fill(row.hidden, nan)  # white, as the paper
        for axes, image in zip(axes_of_row, (row.image, seen, row.drawn), strict=True):
            show(axes, image)
        axes_of_row[0].set_ylabel(row.name, fontsize="small")
    for axes, head in zip(grid[0], ("real", "seen, first half", "drawn"), strict=True):
        axes.set_title(head, fontsize="small")
    return figure


def spectra(of: Sequence[Spectrum], *, frequencies: Float[ndarray, " rings"]) -> Figure:
    """Power against frequency, in a panel each."""
    columns = min(COLUMNS, len(of))
    rows = math.ceil(len(of) / columns)
    size = (2.6 * columns + 1.4, 2.3 * rows + 0.8)
    figure = Figure(figsize=size, layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True).ravel()
    for axes in grid[len(of) :]:
        axes.set_visible(False)
    for axes, spectrum in zip(grid, of, strict=False):
        axes.plot(frequencies, spectrum.real, color="black", label="real")
        axes.plot(frequencies, spectrum.drawn, color=COLOURS[5], label="drawn")
        axes.set_title(spectrum.name.replace("_", " "), fontsize="small")
        axes.grid(visible=True, alpha=0.3)
    handles, labels = grid[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=2, frameon=False)
    figure.supxlabel("cycles per pixel", fontsize="medium")
    figure.supylabel("power (dB)", fontsize="medium")
    return figure
