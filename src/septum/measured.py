"""Attributes as labels: what prepared masks and the spacing of their pixels say of a record."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import UInt8

from septum.contract import Record
from septum.metrics import attributes


def still(
    mask: UInt8[np.ndarray, "h w"], record: Record, *, classes: Sequence[str]
) -> Mapping[str, float]:
    """Of one slice (`septum.metrics.attributes.of_slice`)."""
    y_mm, x_mm = (_mm(record, axis) for axis in "yx")
    pixel_mm = None if y_mm is None or x_mm is None else (y_mm, x_mm)
    return attributes.of_slice(mask, classes, pixel_mm=pixel_mm)


def volume(
    masks: UInt8[np.ndarray, "d h w"], record: Record, *, classes: Sequence[str]
) -> Mapping[str, float]:
    """Of all slices of a volume (`septum.metrics.attributes.of_volume`)."""
    z_mm, y_mm, x_mm = (_mm(record, axis) for axis in "zyx")
    voxel_mm = None if z_mm is None or y_mm is None or x_mm is None else (z_mm, y_mm, x_mm)
    return attributes.of_volume([*masks], classes, voxel_mm=voxel_mm)


def _mm(record: Record, axis: str) -> float | None:
    """Spacing along an axis; None where unknown."""
    stated = record.labels.get(f"spacing_{axis}_mm")
    return stated if isinstance(stated, float) and math.isfinite(stated) else None
