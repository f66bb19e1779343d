"""Volume of a ventricle from the masks of one or two planes through its long axis.

    mask --largest part--> corners of its pixels --> apex, middle of base --> 20 disks --> volume

The method of disks, or modified Simpson's rule: Lang et al., Recommendations for Cardiac Chamber
Quantification by Echocardiography in Adults, JASE 28(1), 2015, doi:10.1016/j.echo.2014.10.003.

The mask alone says where the axis runs, in a view with the apex up: one end of the base is the
point left of the axis that is farthest from the apex, the other the one right of it, and the apex
is the point farthest from the middle between them; three rounds settle it. No atrium is needed,
and truth and drawing are measured alike.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from scipy import ndimage

COUNT = 20
ROUNDS = 3
STEP = 0.25
"""Pixels between the samples along a diameter."""

Point = Float[np.ndarray, " 2"]


@dataclass(frozen=True, kw_only=True)
class Disks:
    """A cavity cut across its long axis into slices of equal height.

    Attributes:
        apex, base: Ends (x, y) of the long axis, in the unit of the spacing; the base is the middle
            of the mitral annulus.
        diameters: How much of the line across the middle of every slice is cavity; base first.
    """

    apex: Point
    base: Point
    diameters: Float[np.ndarray, " count"]

    @property
    def length(self) -> float:
        """Of the long axis."""
        return float(np.linalg.norm(self.apex - self.base))


def disks(
    mask: Bool[np.ndarray, "h w"],
    *,
    spacing: tuple[float, float] = (1.0, 1.0),
    count: int = COUNT,
) -> Disks | None:
    """Cut the largest connected part of a mask, apex up; None where the mask is empty.

    Args:
        mask: Of the cavity.
        spacing: Height and width of a pixel.
        count: Slices.
    """
    if not mask.any():
        return None
    cavity = _largest(mask)
    unit = np.array(spacing[::-1])
    apex, base = _long_axis(_corners(cavity) * unit)
    middles = base + (apex - base) * ((np.arange(count) + 0.5) / count)[:, None]
    return Disks(apex=apex, base=base, diameters=_widths(cavity, middles, apex - base, unit))


def single_plane(a: Disks) -> float:
    """Volume of a stack of round disks, π / 4 Σ aᵢ² L / n, in the cube of the unit of length."""
    return float(np.pi / 4 * np.mean(a.diameters**2) * a.length)


def biplane(a: Disks, b: Disks) -> float:
    """Volume of a stack of elliptic disks, π / 4 Σ aᵢ bᵢ L / n, with the longer of both axes."""
    return float(np.pi / 4 * np.mean(a.diameters * b.diameters) * max(a.length, b.length))


def ef_percent(edv: float, esv: float) -> float:
    """Share of the end-diastolic volume that the ventricle ejects.

    >>> ef_percent(120.0, 48.0)
    60.0
    """
    return 100 * (edv - esv) / edv


def _largest(mask: Bool[np.ndarray, "h w"]) -> Bool[np.ndarray, "h w"]:
    """The connected part with the most pixels; neighbours share a side."""
    parts = np.asarray(ndimage.label(mask)[0])  # pyright: ignore[reportIndexIssue]
    return parts == 1 + np.argmax(np.bincount(parts.ravel())[1:])


def _corners(cavity: Bool[np.ndarray, "h w"]) -> Float[np.ndarray, "n 2"]:
    """Corners (x, y) in pixels of the pixels along the contour; pixel centres are at integers."""
    inner = np.asarray(ndimage.binary_erosion(cavity), dtype=bool)
    centres = np.argwhere(cavity & ~inner)[:, ::-1].astype(float)
    around = np.array([[-0.5, -0.5], [-0.5, 0.5], [0.5, -0.5], [0.5, 0.5]])
    return (centres[:, None] + around).reshape(-1, 2)


def _long_axis(points: Float[np.ndarray, "n 2"]) -> tuple[Point, Point]:
    """Apex, and middle of the base; at first the topmost point and the middle of the contour."""
    apex, base = points[np.argmin(points[:, 1])], points.mean(0)
    for _ in range(ROUNDS):
        axis, offset = apex - base, points - apex
        across = offset @ np.array([-axis[1], axis[0]])
        far = np.linalg.norm(offset, axis=1)
        ends = [points[np.argmax(np.where(side, far, -1))] for side in (across <= 0, across >= 0)]
        base = (ends[0] + ends[1]) / 2
        apex = points[np.argmax(np.linalg.norm(points - base, axis=1))]
    return apex, base


def _widths(
    cavity: Bool[np.ndarray, "h w"], middles: Float[np.ndarray, "c 2"], axis: Point, unit: Point
) -> Float[np.ndarray, " c"]:
    """Integral of the mask, interpolated between pixel centres, across the axis at these points."""
    across = np.array([-axis[1], axis[0]]) / np.linalg.norm(axis)
    step = STEP * unit.min()
    reach = np.linalg.norm(np.array(cavity.shape[::-1]) * unit)
    points = middles[:, None] + np.arange(-reach, reach, step)[:, None] * across
    y, x = np.moveaxis(points / unit, 2, 0)[::-1]
    inside = ndimage.map_coordinates(cavity.astype(np.float64), [y, x], order=1)
    return inside.sum(1) * step
