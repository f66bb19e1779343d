"""Decode one image file, trusting nothing about it.

    file → size on disk → header → rows x columns → pixels `h w`

Pictures (PNG, JPEG, BMP) are read by Pillow, medical files (.mhd with its raw file, .nii, .nii.gz)
by SimpleITK. Both caps are checked before a pixel is decoded, so a small file that unpacks to
gigabytes costs nothing.
"""

import math
import re
import struct
import warnings
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK
from jaxtyping import Shaped, UInt8
from PIL import Image

from septum.contract import BadInput

MAX_BYTES = 64 * 2**20
"""Largest file that is opened."""
MAX_PIXELS = 2**24
"""Most rows x columns that are decoded: 4096 x 4096."""
MAX_HEADER_BYTES = 64 * 2**10

FORMATS = ("PNG", "JPEG", "BMP")
MEDICAL = {".mhd": "MetaImageIO", ".nii": "NiftiImageIO", ".gz": "NiftiImageIO"}
BROKEN = (
    *(OSError, SyntaxError, ValueError, TypeError, LookupError, EOFError, ArithmeticError),
    *(struct.error, zlib.error),
)
"""What Pillow raises on damaged files."""

Codes = Mapping[int, int]
"""Class index of every value that a mask holds."""


@dataclass(frozen=True, kw_only=True)
class Pixels:
    """One decoded image.

    Attributes:
        grey: Intensities; files of more than 8 bits are stretched from their range to 0-255, slices
            of a volume between two percentiles of it.
        spacing_mm: Distance of neighbouring rows and of neighbouring columns, where stated.
    """

    grey: UInt8[np.ndarray, "h w"]
    spacing_mm: tuple[float, float] | None = None


def image(path: Path) -> Pixels:
    """Read an image as 8-bit grey.

    Raises:
        BadInput: The file is missing, too large, damaged, or no image.
    """
    if path.suffix.lower() in MEDICAL:
        values, spacing_mm = _medical(path)
        return Pixels(grey=_eight_bit(path, values), spacing_mm=spacing_mm)
    return Pixels(grey=_eight_bit(path, _picture(path, _grey)))


def mask(path: Path, codes: Codes | None = None) -> UInt8[np.ndarray, "h w"]:
    """Read a map of class indices; the colours of a palette picture do not matter.

    One that was saved as a colour picture without having any colour is read as the grey one it is.

    Args:
        path: File of the mask.
        codes: Class index of every value in the file, where it holds no indices.

    Raises:
        BadInput: As for `image`, or the file holds colours or values that `indices` refuses.
    """
    medical = path.suffix.lower() in MEDICAL
    values = _medical(path)[0] if medical else _picture(path, partial(_one_band, path))
    return indices(path, values, codes)


def indices(
    path: Path, values: Shaped[np.ndarray, "h w"], codes: Codes | None
) -> UInt8[np.ndarray, "h w"]:
    """The class indices that the values of a mask stand for.

    Raises:
        BadInput: Without codes, a value is no whole number 0-254; with codes, it is neither 0 nor
            one of them.
    """
    if codes is not None:
        return _decoded(path, values, codes)
    with np.errstate(invalid="ignore"):
        index = values.astype(np.uint8)
    if not np.array_equal(index, values) or index.max() == 255:
        raise _no_indices(path)
    return index


def inside(folder: Path, name: str) -> Path:
    """The file of that name under the folder; it need not exist.

    Raises:
        BadInput: The name is absolute, has `..` or control characters, or a link leads elsewhere.
    """
    home = folder.resolve()
    plain = name.isprintable() and "\\" not in name and len(name) < 1024
    if not plain or Path(name).is_absolute() or ".." in Path(name).parts:
        raise BadInput(f"{name!r} is no plain path below {folder}; write it relative to it.")
    try:
        path = (home / name).resolve()
    except (OSError, RuntimeError) as error:
        raise BadInput(f"{name!r} under {folder} cannot be followed; correct the path.") from error
    if not path.is_relative_to(home):
        raise BadInput(f"{name!r} leads out of {folder}; copy the file into the folder.")
    return path


def raw_file(path: Path) -> Path:
    """The file beside a .mhd header that holds its pixels; it need not exist.

    What is not checked here, the library that reads the header takes as it comes: it follows a path
    to anywhere, and never returns from a number of axes below 0.

    Raises:
        BadInput: The header names no such file, or states other than 2 or 3 axes.
    """
    header = path.read_bytes()[:MAX_HEADER_BYTES].decode("latin-1")
    name = _stated(header, "ElementDataFile", r"[\w.-]+")
    if name in {None, "LOCAL", "LIST"}:
        raise BadInput(f"{path} names no data file beside it; set ElementDataFile to a file name.")
    if _stated(header, "NDims", "[23]") is None:
        raise BadInput(f"{path} is no image of 2 or 3 axes; export it again.")
    return inside(path.parent, str(name))


def _stated(header: str, key: str, pattern: str) -> str | None:
    """What a header says of a key; None if not one line names it, or that looks otherwise."""
    lines = re.findall(rf".*{key}.*", header)
    found = re.fullmatch(rf"{key}\s*=\s*({pattern})\s*", lines[0]) if len(lines) == 1 else None
    return found and found[1]


def _picture(path: Path, take: Callable[[Image.Image], Shaped[np.ndarray, "h w"]]) -> Any:
    _check_bytes(path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        try:
            with Image.open(path, formats=FORMATS) as picture:
                _check_pixels(path, picture.width * picture.height)
                return take(picture)
        except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
            raise _too_large(path) from error
        except BROKEN as error:
            raise BadInput(f"{path} is damaged or no image; replace it or drop its row.") from error


def _grey(picture: Image.Image) -> Shaped[np.ndarray, "h w"]:
    deep = picture.mode.startswith(("I", "F"))
    return np.asarray(picture if deep else picture.convert("L"))


def _decoded(
    path: Path, values: Shaped[np.ndarray, "h w"], codes: Codes
) -> UInt8[np.ndarray, "h w"]:
    known = {0: 0, **codes}
    index = np.zeros(values.shape, np.uint8)
    for value in np.unique(values):
        if value not in known:
            raise BadInput(
                f"The mask {path} holds the value {value:g}, which stands for no class; correct "
                f"it to one of {', '.join(map(str, sorted(known)))}."
            )
        index[values == value] = known[value]
    return index


def _one_band(path: Path, picture: Image.Image) -> Shaped[np.ndarray, "h w"]:
    bands = dict(zip(picture.getbands(), map(np.asarray, picture.split()), strict=True))
    opacity = bands.pop("A", None) if len(bands) > 1 else None
    first, *others = bands.values()
    see_through = opacity is not None and np.ptp(opacity) > 0
    if see_through or not all(np.array_equal(first, other) for other in others):
        raise BadInput(
            f"The mask {path} holds colours and no class indices; save it as an 8-bit picture with "
            "one index per pixel."
        )
    return first


def _no_indices(path: Path) -> BadInput:
    return BadInput(
        f"The mask {path} holds values that are no class indices 0-254; "
        "save it as an 8-bit picture with one index per pixel."
    )


def _medical(path: Path) -> tuple[Shaped[np.ndarray, "h w"], tuple[float, float]]:
    _check_bytes(path)
    if path.suffix.lower() == ".mhd":
        _check_bytes(raw_file(path))
    SimpleITK.ProcessObject.GlobalWarningDisplayOff()  # problems are told below
    reader = SimpleITK.ImageFileReader()
    reader.SetImageIO(MEDICAL[path.suffix.lower()])
    reader.SetFileName(str(path))
    try:
        reader.ReadImageInformation()
        sides = reader.GetSize()
        _check_pixels(path, math.prod(sides))
        if len(sides) < 2 or math.prod(sides[2:]) != 1 or reader.GetNumberOfComponents() != 1:
            raise BadInput(f"{path} is no single grey frame; store every frame in its own file.")
        volume = reader.Execute()
    except RuntimeError as error:
        raise BadInput(f"{path} is damaged or incomplete; fetch or export it again.") from error
    column_mm, row_mm = volume.GetSpacing()[:2]
    if not (0 < row_mm < 1e3 and 0 < column_mm < 1e3):
        raise BadInput(f"{path} states a pixel spacing of {row_mm} x {column_mm} mm; correct it.")
    return SimpleITK.GetArrayFromImage(volume).reshape(sides[1::-1]), (row_mm, column_mm)


def _eight_bit(path: Path, values: Shaped[np.ndarray, "h w"]) -> UInt8[np.ndarray, "h w"]:
    if values.dtype == np.uint8:
        return values
    real = values.astype(np.float64)
    low, high = real.min(), real.max()
    if not np.isfinite(high - low):
        raise BadInput(f"{path} holds infinite or undefined intensities; export it again.")
    return np.round((real - low) * (255 / max(high - low, 1e-12))).astype(np.uint8)


def _check_bytes(path: Path) -> None:
    if not path.is_file():
        raise BadInput(f"{path} is missing; restore the file or drop it from the data set.")
    if path.stat().st_size > MAX_BYTES:
        raise _too_large(path)


def _check_pixels(path: Path, count: int) -> None:
    if not 0 < count <= MAX_PIXELS:
        raise _too_large(path)


def _too_large(path: Path) -> BadInput:
    return BadInput(
        f"{path} is larger than {MAX_BYTES >> 20} MiB or 4096 x 4096 pixels; make it smaller."
    )
