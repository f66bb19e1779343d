"""Findings of an audit for the reader: a dict for JSON, a text, and a contact sheet."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from septum.contract import Record
from septum.data import decode, volume
from septum.data.alike import LEAST_CORRELATION
from septum.data.audit import Audit, Twins
from septum.data.split import SPLITS

COLUMNS = 8
SAMPLE_ROWS = 3
TWIN_ROWS = 4
MOST_LINES = 20
CLASS_COLOURS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#f0e442")
"""Okabe and Ito's, which colour-blind readers can tell apart."""


def as_dict(audit: Audit) -> dict[str, Any]:
    """Everything that was found, for JSON."""
    return {
        "data": audit.name,
        "clean": not _problems(audit) and not _leaks(audit),
        "images": dict(audit.images_by_split),
        "subjects": dict(audit.subjects_by_split),
        "images_with_class": dict(audit.images_with_class),
        "values": {name: dict(counts) for name, counts in audit.values.items()},
        "organs": {name: dict(counts) for name, counts in audit.organs.items()},
        "smallest": list(audit.sizes[0]) if audit.sizes else None,
        "largest": list(audit.sizes[-1]) if audit.sizes else None,
        "bad_rows": list(audit.bad_rows),
        "unreadable": list(audit.unreadable),
        "mismatched": list(audit.mismatched),
        "in_two_splits": {s: list(names) for s, names in audit.in_two_splits.items()},
        "least_correlation": LEAST_CORRELATION,
        "twins": [_twins_as_dict(twins) for twins in audit.twins],
    }


def as_text(audit: Audit) -> str:
    """What to know, in a screenful; long lists are cut and say so."""
    lines = [
        f"{audit.name}: {_total(audit.images_by_split)} images of "
        f"{_total(audit.subjects_by_split)} subjects",
        *_sizes(audit.sizes),
        *_counts("images", audit.images_by_split, SPLITS),
        *_counts("subjects", audit.subjects_by_split, SPLITS),
        *_counts("images with", audit.images_with_class, ()),
        *(
            f"  {name}: {of['images']} images of {of['subjects']} subjects"
            for name, of in audit.organs.items()
        ),
        *(
            line
            for name, counts in audit.values.items()
            for line in _counts(name, counts, ()) * (name != "organ")
        ),
        *_list("unusable rows", audit.bad_rows),
        *_list("unreadable files", audit.unreadable),
        *_list("masks that do not fit", audit.mismatched),
        *_list(
            "subjects in two splits",
            [f"{s}: {', '.join(names)}" for s, names in audit.in_two_splits.items()],
        ),
        *_twins_as_text(audit.twins),
    ]
    return "\n".join(lines)


def contact_sheet(audit: Audit) -> Figure:
    """Images spread over the data set with the outlines of their classes, then pairs of twins."""
    shown = _strangers(audit.twins)[: TWIN_ROWS * COLUMNS // 2]
    places = np.linspace(0, len(audit.records) - 1, SAMPLE_ROWS * COLUMNS).astype(int)
    sample = [audit.records[i] for i in dict.fromkeys(places.tolist())] if audit.records else []
    rows = -(-len(sample) // COLUMNS) - (-2 * len(shown) // COLUMNS)
    figure = Figure(figsize=(1.6 * COLUMNS, 1.8 * max(rows, 1)))
    figure.subplots_adjust(0.005, 0.01, 0.995, 1 - 0.2 / max(rows, 1), 0.04, 0.2)
    axes = np.atleast_1d(figure.subplots(max(rows, 1), COLUMNS)).ravel()
    for ax in axes:
        ax.axis("off")
    for ax, record in zip(axes, sample, strict=False):
        _draw(ax, record, record.id, codes=audit.codes)
    first = -(-len(sample) // COLUMNS) * COLUMNS
    for k, twins in enumerate(shown):
        title = f"r = {twins.correlation:.2f} {' '.join(twins.disagree)}"
        for shown_at, record, line in ((0, twins.first, title), (1, twins.second, "")):
            ax = axes[first + 2 * k + shown_at]
            _draw(ax, record, f"{record.id}\n{line}", codes=audit.codes)
    volume.forget()
    return figure


def _draw(ax: Axes, record: Record, title: str, *, codes: Mapping[int, int] | None) -> None:
    pixels = decode.image(record)
    row_mm, column_mm = pixels.spacing_mm or (1.0, 1.0)
    ax.imshow(pixels.grey, cmap="gray", vmin=0, vmax=255, aspect=row_mm / column_mm)
    ax.set_title(title, fontsize=5)
    index = decode.mask(record, codes)
    if index is not None and index.shape == pixels.grey.shape and min(index.shape) > 1:
        for k in np.unique(index[index > 0])[::-1]:  # an inner outline over an outer one
            colour = CLASS_COLOURS[(int(k) - 1) % len(CLASS_COLOURS)]
            ax.contour(index == k, levels=[0.5], colors=[colour], linewidths=0.7)


def _problems(audit: Audit) -> bool:
    return bool(audit.bad_rows or audit.unreadable or audit.mismatched or audit.in_two_splits)


def _leaks(audit: Audit) -> list[Twins]:
    return [twins for twins in audit.twins if not twins.same_split]


def _strangers(twins: Sequence[Twins]) -> list[Twins]:
    """Twins of different subjects, contradictions first."""
    others = [pair for pair in twins if not pair.same_subject]
    return sorted(others, key=lambda pair: not pair.disagree)


def _twins_as_dict(twins: Twins) -> dict[str, Any]:
    return {
        "ids": [twins.first.id, twins.second.id],
        "exact": twins.exact,
        "correlation": twins.correlation,
        "same_subject": twins.same_subject,
        "same_split": twins.same_split,
        "disagree": list(twins.disagree),
    }


def _twins_as_text(twins: Sequence[Twins]) -> list[str]:
    others = _strangers(twins)
    among = {record.id for pair in others for record in (pair.first, pair.second)}
    conflicts = Counter(name for pair in others for name in pair.disagree)
    return [
        f"twins (equal, or correlation >= {LEAST_CORRELATION}): {len(others)} pairs of different "
        f"subjects among {len(among)} images, {sum(pair.exact for pair in others)} of them equal; "
        f"{len(twins) - len(others)} pairs within a subject",
        f"twins in different splits: {sum(not pair.same_split for pair in others)}",
        *_counts("twins that disagree in", conflicts, ()),
        *_list(
            "twins of different subjects",
            [f"{p.first.id} = {p.second.id}, {p.correlation:.2f}" for p in others],
        ),
    ]


def _counts(title: str, counts: Mapping[str, int], order: Sequence[str]) -> list[str]:
    names = [name for name in order if name in counts] or list(counts)
    return [f"  {title}: " + ", ".join(f"{name} {counts[name]}" for name in names)] * bool(names)


def _sizes(sizes: Sequence[tuple[int, int]]) -> list[str]:
    ends = [" x ".join(map(str, size)) for size in (*sizes[:1], *sizes[1:][-1:])]
    hint = "; smaller ones than they are prepared at are enlarged"
    return [f"  pixels: {' to '.join(ends)}{hint}"] * bool(sizes)


def _list(title: str, lines: Sequence[str]) -> list[str]:
    more = [f"    and {len(lines) - MOST_LINES} more"] * (len(lines) > MOST_LINES)
    return [f"{title}: {len(lines)}", *(f"    {line}" for line in lines[:MOST_LINES]), *more]


def _total(counts: Mapping[str, int]) -> int:
    return sum(counts.values())
