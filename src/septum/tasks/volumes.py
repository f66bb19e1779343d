"""Which slices make up one volume, and how large its voxels are."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from septum.contract import Record
from septum.metrics.labels import number, pixel_mm, slice_mm

TIMES = ("modality", "view", "phase", "frame")
"""Labels that differ between volumes of a subject."""


@dataclass(frozen=True, kw_only=True)
class Volume:
    """Slices of one subject in one state of the heart; a still is a volume of one slice.

    Attributes:
        name: Id of its record where it has one slice; else what its slices have in common.
        rows: Places of its slices among the records, in the order of the slices.
        pixel_mm: Height and width of a pixel; None where unknown.
        slice_mm: Distance of neighbouring slices; None where unknown.
        gapless: No slice is missing between the first and the last.
    """

    name: str
    subject: str
    rows: Sequence[int]
    pixel_mm: tuple[float, float] | None
    slice_mm: float | None
    gapless: bool

    @property
    def grid_mm(self) -> tuple[float, float, float] | None:
        """Spacing of slices, rows and columns, where there is a grid of voxels in space."""
        if self.pixel_mm is None or self.slice_mm is None or len(self.rows) < 2 or not self.gapless:
            return None
        return self.slice_mm, *self.pixel_mm

    @property
    def voxel_ml(self) -> float:
        """How much of the body a pixel of a slice stands for; NaN where unknown."""
        if self.pixel_mm is None or self.slice_mm is None:
            return math.nan
        return math.prod(self.pixel_mm) * self.slice_mm / 1000


def volumes(records: Sequence[Record]) -> list[Volume]:
    """Group the records, in the order in which volumes begin.

    Slices belong together if they share the subject and the label `volume`. Without that label they
    do if they know their position (the label `slice`, or the first number of `at`) and share the
    subject, the labels modality, view, phase and frame, and the rest of `at`; an image that knows
    neither volume nor position is by itself.

    >>> from pathlib import Path
    >>> at = lambda k: Record(id=f"z{k}", subject="a", image=Path("a"), labels={"slice": k})
    >>> [(v.name, v.rows) for v in volumes([at(2.0), at(1.0)])]
    [('a', [1, 0])]
    """
    rows: dict[tuple[str, ...], list[int]] = {}
    for row, record in enumerate(records):
        rows.setdefault(_key(record), []).append(row)
    return [_volume(key, found, records) for key, found in rows.items()]


def _volume(key: tuple[str, ...], rows: list[int], records: Sequence[Record]) -> Volume:
    positions = {row: _position(records[row]) for row in rows}
    ordered = sorted(rows, key=lambda row: positions[row] or 0.0)
    first = records[ordered[0]]
    return Volume(
        name=first.id if len(rows) == 1 else " ".join(key),
        subject=first.subject,
        rows=ordered,
        pixel_mm=pixel_mm(first),
        slice_mm=slice_mm(first),
        gapless=_gapless([positions[row] for row in ordered]),
    )


def _key(record: Record) -> tuple[str, ...]:
    if "volume" in record.labels:
        return record.subject, str(record.labels["volume"])
    if _position(record) is None:
        return record.subject, record.id
    state = [str(record.labels[name]) for name in TIMES if name in record.labels]
    return record.subject, *state, *map(str, record.at[1:])


def _position(record: Record) -> float | None:
    stated = number(record, "slice")
    return float(record.at[0]) if stated is None and record.at else stated


def _gapless(positions: Sequence[float | None]) -> bool:
    return all(
        a is not None and b is not None and math.isclose(b - a, 1) for a, b in pairwise(positions)
    )
