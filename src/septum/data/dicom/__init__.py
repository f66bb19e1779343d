"""DICOM files: their headers, pictures, films and volumes, decoded in a process of its own."""

from septum.data.dicom.header import (
    Facts,
    Plane,
    Region,
    colours,
    facts,
    frames,
    is_dicom,
    values,
)
from septum.data.dicom.medium import found
from septum.data.dicom.volumes import Series, in_order, is_slice, load, series_of

__all__ = [
    "Facts",
    "Plane",
    "Region",
    "Series",
    "colours",
    "facts",
    "found",
    "frames",
    "in_order",
    "is_dicom",
    "is_slice",
    "load",
    "series_of",
    "values",
]
