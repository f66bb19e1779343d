"""The frames of one DICOM object, one after the other: grey, in colour, or as they were measured.

    data set → caps → components `h w` or `h w 3` → palette, colours or window → 8 bits

pydicom decodes with Pillow, GDCM and CharLS. Of an 8-bit JPEG in colour the components are decoded
here without a transform, since the label of such files is often wrong (`septum.contained.colour`);
so is a JPEG of 12 bits, by GDCM, which pydicom does not ask for it.
"""

import io
import math
from collections.abc import Iterator
from functools import partial
from itertools import chain
from typing import Any

import numpy as np
from jaxtyping import Float32, Shaped, UInt8
from PIL import Image
from pydicom import uid
from pydicom.dataset import Dataset
from pydicom.encaps import generate_frames
from pydicom.pixels.processing import apply_color_lut, apply_modality_lut
from pydicom.pixels.utils import expand_ybr422, iter_pixels

from septum.contained import colour, tags, window
from septum.contained.caps import Refused

JPEG = (uid.JPEGBaseline8Bit, uid.JPEGExtended12Bit)
LUMA = ("YBR_FULL", "YBR_FULL_422")
GREY = ("MONOCHROME1", "MONOCHROME2")
PALETTE = "PALETTE COLOR"

Components = Shaped[np.ndarray, "h w *c"]


def frames(ds: Dataset) -> Iterator[UInt8[np.ndarray, "h w"]]:
    """Every frame in grey: its luma, or its values seen through the window of the file."""
    if tags.label(ds) in GREY:
        yield from _windowed(ds)
    elif tags.label(ds) == PALETTE:
        yield from map(colour.grey, _painted(ds))
    else:
        is_luma, found = _in_colour(ds)
        yield from ((pixels[..., 0] if is_luma else colour.grey(pixels)) for pixels in found)


def colours(ds: Dataset) -> Iterator[UInt8[np.ndarray, "h w 3"]]:
    """Every frame in red, green and blue; of a grey one all three are equal."""
    if tags.label(ds) in GREY:
        yield from (np.repeat(grey[..., None], 3, axis=-1) for grey in _windowed(ds))
    elif tags.label(ds) == PALETTE:
        yield from _painted(ds)
    else:
        is_luma, found = _in_colour(ds)
        yield from (colour.rgb(pixels) if is_luma else pixels for pixels in found)


def values(ds: Dataset) -> Iterator[Float32[np.ndarray, "h w"]]:
    """What the pixels of every frame measure: Hounsfield units, for one.

    Raises:
        Refused: They are colours.
    """
    if tags.label(ds) not in GREY:
        raise Refused("holds colours, which measure nothing; read it as a picture.")
    for place, stored in enumerate(_components(ds)):
        yield _measured(ds, place, stored).astype(np.float32)


def _measured(ds: Dataset, place: int, stored: Components) -> Components:
    """Stored values, rescaled; the shared and then the own factors of an enhanced object count."""
    return apply_modality_lut(stored, _with_factors(ds, place))


def _with_factors(ds: Dataset, place: int) -> Dataset:
    return tags.functional(ds, place, "PixelValueTransformationSequence") or ds


def _windowed(ds: Dataset) -> Iterator[UInt8[np.ndarray, "h w"]]:
    """An 8-bit picture as it is; others through their window, or from their range to 0-255."""
    if ds.BitsStored == 8 and not ds.PixelRepresentation and not _is_rescaled(ds):
        shown = _components(ds)
    else:
        whole = window.of_range(values(ds)) if window.of(ds, 0) is None else None
        shown = (
            (whole or window.of(ds, place) or window.of_range([measured]))(measured)
            for place, measured in enumerate(values(ds))
        )
    is_inverted = tags.label(ds) == "MONOCHROME1"
    for grey in shown:
        yield 255 - grey if is_inverted else grey


def _is_rescaled(ds: Dataset) -> bool:
    factors = _with_factors(ds, 0)
    return "ModalityLUTSequence" in factors or (
        (factors.get("RescaleSlope", 1), factors.get("RescaleIntercept", 0)) != (1, 0)
    )


def _painted(ds: Dataset) -> Iterator[UInt8[np.ndarray, "h w 3"]]:
    """A palette of 16 bits is brought to 8, unless none of its entries needs more."""
    for stored in _components(ds):
        painted = apply_color_lut(stored, ds)
        deep = painted.dtype != np.uint8 and int(_brightest(ds)) > 255
        yield (painted >> 8 if deep else painted).astype(np.uint8)


def _brightest(ds: Dataset) -> int:
    names = [f"{name}PaletteColorLookupTableData" for name in ("Red", "Green", "Blue")]
    order = "<u2" if ds.is_little_endian else ">u2"
    return max((int(np.frombuffer(ds[n].value, order).max()) for n in names if n in ds), default=0)


def _in_colour(ds: Dataset) -> tuple[bool, Iterator[UInt8[np.ndarray, "h w 3"]]]:
    """Whether the components are luma and chroma, as the first frame shows; and all frames."""
    stated = tags.label(ds) in LUMA
    if ds.file_meta.TransferSyntaxUID in JPEG and ds.BitsStored == 8:
        encoded = _encoded(ds)
        first = next(encoded)
        said = colour.plain(first).is_luma
        stated = stated if said is None else said
        found = map(partial(_jpeg, tags.shape(ds)[1:]), chain([first], encoded))
    else:
        found = (_eight_bit(ds, pixels) for pixels in _components(ds))
    first = next(found)
    return colour.is_luma(first, stated=stated), chain([first], found)


def _eight_bit(ds: Dataset, pixels: Components) -> UInt8[np.ndarray, "h w 3"]:
    if pixels.ndim != 3 or pixels.shape[-1] != 3:
        raise Refused("has neither one nor three components per pixel; export it again.")
    return (pixels >> max(ds.BitsStored - 8, 0)).astype(np.uint8)


def _jpeg(size: tuple[int, int], data: bytes) -> UInt8[np.ndarray, "h w 3"]:
    with Image.open(io.BytesIO(colour.plain(data).data), formats=["JPEG"]) as picture:
        if picture.size[::-1] != size:
            raise Refused("states another size than its pictures have; export it again.")
        return np.asarray(picture.convert("RGB"))


def _components(ds: Dataset) -> Iterator[Components]:
    """What is stored of every frame, unpacked; as many as the header states."""
    count, height, width = tags.shape(ds)
    found = 0
    for stored in _decoded(ds):
        if stored.shape[:2] != (height, width):
            raise Refused("states another size than its pictures have; export it again.")
        found += 1
        yield stored
    if found < count:
        raise Refused(f"is cut short, it holds {found} of {count} frames; export it again.")


def _decoded(ds: Dataset) -> Iterator[Components]:
    if ds.file_meta.TransferSyntaxUID == uid.JPEGExtended12Bit and ds.BitsStored > 8:
        return map(partial(_twelve_bit, ds), _encoded(ds))
    _sampled_fully(ds)
    named = [0] if tags.shape(ds)[0] == 1 else None  # unnamed, a frame of another sign is refused
    return iter_pixels(ds, raw=True, indices=named)


def _sampled_fully(ds: Dataset) -> None:
    """Double native chroma that was halved: their number gives it away, whatever the label says.

    pydicom doubles that of the first frame alone.
    """
    if ds.file_meta.TransferSyntaxUID.is_encapsulated or tags.label(ds) not in {*LUMA, "RGB"}:
        return
    full = 3 * math.prod(tags.shape(ds))
    half = full // 3 * 2
    if ds.BitsAllocated == 8 and half <= len(ds.PixelData) <= half + 1:
        ds.PixelData = expand_ybr422(ds.PixelData[:half], 8)
        ds.PhotometricInterpretation = "YBR_FULL"
    elif tags.label(ds) == "YBR_FULL_422":
        ds.PhotometricInterpretation = "YBR_FULL"


def _encoded(ds: Dataset) -> Iterator[bytes]:
    """Every frame as it is compressed; as many as the header states."""
    count, *_ = tags.shape(ds)
    found = 0
    for found, data in enumerate(generate_frames(ds.PixelData, number_of_frames=count), start=1):
        yield data
        if found == count:
            return
    raise Refused(f"is cut short, it holds {found} of {count} frames; export it again.")


def _twelve_bit(ds: Dataset, data: bytes) -> Components:
    import gdcm  # noqa: PLC0415 - pydicom reads the others without it

    _, height, width = tags.shape(ds)
    fragment, sequence = gdcm.Fragment(), gdcm.SequenceOfFragments.New()
    fragment.SetByteStringValue(data)
    sequence.AddFragment(fragment)
    element = gdcm.DataElement(gdcm.Tag(0x7FE0, 0x0010))
    element.SetValue(sequence.__ref__())
    image = gdcm.Image()
    image.SetNumberOfDimensions(2)
    image.SetDimensions((width, height, 1))
    image.SetDataElement(element)
    kind = gdcm.PhotometricInterpretation.MONOCHROME2
    image.SetPhotometricInterpretation(gdcm.PhotometricInterpretation(kind))
    image.SetTransferSyntax(gdcm.TransferSyntax(gdcm.TransferSyntax.JPEGExtendedProcess2_4))
    image.SetPixelFormat(gdcm.PixelFormat(1, 16, 12, 11, ds.PixelRepresentation))
    buffer: Any = image.GetBuffer()
    kind = np.dtype("<i2" if ds.PixelRepresentation else "<u2")
    return np.frombuffer(buffer.encode("utf-8", "surrogateescape"), kind).reshape(height, width)
