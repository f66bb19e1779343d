"""Numbers that the labels of a record state."""

import math

from septum.contract import Record


def pixel_mm(record: Record) -> tuple[float, float] | None:
    """Height and width of a pixel; None where unknown."""
    y_mm, x_mm = number(record, "spacing_y_mm"), number(record, "spacing_x_mm")
    return None if y_mm is None or x_mm is None else (y_mm, x_mm)


def slice_mm(record: Record) -> float | None:
    """Distance of neighbouring slices; None where unknown."""
    return number(record, "spacing_z_mm")


def number(record: Record, label: str) -> float | None:
    """A label that is a known number."""
    value = record.labels.get(label)
    return None if value is None or isinstance(value, str) or math.isnan(value) else float(value)
