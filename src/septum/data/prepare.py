"""Decode a data set once, into frames that can be read at random in microseconds.

    records → decode → scale, pad or crop → uint8 shards + table.parquet → Prepared

Of a film all frames are written, one after the other.

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
from jaxtyping import Int

from septum.contract import BadInput, Label, Record, Source
from septum.data import fitted, open_source, table, volume
from septum.data.classes import Groups, merged
from septum.data.prepared import Prepared
from septum.data.shards import Writer, join, open_frames
from septum.data.split import assign
from septum.data.subset import is_outlined

VERSION = 2
"""Goes up when prepared frames of the same files change."""
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
    if len({bool(r.film) for r in found}) > 1:
        raise BadInput(f"{name} mixes films and still images; make it two data sets.")
    records = [replace(r, split=s) for r, s in zip(found, assign(found), strict=True)]
    key = _key(records, source, size)
    folder = (cache or default_cache()) / f"{name.replace(':', '-')}-{size[0]}x{size[1]}-{key}"
    if not folder.is_dir():
        _write(folder, records, source=source, size=size)
    return _open(folder, name, source)


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
        BadInput: As for `prepare` and `merged`; or no name, a name twice, or films beside still
            images.
    """
    if not names or len(set(names)) < len(names):
        raise BadInput("Name at least one data set, and every one once.")
    parts = [merged(prepare(name, root, size=size, cache=cache), groups or {}) for name in names]
    return parts[0] if len(parts) == 1 else joined(parts)


def default_cache() -> Path:
    """`septum` in the user's cache folder."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "septum"


def joined(parts: Sequence[Prepared]) -> Prepared:
    """Prepared data sets, of whatever folders, one after the other as one; as `prepare_many`."""
    films = [part.name for part in parts if part.spans is not None]
    if 0 < len(films) < len(parts):
        raise BadInput(
            f"{', '.join(films)} holds films and the other data sets still images; they cannot be "
            "one; name data sets of one kind."
        )
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
        spans=_spans([r for part in parts for r in part.records]),
        groups=parts[0].groups,
    )


def _open(folder: Path, name: str, source: Source) -> Prepared:
    try:
        images, sectors, masks = (open_frames(folder, k) for k in ("images", "sectors", "masks"))
        records = table.read(folder)
        spans = _spans(records)
    except (OSError, ValueError, KeyError, pa.ArrowException) as error:
        raise _damaged(folder) from error
    count = len(records)
    frames = count if spans is None else spans[-1].sum()
    if (len(images), len(sectors), len(masks) or count) != (frames, count, count):
        raise _damaged(folder)
    organ: dict[str, Label] = {"organ": source.organ} if source.organ else {}
    return Prepared(
        name=name,
        classes=source.classes,
        records=[replace(r, labels={**organ, **r.labels, "data": name}) for r in records],
        places=np.arange(len(records)),
        images=images,
        sectors=sectors,
        masks=masks if len(masks) else None,
        spans=spans,
    )


def _spans(records: Sequence[Record]) -> Int[np.ndarray, "n 2"] | None:
    """First frame and number of frames of every film, as they were written."""
    if not records[0].film:
        return None
    lengths = np.array([int(r.labels["frames"]) for r in records])
    return np.stack([np.cumsum(lengths) - lengths, lengths], axis=1)


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
    kinds = ["images", "sectors", *["masks"] * any(map(is_outlined, records))]
    with ExitStack() as stack:
        stack.callback(volume.forget)
        writers = [stack.enter_context(Writer(folder, kind, size=size)) for kind in kinds]
        rows = [fitted.append(writers, r, source=source, size=size) for r in records]
    table.write(folder, rows)


def _key(records: Sequence[Record], source: Source, size: tuple[int, int]) -> str:
    card = list(source.classes), source.field_mm, sorted((source.codes or {}).items())
    stretch = [source.stretch] if source.stretch else []
    facts = [
        (
            *(r.id, r.subject, r.split, r.at, dict(r.labels)),
            *(*map(_stamp, (r.image, r.mask)), *_film(r), *_window(r), *_more_masks(r)),
        )
        for r in records
    ]
    return sha256(json.dumps([VERSION, size, card, facts, *stretch]).encode()).hexdigest()[:16]


def _film(record: Record) -> list[Any]:
    """What only films have: a still image is named as before there were any."""
    if not record.film:
        return []
    return [[*map(_stamp, record.film)], sorted(record.outlines.items()), record.span]


def _window(record: Record) -> list[Any]:
    """What only a part of a picture has: a whole one is named as before."""
    return [] if record.window is None else [record.window]


def _more_masks(record: Record) -> list[Any]:
    """What only a mask of several files has."""
    return [{"more_masks": [*map(_stamp, record.more_masks)]}] if record.more_masks else []


def _stamp(path: Path | None) -> list[tuple[str, int, int]]:
    """Name, size and date of a file, and of the raw data beside a header."""
    if path is None:
        return []
    raw = [path.with_suffix(end) for end in (".raw", ".zraw") if path.suffix == ".mhd"]
    stats = [(str(file), file.stat()) for file in (path, *raw) if file.is_file()]
    return [(name, stat.st_size, stat.st_mtime_ns) for name, stat in stats]


def _damaged(folder: Path) -> BadInput:
    return BadInput(f"The cache {folder} is damaged; remove that folder and run again.")
