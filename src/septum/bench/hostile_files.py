"""Hostile files: each of two thousand is read, or refused in one sentence, and how long that takes.

    sound files → bits turned, ends cut, bytes put in, lengths made up → read → told or read

The sound files are sketches: DICOM in every compression that can be written here, NIfTI, AVI and
PNG. Other files that lie in OUT/files beside them are harmed as well. Anything that happens but a
refusal of one sentence ends the table.
"""

import re
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from septum.bench.table import Row, Setting
from septum.contract import BadInput
from septum.data import dicom, film, miniature, phantom, read, volume
from septum.data.dicom import sketch

COUNT = 2000
"""Files that are harmed, over all kinds."""
HEADER_BYTES = 2000
"""Most of the harm is done here."""
LENGTHS = (0, 1, 0x7F, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFE, 0xFFFFFFFF)
COMPRESSIONS = {
    "jpeg": "JPEGBaselineProcess1",
    "jpeg_2000": "JPEG2000Lossless",
    "jpeg_ls": "JPEGLSLossless",
    "jpeg_lossless": "JPEGLosslessProcess14_1",
    "rle": "RLELossless",
}
"""GDCM's name of each."""
SENTENCE = re.compile(r"[^\n]+\.")

Harm = Callable[[bytes, np.random.Generator], bytes]


def rows(setting: Setting) -> Sequence[Row]:
    """How many of every kind were refused, how many read, and the seconds that the worst took."""
    folder = setting.out / "files"
    draw(folder)
    kinds = sorted(path for path in folder.iterdir() if path.is_file())
    rng = np.random.default_rng(setting.seed)
    shares = np.diff(np.linspace(0, COUNT, len(kinds) + 1).astype(int)).tolist()
    place = setting.out / "harmed"
    place.mkdir(parents=True, exist_ok=True)
    found = [_row(path, place, n, rng) for path, n in zip(kinds, shares, strict=True)]
    shutil.rmtree(place)
    return found


def draw(folder: Path) -> None:
    """Fill the folder with one small sound file of every kind."""
    folder.mkdir(parents=True, exist_ok=True)
    frame = phantom.draw(phantom.Heart(), phantom.Look(), view="A4C", phase="ED", size=(48, 64))
    frames = np.stack([frame.image] * 4)
    film.write(folder / "film.avi", frames, rate_hz=25.0)
    miniature.write(folder / "volume.nii.gz", frames.astype(np.int16), spacing_mm=(8.0, 1.0, 1.0))
    Image.fromarray(frame.image).save(folder / "picture.png")
    tags = {"SOPClassUID": sketch.US_FILM, "SOPInstanceUID": f"{sketch.ROOT}.1", "Modality": "US"}
    sketch.write(folder / "native.dcm", frames, tags, {"FrameTime": 40.0})
    for name in COMPRESSIONS:
        _compress(folder / "native.dcm", folder / f"{name}.dcm", name)


def outcome(path: Path) -> bool:
    """Whether a file was read; otherwise it was refused in one sentence that names it.

    Raises:
        RuntimeError: What was said is no such sentence.
    """
    try:
        READERS.get(path.suffix, _dicom)(path)
    except BadInput as error:
        if str(path) not in str(error) or not SENTENCE.fullmatch(str(error)):
            raise RuntimeError(str(error)) from error
        return False
    return True


def flip(data: bytes, rng: np.random.Generator) -> bytes:
    """Turn up to eight bits."""
    body = bytearray(data)
    for _ in range(rng.integers(1, 9)):
        body[_somewhere(data, rng)] ^= 1 << int(rng.integers(8))
    return bytes(body)


def cut(data: bytes, rng: np.random.Generator) -> bytes:
    """Lose the end."""
    return data[: int(rng.integers(len(data)))]


def splice(data: bytes, rng: np.random.Generator) -> bytes:
    """Put random bytes in the place of others."""
    at, run = _somewhere(data, rng), rng.bytes(int(rng.integers(1, 20)))
    return data[:at] + run + data[at + int(rng.integers(20)) :]


def lengthen(data: bytes, rng: np.random.Generator) -> bytes:
    """Write a length that is none over two or four bytes."""
    size = int(rng.choice([2, 4]))
    at = _somewhere(data, rng) // 2 * 2
    length = LENGTHS[int(rng.integers(len(LENGTHS)))] % (1 << 8 * size)
    return data[:at] + length.to_bytes(size, "little") + data[at + size :]


HARMS: tuple[Harm, ...] = (flip, cut, splice, lengthen)
READERS: Mapping[str, Callable[[Path], object]] = {
    ".avi": lambda path: list(film.frames(path)),
    ".gz": volume.load,
    ".png": read.image,
}
"""By the ending of a file; all others are read as DICOM."""


def _dicom(path: Path) -> None:
    dicom.facts(path)
    dicom.frames(path)


def _row(path: Path, place: Path, count: int, rng: np.random.Generator) -> Row:
    sound, taken, read_ = path.read_bytes(), np.zeros(count), 0
    harmed = place / path.name
    for turn in range(count):
        harmed.write_bytes(HARMS[turn % len(HARMS)](sound, rng))
        began = time.perf_counter()
        read_ += outcome(harmed)
        taken[turn] = time.perf_counter() - began
    return {
        "kind": path.name,
        "n": count,
        "refused": count - read_,
        "read": read_,
        "median_ms": 1e3 * float(np.median(taken)),
        "worst_s": float(taken.max()),
    }


def _somewhere(data: bytes, rng: np.random.Generator) -> int:
    """A place in the data, mostly in the header."""
    return int(rng.integers(min(len(data), HEADER_BYTES if rng.random() < 0.7 else len(data))))


def _compress(native: Path, path: Path, name: str) -> None:
    import gdcm  # noqa: PLC0415 - an extra

    reader, writer = gdcm.ImageReader(), gdcm.ImageWriter()
    reader.SetFileName(str(native))
    reader.Read()
    change = gdcm.ImageChangeTransferSyntax()
    change.SetTransferSyntax(gdcm.TransferSyntax(getattr(gdcm.TransferSyntax, COMPRESSIONS[name])))
    change.SetInput(reader.GetImage())
    change.Change()
    writer.SetFile(reader.GetFile())
    writer.SetImage(change.GetOutput())
    writer.SetFileName(str(path))
    if not writer.Write():
        raise BadInput(f"{path} cannot be written; make room or name another folder.")
