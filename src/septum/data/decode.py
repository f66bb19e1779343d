"""Decode what a record points at: a file of its own, one slice of a volume, or a film.

Of all of them only the window is returned where the record has one.
"""

from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from septum.contract import BadInput, Record
from septum.data import dicom, film, read, volume, window

PLANE = "plane"
"""Label whose value `axial` says that the slices of a volume are counted across the body."""


def image(record: Record) -> read.Pixels:
    """The pixels, and their spacing where the file or the labels of the record state it.

    Of a film they are those of its first frame.

    Raises:
        BadInput: The file cannot be read, or the stated spacing is impossible.
    """
    return next(frames(record))


def frames(record: Record) -> Iterator[read.Pixels]:
    """What `image` is, of every frame of a film; of a still image that alone.

    Raises:
        BadInput: As for `image`; or the frames of a film are of several sizes, or the window shows
            nothing of them.
    """
    for pixels in _whole(record):
        yield replace(pixels, grey=window.cut(pixels.grey, record))


def _whole(record: Record) -> Iterator[read.Pixels]:
    if record.at:
        whole = _volume(record)
        yield read.Pixels(grey=whole.grey(record.at), spacing_mm=whole.grid.spacing_mm[1:])
    elif len(record.film) == 1:
        spacing_mm = film.spacing_mm(record.film[0]) or _stated_spacing_mm(record)
        for grey in _spanned(film.frames(record.film[0]), record.span):
            yield read.Pixels(grey=grey, spacing_mm=spacing_mm)
    else:
        yield from _pictures(record)


def _volume(record: Record) -> volume.Volume:
    if dicom.is_dicom(record.image):
        return dicom.load(record.image)
    return volume.load(record.image, axial=_is_axial(record))


def _picture(path: Path) -> read.Pixels:
    if not dicom.is_dicom(path):
        return read.image(path)
    if (count := film.count(path)) > 1:
        raise BadInput(f"{path} is a film of {count} frames; name it as one.")
    (grey,) = film.frames(path)
    return read.Pixels(grey=grey, spacing_mm=film.spacing_mm(path))


def _spanned(
    film: Iterator[UInt8[np.ndarray, "h w"]], span: tuple[int, int] | None
) -> Iterator[UInt8[np.ndarray, "h w"]]:
    """The frames that are meant."""
    return film if span is None else islice(film, span[0], span[1] + 1)


def _pictures(record: Record) -> Iterator[read.Pixels]:
    """Files of one picture each."""
    size = None
    for path in record.film or [record.image]:
        pixels = _picture(path)
        size = size or pixels.grey.shape
        if pixels.grey.shape != size:
            raise BadInput(
                f"{path} has {pixels.grey.shape[0]} x {pixels.grey.shape[1]} pixels and "
                f"{record.image} {size[0]} x {size[1]}; export a film at one size."
            )
        spacing_mm = pixels.spacing_mm or _stated_spacing_mm(record)
        yield read.Pixels(grey=pixels.grey, spacing_mm=spacing_mm)


def mask(record: Record, codes: read.Codes | None = None) -> UInt8[np.ndarray, "h w"] | None:
    """The class index of every pixel, None for a record without a mask.

    Args:
        record: What is decoded.
        codes: Class index of every value in the file (`septum.contract.Source.codes`).

    Raises:
        BadInput: The file cannot be read, or a value in it stands for no class; or it is to be cut
            to a window, and its image has another size.
    """
    if record.mask is None:
        return None
    index = _whole_mask(record, record.mask, codes)
    for path in record.more_masks:
        index = _united(index, _whole_mask(record, path, codes), record.mask, path)
    if record.window is not None:
        _check_same_size(record, index)
    return window.cut(index, record)


def _whole_mask(record: Record, path: Path, codes: read.Codes | None) -> UInt8[np.ndarray, "h w"]:
    if not record.at:
        return read.mask(path, codes)
    values = volume.load(path, axial=_is_axial(record)).values(record.at)
    return read.indices(path, values, codes)


def _united(
    one: UInt8[np.ndarray, "h w"], other: UInt8[np.ndarray, "h2 w2"], first: Path, path: Path
) -> UInt8[np.ndarray, "h w"]:
    if one.shape != other.shape:
        raise BadInput(
            f"The mask {path} has {other.shape[0]} x {other.shape[1]} pixels and {first} of the "
            f"same image {one.shape[0]} x {one.shape[1]}; export all at the same size."
        )
    return np.maximum(one, other)


def _check_same_size(record: Record, index: UInt8[np.ndarray, "h w"]) -> None:
    """Once cut, image and mask have one size whatever they had before."""
    height, width = next(_whole(record)).grey.shape
    if index.shape != (height, width):
        raise BadInput(
            f"The mask {record.mask} has {index.shape[0]} x {index.shape[1]} pixels and its image "
            f"{height} x {width}; export both at the same size."
        )


def _is_axial(record: Record) -> bool:
    return record.labels.get(PLANE) == "axial"


def _stated_spacing_mm(record: Record) -> tuple[float, float] | None:
    row_mm, column_mm = (record.labels.get(f"spacing_{axis}_mm") for axis in "yx")
    if not (isinstance(row_mm, float) and isinstance(column_mm, float)):
        return None
    if not (0 < row_mm < 1e3 and 0 < column_mm < 1e3):
        raise BadInput(
            f"{record.id!r} states a pixel spacing of {row_mm:g} x {column_mm:g} mm; correct it."
        )
    return row_mm, column_mm
