"""Folders of DICOM studies as data sets: pictures and slices, or films.

    every DICOM file below the folder, or of its DICOMDIR
    one frame                    → a picture
    several frames               → a film
    a series of MR, CT or PET    → one picture per slice of its volume

The subject is a hash of the Patient ID; without one, of the study. Ids are hashes too, so that no
name of a file gets into a report. Objects without a picture, such as reports, are passed over.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

from septum.contract import BadInput, Label, Record, Source
from septum.data.dicom import sketch, volumes
from septum.data.dicom.header import Facts, facts
from septum.data.dicom.medium import DIRECTORY, found

URL, LICENCE, CITE = "https://www.dicomstandard.org", "that of the files", "DICOM PS3.3"

Headers = Mapping[Path, Facts]


def stills(folder: Path) -> Iterator[Record]:
    """Every object of one frame, then every slice of every volume; films are passed over.

    Raises:
        BadInput: There is no picture; a file is damaged or there twice, or a series is no even
            stack of slices (`septum.data.dicom.volumes.in_order`).
    """
    headers = _headers(folder)
    groups = volumes.grouped(headers.items())
    in_volumes = {path for group in groups.values() for path, _ in group}
    alone = {p: one for p, one in headers.items() if one.frames == 1 and p not in in_volumes}
    if not alone and not groups:
        raise BadInput(f"{folder} holds no still picture; read its films as NAME:dicom_films.")
    for path, one in alone.items():
        yield Record(id=_id(one), subject=_subject(one), image=path, labels=_labels(one))
    for group in groups.values():
        yield from _slices(volumes.in_order(group), dict(group))


def films(folder: Path) -> Iterator[Record]:
    """Every object of several frames that are no slices; others are passed over.

    Raises:
        BadInput: There is no film; or a file is damaged or there twice.
    """
    headers = _headers(folder)
    moving = {p: h for p, h in headers.items() if h.frames > 1 and not volumes.is_slice(h)}
    if not moving:
        raise BadInput(f"{folder} holds no film; read its pictures as NAME:dicom.")
    for path, one in moving.items():
        yield Record(
            id=_id(one), subject=_subject(one), image=path, film=(path,), labels=_timed(one)
        )


def _headers(folder: Path) -> Headers:
    """Of every object with a picture."""
    directory = folder / DIRECTORY
    paths = found(directory if directory.is_file() else folder)
    headers = {path: one for path in paths if (one := facts(path)).frames}
    places: dict[str, Path] = {}
    for path, one in headers.items():
        if not one.instance_uid:
            raise BadInput(f"{path} does not say which object it is; export it again.")
        if other := places.get(one.instance_uid):
            raise BadInput(f"{path} is the same object as {other}; drop one of them.")
        places[one.instance_uid] = path
    return headers


def _slices(series: volumes.Series, headers: Headers) -> Iterator[Record]:
    first = headers[series.slices[0][0]]
    for place, (path, frame) in enumerate(series.slices):
        one = headers[path]
        yield Record(
            id=f"{_id(one)}_z{frame:03d}",
            subject=_subject(one),
            image=path,
            at=(place,),
            labels={
                **_labels(one),
                "volume": _short(first.series_uid),
                "slice": float(place),
                "n_slices": float(len(series.slices)),
                "spacing_z_mm": series.spacing_mm[0],
            },
        )


def _timed(one: Facts) -> dict[str, Label]:
    rate = {"frame_rate_hz": 1e3 / one.frame_time_ms} if one.frame_time_ms else {}
    return {**_labels(one), "frames": float(one.frames), **rate}


def _labels(one: Facts) -> dict[str, Label]:
    view: dict[str, Label] = {"view": one.view} if one.view else {}
    return {"modality": one.modality or "unknown", "study": _short(one.study_uid), **view}


def _subject(one: Facts) -> str:
    return one.patient or _short(one.study_uid)


def _id(one: Facts) -> str:
    return _short(one.instance_uid)


def _short(uid: str) -> str:
    return sha256(uid.encode()).hexdigest()[:16]


STILLS = Source(
    title="Any folder of DICOM studies: its pictures, and the slices of its volumes",
    url=URL,
    licence=LICENCE,
    cite=CITE,
    classes=("background",),
    records=stills,
    sketch=sketch.stills,
)
FILMS = replace(
    STILLS,
    title="Any folder of DICOM studies: its films",
    records=films,
    sketch=sketch.films,
)
