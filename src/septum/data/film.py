"""The frames of one film file, one after the other, trusting nothing about it.

    file → size on disk → header → rows x columns x frames → pictures `h w` in 8-bit grey

AVI and MP4 are decoded by FFmpeg (PyAV), which is told the format and handed the open file: no
playlist or link inside it leads elsewhere. Of a volume (.mhd with its raw file, .nii, .nii.gz) the
last axis is time. DICOM files are known by their content. All caps are checked before a pixel is
decoded.
"""

import math
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import SimpleITK
from av.codec.context import Flags
from av.error import FFmpegError
from jaxtyping import Shaped, UInt8
from PIL import Image

from septum.contract import BadInput
from septum.data import dicom, nifti, read

MAX_BYTES = 512 * 2**20
"""Largest file that is opened."""
MAX_FRAMES = 4096
MAX_PIXELS = 2**31
"""Most rows x columns x frames that are decoded: a thousand frames of 1080 x 1920."""

FORMATS = {".avi": "avi", ".mp4": "mov", ".m4v": "mov", ".mov": "mov"}
NIFTI = (".nii", ".gz")
META = ".mhd"

LUMA = {
    *("gray", "nv12", "yuv410p", "yuv411p", "yuv420p", "yuv422p", "yuv440p", "yuv444p"),
    *("yuvj411p", "yuvj420p", "yuvj422p", "yuvj440p", "yuvj444p"),
}
"""Layouts whose first plane is the grey picture in 8 bits."""
FULL_RANGE = 2
"""FFmpeg's name for luma from 0 to 255; otherwise it goes from 16 to 235 (ITU-R BT.601)."""
_WIDENED = np.round((np.arange(256) - 16.0).clip(0, 219) * (255 / 219)).astype(np.uint8)

QUANTISER = 2
"""Of written films: from 1, nearly lossless, to 31."""
NEUTRAL = 128
"""Chroma without colour."""


def frames(path: Path) -> Iterator[UInt8[np.ndarray, "h w"]]:
    """Every frame, in order; volumes of more than 8 bits are stretched from their range to 0-255.

    Raises:
        BadInput: The file is missing, too large, damaged, cut short, or no film. For a film whose
            end is lost that comes after its last frame.
    """
    if dicom.is_dicom(path):
        yield from dicom.frames(path)
    else:
        yield from _volume(path) if _is_volume(path) else _video(path)


def count(path: Path) -> int:
    """How many frames the file says that it holds; none is decoded.

    Raises:
        BadInput: As for `frames`, as far as can be told without decoding.
    """
    if dicom.is_dicom(path):
        return dicom.facts(path).frames
    if _is_volume(path):
        return _grid(path)[0][0]
    with _opened(path) as (container, stream):
        packets = (1 for packet in container.demux(stream) if packet.size)
        return stream.frames or sum(one for one, _ in zip(packets, range(MAX_FRAMES), strict=False))


def spacing_mm(path: Path) -> tuple[float, float] | None:
    """Distance of neighbouring rows and of neighbouring columns, where the file states it.

    Raises:
        BadInput: As for `count`.
    """
    if dicom.is_dicom(path):
        return dicom.facts(path).spacing_mm
    return _grid(path)[1] if _is_volume(path) else None


def write(path: Path, frames: UInt8[np.ndarray, "t h w"], *, rate_hz: float) -> None:
    """Write a Motion-JPEG AVI: the same frames become the same bytes.

    Raises:
        BadInput: The file cannot be written.
    """
    height, width = frames.shape[1:]
    try:
        with av.open(str(path), "w", format="avi", options={"fflags": "+bitexact"}) as container:
            stream: Any = container.add_stream("mjpeg", Fraction(rate_hz).limit_denominator(10_000))
            stream.height, stream.width, stream.pix_fmt = height, width, "yuvj444p"
            stream.codec_context.flags |= Flags.bitexact
            stream.codec_context.qmin = stream.codec_context.qmax = QUANTISER
            stream.codec_context.thread_count = 1
            container.start_encoding()
            for grey in frames:
                planes = np.stack([grey, *2 * [np.full_like(grey, NEUTRAL)]])
                container.mux(stream.encode(av.VideoFrame.from_ndarray(planes, "yuvj444p")))
            container.mux(stream.encode(None))
    except FFmpegError as error:
        raise BadInput(f"{path} cannot be written; make room or name another folder.") from error


def _is_volume(path: Path) -> bool:
    return path.suffix.lower() in {META, *NIFTI}


def _video(path: Path) -> Iterator[UInt8[np.ndarray, "h w"]]:
    decoded, size = 0, None
    with _opened(path) as (container, stream):
        for packet in container.demux(stream):
            for frame in packet.decode():
                decoded, size = decoded + 1, size or (frame.height, frame.width)
                _check_frame(path, packet, frame, size)
                _check_length(path, decoded * math.prod(size), decoded)
                yield _grey(frame)
        if not decoded:
            raise BadInput(f"{path} holds no frame; fetch or export it again.")
        if decoded < stream.frames:
            raise BadInput(
                f"{path} is cut short, it holds {decoded} of {stream.frames} frames; fetch or "
                "export it again."
            )


@contextmanager
def _opened(path: Path) -> Generator[tuple[Any, Any]]:
    """The file and its first video stream, whose frames have not been decoded; FFmpeg's refusals.

    PyAV's objects are `Any`: what a file can turn them into is wider than what its stubs say.
    """
    _check_bytes(path)
    if path.suffix.lower() not in FORMATS:
        raise BadInput(f"{path} is no film; use {', '.join([*FORMATS, '.nii.gz', META])}.")
    try:
        with path.open("rb") as file, _container(path, file) as container:
            if not container.streams.video or container.streams.video[0].codec_context is None:
                raise BadInput(f"{path} has no video that can be decoded; export it again.")
            stream = container.streams.video[0]
            _check_length(path, stream.height * stream.width * (stream.frames or 1), stream.frames)
            stream.codec_context.options = {"max_pixels": str(read.MAX_PIXELS)}
            stream.codec_context.thread_count = 1
            yield container, stream
    except (FFmpegError, OSError) as error:
        raise BadInput(f"{path} is damaged, cut short or no film; export it again.") from error


def _container(path: Path, file: Any) -> Any:
    # edit lists would hide frames that the file counts
    options = {"ignore_editlist": "1"} if FORMATS[path.suffix.lower()] == "mov" else {}
    form = FORMATS[path.suffix.lower()]
    return av.open(file, format=form, options=options, metadata_errors="replace")


def _check_frame(path: Path, packet: Any, frame: Any, size: tuple[int, int]) -> None:
    if packet.is_corrupt or frame.is_corrupt:
        raise BadInput(f"{path} is damaged or cut short; fetch or export it again.")
    if (frame.height, frame.width) != size:
        raise BadInput(f"{path} holds frames of several sizes; export it at one size.")


def _check_length(path: Path, pixels: int, count: int) -> None:
    if pixels > MAX_PIXELS or count > MAX_FRAMES:
        raise _too_large(path)


def _check_bytes(path: Path) -> None:
    if not path.is_file():
        raise BadInput(f"{path} is missing; restore the file or drop it from the data set.")
    if path.stat().st_size > MAX_BYTES:
        raise _too_large(path)


def _too_large(path: Path) -> BadInput:
    return BadInput(
        f"{path} is larger than {MAX_BYTES >> 20} MiB, {MAX_FRAMES} frames or 1080 x 1920 pixels "
        "in a thousand of them; make it smaller."
    )


def _grey(frame: Any) -> UInt8[np.ndarray, "h w"]:
    """The luma as it was stored, or that of the colours."""
    if frame.format.name not in LUMA:
        return np.asarray(Image.fromarray(frame.to_ndarray(format="rgb24")).convert("L"))
    plane = frame.planes[0]
    rows = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)
    luma = rows[: frame.height, : frame.width]
    is_full = frame.format.name.startswith(("gray", "yuvj")) or frame.color_range == FULL_RANGE
    return luma.copy() if is_full else _WIDENED[luma]


def _volume(path: Path) -> UInt8[np.ndarray, "t h w"]:
    shape, _ = _grid(path)
    if path.suffix.lower() == META:
        try:
            values = SimpleITK.GetArrayFromImage(_meta(path).Execute()).reshape(shape)
        except RuntimeError as error:
            raise BadInput(f"{path} is damaged or cut short; export it again.") from error
    else:
        values = nifti.voxels(path, nifti.header(path)).reshape(shape)
    return _eight_bit(path, values)


def _grid(path: Path) -> tuple[tuple[int, int, int], tuple[float, float]]:
    """Frames, rows and columns of a volume, and the spacing of rows and of columns."""
    _check_bytes(path)
    if path.suffix.lower() == META:
        reader = _meta(path)
        sides, (column_mm, row_mm) = reader.GetSize(), reader.GetSpacing()[:2]
        shape = sides[2], sides[1], sides[0]
    else:
        head = nifti.header(path)
        (t, z, y, x), (_, row_mm, column_mm) = head.shape, head.spacing_mm
        if min(t, z) > 1:
            raise BadInput(f"{path} is a cine of volumes and no film; store one slice of it.")
        shape = max(t, z), y, x
    if not (0 < row_mm < 1e3 and 0 < column_mm < 1e3):
        raise BadInput(f"{path} states a pixel spacing of {row_mm} x {column_mm} mm; correct it.")
    _check_length(path, math.prod(shape), shape[0])
    return shape, (row_mm, column_mm)


def _meta(path: Path) -> SimpleITK.ImageFileReader:
    """A reader that has read the header; it will open one file, beside it and of a known size."""
    _check_bytes(read.raw_file(path))
    SimpleITK.ProcessObject.GlobalWarningDisplayOff()  # problems are told below
    reader = SimpleITK.ImageFileReader()
    reader.SetImageIO("MetaImageIO")
    reader.SetFileName(str(path))
    try:
        reader.ReadImageInformation()
    except RuntimeError as error:
        raise BadInput(f"{path} is damaged or no volume; export it again.") from error
    if len(reader.GetSize()) != 3 or reader.GetNumberOfComponents() != 1:
        raise BadInput(f"{path} is no grey film; its axes must be columns, rows and time.")
    return reader


def _eight_bit(path: Path, values: Shaped[np.ndarray, "t h w"]) -> UInt8[np.ndarray, "t h w"]:
    if values.dtype == np.uint8:
        return values
    low, high = float(values.min()), float(values.max())
    if not math.isfinite(high - low):
        raise BadInput(f"{path} holds infinite or undefined intensities; export it again.")
    share = (values.astype(np.float32) - low) / max(high - low, 1e-12)
    return np.round(share * 255).astype(np.uint8)
