"""The facts about prepared frames, as a Parquet table with one row per image or film.

    id subject split image mask at · height width scale_y scale_x offset_y offset_x · label.NAME ...
    film outlines, where records are films; their number of frames is the label `frames`
    window, where records are parts of pictures; more_masks, where some have several

`height` and `width` are of the picture in its file, or of the part of it. Labels that are points
(`*_y_px`, `*_x_px`), the corners of outlines and spacings (`spacing_y_mm`, `spacing_x_mm`) are
those of the prepared frame.
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
_CORNER = pa.struct({"x": pa.float64(), "y": pa.float64()})
_OUTLINE = pa.struct({"frame": pa.int32(), "corners": pa.list_(_CORNER)})


def place(
    record: Record, box: Letterbox, spacing_mm: tuple[float, float] | None
) -> tuple[Record, dict[str, Any]]:
    """The record with labels and outlines in prepared pixels, and its row of the table."""
    labels = dict(record.labels)
    for axis, letter in enumerate("yx"):
        for name, value in record.labels.items():
            if name.endswith(f"_{letter}_px") and not isinstance(value, str):
                labels[name] = _moved(value, box, axis)
        if spacing_mm:
            labels[f"spacing_{letter}_mm"] = spacing_mm[axis] / box.scale[axis]
    outlines = {
        frame: [(_moved(x, box, 1), _moved(y, box, 0)) for x, y in corners]
        for frame, corners in record.outlines.items()
    }
    geometry = {
        **dict(zip(("height", "width"), box.source, strict=True)),
        **dict(zip(("scale_y", "scale_x"), box.scale, strict=True)),
        **dict(zip(("offset_y", "offset_x"), box.offset, strict=True)),
    }
    return replace(record, labels=labels, outlines=outlines), geometry


def _moved(value: float, box: Letterbox, axis: int) -> float:
    return (value + 0.5) * box.scale[axis] - 0.5 + box.offset[axis]


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
        **(_of_films([r for r, _ in rows]) if any(r.film for r, _ in rows) else {}),
        **(_of_parts([r for r, _ in rows]) if any(r.window for r, _ in rows) else {}),
        **(_of_masks([r for r, _ in rows]) if any(r.more_masks for r, _ in rows) else {}),
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
            more_masks=tuple(map(Path, row.get("more_masks", ()))),
            at=tuple(row["at"]),
            film=tuple(map(Path, row.get("film", ()))),
            window=None if row.get("window") is None else tuple(row["window"]),
            outlines={
                traced["frame"]: [(corner["x"], corner["y"]) for corner in traced["corners"]]
                for traced in row.get("outlines", ())
            },
            labels={
                key.removeprefix(_LABEL): value
                for key, value in row.items()
                if key.startswith(_LABEL) and value is not None
            },
        )
        for row in rows
    ]


def _of_films(records: Sequence[Record]) -> dict[str, Any]:
    films = [[str(path) for path in r.film] for r in records]
    outlines = [
        [
            {"frame": frame, "corners": [{"x": x, "y": y} for x, y in corners]}
            for frame, corners in r.outlines.items()
        ]
        for r in records
    ]
    return {
        "film": pa.array(films, pa.list_(pa.string())),
        "outlines": pa.array(outlines, pa.list_(_OUTLINE)),
    }


def _of_parts(records: Sequence[Record]) -> dict[str, Any]:
    return {"window": pa.array([r.window for r in records], pa.list_(pa.int32()))}


def _of_masks(records: Sequence[Record]) -> dict[str, Any]:
    paths = [[str(path) for path in r.more_masks] for r in records]
    return {"more_masks": pa.array(paths, pa.list_(pa.string()))}


def _column(values: Sequence[Label | None]) -> list[Any]:
    """Numbers, or texts where at least one is a text."""
    kind = str if any(isinstance(value, str) for value in values) else float
    return [None if value is None else kind(value) for value in values]
