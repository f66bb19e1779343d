"""The pictures of a report: a model and a few frames in, a figure out.

Figures have black text on a transparent ground and echo frames in grey, upright, each with the
caption it is given (view and phase, say).
"""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from septum import palette
from septum.contract import Batch
from septum.report import drawings, islands, layout
from septum.report.drawings import (
    Discrete,
    DiscretePainter,
    Frames,
    Maps,
    Outliner,
    Painter,
    Swap,
)
from septum.tasks.drawing import COLOURS

LEGEND_IN = 0.4
CHANNELS = 8
"""Most channels of an anatomy that are drawn one by one."""


def concept_maps(model: Discrete, batch: Batch, captions: Sequence[str]) -> Figure:
    """Frames above, their concepts below; the surer the model, the more opaque a cell.

    The keys say how much of the frames, background aside, each concept covers.
    """
    seen = drawings.see(model, batch)
    page = layout.sheet(2, len(captions), aspect=_aspect(seen.frames), footer_in=LEGEND_IN)
    for i, caption in enumerate(captions):
        layout.frame(page.panels[0][i], seen.frames[i], caption)
        layout.concepts(page.panels[1][i], seen.frames[i], seen.concepts[i], seen.confidence[i])
    cells = np.count_nonzero(seen.concepts)
    shares = [(habit.concept, habit.cells / cells) for habit in islands.habits(seen.concepts)]
    layout.concept_legend(page.figure, sorted(shares))
    return page.figure


def concept_swap(model: DiscretePainter, batch: Batch, caption: str) -> Figure | None:
    """The first frame, drawn from its concepts alone, as found and with two pairs swapped.

    All frames together say which concepts are isolated. None where the first has fewer than four.
    """
    seen = drawings.see(model, batch)
    swap = drawings.swap(model, batch, seen)
    if swap is None:
        return None
    image, concepts, confidence = seen.frames[0], seen.concepts[0], seen.confidence[0]
    page = layout.sheet(
        2, 4, aspect=_aspect(seen.frames), gap_in=layout.TITLE_IN, footer_in=LEGEND_IN
    )
    (frame, found, *swapped), (mapped, target, *changes) = page.panels
    layout.frame(frame, image, caption)
    layout.frame(found, swap.found, "drawn from its concepts alone")
    layout.concepts(mapped, image, concepts, confidence, "its concepts")
    layout.frame(target, swap.target, "to compare: the frame, blurred")
    limit = _limit(swap)
    for name, above, below in zip(swap.pairs, swapped, changes, strict=True):
        a, b = swap.pairs[name]
        layout.frame(above, swap.drawn[name], f"{name} concepts {a} and {b} swapped")
        layout.outline(above, concepts, (a, b))
        layout.change(below, swap.drawn[name] - swap.found, limit, "what that changed")
    layout.change_legend(page.figure, limit)
    return page.figure


def anatomy(model: Painter, batch: Batch, captions: Sequence[str]) -> Figure | None:
    """Frames, all channels of their anatomy in one, then each; of many, those most in use.

    None where the content is no map of the size of the frames.
    """
    maps = drawings.channels(model, batch)
    if maps is None:
        return None
    share = maps.mean(axis=(0, 2, 3))
    used = sorted(np.argsort(-share, kind="stable")[:CHANNELS].tolist())
    colours = [palette.colour(k + 1) for k in range(len(share))]
    titles = [f"s{k}: {share[k]:.0%}" for k in used]
    frames = batch.image[:, 0].cpu().numpy()
    page = layout.sheet(
        len(captions), len(used) + 2, aspect=_aspect(frames), label_in=layout.LABEL_IN
    )
    for i, (caption, row) in enumerate(zip(captions, page.panels, strict=True)):
        heads = ["input", "all channels", *titles] if i == 0 else [""] * len(row)
        layout.row_label(row[0], caption)
        layout.frame(row[0], frames[i], heads[0])
        layout.structures(row[1], frames[i], maps[i], colours, heads[1])
        for axes, k, head in zip(row[2:], used, heads[2:], strict=True):
            layout.structures(axes, frames[i], maps[i, k : k + 1], colours[k : k + 1], head)
    return page.figure


def masks(
    model: Outliner, batch: Batch, captions: Sequence[str], structures: Sequence[str]
) -> Figure:
    """Frames above, then the true masks where they are known, then those that the model draws."""
    found = drawings.outline(model, batch)
    names = [structure.replace("_", " ") for structure in structures]
    rows: dict[str, Maps] = {} if found.truth is None else {"true masks": found.truth}
    rows |= {"the model's": found.drawn}
    colours = [COLOURS[k % len(COLOURS)] for k in range(found.drawn.shape[1])]
    page = layout.sheet(
        1 + len(rows),
        len(captions),
        aspect=_aspect(found.frames),
        label_in=layout.LABEL_IN,
        footer_in=LEGEND_IN,
    )
    for axes, image, caption in zip(page.panels[0], found.frames, captions, strict=True):
        layout.frame(axes, image, caption)
    for panels, (name, maps) in zip(page.panels[1:], rows.items(), strict=True):
        layout.row_label(panels[0], name)
        for axes, image, of in zip(panels, found.frames, maps, strict=True):
            layout.structures(axes, image, of, colours)
    layout.legend(page.figure, [*zip(colours, names, strict=True)], least=6)
    return page.figure


def reconstruction(model: Painter, batch: Batch, captions: Sequence[str]) -> Figure:
    """Input, drawn from content and style, and from content alone; if discrete, blurred too."""
    return _strips(drawings.rebuild(model, batch), captions)


def style_levels(model: Painter, batch: Batch, captions: Sequence[str]) -> Figure:
    """Input, then drawn with the same noise on the style, stronger from left to right."""
    return _strips(drawings.style_levels(model, batch), captions)


def style_draws(model: Painter, batch: Batch, captions: Sequence[str]) -> Figure:
    """Drawn with the style as found, then with different noises of one strength on it."""
    return _strips(drawings.style_draws(model, batch), captions)


def _strips(columns: Mapping[str, Frames], captions: Sequence[str]) -> Figure:
    """One row per frame, one titled column per version of it."""
    first = next(iter(columns.values()))
    page = layout.sheet(
        len(captions), max(4, len(columns)), aspect=_aspect(first), label_in=layout.LABEL_IN
    )
    for i, (caption, row) in enumerate(zip(captions, page.panels, strict=True)):
        layout.row_label(row[0], caption)
        for axes, (title, frames) in zip(row, columns.items(), strict=False):
            layout.frame(axes, frames[i], title if i == 0 else "")
    return page.figure


def _limit(swap: Swap) -> float:
    """The largest change, and never so small that rounding would show."""
    return max(0.02, *(float(np.abs(drawn - swap.found).max()) for drawn in swap.drawn.values()))


def _aspect(frames: Frames) -> float:
    return frames.shape[1] / frames.shape[2]
