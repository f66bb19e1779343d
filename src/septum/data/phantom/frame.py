"""Draw one frame: heart, look, view and phase in; an image and everything true of it out."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from time import process_time

import numpy as np
from numpy.typing import NDArray

from septum.data.phantom.heart import (
    PHASES,
    Heart,
    Pose,
    cycle_at,
    infarct_at,
    pose_at,
    scar_percent,
    volume_ml,
    wall_mm,
    walls,
)
from septum.data.phantom.look import Look
from septum.data.phantom.tissue import (
    CLASS_OF_TISSUE,
    around,
    direction,
    in_valve,
    material_at,
    tissue_at,
)
from septum.data.phantom.ultrasound import render
from septum.data.phantom.views import APICAL_ANGLES_DEG, Fan, Plane, fan_of, plane_of

Point = tuple[float, float]

LANDMARKS = ("left_annulus", "right_annulus", "apex", "mid_septum", "mid_free_wall")
VALVE_VIEWS = ("PLAX", "A3C", "SAX_BASE")


@dataclass(frozen=True, kw_only=True)
class Frame:
    """An image and its truth.

    Attributes:
        image: Grey levels, [h w]; 0 outside the sector.
        mask: Index into `CLASSES`, [h w]; 0 outside the sector.
        sector: True inside the ultrasound cone, [h w].
        landmarks: (x, y) in pixels by name; empty unless apical. All are on the endocardium, unless
            the plane leans out of the apex: then they are the feet of points that are.
            `left_annulus` and `mid_septum` are at the left of the image (the septum in A4C, the
            inferior wall in A2C), `right_annulus` and `mid_free_wall` at the right.
        valve_box: (x0, y0, x1, y1) in pixels round the aortic valve, where the view shows it.
        valve_open: The aortic valve is more than half open.
        facts: `view`, the name of the `phase` ("" between those of `PHASES`), the place in the
            `cycle`, volumes in mL, scar, thickness now, the size of a pixel as `spacing_y_mm` and
            `spacing_x_mm`, and every factor of heart and look.
    """

    image: NDArray[np.uint8]
    mask: NDArray[np.uint8]
    sector: NDArray[np.bool_]
    landmarks: Mapping[str, Point]
    valve_box: tuple[int, int, int, int] | None
    valve_open: bool
    facts: Mapping[str, str | float]


def draw(
    heart: Heart, look: Look, *, view: str, phase: str | float, size: tuple[int, int] = (256, 320)
) -> Frame:
    """Draw one frame; the same arguments draw the same bytes.

    Args:
        heart: The subject.
        look: The acquisition.
        view: One of `VIEWS`.
        phase: Place in the beat in [0, 1), or the name of one in `PHASES`.
        size: Height and width in pixels.

    Raises:
        BadInput: There is no such view or phase, or the heart cannot beat as asked.

    >>> frame = draw(Heart(), Look(), view="A4C", phase="ES", size=(64, 80))
    >>> frame.image.shape, round(float(frame.facts["volume_ml"]))
    ((64, 80), 45)
    """
    cycle = cycle_at(phase)
    pose, fan = pose_at(heart, cycle), fan_of(look, size)
    plane = plane_of(view, pose, look)
    beams = around(pose, plane(fan.beam_x, fan.beam_y))
    return Frame(
        image=render(tissue_at(beams), material_at(beams), look, fan, cycle=cycle),
        mask=mask_of(pose, plane, fan),
        sector=fan.sector,
        landmarks=_landmarks(view, pose, plane, fan, look),
        valve_box=_valve_box(pose, plane, fan) if view in VALVE_VIEWS else None,
        valve_open=pose.aortic > 0.5,
        facts={**lasting_facts(heart, look, view, fan), **_passing_facts(pose, cycle)},
    )


def mask_of(pose: Pose, plane: Plane, fan: Fan) -> NDArray[np.uint8]:
    """Index into `CLASSES` of every pixel."""
    mask = np.zeros(fan.sector.shape, np.uint8)
    mask[fan.sector] = CLASS_OF_TISSUE[tissue_at(around(pose, plane(fan.pixel_x, fan.pixel_y)))]
    return mask


def lasting_facts(heart: Heart, look: Look, view: str, fan: Fan) -> dict[str, str | float]:
    """What is true of every frame: volumes in mL, scar, spacing, and every factor."""
    diastole, systole = pose_at(heart, PHASES["ED"]), pose_at(heart, PHASES["ES"])
    return {
        "view": view,
        "edv_ml": volume_ml(diastole),
        "esv_ml": volume_ml(systole),
        "scar_percent": scar_percent(heart),
        "spacing_y_mm": 1 / fan.px_per_mm,
        "spacing_x_mm": 1 / fan.px_per_mm,
        **_factors(heart),
        **_factors(look),
    }


def frames_per_second(*, count: int = 60, size: tuple[int, int] = (256, 320)) -> float:
    """Frames of one beat drawn per second of processor time, after the first has set up."""
    heart, look = Heart(), Look()
    draw(heart, look, view="A4C", phase=0.0, size=size)
    start = process_time()
    for k in range(count):
        draw(heart, look, view="A4C", phase=(k + 0.5) / count, size=size)
    return count / (process_time() - start)


def _factors(of: Heart | Look) -> dict[str, str | float]:
    return {k: v if isinstance(v, str) else float(v) for k, v in asdict(of).items()}


def _passing_facts(pose: Pose, cycle: float) -> dict[str, str | float]:
    return {
        "phase": {at: name for name, at in PHASES.items()}.get(cycle, ""),
        "cycle": cycle,
        "volume_ml": volume_ml(pose),
        "wall_now_mm": wall_mm(pose),
        "valve_open": float(pose.aortic > 0.5),
    }


def _landmarks(view: str, pose: Pose, plane: Plane, fan: Fan, look: Look) -> dict[str, Point]:
    if view not in APICAL_ANGLES_DEG:
        return {}
    right = APICAL_ANGLES_DEG[view] + look.probe_roll_deg
    places = ((right + 180, 1.0), (right, 1.0), (right, 0.0), (right + 180, 0.5), (right, 0.5))
    points = (plane.project(_endocardium(pose, *place)) for place in places)
    return dict(zip(LANDMARKS, (fan.to_px(*point) for point in points), strict=True))


def _endocardium(pose: Pose, angle_deg: float, level: float) -> NDArray[np.float32]:
    """The point of the endocardium at an angle and a level, mm."""
    u, v = direction(angle_deg)
    at = np.array([level], np.float32)
    infarct = infarct_at(pose.heart, at, np.full(1, u), np.full(1, v))
    radius = float(walls(pose, at, infarct)[0][0])
    return np.array([radius * u, radius * v, level * pose.length_mm], np.float32)


def _valve_box(pose: Pose, plane: Plane, fan: Fan) -> tuple[int, int, int, int] | None:
    """Smallest box that holds the valve's pixels, upper ends exclusive."""
    inside = in_valve(pose, plane(fan.pixel_x, fan.pixel_y))
    rows, columns = (places[inside] for places in np.nonzero(fan.sector))
    if not len(rows):
        return None
    return int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1
