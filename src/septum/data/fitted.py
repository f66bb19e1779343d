"""One record at the prepared size: frames, sector, mask, and labels in its pixels.

The sector of a film is that of the mean of its frames, its mask that of end-diastole: the largest
outline.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8

from septum.contract import BadInput, Record, Source
from septum.data import decode, outline, sector, table, window
from septum.data.letterbox import Letterbox, fit, show
from septum.data.shards import Writer

NO_MASK = 255


def append(
    writers: Sequence[Writer], record: Record, *, source: Source, size: tuple[int, int]
) -> tuple[Record, dict[str, Any]]:
    """Write image or film, sector and mask of one record; its row of the table.

    Args:
        writers: Of images, of sectors and, where the data set has any, of masks.
        record: As the files state it.
        source: The card of its data set.
        size: Height and width of a prepared frame.

    Raises:
        BadInput: A file cannot be read, or does not fit the others or the labels.
    """
    images, *others = writers
    count, total, box, spacing_mm = 0, np.zeros(size, np.uint32), None, None
    for pixels in decode.frames(record):
        if box is None:
            spacing_mm, shape = pixels.spacing_mm, pixels.grey.shape
            box = framing(record.image, (shape[0], shape[1]), size, spacing_mm, source.field_mm)
        frame = stretched(box.image(pixels.grey), source.stretch)
        images.append(frame)
        count, total = count + 1, total + frame
    assert box is not None
    checked = _checked(window.counted(record), box.source, count)
    placed, row = table.place(checked, box, spacing_mm)
    mean = np.round(total / count).astype(np.uint8)
    seen = sector.find(mean) if _is_ultrasound(record) else np.ones(size, bool)
    known = _mask(record, placed, box, source)
    for writer, frame in zip(others, (seen.view(np.uint8), known), strict=False):
        writer.append(frame)
    return placed, row


def framing(
    path: Path,
    shape: tuple[int, int],
    size: tuple[int, int],
    spacing_mm: tuple[float, float] | None,
    field_mm: tuple[float, float] | None,
) -> Letterbox:
    """Where a picture of this shape lies in a prepared frame: whole, or the field round its middle.

    Raises:
        BadInput: There is to be a field, and the file at this path does not state its spacing.
    """
    if field_mm is None:
        return fit(shape, size, spacing_mm)
    if spacing_mm is None:
        raise BadInput(f"{path} does not state the spacing of its pixels; export it again.")
    return show(shape, size, spacing_mm, field_mm)


def stretched(
    grey: UInt8[np.ndarray, "h w"], percentiles: tuple[float, float] | None
) -> UInt8[np.ndarray, "h w"]:
    """Grey levels from one percentile to the other, over all from black to white."""
    if percentiles is None:
        return grey
    black, white = np.percentile(grey, percentiles)
    if white <= black:
        return grey
    return np.round(255 * ((grey - black) / (white - black)).clip(0, 1)).astype(np.uint8)


def _checked(record: Record, shape: tuple[int, int], count: int) -> Record:
    """A film with the number of its frames; a still image as it is."""
    if not record.film:
        return record
    if count < 2:
        raise BadInput(f"{record.image} is a film of {count} frame; drop it or fetch it again.")
    ef_percent = record.labels.get("ef_percent", 0.0)
    if isinstance(ef_percent, str) or not 0 <= ef_percent <= 100:
        raise BadInput(
            f"The film {record.image} has an ejection fraction of {ef_percent} %; correct it to "
            "0 to 100, or drop it."
        )
    outline.check(record, shape, count)
    return replace(record, labels={**record.labels, "frames": float(count)})


def _mask(
    record: Record, placed: Record, box: Letterbox, source: Source
) -> UInt8[np.ndarray, "h w"]:
    if placed.outlines:
        traced = placed.outlines[outline.largest(placed.outlines)]
        return outline.fill(traced, box.size).astype(np.uint8)
    index = decode.mask(record, source.codes)
    if index is None:
        return np.full(box.size, NO_MASK, np.uint8)
    _check_mask(record, index, box.source, source.classes)
    return box.mask(index)


def _check_mask(
    record: Record,
    index: UInt8[np.ndarray, "h w"],
    shape: tuple[int, int],
    classes: Sequence[str],
) -> None:
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
