"""Traced outlines: polygons whose corners (x, y) are in pixels, pixel centres at integers."""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Bool, Float64

from septum.contract import BadInput, Record

Corners = Sequence[tuple[float, float]]

BEYOND_PX = 1.0
"""How far from the picture a corner may lie: tools round to either side of its edge."""


def check(record: Record, shape: tuple[int, int], count: int) -> None:
    """Make sure that the outlines lie in frames of this shape, of which there are so many.

    Raises:
        BadInput: An outline does not, or has too few corners to enclose anything.
    """
    for frame, corners in record.outlines.items():
        where = f"The outline of frame {frame} of {record.film[0]}"
        if not 0 <= frame < count:
            raise BadInput(
                f"{where} is of no frame: the film has {count}, counted from 0; correct its number."
            )
        if len(corners) < 3:
            raise BadInput(f"{where} has {len(corners)} corners; trace it with at least three.")
        x, y = np.asarray(corners, np.float64).T
        if not (_is_within(x, shape[1]) and _is_within(y, shape[0])):
            raise BadInput(
                f"{where} leaves the picture of {shape[0]} x {shape[1]} pixels; trace it again."
            )


def area(corners: Corners) -> float:
    """What a polygon encloses, in its unit squared (Gauss's formula).

    >>> area([(0.0, 0.0), (4.0, 0.0), (4.0, 3.0)])
    6.0
    """
    x, y = np.asarray(corners, np.float64).T
    return abs(float(x @ np.roll(y, -1) - y @ np.roll(x, -1))) / 2


def largest(outlines: Mapping[int, Corners]) -> int:
    """The frame with the largest outline: of a left ventricle, end-diastole."""
    return max(outlines, key=lambda frame: area(outlines[frame]))


def fill(corners: Corners, size: tuple[int, int]) -> Bool[np.ndarray, "h w"]:
    """The pixels whose centre lies inside: an odd number of edges is to the right of it."""
    rows, columns = np.arange(size[0])[:, None], np.arange(size[1])
    inside = np.zeros(size, bool)
    for (x0, y0), (x1, y1) in zip(corners, [*corners[1:], corners[0]], strict=True):
        if y0 != y1:
            edge = x0 + (rows - y0) * ((x1 - x0) / (y1 - y0))
            inside ^= ((y0 > rows) != (y1 > rows)) & (columns < edge)
    return inside


def _is_within(values: Float64[np.ndarray, " n"], side: int) -> bool:
    return bool((values >= -BEYOND_PX).all() and (values <= side - 1 + BEYOND_PX).all())
