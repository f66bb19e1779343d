"""Which files are DICOM: all below a folder, or those that a DICOMDIR names."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from septum.contract import BadInput
from septum.data.dicom import child
from septum.data.dicom.header import is_dicom
from septum.data.read import inside

DIRECTORY = "DICOMDIR"
MAX_FILES = 200_000


def found(place: Path) -> Sequence[Path]:
    """Every DICOM file, in the order of their names, or of the DICOMDIR.

    Links out of the folder are not followed, and a DICOMDIR leads to files of its folder alone.

    Args:
        place: A folder; a DICOMDIR; or one DICOM file, which is then all.

    Raises:
        BadInput: There is no such place, it holds no DICOM file, or the DICOMDIR is damaged or
            names a file that is missing or lies elsewhere.
    """
    if place.is_dir():
        paths = sorted(_below(place))
    elif place.name.upper() == DIRECTORY:
        paths = [_member(place, parts) for parts in child.told("members", place)]
    else:
        paths = [place] if is_dicom(place) else []
    if not paths:
        raise BadInput(f"{place} holds no DICOM file; name a folder of them, or a DICOMDIR.")
    return paths


def _below(folder: Path) -> Iterator[Path]:
    home, seen = folder.resolve(), 0
    for place, _, names in os.walk(folder):
        seen += len(names)
        if seen > MAX_FILES:
            raise BadInput(f"{folder} holds more than {MAX_FILES} files; name a part of it.")
        for path in (Path(place) / name for name in names if name.upper() != DIRECTORY):
            if path.resolve().is_relative_to(home) and is_dicom(path):
                yield path


def _member(directory: Path, parts: Sequence[str]) -> Path:
    path = inside(directory.parent, "/".join(parts))
    if any("/" in part for part in parts) or not path.is_file():
        raise BadInput(f"{directory} names a file that is missing; copy the whole medium.")
    return path
