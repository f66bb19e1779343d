"""Film a beating heart: one subject and one acquisition, many frames of it."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, UInt8

from septum.contract import BadInput
from septum.data.phantom.frame import lasting_facts, mask_of
from septum.data.phantom.heart import PHASES, Heart, Pose, pose_at
from septum.data.phantom.look import Look
from septum.data.phantom.speckle import Ground, look_up, sow
from septum.data.phantom.tissue import around, material_at, tissue_at
from septum.data.phantom.ultrasound import develop, echogenicity, receive
from septum.data.phantom.views import (
    APICAL_ANGLES_DEG,
    Plane,
    fan_of,
    foreshortening_percent,
    plane_of,
)


@dataclass(frozen=True, kw_only=True)
class Cine:
    """A film and its truth.

    Attributes:
        images: Grey levels; 0 outside the sector.
        masks: Index into `CLASSES`; 0 outside the sector.
        sector: True inside the ultrasound cone.
        cycles: Place of every frame in its beat, in [0, 1), end diastole at 0.
        facts: As of a `Frame`, without what changes in time; and `frame_rate_hz`,
            `heart_rate_per_min`, and of apical views the `foreshortening_percent`.
        ed_frame, es_frame: The frames nearest to end diastole and to the end systole after it, of
            the first beat of which the film shows both; counted from 0.
    """

    images: UInt8[np.ndarray, "t h w"]
    masks: UInt8[np.ndarray, "t h w"]
    sector: Bool[np.ndarray, "h w"]
    cycles: Float[np.ndarray, " t"]
    facts: Mapping[str, str | float]
    ed_frame: int
    es_frame: int


def draw_cine(
    heart: Heart,
    look: Look,
    *,
    view: str = "A4C",
    frames: int,
    rate_hz: float,
    rate_per_min: float,
    size: tuple[int, int] = (112, 112),
    start: float = 0.0,
) -> Cine:
    """Draw a film; the same arguments draw the same bytes.

    Speckle travels with the tissue and comes back with every beat; noise and the speckle of blood
    are new in every frame. Frames are what `draw` draws but for the single scatterers: those of a
    still differ from phase to phase where samples are farther apart than scatterers.

    Args:
        heart: The subject.
        look: The acquisition.
        view: One of `VIEWS`.
        frames: Of the film.
        rate_hz: Frames per second.
        rate_per_min: Beats per minute.
        size: Height and width in pixels.
        start: Place of the first frame in its beat, in [0, 1); 0 is end diastole.

    Raises:
        BadInput: There is no such view, the heart cannot beat as asked, or the film ends before it
            has shown an end diastole and the end systole after it.

    >>> cine = draw_cine(Heart(), Look(), frames=30, rate_hz=50.0, rate_per_min=60.0, start=0.9)
    >>> cine.images.shape, cine.ed_frame, cine.es_frame
    ((30, 112, 112), 5, 23)
    """
    if min(frames, rate_hz, rate_per_min) <= 0:
        raise BadInput(
            f"A film of {frames} frames at {rate_hz:g} Hz of {rate_per_min:g} beats per minute "
            "shows nothing; all three must be above 0."
        )
    step = rate_per_min / 60 / rate_hz
    beats = start % 1 + np.arange(frames) * step
    ed_frame, es_frame = _ends_of_systole(beats, step)
    fan = fan_of(look, size)
    poses = [pose_at(heart, beat % 1) for beat in beats.tolist()]
    planes = [plane_of(view, pose, look) for pose in poses]
    ground = sow(plane_of(view, pose_at(heart, PHASES["ED"]), look), look, fan)
    shots = list(zip(poses, planes, beats.tolist(), strict=True))
    return Cine(
        images=np.stack([_image(ground, look, *shot) for shot in shots]),
        masks=np.stack([mask_of(pose, plane, fan) for pose, plane, _ in shots]),
        sector=fan.sector,
        cycles=beats % 1,
        facts={
            **lasting_facts(heart, look, view, fan),
            **_foreshortening(heart, look, view),
            "frame_rate_hz": float(rate_hz),
            "heart_rate_per_min": float(rate_per_min),
        },
        ed_frame=ed_frame,
        es_frame=es_frame,
    )


def _image(
    ground: Ground, look: Look, pose: Pose, plane: Plane, beat: float
) -> UInt8[np.ndarray, "h w"]:
    beams = around(pose, plane(ground.fan.beam_x, ground.fan.beam_y))
    tissue = tissue_at(beams)
    scatter, fibre = look_up(ground, tissue, material_at(beams), beat=beat)
    strength = echogenicity(tissue, fibre, look)
    return develop(receive(strength, scatter, look, ground.fan, cycle=beat), look, ground.fan)


def _ends_of_systole(beats: Float[np.ndarray, " t"], step: float) -> tuple[int, int]:
    """The frames nearest to the first end diastole and to the end systole after it."""
    diastole = np.ceil(beats[0] - step / 2)
    systole = diastole + PHASES["ES"]
    if beats[-1] < systole - step / 2:
        raise BadInput(
            f"A film of {beats[-1] - beats[0]:.2f} beats that starts at {beats[0] % 1:.2f} of one "
            "shows no end diastole with the end systole after it; draw more frames."
        )
    return int(np.abs(beats - diastole).argmin()), int(np.abs(beats - systole).argmin())


def _foreshortening(heart: Heart, look: Look, view: str) -> dict[str, float]:
    shown = view in APICAL_ANGLES_DEG
    return {"foreshortening_percent": foreshortening_percent(heart, look)} if shown else {}
