"""One parametric heart: its anatomy, its beat, and the volumes that follow from them.

Coordinates are millimetres in a frame fixed to the chest: the origin is the endocardial apex of
the left ventricle, `z` runs along its long axis towards the mitral annulus, and the angle round
the axis is 0 deg at the lateral wall, 90 deg anterior, 180 deg septal, 270 deg inferior.

    Heart (at end diastole) --phase--> Pose --(level, angle)--> endocardium, epicardium

The left ventricle is a truncated prolate spheroid. A material point keeps its level (fraction of
the long axis) and its angle; the endocardium moves in by a squeeze that an infarct locally
cancels; the epicardium follows because every element of wall keeps its volume.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from math import cos, pi, radians, sin, sqrt

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import PchipInterpolator

from septum.contract import BadInput

Array = NDArray[np.floating]

VENTRICLES = {
    "normal": ((53, 82, 43, 8), (70, 92, 50, 10.5)),
    "dilated": ((15, 92, 56, 7.5), (40, 104, 66, 9.5)),
    "hypertrophic": ((55, 76, 38, 13), (72, 88, 45, 18)),
    "infarct": ((25, 84, 47, 8), (45, 98, 56, 10)),
}
"""Lowest and highest ejection fraction (percent), length, diameter and wall (mm), for a body of
average size."""
PATHOLOGIES = tuple(VENTRICLES)
EJECTIONS = {
    "normal": (45.0, 80.0),
    "dilated": (10.0, 50.0),
    "hypertrophic": (45.0, 80.0),
    "infarct": (20.0, 60.0),
}
"""Lowest and highest ejection fraction (percent) at which a kind of heart still occurs."""
TERRITORIES = ((110.0, 0.35), (265.0, 0.65), (345.0, 0.6))
"""Angle and level of the walls fed by the left anterior descending, right and circumflex artery."""
PHASES = {"ED": 0.0, "mid_systole": 0.18, "ES": 0.36, "mid_diastole": 0.6}
"""Named moments of the beat, which starts at end diastole and lasts 1."""

TRUNCATION = 1.5
"""Long axis from apex to annulus, in semi-axes of the spheroid."""
LONG_AXIS_SHARE = 0.28
"""Shortening of the long axis per ejection fraction: 17 % (14 mm of 86) at 60 %."""
SCAR_THINNING = 0.3
"""Share of the wall lost in the centre of an infarct."""
MOST_SQUEEZE = 0.8
"""Largest share of its radius that healthy endocardium can move in."""


@dataclass(frozen=True, kw_only=True)
class Heart:
    """The anatomy of one subject at end diastole.

    Attributes:
        pathology: One of `PATHOLOGIES`; a label, the numbers below do the work.
        ef_percent: Ejection fraction of the left ventricle.
        lv_length_mm: Endocardial apex to mitral annulus.
        lv_diameter_mm: Largest endocardial diameter.
        wall_mm: Thickness of the left ventricular wall.
        rv_width_mm: Largest distance from the septum to the free wall of the right ventricle.
        la_length_mm: Mitral annulus to the roof of the left atrium.
        la_diameter_mm: Largest diameter of the left atrium, when it is fullest (end systole).
        ra_diameter_mm: The same of the right atrium.
        aorta_diameter_mm: Aortic annulus.
        infarct_angle_deg: Angle of the centre of the infarct.
        infarct_level: Its level: 0 is the apex, 1 the annulus.
        infarct_half_width_deg: Its half-width round the axis; 0 is no infarct.
    """

    pathology: str = "normal"
    ef_percent: float = 60.0
    lv_length_mm: float = 86.0
    lv_diameter_mm: float = 47.0
    wall_mm: float = 9.5
    rv_width_mm: float = 32.0
    la_length_mm: float = 38.0
    la_diameter_mm: float = 43.0
    ra_diameter_mm: float = 42.0
    aorta_diameter_mm: float = 21.0
    infarct_angle_deg: float = 0.0
    infarct_level: float = 0.5
    infarct_half_width_deg: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Pose:
    """A heart at one moment of its beat.

    Attributes:
        emptied: Share of the stroke volume that has left the ventricle, in [0, 1].
        length_mm: Apex to mitral annulus now.
        squeeze: Share by which healthy endocardium has moved towards the axis.
        mitral, aortic: Opening of the valves in [0, 1].
    """

    heart: Heart
    emptied: float
    length_mm: float
    squeeze: float
    mitral: float
    aortic: float


def sample_heart(rng: np.random.Generator, *, pathology: str | None = None) -> Heart:
    """Draw a subject; a quarter of them of each pathology unless one is named."""
    kind = pathology or str(rng.choice(PATHOLOGIES))
    size = float(rng.uniform(0.9, 1.1))
    ef_percent, length, diameter, wall = rng.uniform(*VENTRICLES[kind]).tolist()
    angle, level = TERRITORIES[int(rng.integers(len(TERRITORIES)))]
    half_width = float(rng.uniform(40, 60)) if kind == "infarct" else 0.0
    atrium = 1.15 if kind == "dilated" else 1.0
    return Heart(
        pathology=kind,
        ef_percent=ef_percent,
        lv_length_mm=size * length,
        lv_diameter_mm=size * diameter,
        wall_mm=size * wall,
        rv_width_mm=size * float(rng.uniform(26, 36)),
        la_length_mm=size * atrium * float(rng.uniform(32, 42)),
        la_diameter_mm=size * atrium * float(rng.uniform(38, 46)),
        ra_diameter_mm=size * float(rng.uniform(36, 44)),
        aorta_diameter_mm=size * float(rng.uniform(19, 23)),
        infarct_angle_deg=float((angle + rng.normal(0, 12)) % 360),
        infarct_level=float(level + rng.normal(0, 0.05)),
        infarct_half_width_deg=half_width,
    )


def sample_beating_heart(
    rng: np.random.Generator, *, pathologies: Sequence[str] = PATHOLOGIES
) -> Heart:
    """Draw a subject whose ejection fraction is uniform over all that such hearts reach.

    That is 10 to 80 percent over all pathologies. The anatomy is that of a pathology in which the
    ejection fraction occurs, so that a large ventricle often, but not always, is a weak one.
    """
    low, high = zip(*(EJECTIONS[kind] for kind in pathologies), strict=True)
    ef_percent = float(rng.uniform(min(low), max(high)))
    kinds = [k for k in pathologies if EJECTIONS[k][0] <= ef_percent <= EJECTIONS[k][1]]
    return replace(sample_heart(rng, pathology=str(rng.choice(kinds))), ef_percent=ef_percent)


def cycle_at(phase: str | float) -> float:
    """Place in the beat in [0, 1) of a phase that may be named.

    Raises:
        BadInput: There is no phase of that name.
    """
    if not isinstance(phase, str):
        return float(phase) % 1.0
    if phase not in PHASES:
        raise BadInput(f"There is no phase {phase!r}; choose from {', '.join(PHASES)}.")
    return PHASES[phase]


@lru_cache(maxsize=1)
def _emptying() -> PchipInterpolator:
    """Ejection, rest, rapid filling, diastasis, atrial kick; monotone between these knots."""
    phase = [0.0, 0.04, 0.20, 0.36, 0.42, 0.58, 0.82, 1.0]
    emptied = [0.0, 0.0, 0.72, 1.0, 1.0, 0.28, 0.20, 0.0]
    return PchipInterpolator(phase, emptied)


def _opening(phase: float, opens: float, closes: float) -> float:
    """0 outside the interval, 1 inside, with ramps of 4 % of the beat at both ends."""
    return float(np.clip(min(phase - opens, closes - phase) / 0.04, 0, 1))


@lru_cache(maxsize=256)
def pose_at(heart: Heart, phase: float) -> Pose:
    """The heart at a phase in [0, 1).

    Raises:
        BadInput: No squeeze of the healthy wall reaches the ejection fraction asked for.
    """
    emptied = float(_emptying()(phase))
    left = 1 - heart.ef_percent / 100 * emptied
    shortening = LONG_AXIS_SHARE * heart.ef_percent / 100 * emptied
    return Pose(
        heart=heart,
        emptied=emptied,
        length_mm=heart.lv_length_mm * (1 - shortening),
        squeeze=_squeeze(heart, left / (1 - shortening)),
        mitral=_opening(phase, 0.41, 0.99),
        aortic=_opening(phase, 0.04, 0.35),
    )


def _squeeze(heart: Heart, area: float) -> float:
    """Solve for the squeeze q that scales the mean cross-section to `area`.

    The cross-section scales as the mean of (1 - q c)^2 with c = 1 - infarct: a quadratic in q.
    """
    level, angle = _lattice(0.0)
    weight = profile(level) ** 2
    healthy = np.broadcast_to(1 - infarct_at(heart, level, np.cos(angle), np.sin(angle)), (512, 64))
    first, second = (float((weight * healthy**k).mean() / weight.mean()) for k in (1, 2))
    root = first**2 - second * (1 - area)
    if root < (first - MOST_SQUEEZE * second) ** 2 or first < MOST_SQUEEZE * second:
        raise BadInput(
            f"An ejection fraction of {heart.ef_percent:.0f} percent cannot be reached with an "
            f"infarct of half-width {heart.infarct_half_width_deg:.0f} deg; lower one of them."
        )
    return (first - sqrt(root)) / second


def _lattice(lowest_level: float) -> tuple[Array, Array]:
    """Level [512 1] and angle [1 64] in the middle of equal cells."""
    level = lowest_level + (1 - lowest_level) * (np.arange(512) + 0.5) / 512
    angle = (np.arange(64) + 0.5) / 64 * 2 * pi
    return level[:, None].astype(np.float32), angle[None].astype(np.float32)


def profile(level: Array) -> Array:
    """Endocardial radius over its largest value; 0 beyond the apex."""
    return np.sqrt(np.maximum(0, 1 - (TRUNCATION * level - 1) ** 2))


def infarct_at(heart: Heart, level: Array, cos: Array, sin: Array) -> Array | float:
    """How dead the wall is at a level and an angle, in [0, 1]: a plateau with a soft border."""
    if heart.infarct_half_width_deg == 0:
        return 0.0
    width, centre = np.radians([heart.infarct_half_width_deg, heart.infarct_angle_deg]).tolist()
    across = 2 * (1 - cos * np.float32(np.cos(centre)) - sin * np.float32(np.sin(centre)))
    along = ((level - heart.infarct_level) / (0.45 * width)) ** 2
    return np.exp(-((across / width**2 + along) ** 2))


def reach_mm(heart: Heart, lean_deg: float, *, outside_mm: float = 0.0) -> float:
    """How far the ventricle reaches at end diastole from the middle of its annulus.

    Args:
        heart: Its endocardium is a spheroid; the long axis is its whole length.
        lean_deg: Angle between the long axis and the way to the wall.
        outside_mm: The surface is so far outside the endocardium.

    >>> round(reach_mm(Heart(lv_length_mm=86.0), 0.0, outside_mm=9.5), 3)
    95.5
    """
    long_axis = heart.lv_length_mm / TRUNCATION
    above = heart.lv_length_mm - long_axis
    along = cos(radians(lean_deg)) / (long_axis + outside_mm)
    across = sin(radians(lean_deg)) / (heart.lv_diameter_mm / 2 + outside_mm)
    square, half = along**2 + across**2, along * above / (long_axis + outside_mm)
    return (half + sqrt(half**2 + square * (1 - (above / (long_axis + outside_mm)) ** 2))) / square


def rest_walls(heart: Heart, level: Array, infarct: Array | float) -> tuple[Array, Array]:
    """Radius of the endocardium and of the epicardium at end diastole, mm."""
    endo = heart.lv_diameter_mm / 2 * profile(level)
    long_axis = heart.lv_length_mm / TRUNCATION
    reach = (level * heart.lv_length_mm - long_axis) / (long_axis + heart.wall_mm)
    epi = (heart.lv_diameter_mm / 2 + heart.wall_mm) * np.sqrt(np.maximum(0, 1 - reach**2))
    return endo, endo + (epi - endo) * (1 - SCAR_THINNING * infarct)


def walls(pose: Pose, level: Array, infarct: Array | float) -> tuple[Array, Array]:
    """Radius of endocardium and epicardium now, mm; each element of wall keeps its volume."""
    endo_rest, epi_rest = rest_walls(pose.heart, level, infarct)
    endo = endo_rest * (1 - pose.squeeze * (1 - infarct))
    shortening = pose.heart.lv_length_mm / pose.length_mm
    return endo, np.sqrt(endo**2 + shortening * (epi_rest**2 - endo_rest**2))


@lru_cache(maxsize=256)
def volume_ml(pose: Pose) -> float:
    """Volume of the left ventricular cavity."""
    level, angle = _lattice(0.0)
    endo, _ = walls(pose, level, infarct_at(pose.heart, level, np.cos(angle), np.sin(angle)))
    area = pi * np.broadcast_to(endo**2, (512, 64)).mean(dtype=np.float64)
    return float(area * pose.length_mm / 1000)


@lru_cache(maxsize=256)
def scar_percent(heart: Heart) -> float:
    """Share of the myocardial volume that is more than half dead."""
    level, angle = _lattice(-heart.wall_mm / heart.lv_length_mm)
    infarct = infarct_at(heart, level, np.cos(angle), np.sin(angle))
    endo, epi = rest_walls(heart, level, infarct)
    area = np.broadcast_to(epi**2 - endo**2, (512, 64))
    return float(100 * (area * (np.asarray(infarct) > 0.5)).sum() / area.sum())


def wall_mm(pose: Pose) -> float:
    """Mean thickness of the wall at mid-ventricle."""
    _, angle = _lattice(0.0)
    level = np.full_like(angle, 0.5)
    endo, epi = walls(pose, level, infarct_at(pose.heart, level, np.cos(angle), np.sin(angle)))
    return float((epi - endo).mean())
