"""The great vessels: tubes along curves from the heart through the body, in millimetres.

    pose, body --tubes--> polylines with a bore --paint_tubes--> tissue codes

The root of the aorta is drawn with the heart, up to `ROOT_MM` from its annulus.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from septum.data.phantom.body import (
    ARTERY,
    PULMONARY,
    VEIN,
    Body,
    heart_axes,
    in_body,
    spine_back_mm,
)
from septum.data.phantom.heart import Array, Pose, rest_walls
from septum.data.phantom.tissue import AORTA, FIBROUS, RV, Codes, aortic_axis, direction

Place = NDArray[np.float64]

ROOT_MM = 20.0
WALL_MM = 1.6
PULMONARY_ANGLE_DEG = 116.0
"""The right ventricle empties here, to the left of the aortic root and a little in front."""
FOOT_END_MM = -260.0


@dataclass(frozen=True)
class Tube:
    """A vessel along a polyline.

    Attributes:
        code: Tissue inside it.
        path: Points in the frame of the body, [n 3].
        radius_mm: Of its bore.
    """

    code: int
    path: Place
    radius_mm: float


def tubes(pose: Pose, body: Body) -> list[Tube]:
    """Every great vessel, in the order of painting."""
    bore = 0.6 * pose.heart.aorta_diameter_mm
    return [
        *_veins(pose, body),
        *_aorta(pose, body, bore),
        *_pulmonary(pulmonary_fork(pose, body), bore),
        Tube(PULMONARY, _trunk(pose, body), 0.98 * bore),
        Tube(RV, np.stack([_conus(pose, body), _pulmonary_valve(pose, body)]), 1.1 * bore),
    ]


def pulmonary_fork(pose: Pose, body: Body) -> Place:
    """Where the trunk of the pulmonary artery divides, in the body."""
    return _pulmonary_valve(pose, body) + np.array([-3.0, 25.0, 32.0])


def _veins(pose: Pose, body: Body) -> list[Tube]:
    """Both caval veins into the right atrium, and those of the lungs into the left."""
    right, left = _atria(pose, body)
    root, _ = _root(pose, body)
    lower = np.stack([right, [-22, 22, right[2] - 45], [-22, 30, FOOT_END_MM]])
    return [
        Tube(VEIN, lower, 12.0),
        Tube(VEIN, np.stack([right, *_path(root, (-24, 10, 50), (-22, 4, 130))]), 9.5),
        Tube(ARTERY, _path(left, (0, 0, 0), (34, 14, 4), (74, 22, 6)), 6.5),
        Tube(ARTERY, _path(left, (0, 0, 0), (-34, 14, 2), (-80, 16, 0)), 6.5),
    ]


def _aorta(pose: Pose, body: Body, bore: float) -> list[Tube]:
    """From its root up to the arch, over it, and down along the spine."""
    root, along = _root(pose, body)
    (top,) = _path(root, (6, 22, 74))
    spine = np.array([20.0, spine_back_mm(body) - 24, top[2] - 30])
    rise = _curve(root, root + 26 * along, *_path(top, (-22, -22, -30), (0, 0, 0)))
    arch = _curve(*_path(top, (0, 0, 0), (14, 14, 8)), *_path(spine, (0, 0, 34), (0, 0, 0)))
    return [
        Tube(ARTERY, np.stack([spine, [24, spine[1], FOOT_END_MM]]), 0.9 * bore),
        Tube(ARTERY, arch, 0.95 * bore),
        Tube(AORTA, rise, bore),
    ]


def _pulmonary(fork: Place, bore: float) -> list[Tube]:
    """The right branch, behind the aorta, and the left; in the lungs they are any vessel."""
    branch, twig = 0.62 * bore, 0.5 * bore
    return [
        Tube(VEIN, _path(fork, (-44, 14, -4), (-78, 20, -14)), twig),
        Tube(VEIN, _path(fork, (24, 20, 4), (52, 36, -8)), twig),
        Tube(PULMONARY, _path(fork, (0, 0, 0), (-26, 12, -2), (-46, 14, -4)), branch),
        Tube(PULMONARY, _path(fork, (0, 0, 0), (24, 20, 4), (30, 24, 3)), branch),
    ]


def _trunk(pose: Pose, body: Body) -> Place:
    """From the valve of the pulmonary artery up and back to its fork."""
    valve, fork = _pulmonary_valve(pose, body), pulmonary_fork(pose, body)
    return _curve(*_path(valve, (0, 0, 0), (2, -6, 14)), *_path(fork, (2, -22, -4), (0, 0, 0)))


def _path(start: Place, *steps: tuple[int, int, int]) -> Place:
    """Places that lie so far from one, [n 3]."""
    return start + np.array(steps, float)


def paint_tubes(tissue: Codes, axes: tuple[Array, Array, Array], vessels: list[Tube]) -> None:
    """Paint walls, and then bores, so that vessels that meet are open to each other.

    Args:
        tissue: Codes on a lattice, [a b c]; painted over.
        axes: Its rising coordinates [a], [b] and [c], mm.
        vessels: In the frame of the lattice.
    """
    near = [(tube, *part) for tube in vessels for part in _distances(tube, axes)]
    for tube, box, away in near:
        tissue[box][away < (tube.radius_mm + WALL_MM) ** 2] = FIBROUS
    for tube, box, away in near:
        tissue[box][away < tube.radius_mm**2] = tube.code


def _distances(
    tube: Tube, axes: tuple[Array, Array, Array]
) -> Iterator[tuple[tuple[slice, ...], Array]]:
    """Squared distance from every piece of a tube, in the box of the lattice that it reaches."""
    reach = tube.radius_mm + WALL_MM
    for start, end in pairwise(tube.path):
        low, high = np.minimum(start, end) - reach, np.maximum(start, end) + reach
        box = tuple(
            slice(*np.searchsorted(axis, ends).tolist())
            for axis, ends in zip(axes, zip(low, high, strict=True), strict=True)
        )
        way = end - start
        offset = np.ix_(*(axis[b] - s for axis, b, s in zip(axes, box, start, strict=True)))
        x, y, z = (line.astype(np.float32) for line in offset)
        u, v, w = way.astype(np.float32)
        share = np.clip((x * u + y * v + z * w) / (u * u + v * v + w * w), 0, 1)
        yield box, (x - share * u) ** 2 + (y - share * v) ** 2 + (z - share * w) ** 2


def _root(pose: Pose, body: Body) -> tuple[Place, Place]:
    """Where the aortic root ends in the body, and its direction there."""
    centre, axis = aortic_axis(pose)
    return in_body(body, pose.heart, centre + (ROOT_MM - 4) * axis), axis @ heart_axes(body)


def _pulmonary_valve(pose: Pose, body: Body) -> Place:
    return _before_septum(pose, body, angle_deg=PULMONARY_ANGLE_DEG, level=1.1, share=0.3)


def _conus(pose: Pose, body: Body) -> Place:
    """Where the right ventricle narrows to its outflow tract."""
    return _before_septum(pose, body, angle_deg=130.0, level=0.98, share=0.45)


def _before_septum(
    pose: Pose, body: Body, *, angle_deg: float, level: float, share: float
) -> Place:
    """A place at a share of the width of the right ventricle from the left one."""
    heart = pose.heart
    _, epi = rest_walls(heart, np.ones(1, np.float32), 0.0)
    reach = float(epi[0]) + share * heart.rv_width_mm
    u, v = direction(angle_deg)
    return in_body(body, heart, np.array([reach * u, reach * v, level * heart.lv_length_mm]))


def _atria(pose: Pose, body: Body) -> tuple[Place, Place]:
    """Middle of the right and of the left atrium in the body."""
    heart = pose.heart
    u, v = direction(200.0)
    aside = 0.4 * (heart.la_diameter_mm + heart.ra_diameter_mm)
    height = heart.lv_length_mm + 0.5 * heart.la_length_mm
    right, left = np.array([aside * u, aside * v, height]), np.array([0.0, 0.0, height])
    return in_body(body, heart, right), in_body(body, heart, left)


def _curve(start: Place, leave: Place, arrive: Place, end: Place) -> Place:
    """A cubic Bezier curve as seven points, [7 3]."""
    t = np.linspace(0, 1, 7)[:, None]
    return (
        (1 - t) ** 3 * start
        + 3 * (1 - t) ** 2 * t * leave
        + 3 * (1 - t) * t**2 * arrive
        + t**3 * end
    )
