"""The chest round the heart: skin, ribs, lungs, spine, liver; and how the heart lies in it.

Coordinates are millimetres in the frame of the body: `x` to the subject's left, `y` to the back,
`z` to the head. The origin is the middle of the chest at the height of the heart's anchor, a point
of the long axis of the left ventricle near its base.

    points of the body (mm) --chest_at--> tissue codes --(heart painted over)--> ...

Codes continue those of the heart. Plain numbers are millimetres, set by eye beside real images.
"""

from dataclasses import dataclass
from math import cos, radians, sin

import numpy as np
from numpy.typing import NDArray

from septum.data.phantom.heart import Array, Heart
from septum.data.phantom.tissue import FAT, FIBROUS, Codes, Points

AIR, LUNG, MUSCLE, BONE, LIVER, SPLEEN, BOWEL, FLUID, TABLE, VEIN, ARTERY, PULMONARY = range(16, 28)

ANCHOR_LEVEL = 0.8
"""Place of the anchor on the long axis: 0 is the apex, 1 the mitral annulus, at end diastole."""
CHEST_WALL_MM = 17.0
VESSEL_SIGMAS = 2.1
"""Vessels of the lungs and the liver are where a field of unit variance exceeds this."""


@dataclass(frozen=True, kw_only=True)
class Body:
    """The surroundings of one subject's heart.

    Attributes:
        azimuth_deg: The long axis, from base to apex, points so far from the front to the left.
        elevation_deg: And so far down.
        roll_deg: Turn of the heart about its long axis; its right side goes down.
        heart_left_mm, heart_front_mm: Where the anchor lies.
        chest_half_width_mm, chest_half_depth_mm: Of the trunk, with the skin.
        skin_fat_mm: Thickness of the fat under the skin.
        epicardial_fat_mm: Largest thickness of the fat on the heart.
        liver_up_mm: Height of the right dome of the diaphragm.
        stomach_up_mm: Height of the left dome.
        organs_seed: Names the vessels in lungs and liver, the bowel and the mottle of tissues.
    """

    azimuth_deg: float = 46.0
    elevation_deg: float = 36.0
    roll_deg: float = 18.0
    heart_left_mm: float = 14.0
    heart_front_mm: float = 14.0
    chest_half_width_mm: float = 165.0
    chest_half_depth_mm: float = 112.0
    skin_fat_mm: float = 13.0
    epicardial_fat_mm: float = 4.0
    liver_up_mm: float = -22.0
    stomach_up_mm: float = -42.0
    organs_seed: int = 0


def sample_body(rng: np.random.Generator) -> Body:
    """Draw the surroundings of a subject."""
    fat = float(rng.uniform(6, 26))
    return Body(
        azimuth_deg=float(rng.normal(46, 5)),
        elevation_deg=float(rng.normal(36, 5)),
        roll_deg=float(rng.normal(18, 6)),
        heart_left_mm=float(rng.uniform(9, 19)),
        heart_front_mm=float(rng.uniform(10, 18)),
        chest_half_width_mm=float(rng.uniform(142, 162)) + fat,
        chest_half_depth_mm=float(rng.uniform(94, 106)) + fat,
        skin_fat_mm=fat,
        epicardial_fat_mm=float(rng.uniform(2, 7)),
        liver_up_mm=float(rng.uniform(-34, -14)),
        stomach_up_mm=float(rng.uniform(-50, -34)),
        organs_seed=int(rng.integers(2**31)),
    )


def heart_axes(body: Body) -> NDArray[np.float64]:
    """The heart's axes (lateral, anterior, towards the base) in the body, [3 3], rows of length 1.

    The frame of the heart is left-handed, that of the body right-handed.
    """
    azimuth, elevation = radians(body.azimuth_deg), radians(body.elevation_deg)
    base = np.array(
        [
            -sin(azimuth) * cos(elevation),
            cos(azimuth) * cos(elevation),
            sin(elevation),
        ]
    )
    above = np.array([0.0, 0.0, 1.0]) - base[2] * base
    above /= np.linalg.norm(above)
    aside = np.cross(base, above)
    c, s = cos(radians(body.roll_deg)), sin(radians(body.roll_deg))
    return np.stack([c * aside + s * above, c * above - s * aside, base])


def anchor(body: Body) -> NDArray[np.float64]:
    """Where the anchor lies in the body."""
    return np.array([body.heart_left_mm, -body.heart_front_mm, 0.0])


def in_body(body: Body, heart: Heart, point: NDArray[np.floating]) -> NDArray[np.float64]:
    """Points of the heart in the body, [... 3]."""
    along = np.array([0.0, 0.0, ANCHOR_LEVEL * heart.lv_length_mm])
    return (point - along) @ heart_axes(body) + anchor(body)


def chest_at(body: Body, points: Points, field: Array) -> Codes:
    """Code of the tissue at every point, without heart and great vessels.

    Args:
        body: The subject.
        points: In the frame of the body.
        field: Smooth random numbers of unit variance, at the points or along their last axes: they
            shape vessels and bowel.
    """
    depth = _depth(body, points)
    field = np.broadcast_to(field, depth.shape)
    tissue = np.full(depth.shape, LUNG, np.uint8)
    tissue[field > VESSEL_SIGMAS] = VEIN
    _paint_mediastinum(tissue, body, points, field)
    _paint_abdomen(tissue, body, points, field)
    _paint_wall(tissue, body, points, depth)
    _paint_spine(tissue, body, points)
    _paint_outside(tissue, body, points, depth)
    return tissue


def _depth(body: Body, points: Points) -> Array:
    """Distance under the skin towards the middle; negative outside. The trunk is a rounded box."""
    x2, y2 = points.x**2, points.y**2
    a = x2 * np.float32(body.chest_half_width_mm**-2)
    b = y2 * np.float32(body.chest_half_depth_mm**-2)
    share = np.sqrt(np.sqrt(a**2 + b**2 + np.float32(1.3) * a * b)) + np.float32(1e-3)
    return np.sqrt(x2 + y2) * (1 / share - 1)


def _paint_mediastinum(tissue: Codes, body: Body, points: Points, field: Array) -> None:
    """Fat with strands and nodes between the lungs, from the breastbone to the spine."""
    across = (points.x - 4) / (24 + np.clip(points.y / 4, -17, 8))
    along = points.y / np.float32(body.chest_half_depth_mm)
    inside = across**2 + along**4 < 1
    tissue[inside] = FAT
    tissue[inside & (field > 1.3)] = MUSCLE


def _paint_abdomen(tissue: Codes, body: Body, points: Points, field: Array) -> None:
    """Below two domes: liver at the right, stomach and bowel at the left, spleen behind them."""
    x, y, z = points.x, points.y, points.z
    behind = (y - 5) ** 2 / 210
    right = body.liver_up_mm - (x + 68) ** 2 / 175 - behind - z
    left = body.stomach_up_mm - (x - 72) ** 2 / 150 - behind - z
    inside = np.maximum(right, left)
    below = inside > 0
    liver = below & (x + 0.3 * y < 28)
    bowel = below & ~liver
    tissue[bowel] = BOWEL
    tissue[bowel & (field < -1.1)] = FAT
    tissue[bowel & (y + 0.35 * x > 42) & (inside > 4)] = SPLEEN
    tissue[liver] = LIVER
    tissue[liver & (field > VESSEL_SIGMAS - 0.4)] = VEIN
    tissue[below & (inside < 2.5)] = MUSCLE


def _paint_wall(tissue: Codes, body: Body, points: Points, depth: Array) -> None:
    """Fat under the skin, muscle, ribs that slope down to the front, and the breastbone."""
    fat = np.float32(body.skin_fat_mm)
    tissue[depth < fat + CHEST_WALL_MM] = MUSCLE
    tissue[(depth > fat + CHEST_WALL_MM - 3) & (depth < fat + CHEST_WALL_MM)] = FAT
    plate = (depth > fat + 4) & (depth < fat + 13)
    rib = np.cos((points.z + 0.5 * points.y) * np.float32(2 * np.pi / 27)) > 0.3
    breastbone = (np.abs(points.x) < 17) & (points.y < 0)
    tissue[plate & (rib | breastbone)] = BONE
    tissue[depth < fat] = FAT


def _paint_spine(tissue: Codes, body: Body, points: Points) -> None:
    """Vertebrae 24 mm high with discs between them, the canal, and the long muscles of the back."""
    x, z = points.x, points.z
    y = points.y - spine_back_mm(body)
    back = (y > 0) & (points.y < body.chest_half_depth_mm - body.skin_fat_mm)
    tissue[back & (x**2 / 48**2 + (y - 20) ** 2 / 24**2 < 1)] = MUSCLE
    vertebra = x**2 + (1.2 * y) ** 2 < 19**2
    disc = np.cos(z * np.float32(2 * np.pi / 29)) > 0.85
    tissue[vertebra] = BONE
    tissue[vertebra & disc] = FIBROUS
    tissue[(np.abs(x) < 16 - 0.5 * (y - 22)) & (y > 14) & (y < 44) & (np.abs(x) > 2)] = BONE
    tissue[x**2 + (y - 24) ** 2 < 9**2] = FLUID


def spine_back_mm(body: Body) -> float:
    """How far behind the middle of the chest the middle of the vertebrae lies."""
    return body.chest_half_depth_mm - body.skin_fat_mm - 52


def _paint_outside(tissue: Codes, body: Body, points: Points, depth: Array) -> None:
    """Air, and the table under the back, which only X-rays see."""
    tissue[depth < 0] = AIR
    under = points.y - body.chest_half_depth_mm - 6 + points.x**2 / 900
    tissue[(depth < 0) & (under > 0) & (under < 5)] = TABLE
