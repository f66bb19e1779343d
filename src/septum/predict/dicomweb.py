"""Images from a DICOMweb server, and results back to it: QIDO-RS, WADO-RS, STOW-RS (PS3.18).

No name that a server gives becomes the name of a file, and nothing that it says of a patient is
kept but in the images themselves.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from septum.checkpoint import write_bytes
from septum.contract import BadInput
from septum.predict import dicomweb_http as http

MOST_STUDY_BYTES = 64 * 2**30
MOST_ROWS = 100_000
PAGE = 1000
"""Rows to ask for at a time; a server may give fewer."""

STUDY, SERIES, INSTANCE = "0020000D", "0020000E", "00080018"
MODALITY, DATE, COUNT = "00080060", "00080020", "00201209"
"""Tags, as DICOM JSON (PS3.18 annex F) writes them."""

Row = Mapping[str, Any]
Query = Sequence[tuple[str, str]]


@dataclass(frozen=True, kw_only=True)
class Series:
    """What a server says of a series, but for the patient."""

    study_uid: str
    series_uid: str
    modality: str
    date: str
    """Of the study, YYYYMMDD; empty where it is not said."""
    instances: int | None


def find(
    url: str, *, study: str = "", patient: str = "", modality: str = "", date: str = ""
) -> Sequence[Series]:
    """Series that meet all that is said; without anything said, all of them.

    Args:
        url: Address of the service, such as https://pacs.example.org/dicom-web.
        study: UID of a study.
        patient: Identifier of a patient; `*` stands for any characters.
        modality: Such as US, MR, SEG.
        date: Of the study: YYYYMMDD, or a range YYYYMMDD-YYYYMMDD.

    Raises:
        BadInput: The server cannot be reached, refuses, or speaks no DICOMweb.
    """
    wanted = {
        "StudyInstanceUID": _uid(study) if study else "",
        "PatientID": patient,
        "Modality": modality,
        "StudyDate": date,
    }
    query = [(name, value) for name, value in wanted.items() if value]
    query += [("includefield", tag) for tag in (MODALITY, DATE, COUNT)]
    return [_series(row) for row in _rows(url, "series", query)]


def fetch(url: str, study_uid: str, into: Path, *, modality: str = "") -> Sequence[Path]:
    """Every instance of a study as a file, counted from `00001.dcm` on.

    Args:
        url: Address of the service.
        study_uid: The study.
        into: A new or empty folder; what was fetched before a failure stays there.
        modality: Only series of this modality, such as US.

    Raises:
        BadInput: The folder holds something, or the server cannot be reached, refuses, has no such
            study or sends what is no DICOM, or more than is allowed.
    """
    if into.exists() and any(into.iterdir()):
        raise BadInput(f"{into} is not empty; name a new folder.")
    study = f"studies/{_uid(study_uid)}"
    rows = _rows(url, f"{study}/instances", [("Modality", modality)] if modality else [])
    if not rows:
        raise BadInput(
            f"{url} has no such images of study {study_uid}; see `septum dicomweb find`."
        )
    paths: list[Path] = []
    left = MOST_STUDY_BYTES
    for number, row in enumerate(rows, start=1):
        series, instance = _uid(_text(row, SERIES)), _uid(_text(row, INSTANCE))
        where = f"{study}/series/{series}/instances/{instance}"
        data = http.instance(url, where, most_bytes=min(left, http.MOST_BYTES))
        left -= len(data)
        paths.append(into / f"{number:05d}.dcm")
        write_bytes(paths[-1], data)
    return paths


def store(url: str, paths: Iterable[Path]) -> int:
    """Send files to the server, one after the other; how many there are.

    Raises:
        BadInput: A file is no DICOM, or the server cannot be reached or refuses it; those before it
            are stored.
    """
    count = 0
    for path in paths:
        try:
            http.send(url, "studies", _file(path))
        except BadInput as error:
            raise BadInput(f"{path} is not stored, {count} files before it are: {error}") from error
        count += 1
    return count


def _file(path: Path) -> bytes:
    try:
        if path.stat().st_size > http.MOST_BYTES:
            raise BadInput("it is larger than 1 GiB.")
        data = path.read_bytes()
    except OSError as error:
        raise BadInput(f"it cannot be read ({error.strerror}).") from error
    if not http.is_dicom(data):
        raise BadInput("it is no DICOM file; name those to store.")
    return data


def _rows(url: str, what: str, query: Query) -> Sequence[Row]:
    """All rows, page after page until one has nothing new: what a server thinks of pages differs.

    Raises:
        BadInput: There are too many.
    """
    rows: dict[tuple[str, str], Row] = {}
    while len(rows) < MOST_ROWS:
        place = [("limit", str(PAGE)), ("offset", str(len(rows)))]
        page = {
            (_text(row, SERIES), _text(row, INSTANCE)): row
            for row in http.listed(url, what, [*query, *place])
        }
        if page.keys() <= rows.keys():
            return [*rows.values()]
        rows |= page
    raise BadInput(f"{url} has more than {MOST_ROWS} of these; ask for less.")


def _series(row: Row) -> Series:
    count = _text(row, COUNT)
    return Series(
        study_uid=_uid(_text(row, STUDY)),
        series_uid=_uid(_text(row, SERIES)),
        modality=re.sub(r"[^A-Z0-9_ ]", "", _text(row, MODALITY))[:16],
        date=re.sub(r"\D", "", _text(row, DATE))[:8],
        instances=int(count) if re.fullmatch(r"\d{1,9}", count) else None,
    )


def _text(row: Row, tag: str) -> str:
    """The first value of an attribute; empty where there is none."""
    match row.get(tag):
        case {"Value": [value, *_]}:
            return str(value)
        case _:
            return ""


def _uid(words: str) -> str:
    """The words, if they are a UID: they become a part of an address.

    Raises:
        BadInput: They are none.

    >>> _uid("1.2.840.10008")
    '1.2.840.10008'
    """
    if not re.fullmatch(r"[0-9]+(\.[0-9]+)*", words) or len(words) > 64:
        raise BadInput(f"{words[:80]!r} is no DICOM UID; a UID has digits and points.")
    return words
