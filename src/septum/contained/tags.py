"""What the header of a DICOM file states: no pixel is decoded, no name leaves this place.

Everything is plain JSON. Of the patient a hash is told, of free text nothing. PS3.3 sections are
named where a meaning is looked up.
"""

import math
import re
from collections.abc import Iterator, Sequence
from functools import partial
from hashlib import sha256
from typing import Any

from pydicom.dataset import Dataset

from septum.contained.caps import MAX_FRAMES, MAX_PIXELS, MAX_SIDE, Refused

CM = 3
"""Of Physical Units X and Y Direction: centimetres (C.8.5.5.1.15)."""
PLANE = 1
"""Of Region Spatial Format: a picture in two dimensions, and no M-mode or trace (C.8.5.5.1.2)."""
KINDS = {1: "tissue", 2: "colour_flow", 3: "spectral", 4: "spectral"}
"""Of Region Data Type (C.8.5.5.1.2)."""
OUTSIDE_PX = 1
"""By so much a region may reach beyond the picture and still be that of this picture."""
VIEWS = {
    "apical two chamber": "2CH",
    "apical three chamber": "3CH",
    "apical long axis": "3CH",
    "apical four chamber": "4CH",
    "apical five chamber": "5CH",
    "parasternal long axis": "PLAX",
    "parasternal short axis": "PSAX",
}
"""By the meaning of a View Code (CID 12226)."""

SIDES = ("Rows", "Columns")

UNREADABLE = (ValueError, TypeError, AttributeError, LookupError, OverflowError)
"""What an element raises whose value is none of its kind."""


def facts(ds: Dataset) -> dict[str, Any]:
    """All that `septum.data.dicom.Facts` holds.

    Raises:
        Refused: The picture is larger than the caps.
    """
    frames, height, width = shape(ds) if has_picture(ds) else (0, 0, 0)
    known = regions(ds, (height, width))
    return {
        "modality": word(ds, "Modality"),
        "frames": frames,
        "height": height,
        "width": width,
        "frame_time_ms": frame_time_ms(ds) if frames > 1 else None,
        "spacing_mm": spacing_mm(ds, known),
        "regions": known,
        "planes": [plane(ds, frame) for frame in range(frames)],
        "view": _view(ds),
        "photometric": label(ds),
        "bits": _whole(ds, "BitsStored") or 0,
        "instance": _whole(ds, "InstanceNumber") or 0,
        "patient": _hash(ds.get("PatientID")),
        "study_uid": _uid(ds, "StudyInstanceUID"),
        "series_uid": _uid(ds, "SeriesInstanceUID"),
        "instance_uid": _uid(ds, "SOPInstanceUID"),
        "transfer_syntax": str(ds.file_meta.TransferSyntaxUID),
    }


def has_picture(ds: Dataset) -> bool:
    """Whether it states rows and columns: a report or a waveform does not."""
    return "Rows" in ds and "Columns" in ds


def shape(ds: Dataset) -> tuple[int, int, int]:
    """Frames, rows and columns.

    Raises:
        Refused: They are none, or more than the caps.
    """
    stated = _whole(ds, "NumberOfFrames") if ds.get("NumberOfFrames") else 1
    frames, height, width = (side or 0 for side in (stated, *map(partial(_whole, ds), SIDES)))
    if min(frames, height, width) < 1:
        raise Refused("states no sound number of frames, rows and columns; export it again.")
    fits = frames <= MAX_FRAMES and max(height, width) <= MAX_SIDE
    if not fits or frames * height * width > MAX_PIXELS:
        raise Refused(
            f"states {frames} frames of {height} x {width} pixels, which is too large; export a "
            "part of it."
        )
    return frames, height, width


def label(ds: Dataset) -> str:
    """The Photometric Interpretation, empty where it is missing."""
    return word(ds, "PhotometricInterpretation")


def frame_time_ms(ds: Dataset) -> float | None:
    """Mean time from a frame to the next, where a tag tells it (C.7.6.5, C.7.6.16)."""
    steps = [step for step in _numbers(ds, "FrameTimeVector")[1:] if step > 0]
    told = [
        first(ds, "FrameTime"),
        sum(steps) / len(steps) if steps else None,
        *(1e3 / rate for rate in _rates(ds)),
        first(functional(ds, 0, "FrameContentSequence"), "FrameAcquisitionDuration"),
    ]
    return next((time for time in told if time and 0 < time < 1e5), None)


def regions(ds: Dataset, size: tuple[int, int]) -> list[dict[str, Any]]:
    """The ultrasound regions that lie in the picture, cut to it (C.8.5.5).

    One that reaches far beyond belongs to a picture that was cropped or scaled since: its spacing
    is not told.
    """
    items = ds.get("SequenceOfUltrasoundRegions") or []
    return [known for item in items if (known := _region(item, size)) is not None]


def spacing_mm(ds: Dataset, known: Sequence[dict[str, Any]]) -> tuple[float, float] | None:
    """Distance of rows and of columns: of the largest region of tissue, else of the picture."""
    tissue = [r for r in known if r["kind"] == "tissue" and r["spacing_mm"]]
    if tissue:
        return max(tissue, key=lambda r: r["height"] * r["width"])["spacing_mm"]
    measures = functional(ds, 0, "PixelMeasuresSequence")
    found = _pair(measures, "PixelSpacing") or _pair(ds, "PixelSpacing")
    if found or known:  # regions without a sound spacing make the others doubtful
        return found
    return _pair(ds, "ImagerPixelSpacing") or _pair(ds, "NominalScannedPixelSpacing")


def plane(ds: Dataset, frame: int) -> dict[str, Any] | None:
    """Where a frame lies in the patient: centre of its first pixel, directions of rows, columns."""
    position = _numbers(
        functional(ds, frame, "PlanePositionSequence") or ds, "ImagePositionPatient"
    )
    leads = _numbers(
        functional(ds, frame, "PlaneOrientationSequence") or ds, "ImageOrientationPatient"
    )
    if (len(position), len(leads)) != (3, 6):
        return None
    return {"position_mm": position, "along_row": leads[:3], "along_column": leads[3:]}


def functional(ds: Dataset, frame: int, name: str) -> Dataset | None:
    """The first item of a functional group of a frame of an enhanced multi-frame object."""
    own = ds.get("PerFrameFunctionalGroupsSequence") or []
    shared = ds.get("SharedFunctionalGroupsSequence") or []
    groups = [*own[frame : frame + 1], *shared[:1]]
    return next((group[name][0] for group in groups if group.get(name)), None)


def members(ds: Dataset) -> list[list[str]]:
    """The parts of the path of every file that a DICOMDIR names.

    Raises:
        Refused: It is no DICOMDIR.
    """
    if "DirectoryRecordSequence" not in ds:
        raise Refused("is no DICOMDIR; name the folder or a file of the medium.")
    return [*_members(ds)]


def _members(ds: Dataset) -> Iterator[list[str]]:
    for item in ds.DirectoryRecordSequence:
        parts = item.get("ReferencedFileID")
        if parts:
            yield [parts] if isinstance(parts, str) else [str(part) for part in parts]


def _region(item: Dataset, size: tuple[int, int]) -> dict[str, Any] | None:
    corners = ("MinY0", "MinX0", "MaxY1", "MaxX1")
    told = [_whole(item, f"RegionLocation{corner}") for corner in corners]
    top, left, bottom, right = (-1 if side is None else side for side in told)
    if not (0 <= top < min(bottom + 1, size[0]) and 0 <= left < min(right + 1, size[1])):
        return None
    fits = bottom < size[0] + OUTSIDE_PX and right < size[1] + OUTSIDE_PX
    return {
        "row": top,
        "column": left,
        "height": min(bottom + 1, size[0]) - top,
        "width": min(right + 1, size[1]) - left,
        "kind": _kind(item),
        "spacing_mm": _delta_mm(item) if fits else None,
    }


def _kind(item: Dataset) -> str:
    kind = KINDS.get(_whole(item, "RegionDataType") or 0, "other")
    is_plane = _whole(item, "RegionSpatialFormat") in {PLANE, None}
    return kind if is_plane or kind == "spectral" else "other"


def _delta_mm(item: Dataset) -> tuple[float, float] | None:
    """Of rows and of columns, where both are in centimetres."""
    units = {_whole(item, f"PhysicalUnits{axis}Direction") for axis in "XY"}
    deltas = [first(item, f"PhysicalDelta{axis}") for axis in "YX"]
    sizes = [10 * abs(delta) for delta in deltas if delta is not None]
    return _sound(sizes) if units == {CM} else None


def _rates(ds: Dataset) -> list[float]:
    rates = [first(ds, name) for name in ("CineRate", "RecommendedDisplayFrameRate")]
    return [rate for rate in rates if rate and rate > 0]


def _view(ds: Dataset) -> str:
    """Of the words of a code alone: a view that somebody typed could be a name."""
    codes = ds.get("ViewCodeSequence") or []
    words = [str(code.get("CodeMeaning", "")).lower().replace("-", " ") for code in codes]
    return next((view for word in words for key, view in VIEWS.items() if key in word), "")


def _pair(ds: Dataset | None, name: str) -> tuple[float, float] | None:
    return _sound(_numbers(ds, name))


def _sound(sizes: Sequence[float]) -> tuple[float, float] | None:
    if len(sizes) != 2 or not all(0 < size < 1e3 for size in sizes):
        return None
    return sizes[0], sizes[1]


def _numbers(ds: Dataset | None, name: str) -> list[float]:
    """All finite numbers of an element; none where one of them is not."""
    try:
        value = None if ds is None else ds.get(name)
        values = [] if value is None or value == "" else _listed(value)
        numbers = [float(value) for value in values]
    except UNREADABLE:
        return []
    return numbers if all(map(math.isfinite, numbers)) else []


def _listed(value: Any) -> list[Any]:
    return [value] if isinstance(value, (str, int, float)) else list(value)


def first(ds: Dataset | None, name: str) -> float | None:
    """The first number of an element; None where it has none, or one that is no finite number."""
    return next(iter(_numbers(ds, name)), None)


def _whole(ds: Dataset, name: str) -> int | None:
    number = first(ds, name)
    return int(number) if number is not None and number == int(number) else None


def word(ds: Dataset, name: str) -> str:
    """A code string, and nothing that could be something else."""
    try:
        word = str(ds.get(name) or "").strip()
    except UNREADABLE:
        return ""
    return word if re.fullmatch("[A-Z0-9_ ]{1,16}", word) else ""


def _uid(ds: Dataset, name: str) -> str:
    try:
        uid = str(ds.get(name) or "").strip()
    except UNREADABLE:
        return ""
    return uid if re.fullmatch("[0-9.]{1,64}", uid) else ""


def _hash(patient: Any) -> str:
    text = str(patient or "").strip()
    return sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:16] if text else ""
