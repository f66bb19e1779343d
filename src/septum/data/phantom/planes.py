"""Planes through a heart in its body: where the voxels of a stack lie.

plane, heart, body, scan --grid_of--> Grid --lattice--> coordinates along its axes (mm)
"""

from dataclasses import dataclass
from math import cos, radians, sin

import numpy as np
from numpy.typing import NDArray

from septum.contract import BadInput
from septum.data.phantom.body import Body, heart_axes, in_body
from septum.data.phantom.heart import Array, Heart, pose_at
from septum.data.phantom.scanner import Scan
from septum.data.phantom.vessels import pulmonary_fork

PLANES = ("short_axis", "axial")
FIELDS_MM = {"short_axis": 240.0, "axial": 260.0}
"""Usual height of the field of view by plane."""
SAMPLES = np.array([(-0.4, 0.2), (0.2, 0.4), (0.0, 0.0), (-0.2, -0.4), (0.4, -0.2)])
"""Where in its pixel a voxel is sampled (down, right), at depths from one face to the other."""
DEPTHS = len(SAMPLES)

Lines = tuple[Array, Array, Array]


@dataclass(frozen=True)
class Grid:
    """Where the voxels of a stack lie.

    Attributes:
        middle: Of the stack, in the frame of the body, mm.
        axes: Unit vectors from slice to slice, down and to the right in the image, [3 3], in the
            frame of the body.
        slices, size: How many slices, and their height and width in pixels.
        gap_mm: Distance of neighbouring slices, middle to middle.
        thickness_mm: Of a slice.
        pixel_mm: Edge of the square pixels.
    """

    middle: NDArray[np.float64]
    axes: NDArray[np.float64]
    slices: int
    size: tuple[int, int]
    gap_mm: float
    thickness_mm: float
    pixel_mm: float

    def lattice(self, depth: int) -> Lines:
        """Coordinates along the three axes from the middle, mm, of one sample of every voxel."""
        h, w = self.size
        across = _centred(self.slices) * self.gap_mm
        across += (depth - (DEPTHS - 1) / 2) * self.thickness_mm / DEPTHS
        down, right = (
            (_centred(n) + shift) * self.pixel_mm
            for n, shift in zip((h, w), SAMPLES[depth], strict=True)
        )
        return across.astype(np.float32), down.astype(np.float32), right.astype(np.float32)

    def into(self, place: NDArray[np.float64]) -> NDArray[np.float64]:
        """Places of the body, [... 3], along the axes of the lattice."""
        return (place - self.middle) @ self.axes.T


def _centred(count: int) -> Array:
    return np.arange(count) - (count - 1) / 2


def grid_of(
    plane: str,
    heart: Heart,
    body: Body,
    scan: Scan,
    *,
    size: tuple[int, int],
    slices: int,
) -> Grid:
    """Planes that hold the heart at end diastole, whatever their number.

    A short-axis stack runs from above the mitral annulus to below the apex, the septum at the left
    and the anterior wall on top. An axial stack runs from under the heart to above the fork of the
    pulmonary artery, seen from the feet: the subject's left is at the right, the back is down.

    Args:
        plane: One of `PLANES`.
        heart: The subject's heart.
        body: The subject's body.
        scan: Shifts and turns the field, and says how thick slices are.
        size: Height and width in pixels.
        slices: How many.

    Raises:
        BadInput: There is no such plane.
    """
    if plane == "short_axis":
        axes, middle, reach = _short_axis(heart, body)
    elif plane == "axial":
        axes, middle, reach = _axial(heart, body)
    else:
        raise BadInput(f"There is no plane {plane!r} of stacks; choose from {', '.join(PLANES)}.")
    c, s = cos(radians(scan.rotation_deg)), sin(radians(scan.rotation_deg))
    turned = np.stack([axes[0], c * axes[1] + s * axes[2], c * axes[2] - s * axes[1]])
    gap = reach / slices
    return Grid(
        middle=middle - scan.shift_down_mm * turned[1] - scan.shift_right_mm * turned[2],
        axes=turned,
        slices=slices,
        size=size,
        gap_mm=gap,
        thickness_mm=min(gap, scan.thickness_mm),
        pixel_mm=FIELDS_MM[plane] / size[0],
    )


Planes = tuple[NDArray[np.float64], NDArray[np.float64], float]


def _short_axis(heart: Heart, body: Body) -> Planes:
    """Axes, middle and reach; the middle is between the ventricles."""
    lateral, anterior, base = heart_axes(body)
    top, bottom = heart.lv_length_mm + 8, -heart.wall_mm - 2
    middle = np.array([-0.35 * heart.rv_width_mm, 0, (top + bottom) / 2])
    return np.stack([-base, -anterior, lateral]), in_body(body, heart, middle), top - bottom


def _axial(heart: Heart, body: Body) -> Planes:
    """Axes, middle and reach; the lower end is that of the epicardium and the right ventricle."""
    half = heart.lv_length_mm / 1.5
    radius = heart.lv_diameter_mm / 2 + heart.wall_mm
    up = heart_axes(body)[2, 2]
    extent = np.hypot(radius * np.sqrt(1 - up**2), (half + heart.wall_mm) * up)
    lowest = in_body(body, heart, np.array([0, 0, half]))[2] - extent - 0.25 * heart.rv_width_mm
    highest = pulmonary_fork(pose_at(heart, 0.0), body)[2] + 16
    middle = in_body(body, heart, np.array([0, 0, 0.85 * heart.lv_length_mm]))
    middle[2] = (lowest + highest) / 2
    axes = np.array([[0.0, 0, 1], [0, 1, 0], [1, 0, 0]])
    return axes, middle, float(highest - lowest)
