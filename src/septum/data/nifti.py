"""The header and the voxels of a NIfTI-1 file, trusting neither.

    file → size on disk → header (shape, spacing, kind of number) → voxels `t z y x`

Libraries that read this format fill what a cut file lacks with zeros and take a spacing of 0 for
1 mm; here both are refused. The caps are checked before a voxel is decoded.
https://nifti.nimh.nih.gov/pub/dist/src/niftilib/nifti1.h
"""

import gzip
import math
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from jaxtyping import Shaped

from septum.contract import BadInput

MAX_BYTES = 512 * 2**20
"""Largest file that is opened."""
MAX_VOXELS = 2**28
"""Most voxels that are decoded, over all frames."""
MAX_START = 2**20
"""Most bytes before the voxels."""
LARGEST = 1e30
"""Intensities beyond it are damage."""

HEADER_BYTES = 348
INTEGERS = {2: "u1", 256: "i1", 4: "i2", 512: "u2", 8: "i4", 768: "u4", 1024: "i8", 1280: "u8"}
KINDS = {**INTEGERS, 16: "f4", 64: "f8"}
UNITS_MM = {1: 1e3, 3: 1e-3}
"""Metres and micrometres; anything else is taken for millimetres, as is usual."""


@dataclass(frozen=True, kw_only=True)
class Header:
    """What the first bytes of a file state.

    Attributes:
        shape: Frames, slices, rows, columns: the fourth axis of the file to its first.
        spacing_mm: Distance of neighbouring slices, rows and columns.
        kind: Number that a voxel is stored as.
        start: Bytes before the first voxel.
        scaling: Slope and intercept that turn the stored number into an intensity.
        is_oriented: The file states how it lies in the body.
    """

    shape: tuple[int, int, int, int]
    spacing_mm: tuple[float, float, float]
    kind: np.dtype
    start: int
    scaling: tuple[float, float]
    is_oriented: bool


def header(path: Path) -> Header:
    """Read the header alone.

    Raises:
        BadInput: The file is missing, too large, damaged, no NIfTI-1 volume of grey levels, or does
            not state its spacing.
    """
    head = head_bytes(path)
    order = next((o for o in "<>" if struct.unpack_from(f"{o}i", head)[0] == HEADER_BYTES), None)
    if order is None or head[344:348] != b"n+1\0":
        raise BadInput(f"{path} is no NIfTI-1 volume in one file; convert it.")
    kind = KINDS.get(struct.unpack_from(f"{order}h", head, 70)[0])
    start, *scaling = struct.unpack_from(f"{order}3f", head, 108)
    if kind is None or not HEADER_BYTES <= start <= MAX_START:
        raise BadInput(f"{path} is damaged or no volume of grey levels; export it again.")
    return Header(
        shape=_shape(path, struct.unpack_from(f"{order}8h", head, 40)),
        spacing_mm=_spacing_mm(path, struct.unpack_from(f"{order}3f", head, 80), head[123] & 7),
        kind=np.dtype(order + kind),
        start=int(start),
        scaling=_scaling(*scaling),
        is_oriented=_is_oriented(*struct.unpack_from(f"{order}2h18f", head, 252)),
    )


def head_bytes(path: Path) -> bytes:
    """The header as it is stored.

    Raises:
        BadInput: The file is missing, too large or shorter than a header.
    """
    check_file(path)
    return _bytes(path, HEADER_BYTES)


def voxels(path: Path, head: Header) -> Shaped[np.ndarray, "t z y x"]:
    """The intensities of a file with this header.

    Raises:
        BadInput: Voxels are missing, infinite or undefined.
    """
    count = math.prod(head.shape)
    data = _bytes(path, head.start + count * head.kind.itemsize)
    values = np.frombuffer(data, head.kind, count, head.start).reshape(head.shape)
    if head.scaling != (1, 0):
        slope, intercept = map(np.float32, head.scaling)
        values = values * slope + intercept
    if values.dtype.kind == "f" and not np.abs(values).max() < LARGEST:
        raise BadInput(f"{path} holds infinite or undefined intensities; export it again.")
    return values


def check_file(path: Path) -> None:
    """Make sure that a file is there and not too large.

    Raises:
        BadInput: It is not.
    """
    if not path.is_file():
        raise BadInput(f"{path} is missing; restore the file or drop it from the data set.")
    if path.stat().st_size > MAX_BYTES:
        raise _too_large(path)


def _shape(path: Path, stated: tuple[int, ...]) -> tuple[int, int, int, int]:
    axes = stated[0]
    x, y, z, t, *more = (side if k < axes else 1 for k, side in enumerate(stated[1:]))
    if not 1 <= axes <= 7 or min(x, y, z, t) < 1 or set(more) != {1}:
        raise BadInput(f"{path} is no volume and no cine of volumes; export it again.")
    if x * y * z * t > MAX_VOXELS:
        raise _too_large(path)
    return t, z, y, x


def _spacing_mm(path: Path, stated: tuple[float, ...], unit: int) -> tuple[float, float, float]:
    x, y, z = (UNITS_MM.get(unit, 1.0) * side for side in stated)
    if not all(0 < side < 1e3 for side in (x, y, z)):
        raise BadInput(
            f"{path} states a voxel spacing of {x:g} x {y:g} x {z:g} mm; correct its header."
        )
    return z, y, x


def _is_oriented(by_turn: int, by_matrix: int, *numbers: float) -> bool:
    return (by_turn > 0 or by_matrix > 0) and all(map(math.isfinite, numbers))


def _scaling(slope: float, intercept: float) -> tuple[float, float]:
    is_stated = math.isfinite(slope) and math.isfinite(intercept) and slope != 0
    return (slope, intercept) if is_stated else (1.0, 0.0)


def _bytes(path: Path, count: int) -> bytes:
    """The first bytes of the unpacked file."""
    try:
        with _open(path) as file:
            data = file.read(count)
            file.read(1)  # at the end of the file its checksum is compared
    except (OSError, EOFError, zlib.error) as error:
        raise _damaged(path) from error
    if len(data) < count:
        raise _damaged(path)
    return data


def _open(path: Path) -> gzip.GzipFile | BinaryIO:
    return gzip.open(path) if path.suffix.lower() == ".gz" else path.open("rb")


def _damaged(path: Path) -> BadInput:
    return BadInput(f"{path} is damaged or incomplete; fetch or export it again.")


def _too_large(path: Path) -> BadInput:
    return BadInput(
        f"{path} is larger than {MAX_BYTES >> 20} MiB or {MAX_VOXELS} voxels; make it smaller."
    )
