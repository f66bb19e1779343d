"""Attributes as labels: what prepared masks and the spacing of their pixels say of a record."""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import UInt8

from septum.contract import Record
from septum.metrics import attributes
from septum.metrics.labels import pixel_mm, slice_mm


def still(
    mask: UInt8[np.ndarray, "h w"], record: Record, *, classes: Sequence[str]
) -> Mapping[str, float]:
    """Of one slice (`septum.metrics.attributes.of_slice`)."""
    return attributes.of_slice(mask, classes, pixel_mm=pixel_mm(record))


def volume(
    masks: UInt8[np.ndarray, "d h w"], record: Record, *, classes: Sequence[str]
) -> Mapping[str, float]:
    """Of all slices of a volume (`septum.metrics.attributes.of_volume`)."""
    z_mm, size_mm = slice_mm(record), pixel_mm(record)
    voxel_mm = None if z_mm is None or size_mm is None else (z_mm, *size_mm)
    return attributes.of_volume([*masks], classes, voxel_mm=voxel_mm)
