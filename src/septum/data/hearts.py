"""Slices cut out round the heart, from a data set of short-axis slices with masks.

    DIR/manifest.csv   one row per slice, optionally with the columns `volume` and `slice`, or
    DIR/Case_XXXX/     EMIDEC as published

All slices of a subject have one window, a square round the middle of what the masks show in any of
them. Grey levels of a slice are stretched from black to white: late enhancement has no scale of its
own, and files with a few bright pixels are grey all over. Subjects whose masks show nothing are
left out; `left_out` names them. Masks are kept where the data set names its structures as EMIDEC
does, since these names stand on the card below.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from septum.contract import BadInput, Label, Record, Source
from septum.data import decode, emidec, manifest, read, volume

SIDE_MM = 120.0
"""Side of the window where the spacing of pixels is known."""
SHARE = 7 / 16
"""Side of the window by the longer side of the picture, where it is not: 112 of 256 pixels."""

Window = tuple[int, int, int, int]


def records(folder: Path) -> Iterator[Record]:
    """Every slice of the subjects that show a heart, subject by subject.

    The labels `volume` and `slice` are added where there are none: the name of the subject, and the
    place of the slice in its file or else among the slices of its subject.

    Raises:
        BadInput: The slices cannot be read, those of a subject have several sizes, or there is no
            heart at all.
    """
    subjects = _subjects(folder)
    windows = _windows(folder, subjects)
    if not any(windows.values()):
        raise BadInput(
            f"{folder} holds no mask of a heart to cut slices out by; add the column mask, or name "
            "another layout."
        )
    has_masks = _source(folder).classes == SOURCE.classes
    for slices in subjects.values():
        for place, still in enumerate(slices):
            if window := windows[still.subject]:
                labels = {**_place(still, place), **still.labels}
                mask = still.mask if has_masks else None
                yield replace(still, window=window, mask=mask, labels=labels)


def left_out(folder: Path) -> list[str]:
    """Names of the subjects of whom no mask shows anything.

    Raises:
        BadInput: As for `records`.
    """
    windows = _windows(folder, _subjects(folder))
    return [subject for subject, window in windows.items() if window is None]


def _windows(folder: Path, subjects: Mapping[str, Sequence[Record]]) -> dict[str, Window | None]:
    """By subject; reads every mask once."""
    codes = _source(folder).codes
    found = {name: _window(slices, codes) for name, slices in subjects.items()}
    volume.forget()
    return found


def _window(slices: Sequence[Record], codes: read.Codes | None) -> Window | None:
    masks = [index > 0 for r in slices if (index := decode.mask(r, codes)) is not None]
    if len({mask.shape for mask in masks}) > 1:
        raise BadInput(
            f"The masks of {slices[0].subject!r} have several sizes; export its slices alike."
        )
    heart = np.argwhere(np.stack(masks)) if masks else ()
    if not len(heart):
        return None
    height, width = _sides(slices[0], masks[0].shape)
    _, row, column = (np.min(heart, 0) + np.max(heart, 0) + 1) / 2
    return round(row - height / 2), round(column - width / 2), height, width


def _sides(record: Record, shape: tuple[int, ...]) -> tuple[int, int]:
    """Height and width of the window in pixels."""
    if spacing_mm := decode.image(record).spacing_mm:
        return round(SIDE_MM / spacing_mm[0]), round(SIDE_MM / spacing_mm[1])
    side = round(SHARE * max(shape))
    return side, side


def _place(still: Record, place: int) -> dict[str, Label]:
    return {"volume": still.subject, "slice": float(still.at[0] if still.at else place)}


def _subjects(folder: Path) -> dict[str, list[Record]]:
    found: dict[str, list[Record]] = {}
    for still in _source(folder).records(folder):
        found.setdefault(still.subject, []).append(still)
    return found


def _source(folder: Path) -> Source:
    return manifest.source(folder) if (folder / manifest.TABLE).is_file() else emidec.SOURCE


SOURCE = Source(
    title="Slices cut out round the heart, from a data set of short-axis slices with masks",
    url="part of this package",
    licence="that of the slices",
    cite="that of the slices",
    classes=emidec.CLASSES,
    records=records,
    sketch=emidec.sketch,
    stretch=(1.0, 99.0),
    organ="heart",
)
