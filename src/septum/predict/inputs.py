"""Files and folders of a user, decoded one after the other; a bad one does not stop the others.

    paths → files, folders walked → Input (frames `t h w` in 8-bit grey) or Failure (its sentence)

Pictures, volumes and films are read by what reads data sets, with its caps (`septum.data.read`,
`film`, `volume`). A file without a known ending counts if it is DICOM. The name of an input is made
of the letters, digits, `_`, `-` and `.` of its file's; that of a DICOM file, whose name may be a
patient's, of its place among the inputs and a hash of its instance.
"""

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import islice
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from septum.contract import BadInput
from septum.data import dicom, film, nifti, read, volume
from septum.predict.card import Card

PICTURES = (".png", ".jpg", ".jpeg", ".bmp")
VOLUMES = (".nii", ".nii.gz", ".mhd")
MAX_NAME = 80
DICOM = "dicom"


@dataclass(frozen=True, kw_only=True)
class Input:
    """One file, decoded.

    Attributes:
        id: Name of all that is written about it; no two inputs share one.
        frames: Of a film, slices of a volume frame by frame, or the one picture.
        spacing_mm: Distance of neighbouring rows and of neighbouring columns, where stated.
        kind: `picture`, `film`, `nifti` (also .mhd) or `dicom`.
        grid: Frames, slices, rows and columns of a NIfTI file as they were read, with where its
            axes led before; None for any other file.
        every: Each of `frames` stands for so many of the file.
    """

    id: str
    path: Path
    frames: UInt8[np.ndarray, "t h w"]
    spacing_mm: tuple[float, float] | None = None
    frame_time_ms: float | None = None
    kind: str = "picture"
    grid: volume.Grid | None = None
    every: int = 1


@dataclass(frozen=True, kw_only=True)
class Failure:
    """One file that cannot be read or asked about, and why; for DICOM without its path."""

    id: str
    path: Path
    kind: str
    error: str


def inputs(
    paths: Sequence[Path], *, card: Card | None = None, every: int = 1
) -> Iterator[Input | Failure]:
    """Every file of these, and below these folders.

    Args:
        paths: Files count whatever they are called, hidden ones too; in folders only visible ones
            that can be images.
        card: How the images were read that a model learnt from.
        every: Of a film every so many frames is kept. Volumes are kept whole.
    """
    taken: set[str] = set()
    for place, path in enumerate(_files(paths), start=1):
        kind = kind_of(path)
        name = _free(_named(path, kind, place), taken)
        try:
            yield _decoded(name, path, kind, card or Card(), every)
        except (BadInput, OSError) as error:
            yield failure(name, path, kind, error)


def failure(name: str, path: Path, kind: str, error: Exception) -> Failure:
    """The sentence of an error; the path of a DICOM file is replaced by its name here."""
    said = str(error) if isinstance(error, BadInput) else f"{path} cannot be read ({error})."
    return Failure(
        id=name,
        path=path,
        kind=kind,
        error=said.replace(str(path), name) if kind == DICOM else said,
    )


def kind_of(path: Path) -> str:
    """What a file is taken for: by its ending, or else by its first bytes; empty for neither."""
    ending = path.name.lower()
    if ending.endswith(PICTURES):
        return "picture"
    if ending.endswith(VOLUMES):
        return "nifti"
    if ending.endswith(tuple(film.FORMATS)):
        return "film"
    return DICOM if _is_dicom(path) else ""


def _files(paths: Sequence[Path]) -> Iterator[Path]:
    for path in paths:
        if not path.is_dir():
            yield path
            continue
        below = [*_walked(path)]
        yield from below or [path]  # a folder without any is told as a file that is none


def _walked(folder: Path) -> Iterator[Path]:
    for home, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        visible = (Path(home, name) for name in sorted(names) if not name.startswith("."))
        yield from (path for path in visible if path.is_file() and kind_of(path))


def _decoded(name: str, path: Path, kind: str, card: Card, every: int) -> Input:
    if kind == "picture":
        pixels = read.image(path)
        return Input(id=name, path=path, frames=pixels.grey[None], spacing_mm=pixels.spacing_mm)
    if kind == "nifti":
        return _volume(name, path, card)
    if kind == "film":
        frames = np.stack([*islice(film.frames(path), 0, None, every)])
        return Input(id=name, path=path, frames=frames, kind=kind, every=every)
    if kind == DICOM:
        return _dicom(name, path, card, every)
    raise BadInput(_no_image(path))


def _no_image(path: Path) -> str:
    if path.is_dir():
        return f"{path} holds no image; name another folder."
    if not path.exists():
        return f"{path} is missing; correct its name."
    endings = ", ".join([*PICTURES, *VOLUMES, *film.FORMATS])
    return f"{path} is no image that is known; use {endings} or DICOM."


def _volume(name: str, path: Path, card: Card) -> Input:
    """A volume, a film or a single picture with a geometry."""
    if path.suffix.lower() == film.META:
        frames, spacing_mm = _planes(path, film.count(path) if _has_axes(path) else 1)
        return Input(id=name, path=path, frames=frames, spacing_mm=spacing_mm, kind="nifti")
    shape = nifti.header(path).shape
    if card.slices or min(shape[:2]) > 1:
        return _slices(name, path, axial=card.axial)
    frames, spacing_mm = _planes(path, max(shape[:2]))
    grid = volume.grid(path)
    return Input(id=name, path=path, frames=frames, spacing_mm=spacing_mm, kind="nifti", grid=grid)


def _has_axes(path: Path) -> bool:
    """Whether a .mhd header states three axes."""
    read.raw_file(path)
    head = path.read_bytes()[: read.MAX_HEADER_BYTES]
    return re.search(rb"NDims\s*=\s*3", head) is not None


def _planes(
    path: Path, count: int
) -> tuple[UInt8[np.ndarray, "t h w"], tuple[float, float] | None]:
    """Pictures of one range of grey levels, as a film has them."""
    if count == 1:
        pixels = read.image(path)
        return pixels.grey[None], pixels.spacing_mm
    return np.stack([*film.frames(path)]), film.spacing_mm(path)


def _slices(name: str, path: Path, *, axial: bool) -> Input:
    whole = volume.load(path, axial=axial)
    volume.forget()
    t, z, _, _ = whole.grid.shape
    planes = [whole.grey((k, frame)) for frame in range(t) for k in range(z)]
    spacing_mm = whole.grid.spacing_mm[1:]
    return Input(
        id=name,
        path=path,
        frames=np.stack(planes),
        spacing_mm=spacing_mm,
        kind="nifti",
        grid=whole.grid,
    )


def _named(path: Path, kind: str, place: int) -> str:
    """A name that is safe in a path and says whose it is."""
    if kind == DICOM:
        return f"dicom-{place:04d}-{sha256(_instance(path).encode()).hexdigest()[:8]}"
    stem = re.sub(r"(?i)(\.nii)?\.\w+$", "", path.name)
    return re.sub(r"[^A-Za-z0-9_.-]", "_", stem).lstrip(".-")[:MAX_NAME] or "image"


def _free(name: str, taken: set[str]) -> str:
    """The name, with a number where it is taken; case does not tell two apart."""
    tries = (name if k == 1 else f"{name}-{k}" for k in range(1, len(taken) + 2))
    found = next(each for each in tries if each.casefold() not in taken)
    taken.add(found.casefold())
    return found


def _is_dicom(path: Path) -> bool:
    return path.is_file() and dicom.is_dicom(path)


def _instance(path: Path) -> str:
    """The identifier of a DICOM file; empty where it cannot be read, which is told later."""
    try:
        return dicom.facts(path).instance_uid
    except BadInput:
        return ""


def _dicom(name: str, path: Path, card: Card, every: int) -> Input:
    facts = dicom.facts(path)
    if card.slices and dicom.is_slice(facts):
        frames = _of_series(path)
        every = 1
    else:
        frames = dicom.frames(path)[::every]
    return Input(
        id=name,
        path=path,
        frames=frames,
        spacing_mm=facts.spacing_mm,
        frame_time_ms=facts.frame_time_ms,
        kind=DICOM,
        every=every,
    )


def _of_series(path: Path) -> UInt8[np.ndarray, "t h w"]:
    """The slices of a file in the grey levels of the volume that they are part of."""
    slices, whole = dicom.series_of(path).slices, dicom.load(path)
    places = [(k, frame) for k, (other, frame) in enumerate(slices) if other == path]
    return np.stack([whole.grey((k,)) for k, _ in sorted(places, key=lambda pair: pair[1])])
