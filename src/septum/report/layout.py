"""Sheets of equal panels: frames, maps over frames, changes between frames.

Text is black and the ground transparent, so that a page can show a sheet in its own colours.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from septum import palette

WIDTH_IN = 11.0
GAP_IN = 0.1
TITLE_IN = 0.3
LABEL_IN = 0.3
KEY_IN = 0.17
TEXT_PT = 9.0
DIGIT_SHARE = 0.45
"""Height of a printed index, as a share of its cell."""
LUMA = np.array([0.299, 0.587, 0.114])


@dataclass(frozen=True, kw_only=True)
class Sheet:
    """A figure with a grid of empty panels; those that stay empty leave no trace."""

    figure: Figure
    panels: Sequence[Sequence[Axes]]


def sheet(
    rows: int,
    columns: int,
    *,
    aspect: float,
    gap_in: float = GAP_IN,
    label_in: float = 0.0,
    footer_in: float = 0.0,
) -> Sheet:
    """Empty panels of height `aspect` x width, with room for a title over the first row.

    Between rows are `gap_in` inches; `label_in` stay free at the left, `footer_in` at the bottom.
    """
    w_in = (WIDTH_IN - label_in - GAP_IN * (columns - 1)) / columns
    h_in = w_in * aspect
    height_in = TITLE_IN + rows * (h_in + gap_in) - gap_in + footer_in
    figure = Figure(figsize=(WIDTH_IN, height_in))
    figure.patch.set_alpha(0)

    def panel(row: int, column: int) -> Axes:
        left_in = label_in + column * (w_in + GAP_IN)
        bottom_in = footer_in + (rows - 1 - row) * (h_in + gap_in)
        box = (left_in / WIDTH_IN, bottom_in / height_in, w_in / WIDTH_IN, h_in / height_in)
        return figure.add_axes(box, xticks=[], yticks=[], frame_on=False)

    return Sheet(figure=figure, panels=[[panel(r, c) for c in range(columns)] for r in range(rows)])


def frame(axes: Axes, image: Float[np.ndarray, "h w"], title: str = "") -> None:
    """Intensities in [0, 1] as grey levels, upright."""
    grey = np.rint(255 * image).astype(np.uint8)
    _show(axes, np.repeat(grey[..., None], 3, axis=-1), title)


def row_label(axes: Axes, text: str) -> None:
    """What a row shows, upwards along the left edge of its first panel."""
    axes.annotate(
        text,
        (-0.02, 0.5),
        xycoords="axes fraction",
        rotation=90,
        parse_math=False,
        fontsize=TEXT_PT,
        ha="right",
        va="center",
    )


def concepts(
    axes: Axes,
    image: Float[np.ndarray, "h w"],
    indices: Int[np.ndarray, "gh gw"],
    confidence: Float[np.ndarray, "gh gw"],
    title: str = "",
) -> None:
    """A frame under its concept map: coloured cells, each with its index; background unmarked."""
    frame(axes, image, title)
    (h, w), (gh, gw) = image.shape, indices.shape
    overlay = palette.cells(indices, confidence)
    rows, columns = np.arange(h) * gh // h, np.arange(w) * gw // w
    fine = overlay[rows][:, columns]
    axes.imshow(fine, interpolation="none", aspect="auto")
    blend = fine[..., 3] * (fine[..., :3] @ LUMA) + (1 - fine[..., 3]) * image
    for (row, column), concept in np.ndenumerate(indices):
        if concept:
            under = blend[rows == row][:, columns == column].mean()
            _digit(
                axes,
                ((column + 0.5) / gw, 1 - (row + 0.5) / gh),
                int(concept),
                bright=bool(under > 0.5),
                cells=gh,
            )


def structures(
    axes: Axes,
    image: Float[np.ndarray, "h w"],
    maps: Bool[np.ndarray, "d h w"],
    colours: Sequence[str],
    title: str = "",
) -> None:
    """A frame under maps of what is where, each in its colour."""
    frame(axes, image, title)
    axes.imshow(palette.tints(maps, colours), interpolation="none", aspect="auto")


def outline(axes: Axes, indices: Int[np.ndarray, "gh gw"], pair: tuple[int, int]) -> None:
    """A thin frame in its colour around every cell of two concepts."""
    gh, gw = indices.shape
    for row, column in np.argwhere(np.isin(indices, pair)):
        corner = (column / gw, 1 - (row + 1) / gh)
        edge = palette.colour(int(indices[row, column]))
        box = Rectangle(
            corner, 1 / gw, 1 / gh, transform=axes.transAxes, fill=False, ec=edge, lw=0.7
        )
        axes.add_patch(box)


def change(axes: Axes, difference: Float[np.ndarray, "h w"], limit: float, title: str = "") -> None:
    """Signed difference of two frames; `limit` is the difference at the ends of the scale."""
    colours = palette.CHANGE((difference / limit + 1) / 2)
    _show(axes, colours, title)


def concept_legend(figure: Figure, shares: Sequence[tuple[int, float]]) -> None:
    """One coloured key per concept with its share, in a row at the bottom of the figure."""
    legend(
        figure, [(palette.colour(concept), f"{concept}: {share:.0%}") for concept, share in shares]
    )


def legend(figure: Figure, keys: Sequence[tuple[str, str]], *, least: int = 8) -> None:
    """Colours and what they mean, in a row at the bottom; each as wide as one of `least`."""
    height_in = figure.get_figheight()
    w, h = KEY_IN / WIDTH_IN, KEY_IN / height_in
    for place, (colour, meaning) in enumerate(keys):
        x, y = place / max(len(keys), least), 0.1 / height_in
        figure.add_artist(Rectangle((x, y), w, h, color=colour, lw=0))
        figure.text(x + 1.3 * w, y + 0.15 * h, meaning, fontsize=TEXT_PT - 1, parse_math=False)


def change_legend(figure: Figure, limit: float) -> None:
    """The scale of `change`, in the middle of the bottom of the figure."""
    y, h = 0.14 / figure.get_figheight(), 0.12 / figure.get_figheight()
    axes = figure.add_axes((0.4, y, 0.2, h), xticks=[], yticks=[], frame_on=False)
    change(axes, np.linspace(-1, 1, 256)[None], 1.0)
    figure.text(0.39, y, f"darker, \N{MINUS SIGN}{limit:.2f}", fontsize=TEXT_PT - 1, ha="right")
    figure.text(0.61, y, f"brighter, +{limit:.2f}", fontsize=TEXT_PT - 1)


def _show(axes: Axes, pixels: np.ndarray, title: str) -> None:
    axes.imshow(pixels, interpolation="none", aspect="auto")
    axes.set_title(title, fontsize=TEXT_PT, pad=4, parse_math=False)


def _digit(axes: Axes, at: tuple[float, float], concept: int, *, bright: bool, cells: int) -> None:
    """The index in the middle of a cell; `cells` are those from top to bottom of the panel."""
    cell_pt = 72 * axes.bbox.height / axes.figure.dpi / cells
    axes.annotate(
        str(concept),
        at,
        xycoords="axes fraction",
        color="#111111" if bright else "#ffffff",
        fontsize=DIGIT_SHARE * cell_pt,
        ha="center",
        va="center_baseline",
    )
