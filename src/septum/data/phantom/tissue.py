"""What lies at a point of the chest: a tissue, and where that tissue was at end diastole.

    points (mm) --around--> level, radius, angle, walls --> tissue codes, material coordinates

Everything is an implicit function of the level, radius and angle round the long axis of the left
ventricle; later tissues are painted over earlier ones. Plain numbers are millimetres, or shares of
the long axis, set by eye beside real frames.
"""

from dataclasses import dataclass
from math import cos, radians, sin

import numpy as np
from numpy.typing import NDArray

from septum.data.phantom.heart import Array, Pose, infarct_at, rest_walls, walls

Codes = NDArray[np.uint8]
Flags = NDArray[np.bool_]

CLASSES: tuple[str, ...] = (
    "background",
    "left_ventricle",
    "myocardium",
    "left_atrium",
    "right_ventricle",
    "right_atrium",
    "aorta",
)
"""Name of every mask value. The right ventricular wall, the pericardium and fat are background; a
leaflet or papillary muscle belongs to the chamber it hangs in."""

SURROUNDINGS, LV, MYOCARDIUM, SCAR, PAPILLARY, LA, RV, RV_WALL, RA, AORTA, FIBROUS, PERICARDIUM = (
    range(12)
)
MITRAL, TRICUSPID, AORTIC, FAT = 12, 13, 14, 15
BLOOD = (LV, LA, RV, RA, AORTA)
CLASS_OF_TISSUE = np.array([0, 1, 2, 2, 1, 3, 4, 0, 5, 6, 0, 0, 1, 4, 6, 0], np.uint8)
"""Mask value of every tissue code above."""

AORTIC_ANGLE_DEG = 150.0
"""The outflow tract leaves between the septum and the anterior wall."""
AORTIC_TILT_DEG = 32.0
PAPILLARY_ANGLES_DEG = (60.0, 240.0)
RV_ANGLE_DEG = 172.0
RV_HALF_WIDTH_DEG = 74.0
RV_APEX_LEVEL = 0.12
TRICUSPID_LEVEL = 0.95
OUTFLOW_LEVEL = 1.3
"""In front of the aorta the right ventricle reaches up to here as its outflow tract."""


@dataclass(frozen=True)
class Points:
    """Points in the frame of the heart, mm; arrays of one shape."""

    x: Array
    y: Array
    z: Array


@dataclass(frozen=True)
class Around:
    """Points seen round the long axis of a posed left ventricle, with the walls at their place.

    Attributes:
        level: 0 at the apex, 1 at the mitral annulus.
        radius: Distance from the long axis, mm.
        cos, sin: Of the angle round it.
        infarct: How dead the wall is there, in [0, 1].
        endo, epi: Radius of the surfaces of the wall, mm.
        free: Radius of the inside of the right ventricular free wall; `epi` where there is none.
    """

    pose: Pose
    points: Points
    level: Array
    radius: Array
    cos: Array
    sin: Array
    infarct: Array | float
    endo: Array
    epi: Array
    free: Array


def direction(angle_deg: float) -> tuple[float, float]:
    """Unit vector at an angle round the long axis."""
    return cos(radians(angle_deg)), sin(radians(angle_deg))


def around(pose: Pose, points: Points) -> Around:
    """See points in the coordinates of the left ventricle."""
    radius = np.sqrt(points.x**2 + points.y**2) + np.float32(1e-3)
    cosine, sine = points.x / radius, points.y / radius
    level = points.z / np.float32(pose.length_mm)
    body = np.minimum(level, 1)
    infarct = infarct_at(pose.heart, body, cosine, sine)
    endo, epi = walls(pose, body, infarct)
    free = epi + _rv_width(pose, body, cosine, sine)
    return Around(pose, points, level, radius, cosine, sine, infarct, endo, epi, free)


def tissue_at(near: Around, *, aorta_mm: float = 55.0) -> Codes:
    """Code of the tissue at every point; the aorta is drawn so far from its annulus."""
    tissue = np.zeros(near.level.shape, np.uint8)
    _paint_pericardium(tissue, near)
    _paint_atria(tissue, near)
    _paint_right_ventricle(tissue, near)
    _paint_left_ventricle(tissue, near)
    _paint_aorta(tissue, near, aorta_mm)
    _paint_leaflets(tissue, near)
    return tissue


def _rv_width(pose: Pose, level: Array, cosine: Array, sine: Array) -> Array:
    """Distance from the septum to the free wall: a crescent that narrows towards both ends."""
    u, v = direction(RV_ANGLE_DEG)
    edge = cos(radians(RV_HALF_WIDTH_DEG))
    across = np.sqrt(np.maximum(0, (cosine * u + sine * v - edge) / (1 - edge)))
    along = 1 - np.clip((level - RV_APEX_LEVEL) / (1 - RV_APEX_LEVEL), 0, 1)
    width = pose.heart.rv_width_mm * (1 - 0.28 * pose.emptied)
    return width * across * (1 - along**2) * (1 - 3 * np.maximum(0, level - 0.75) ** 2)


def _rv_top(near: Around) -> Array:
    """Level that the right ventricle reaches: its inlet valve, and higher in the outflow tract."""
    u, v = direction(RV_ANGLE_DEG)
    anterior = near.cos * v - near.sin * u
    return TRICUSPID_LEVEL + (OUTFLOW_LEVEL - TRICUSPID_LEVEL) * np.clip(3 * anterior, 0, 1)


def _paint_pericardium(tissue: Codes, near: Around) -> None:
    """A bright sheet 2 mm thick round the ventricles, and the fat outside it and in the groove."""
    outside = near.free + np.where(near.free > near.epi + 0.5, 4, 0.5)
    gap = near.radius - outside
    body = (near.points.z > -near.pose.heart.wall_mm * 0.5) & (gap > 0)
    tissue[body & (gap < 7 + 8 * np.maximum(0, near.level)) & (near.level < 1.1)] = FAT
    tissue[body & (gap < 2.2) & (near.level < 1.02)] = PERICARDIUM


def _paint_atria(tissue: Codes, near: Around) -> None:
    """Two eggs on either side of a thin septum, filling while the ventricles empty.

    Their roofs stay where they are and the annulus moves, so they lengthen as well.
    """
    u, v = direction(200.0)
    pose, points, heart = near.pose, near.points, near.pose.heart
    towards = points.x * u + points.y * v
    septum = np.float32(0.4 * heart.la_diameter_mm)
    right = septum + np.float32(0.4 * heart.ra_diameter_mm)
    roof = heart.lv_length_mm + heart.la_length_mm
    half_length = (roof - pose.length_mm) / 1.7
    up = (points.z - roof + half_length) / half_length
    up = (up * np.where(up > 0, 1, 0.6)) ** 2
    for code, diameter, centre, side in (
        (RA, heart.ra_diameter_mm, right, towards - septum),
        (LA, heart.la_diameter_mm, np.float32(1), septum - towards),
    ):
        half_width = diameter / 2 * (0.84 + 0.16 * pose.emptied)
        across = (points.x - centre * u) ** 2 + (points.y - centre * v) ** 2
        shape = half_width * (np.sqrt(across / half_width**2 + up) - 1)
        inside = (shape < 0) & (side > 1.2)
        behind = (shape > 3.5) & (shape < 6) & (up > 0.2) & (side > -1.2)
        tissue[behind & ((tissue == SURROUNDINGS) | (tissue == FAT))] = PERICARDIUM
        tissue[(shape < 2.5) & (side > -1.2) & ~inside] = FIBROUS
        tissue[inside] = code


def _paint_right_ventricle(tissue: Codes, near: Around) -> None:
    """Crescent, wall of 4 mm, and the inlet to its atrium."""
    below = near.level < _rv_top(near)
    here = (near.free > near.epi + 0.5) & (near.radius > near.epi)
    wall = here & (near.radius < near.free + 4)
    tissue[wall & below] = RV_WALL
    cavity = here & (near.radius < near.free)
    tissue[cavity & below] = RV
    inlet = cavity & ~below & (near.radius > near.epi + 2) & (near.level < 1.03)
    tissue[inlet] = RA


def _paint_left_ventricle(tissue: Codes, near: Around) -> None:
    """Wall, scar, cavity with two papillary muscles, and the atrium up to the annulus."""
    below = near.level < 1
    body = (near.radius < near.epi) & (near.level < 1.04)
    tissue[body & (near.radius > near.endo)] = FIBROUS
    tissue[body & (near.radius <= near.endo) & ~below] = LA
    wall = body & below
    tissue[wall] = MYOCARDIUM
    tissue[wall & (np.asarray(near.infarct) > 0.5)] = SCAR
    cavity = wall & (near.radius < near.endo)
    tissue[cavity] = LV
    points, reach = near.points, 0.8 * near.endo
    thick = near.endo**2 * np.maximum(0, 0.045 - 1.6 * (near.level - 0.46) ** 2)
    for angle in PAPILLARY_ANGLES_DEG:
        u, v = direction(angle)
        offset = (points.x - reach * u) ** 2 + (points.y - reach * v) ** 2
        tissue[cavity & (offset < thick)] = PAPILLARY


def aortic_frame(pose: Pose, points: Points) -> tuple[Array, Array, Array, Array]:
    """Distance along the aorta from its annulus, distance from its axis, and that offset (mm)."""
    centre, axis = aortic_axis(pose)
    x, y, z = points.x - centre[0], points.y - centre[1], points.z - centre[2]
    along = x * axis[0] + y * axis[1] + z * axis[2]
    u, v = direction(AORTIC_ANGLE_DEG)
    sideways = x * -v + y * u
    forward = (x * u + y * v) * cos(radians(AORTIC_TILT_DEG)) - z * sin(radians(AORTIC_TILT_DEG))
    return along, np.sqrt(sideways**2 + forward**2), forward, sideways


def aortic_axis(pose: Pose) -> tuple[Array, Array]:
    """Centre of the aortic annulus (mm) and unit vector along the root, away from the ventricle."""
    u, v = direction(AORTIC_ANGLE_DEG)
    annulus = float(rest_walls(pose.heart, np.ones(1, np.float32), 0.0)[0][0])
    reach = annulus + 2.0
    tilt = radians(AORTIC_TILT_DEG)
    centre = np.array([reach * u, reach * v, pose.length_mm], np.float32)
    return centre, np.array([sin(tilt) * u, sin(tilt) * v, cos(tilt)], np.float32)


def _paint_aorta(tissue: Codes, near: Around, reach_mm: float) -> None:
    """Outflow tract, sinuses, ascending aorta and the three cusps."""
    along, away, forward, sideways = aortic_frame(near.pose, near.points)
    annulus = near.pose.heart.aorta_diameter_mm / 2
    sinus = np.exp(-(((along - 9) / 6) ** 2))
    bore = annulus * (1 + 0.28 * sinus + 0.12 * np.clip(along / 25, 0, 1))
    tube = (along > 0) & (along < reach_mm)
    solid = (tissue != LV) & (tissue != LA)
    tissue[tube & (away < bore + 2)] = FIBROUS
    outflow = (along > -16) & (along <= 0) & (away < annulus) & solid
    tissue[(tube & (away < bore)) | outflow] = AORTA
    tissue[_cusps(near.pose, along, away / bore, forward, sideways) & tube] = AORTIC


def in_valve(pose: Pose, points: Points) -> Flags:
    """Whether points lie in the box of the aortic valve: its sinuses, from the annulus up."""
    along, away, _, _ = aortic_frame(pose, points)
    return (along > -2) & (along < 14) & (away < 0.65 * pose.heart.aorta_diameter_mm)


def _cusps(pose: Pose, along: Array, away: Array, forward: Array, sideways: Array) -> Flags:
    """Bellies from the annulus to the free edges, and closed, the three lines where they meet."""
    edge = 0.8 * pose.aortic
    height = (7 + 3 * pose.aortic) * (1 - away) / (1 - edge)
    belly = (np.abs(along - height) < 0.9) & (away > edge)
    lines = np.zeros_like(belly)
    for angle in (60.0, 180.0, 300.0):
        u, v = direction(angle)
        lines |= (np.abs(sideways * u - forward * v) < 0.8) & (forward * u + sideways * v > -0.5)
    return belly | (lines & (away < 1) & (away > edge) & (along > 4) & (along < 10) & (edge < 0.4))


def _paint_leaflets(tissue: Codes, near: Around) -> None:
    """Mitral and tricuspid leaflets: funnels hinged at the annulus that fold open downwards."""
    pose, points = near.pose, near.points
    depth = pose.length_mm - points.z
    across = near.radius / np.maximum(near.endo, 1)
    mitral = _funnel(depth, across, near.endo, pose.mitral)
    tissue[mitral & (tissue == LV)] = MITRAL
    width = np.maximum(near.free - near.epi, 1)
    across = np.abs(2 * (near.radius - near.epi) / width - 1)
    depth = TRICUSPID_LEVEL * pose.length_mm - points.z
    inlet = (tissue == RV) & (_rv_top(near) < TRICUSPID_LEVEL + 0.01)
    tissue[_funnel(depth, across, width / 2, pose.mitral) & inlet] = TRICUSPID


def _funnel(depth: Array, across: Array, radius: Array, opening: float) -> Flags:
    """Leaflets 1.6 mm thick, as long as the closed ones, at 20 deg closed to 68 deg open."""
    angle = radians(20 + 48 * opening)
    length = radius / cos(radians(20))
    run = (1 - across) * radius
    return (
        (np.abs(run * sin(angle) - depth * cos(angle)) < 0.8)
        & (run < length * cos(angle) + 0.4)
        & (across < 1)
        & (depth > -1)
    )


def material_at(near: Around) -> Points:
    """Where every point was at end diastole, mm; the motion fades outside the heart in 12 mm."""
    points, heart, length = near.points, near.pose.heart, near.pose.length_mm
    endo_rest, epi_rest = rest_walls(heart, np.minimum(near.level, 1), near.infarct)
    wall = endo_rest**2 + length / heart.lv_length_mm * (near.radius**2 - near.endo**2)
    rest = np.where(
        near.radius < near.endo,
        near.radius * endo_rest / np.maximum(near.endo, 1),
        np.sqrt(np.maximum(wall, 0)),
    )
    rest = np.where(near.radius > near.epi, near.radius + epi_rest - near.epi, rest)
    outside = np.maximum(np.maximum(near.radius - near.free, -points.z), 0)
    fade = 1 / (1 + (outside / 12) ** 2)
    scale = 1 + fade * (rest / near.radius - 1)
    roof = heart.lv_length_mm + heart.la_length_mm
    descent = (heart.lv_length_mm - length) * np.clip(
        np.minimum(points.z / length, (roof - points.z) / (roof - length)), -0.1, 1
    )
    down = np.where(points.z > roof, 0, descent) * fade
    return Points(points.x * scale, points.y * scale, points.z + down)
