"""What a DICOM file states of itself, and its frames."""

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32, UInt8

from septum.data.dicom import child

PREAMBLE = 128
GROUPS = {2, 8}
"""One of these begins a file that has no preamble."""


@dataclass(frozen=True, kw_only=True)
class Region:
    """A part of an ultrasound picture that shows one thing (0018,6011).

    Attributes:
        row: First one, counted from 0.
        column: First one.
        height: In pixels; the region lies in the picture.
        width: In pixels.
        kind: `tissue`, `colour_flow`, `spectral` (Doppler), or `other`: M-mode, traces, graphics.
        spacing_mm: Of rows and of columns, where both are stated in cm.
    """

    row: int
    column: int
    height: int
    width: int
    kind: str
    spacing_mm: tuple[float, float] | None


@dataclass(frozen=True, kw_only=True)
class Plane:
    """Where a picture lies in the patient, in mm to the left, the back and the head.

    Attributes:
        position_mm: Centre of the first pixel.
        along_row: Direction in which the columns follow each other.
        along_column: Direction in which the rows follow each other.
    """

    position_mm: tuple[float, float, float]
    along_row: tuple[float, float, float]
    along_column: tuple[float, float, float]


@dataclass(frozen=True, kw_only=True)
class Facts:
    """The header of one object.

    Attributes:
        modality: As DICOM abbreviates it: `US`, `MR`, `CT`.
        frames: How many; 0 for an object without a picture, such as a report.
        height: Rows.
        width: Columns.
        frame_time_ms: Mean time from one frame to the next.
        spacing_mm: Of rows and of columns: of the largest region of tissue, else of the picture.
        regions: Of an ultrasound picture, as they stand in the file.
        planes: One per frame, empty where one is not stated.
        view: `4CH`, `2CH`, `3CH`, `5CH`, `PLAX`, `PSAX`; empty where no code says it.
        photometric: Photometric Interpretation as stated, which may be wrong.
        bits: Stored per value.
        instance: Instance Number, 0 if unknown.
        patient: Hash of the Patient ID, which is never told itself; empty if unknown. Who has a
            list of IDs can find the one behind a hash.
        study_uid: Empty if unknown, as the next two.
        series_uid: Of the series.
        instance_uid: Of this object.
        transfer_syntax: UID of the way in which the pixels are stored.
    """

    modality: str
    frames: int
    height: int
    width: int
    frame_time_ms: float | None
    spacing_mm: tuple[float, float] | None
    regions: Sequence[Region]
    planes: Sequence[Plane]
    view: str
    photometric: str
    bits: int
    instance: int
    patient: str
    study_uid: str
    series_uid: str
    instance_uid: str
    transfer_syntax: str

    @property
    def position(self) -> Plane | None:
        """Where the first frame lies."""
        return self.planes[0] if self.planes else None


def is_dicom(path: Path) -> bool:
    """Whether a file begins like a DICOM one, with or without a preamble; no more is read."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        head = file.read(PREAMBLE + 4)
    return head[PREAMBLE:] == b"DICM" or _is_element(head[:8])


def facts(path: Path) -> Facts:
    """Read the header alone.

    Raises:
        BadInput: The file is missing, too large, damaged, or no DICOM file.
    """
    told: dict[str, Any] = child.told("facts", path)
    planes = [plane and Plane(**_frozen(plane)) for plane in told["planes"]]
    made: dict[str, Any] = {
        **_frozen(told),
        "regions": tuple(Region(**_frozen(region)) for region in told["regions"]),
        "planes": tuple(planes) if all(planes) else (),
    }
    return Facts(**made)


def frames(path: Path) -> UInt8[np.ndarray, "t h w"]:
    """Every frame in grey.

    8 bits are told as they are; more are seen through the first window that the file states,
    without one from the least to the largest value of all frames.

    Raises:
        BadInput: As for `facts`; or frames are missing, or there is no picture.
    """
    return child.array("frames", path)


def colours(path: Path) -> UInt8[np.ndarray, "t h w 3"]:
    """Every frame in red, green and blue, whatever way the colours are stored and labelled.

    Raises:
        BadInput: As for `frames`.
    """
    return child.array("colours", path)


def values(path: Path) -> Float32[np.ndarray, "t h w"]:
    """What the pixels measure: Hounsfield units for CT.

    Raises:
        BadInput: As for `frames`; or they are colours.
    """
    return child.array("values", path)


def _frozen(told: Mapping[str, Any]) -> dict[str, Any]:
    """Lists as tuples."""
    return {k: tuple(v) if isinstance(v, list) else v for k, v in told.items()}


def _is_element(head: bytes) -> bool:
    """Whether these bytes are the first element of a data set, in little or big endian."""
    if len(head) < 8:
        return False
    is_explicit = head[4:6].isalpha() and head[4:6].isupper()
    groups = {struct.unpack_from(order, head)[0] for order in ("<H", ">H")[: 1 + is_explicit]}
    is_short = struct.unpack_from("<I", head, 4)[0] < 1024
    return bool(groups & GROUPS) and (is_explicit or is_short)
