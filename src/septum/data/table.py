"""The facts about prepared frames, as a Parquet table with one row per frame.

    id subject split image mask at · height width scale_y scale_x offset_y offset_x · label.NAME ...

`height` and `width` are of the picture in its file. Labels that are points (`*_y_px`, `*_x_px`)
and spacings (`spacing_y_mm`, `spacing_x_mm`) are those of the prepared frame.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import parquet

from septum.contract import Label, Record
from septum.data.letterbox import Letterbox

NAME = "table.parquet"
_LABEL = "label."


def place(
    record: Record, box: Letterbox, spacing_mm: tuple[float, float] | None
) -> tuple[Record, dict[str, Any]]:
    """The record with its labels in prepared pixels, and its row of the table."""
    labels = dict(record.labels)
    for axis, letter in enumerate("yx"):
        scale, offset = box.scale[axis], box.offset[axis]
        for name, value in record.labels.items():
            if name.endswith(f"_{letter}_px") and not isinstance(value, str):
                labels[name] = (value + 0.5) * scale - 0.5 + offset
        if spacing_mm:
            labels[f"spacing_{letter}_mm"] = spacing_mm[axis] / scale
    geometry = {
        **dict(zip(("height", "width"), box.source, strict=True)),
        **dict(zip(("scale_y", "scale_x"), box.scale, strict=True)),
        **dict(zip(("offset_y", "offset_x"), box.offset, strict=True)),
    }
    return replace(record, labels=labels), geometry


def write(folder: Path, rows: Sequence[tuple[Record, Mapping[str, Any]]]) -> None:
    """Write what `place` has returned for every frame."""
    names = list({name: None for record, _ in rows for name in record.labels})
    columns: dict[str, Any] = {
        "id": [r.id for r, _ in rows],
        "subject": [r.subject for r, _ in rows],
        "split": [r.split for r, _ in rows],
        "image": [str(r.image) for r, _ in rows],
        "mask": [str(r.mask) if r.mask else None for r, _ in rows],
        "at": pa.array([list(r.at) for r, _ in rows], pa.list_(pa.int32())),
        **{key: [geometry[key] for _, geometry in rows] for key in rows[0][1]},
        **{_LABEL + name: _column([r.labels.get(name) for r, _ in rows]) for name in names},
    }
    parquet.write_table(pa.table(columns), folder / NAME)


def read(folder: Path) -> list[Record]:
    """The records of the frames, in their order."""
    rows = parquet.read_table(folder / NAME).to_pylist()
    return [
        Record(
            id=row["id"],
            subject=row["subject"],
            split=row["split"],
            image=Path(row["image"]),
            mask=Path(row["mask"]) if row["mask"] else None,
            at=tuple(row["at"]),
            labels={
                key.removeprefix(_LABEL): value
                for key, value in row.items()
                if key.startswith(_LABEL) and value is not None
            },
        )
        for row in rows
    ]


def _column(values: Sequence[Label | None]) -> list[Any]:
    """Numbers, or texts where at least one is a text."""
    kind = str if any(isinstance(value, str) for value in values) else float
    return [None if value is None else kind(value) for value in values]
