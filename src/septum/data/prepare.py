"""Decode a data set once, into frames that can be read at random in microseconds.

    records → decode → scale, pad or crop → uint8 shards + table.parquet → Prepared

The cache folder is named by a hash of everything it depends on (records, size and date of every
file, frame size, version), is written beside its place and renamed into it: a cache that exists is
whole, and one that no longer fits is never looked at. The data set itself is only read.
"""

import json
import os
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pyarrow as pa
from jaxtyping import UInt8

from septum.contract import BadInput, Record, Source
from septum.data import decode, open_source, sector, table, volume
from septum.data.classes import Groups, merged
from septum.data.letterbox import Letterbox, fit, show
from septum.data.prepared import Prepared
from septum.data.shards import Writer, join, open_frames
from septum.data.split import assign

VERSION = 2
"""Goes up when prepared frames of the same files change."""
NO_MASK = 255
MAX_SIDE = 4096


def prepare(name: str, root: Path, *, size: tuple[int, int], cache: Path | None = None) -> Prepared:
    """One data set at one frame size; decoded on the first call, mapped on every later one.

    Args:
        name: A data set under `root`, as `septum.data.open_source` understands it.
        root: Holds one folder per data set; it is not written to.
        size: Height and width of a prepared frame.
        cache: Holds one folder per prepared data set; by default in the user's cache folder.

    Raises:
        BadInput: Something about the data set is wrong, or the cache cannot be written.
    """
    if not all(0 < side <= MAX_SIDE for side in size):
        raise BadInput(f"Frames of {size[0]} x {size[1]} pixels cannot be made; use 1 to 4096.")
    source, found = open_source(name, root)
    records = [replace(r, split=s) for r, s in zip(found, assign(found), strict=True)]
    key = _key(records, source, size)
    folder = (cache or default_cache()) / f"{name.replace(':', '-')}-{size[0]}x{size[1]}-{key}"
    if not folder.is_dir():
        _write(folder, records, source=source, size=size)
    return _open(folder, name, source.classes)


def prepare_many(
    names: Sequence[str],
    root: Path,
    *,
    size: tuple[int, int],
    cache: Path | None = None,
    groups: Groups | None = None,
) -> Prepared:
    """Several data sets one after the other, as one.

    Ids and subjects get the name of their data set in front. Where the data sets do not agree on
    the classes, there is no common mask and `masks` is None.

    Args:
        names: Of the data sets.
        root: As for `prepare`.
        size: As for `prepare`.
        cache: As for `prepare`.
        groups: Structures that the masks are to tell apart, of the classes of every data set.

    Raises:
        BadInput: As for `prepare` and `merged`; or no name, or a name twice.
    """
    if not names or len(set(names)) < len(names):
        raise BadInput("Name at least one data set, and every one once.")
    parts = [merged(prepare(name, root, size=size, cache=cache), groups or {}) for name in names]
    return parts[0] if len(parts) == 1 else _join(parts)


def default_cache() -> Path:
    """`septum` in the user's cache folder."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "septum"


def _join(parts: Sequence[Prepared]) -> Prepared:
    masks = [part.masks for part in parts if part.masks]
    agree = len(masks) == len(parts) and len({tuple(part.classes) for part in parts}) == 1
    return Prepared(
        name="+".join(part.name for part in parts),
        classes=parts[0].classes if agree else ("background",),
        records=[
            replace(r, id=f"{part.name}/{r.id}", subject=f"{part.name}/{r.subject}")
            for part in parts
            for r in part.records
        ],
        places=np.arange(sum(len(part.records) for part in parts)),
        images=join([part.images for part in parts]),
        sectors=join([part.sectors for part in parts]),
        masks=join(masks) if agree else None,
        groups=parts[0].groups,
    )


def _open(folder: Path, name: str, classes: Sequence[str]) -> Prepared:
    try:
        images, sectors, masks = (open_frames(folder, k) for k in ("images", "sectors", "masks"))
        records = table.read(folder)
    except (OSError, ValueError, KeyError, pa.ArrowException) as error:
        raise _damaged(folder) from error
    if not len(images) == len(sectors) == len(records) or len(masks) not in {0, len(records)}:
        raise _damaged(folder)
    return Prepared(
        name=name,
        classes=classes,
        records=[replace(r, labels={**r.labels, "data": name}) for r in records],
        places=np.arange(len(records)),
        images=images,
        sectors=sectors,
        masks=masks if len(masks) else None,
    )


def _write(
    folder: Path, records: Sequence[Record], *, source: Source, size: tuple[int, int]
) -> None:
    """Write into a temporary folder beside, then rename; of two writers the first wins."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=folder.parent, prefix=".preparing-") as scratch:
            fresh = Path(scratch) / "fresh"
            fresh.mkdir()
            _write_frames(fresh, records, source=source, size=size)
            if not folder.is_dir():
                fresh.rename(folder)
    except OSError as error:
        raise BadInput(
            f"The cache {folder.parent} cannot be written ({error.strerror}); "
            "make room or name another folder."
        ) from error


def _write_frames(
    folder: Path, records: Sequence[Record], *, source: Source, size: tuple[int, int]
) -> None:
    kinds = ["images", "sectors", *["masks"] * any(r.mask for r in records)]
    rows: list[tuple[Record, dict[str, Any]]] = []
    with ExitStack() as stack:
        stack.callback(volume.forget)
        writers = [
            stack.enter_context(Writer(folder, kind, count=len(records), size=size))
            for kind in kinds
        ]
        for record in records:
            frames, row = _decode(record, source=source, size=size)
            rows.append(row)
            for writer, frame in zip(writers, frames, strict=False):
                writer.append(frame)
    table.write(folder, rows)


def _decode(
    record: Record, *, source: Source, size: tuple[int, int]
) -> tuple[list[UInt8[np.ndarray, "h w"]], tuple[Record, dict[str, Any]]]:
    """Image, sector and mask of one record, and its row of the table."""
    pixels = decode.image(record)
    shape = (pixels.grey.shape[0], pixels.grey.shape[1])
    box = _box(record, shape, size, spacing_mm=pixels.spacing_mm, field_mm=source.field_mm)
    image = box.image(pixels.grey)
    index = decode.mask(record, source.codes)
    _check_mask(record, index, shape, source.classes)
    known = np.full(size, NO_MASK, np.uint8) if index is None else box.mask(index)
    seen = sector.find(image) if _is_ultrasound(record) else np.ones(size, bool)
    return [image, seen.view(np.uint8), known], table.place(record, box, pixels.spacing_mm)


def _box(
    record: Record,
    shape: tuple[int, int],
    size: tuple[int, int],
    *,
    spacing_mm: tuple[float, float] | None,
    field_mm: tuple[float, float] | None,
) -> Letterbox:
    if field_mm is None:
        return fit(shape, size, spacing_mm)
    if spacing_mm is None:
        raise BadInput(f"{record.image} does not state the spacing of its pixels; export it again.")
    return show(shape, size, spacing_mm, field_mm)


def _check_mask(
    record: Record,
    index: UInt8[np.ndarray, "h w"] | None,
    shape: tuple[int, int],
    classes: Sequence[str],
) -> None:
    if index is None:
        return
    if index.shape != shape:
        raise BadInput(
            f"The mask {record.mask} has {index.shape[0]} x {index.shape[1]} pixels and its image "
            f"{shape[0]} x {shape[1]}; export both at the same size."
        )
    if index.max() >= len(classes):
        raise BadInput(
            f"The mask {record.mask} holds the index {index.max()}, but the classes end at "
            f"{len(classes) - 1}; correct it, or name all of them in mask_classes."
        )


def _is_ultrasound(record: Record) -> bool:
    return str(record.labels.get("modality", "")).lower() in {"us", "ultrasound"}


def _key(records: Sequence[Record], source: Source, size: tuple[int, int]) -> str:
    card = list(source.classes), source.field_mm, sorted((source.codes or {}).items())
    facts = [
        (r.id, r.subject, r.split, r.at, dict(r.labels), *map(_stamp, (r.image, r.mask)))
        for r in records
    ]
    return sha256(json.dumps([VERSION, size, card, facts]).encode()).hexdigest()[:16]


def _stamp(path: Path | None) -> list[tuple[str, int, int]]:
    """Name, size and date of a file, and of the raw data beside a header."""
    if path is None:
        return []
    raw = [path.with_suffix(end) for end in (".raw", ".zraw") if path.suffix == ".mhd"]
    stats = [(str(file), file.stat()) for file in (path, *raw) if file.is_file()]
    return [(name, stat.st_size, stat.st_mtime_ns) for name, stat in stats]


def _damaged(folder: Path) -> BadInput:
    return BadInput(f"The cache {folder} is damaged; remove that folder and run again.")
