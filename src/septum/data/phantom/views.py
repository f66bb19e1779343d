"""Where the image lies: standard planes through the heart, and the sector in the image.

    (range, angle) of a beam --Fan--> (x, y) mm in the image plane --Plane--> Points in the heart

In the image plane `x` points right and `y` down; the origin is the probe.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import cos, radians, sin

import numpy as np
from numpy.typing import NDArray

from septum.contract import BadInput
from septum.data.phantom.heart import Array, Heart, Pose, reach_mm, rest_walls
from septum.data.phantom.look import Look
from septum.data.phantom.tissue import AORTIC_ANGLE_DEG, Points, aortic_axis, direction

APICAL_ANGLES_DEG = {"A4C": 30.0, "A2C": 90.0, "A3C": 150.0}
"""Angle of the wall at the right of the image."""
SAX_LEVELS = {"SAX_MID": 0.55, "SAX_APEX": 0.25}
VIEWS: tuple[str, ...] = ("A2C", "A3C", "A4C", "PLAX", "SAX_BASE", "SAX_MID", "SAX_APEX")
"""`SAX_BASE` cuts the aortic root across its valve."""
MARGIN_PX = 3
PAD_BEAMS = 6
"""Beams outside each edge of the sector, so that what lies there blurs into it."""


@dataclass(frozen=True)
class Plane:
    """An image plane: the probe and the image's axes as vectors in the heart, mm."""

    origin: Array
    right: Array
    down: Array

    def __call__(self, x: Array, y: Array) -> Points:
        """Points of the heart at image coordinates in mm."""
        o, r, d = self.origin, self.right, self.down
        return Points(*(o[i] + x * r[i] + y * d[i] for i in range(3)))

    def foot(self, points: Points) -> tuple[Array, Array]:
        """Image coordinates in mm of the feet of points."""
        x, y, z = points.x - self.origin[0], points.y - self.origin[1], points.z - self.origin[2]
        (a, b, c), (d, e, f) = self.right, self.down
        return x * a + y * b + z * c, x * d + y * e + z * f

    def project(self, point: Array) -> tuple[float, float]:
        """Image coordinates in mm of the foot of a point."""
        offset = point - self.origin
        return float(offset @ self.right), float(offset @ self.down)


@dataclass(frozen=True)
class Fan:
    """The sector of one geometry: beams in polar and pixels in Cartesian coordinates.

    Attributes:
        sector: True inside the sector.
        pixel_x, pixel_y: Image plane coordinates of the pixels inside it, mm, [n].
        pixel_at: The same pixels in indices of the beam grid, [2 n].
        range_mm: Depth of every sample, [r 1].
        angle: Angle of every beam, rad, [1 b]; a few beams lie outside the sector.
        beam_x, beam_y: Image plane coordinates of the beam samples, mm, [r b].
        px_per_mm, apex_px: Scale, and where the probe is in the image.
    """

    sector: NDArray[np.bool_]
    pixel_x: Array
    pixel_y: Array
    pixel_at: Array
    range_mm: Array
    angle: Array
    beam_x: Array
    beam_y: Array
    px_per_mm: float
    apex_px: tuple[float, float]

    def to_px(self, x_mm: float, y_mm: float) -> tuple[float, float]:
        """Pixel of a place of the image plane; pixel centres are at integers."""
        return self.apex_px[0] + x_mm * self.px_per_mm, self.apex_px[1] + y_mm * self.px_per_mm


def fan_of(look: Look, size: tuple[int, int]) -> Fan:
    """The sector of an acquisition in an image of height and width `size`."""
    return _fan(size, look.depth_mm, look.sector_angle_deg, look.right_share, look.down_share)


@lru_cache(maxsize=8)
def _fan(
    size: tuple[int, int], depth_mm: float, angle_deg: float, right_share: float, down_share: float
) -> Fan:
    h, w = size
    half = radians(angle_deg / 2)
    height = h - 2 * MARGIN_PX - down_share * h
    half_width = w / 2 - MARGIN_PX - abs(right_share) * w
    scale = min(height, half_width / sin(half)) / depth_mm
    apex = (w / 2 - 0.5 + right_share * w, MARGIN_PX + down_share * h)
    y, x = np.mgrid[:h, :w].astype(np.float32)
    x, y = (x - np.float32(apex[0])) / scale, (y - np.float32(apex[1])) / scale
    distance, angle = np.hypot(x, y), np.arctan2(x, y)
    sector = (distance <= depth_mm) & (np.abs(angle) <= half)
    samples, beams = round(1.4 * h), round(0.46 * w) + 2 * PAD_BEAMS
    step = 2 * half / (beams - 1 - 2 * PAD_BEAMS)
    ranges = np.linspace(1, depth_mm, samples, dtype=np.float32)[:, None]
    angles = ((np.arange(beams) - (beams - 1) / 2) * step).astype(np.float32)[None]
    at = np.stack(
        [
            (distance[sector] - 1) * (samples - 1) / (depth_mm - 1),
            angle[sector] / step + (beams - 1) / 2,
        ]
    )
    return Fan(
        sector=sector,
        pixel_x=x[sector],
        pixel_y=y[sector],
        pixel_at=at.astype(np.float32),
        range_mm=ranges,
        angle=angles,
        beam_x=ranges * np.sin(angles),
        beam_y=ranges * np.cos(angles),
        px_per_mm=scale,
        apex_px=apex,
    )


def plane_of(view: str, pose: Pose, look: Look) -> Plane:
    """The plane of a standard view, displaced as the acquisition says.

    Raises:
        BadInput: There is no such view.
    """
    if view in APICAL_ANGLES_DEG:
        return _apical(APICAL_ANGLES_DEG[view] + look.probe_roll_deg, pose, look, view)
    if view == "PLAX":
        return _parasternal_long(pose, look)
    if view in SAX_LEVELS:
        level = SAX_LEVELS[view] * pose.length_mm
        return _short(np.array([0, 0, level]), np.array([0.0, 0, 1]), pose, look)
    if view == "SAX_BASE":
        centre, axis = aortic_axis(pose)
        return _short(centre + 6 * axis, axis, pose, look)
    raise BadInput(f"There is no view {view!r} of the phantom; choose from {', '.join(VIEWS)}.")


def foreshortening_percent(heart: Heart, look: Look) -> float:
    """How much shorter than its long axis an apical plane shows the ventricle at end diastole."""
    return 100 * (1 - reach_mm(heart, look.probe_lean_deg) / heart.lv_length_mm)


def _apical(angle_deg: float, pose: Pose, look: Look, view: str) -> Plane:
    """Probe over the apex, beam to the mitral annulus; A4C moves over to see the right heart."""
    heart, lean = pose.heart, radians(look.probe_lean_deg)
    u, v = direction(angle_deg)
    down = np.array([v * sin(lean), -u * sin(lean), cos(lean)])
    away = reach_mm(heart, look.probe_lean_deg, outside_mm=heart.wall_mm) + look.probe_gap_mm
    origin = np.array([0, 0, heart.lv_length_mm]) - away * down
    aside = -5.0 if view == "A4C" else 0.0
    tilt = look.probe_tilt_deg + (-5.0 if view == "A4C" else 0.0)
    return _tilted(origin, (u, v, 0.0), down, aside + look.probe_shift_mm, tilt)


def _parasternal_long(pose: Pose, look: Look) -> Plane:
    """Probe over the right ventricular outflow tract; the apex is at the left of the image."""
    u, v = direction(AORTIC_ANGLE_DEG)
    reach = _chest(pose, look)
    origin = np.array([reach * u, reach * v, 1.1 * pose.heart.lv_length_mm])
    tilt = look.probe_tilt_deg - 12.0
    return _tilted(origin, (0.0, 0.0, 1.0), (-u, -v, 0.0), look.probe_shift_mm, tilt)


def _short(centre: Array, normal: Array, pose: Pose, look: Look) -> Plane:
    """Across an axis; the septum is at the left of the image and the anterior wall on top."""
    u, v = direction(118.0 + look.probe_roll_deg)
    down = -np.array([u, v, 0])
    down -= normal * (down @ normal)
    down /= np.linalg.norm(down)
    right = np.cross(normal, down)
    origin = centre + down * ((-centre) @ down - _chest(pose, look))
    origin = origin + right * ((-centre) @ right)
    return _tilted(origin, right, down, look.probe_shift_mm, look.probe_tilt_deg)


def _chest(pose: Pose, look: Look) -> float:
    """Distance of a parasternal probe from the long axis, mm."""
    _, epi = rest_walls(pose.heart, np.full(1, 0.7, np.float32), 0.0)
    return float(epi[0]) + 0.8 * pose.heart.rv_width_mm + look.probe_gap_mm


def _tilted(
    origin: Array,
    right: Sequence[float] | Array,
    down: Sequence[float] | Array,
    shift_mm: float,
    tilt_deg: float,
) -> Plane:
    """Shift the probe to the right and turn its beam axis to the right, within the plane."""
    r, d = np.asarray(right, np.float32), np.asarray(down, np.float32)
    c, s = cos(radians(tilt_deg)), sin(radians(tilt_deg))
    return Plane((origin + shift_mm * r).astype(np.float32), c * r - s * d, c * d + s * r)
