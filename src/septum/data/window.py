"""The part of a picture that a record means, and its points counted from there."""

from dataclasses import replace

import numpy as np
from jaxtyping import UInt8

from septum.contract import BadInput, Record


def cut(pixels: UInt8[np.ndarray, "H W"], record: Record) -> UInt8[np.ndarray, "h w"]:
    """What lies in the window of the record, 0 beyond the picture; all of it without a window.

    Raises:
        BadInput: The window has no pixel in common with the picture.
    """
    if record.window is None:
        return pixels
    top, left, height, width = record.window
    bottom, right = min(top + height, pixels.shape[0]), min(left + width, pixels.shape[1])
    first_row, first_column = max(top, 0), max(left, 0)
    if bottom <= first_row or right <= first_column:
        raise BadInput(
            f"The window of {height} x {width} pixels from row {top} and column {left} shows "
            f"nothing of {record.image}, which has {pixels.shape[0]} x {pixels.shape[1]}; "
            "correct it."
        )
    part = np.zeros((height, width), np.uint8)
    seen = pixels[first_row:bottom, first_column:right]
    part[first_row - top : bottom - top, first_column - left : right - left] = seen
    return part


def counted(record: Record) -> Record:
    """The record with points and outlines in pixels of its window."""
    if record.window is None:
        return record
    top, left, *_ = record.window
    labels = dict(record.labels)
    for name, value in record.labels.items():
        if name.endswith(("_y_px", "_x_px")) and not isinstance(value, str):
            labels[name] = value - (top if name.endswith("_y_px") else left)
    outlines = {
        frame: [(x - left, y - top) for x, y in corners]
        for frame, corners in record.outlines.items()
    }
    return replace(record, labels=labels, outlines=outlines)
