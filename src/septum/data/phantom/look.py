"""How a frame looks: the machine, its settings and the acoustic window, but not the heart."""

from dataclasses import dataclass

import numpy as np

from septum.data.phantom.heart import Heart


@dataclass(frozen=True, kw_only=True)
class Look:
    """Style factors of one ultrasound acquisition.

    Attributes:
        depth_mm: Range of the deepest sample.
        sector_angle_deg: Full opening of the sector.
        right_share, down_share: Shift of the sector in the image, in its width and height.
        probe_shift_mm: Shift of the probe along the image's horizontal axis.
        probe_gap_mm: Tissue between the probe and the heart.
        probe_tilt_deg: Turn of the beam axis within the image plane.
        probe_roll_deg: Turn of an apical plane about the long axis; of others in their plane.
        probe_lean_deg: Turn of an apical plane out of the apex, about the middle of the mitral
            annulus: the ventricle looks foreshortened.
        gain_db: Added to every sample; at 0 dB healthy muscle is mid-grey.
        dynamic_range_db: Range of levels from black to white.
        gamma: Exponent of the grey curve after compression; above 1 darkens the greys.
        averaging_mm: Spread over which the machine averages intensity along beams.
        attenuation_db_per_cm: Two-way loss in tissue per centimetre of depth.
        tgc_db_per_cm: Its compensation, which amplifies the receiver's noise too.
        noise_db: Receiver noise at the probe against healthy muscle.
        blood_db: Echo of blood against healthy muscle.
        surroundings_db: Echo of what lies round the heart against healthy muscle.
        clutter_db: Reverberation at the probe against healthy muscle.
        clutter_mm: Range over which it fades.
        haze_db: Spread of the loss in the chest wall, which varies smoothly over the window.
        specular: Strength of mirror-like echoes where the impedance changes along a beam.
        texture_db: Spread of the echo of tissue from fibre to fibre; 0 is uniform tissue.
        axial_mm: Standard deviation of the point spread along the beam.
        lateral_deg: The same across the beams, at the focus.
        focus_mm: Range of the focus.
        shadow_angle: Centre of an acoustic shadow, in half-sectors: -1 left edge, 1 right edge.
        shadow_width_deg: Width of the shadow; 0 is none.
        shadow_db: Loss within the shadow.
        dropout_db: Loss at both edges of the sector, rising smoothly from its middle.
        speckle_seed: Names the scatterers.
    """

    depth_mm: float = 150.0
    sector_angle_deg: float = 80.0
    right_share: float = 0.0
    down_share: float = 0.0
    probe_shift_mm: float = 0.0
    probe_gap_mm: float = 14.0
    probe_tilt_deg: float = 0.0
    probe_roll_deg: float = 0.0
    probe_lean_deg: float = 0.0
    gain_db: float = 0.0
    dynamic_range_db: float = 60.0
    gamma: float = 1.3
    averaging_mm: float = 0.4
    attenuation_db_per_cm: float = 1.4
    tgc_db_per_cm: float = 1.2
    noise_db: float = -32.0
    blood_db: float = -20.0
    surroundings_db: float = -3.0
    clutter_db: float = -2.0
    clutter_mm: float = 25.0
    haze_db: float = 3.0
    specular: float = 0.6
    texture_db: float = 3.0
    axial_mm: float = 0.5
    lateral_deg: float = 0.8
    focus_mm: float = 80.0
    shadow_angle: float = 0.0
    shadow_width_deg: float = 0.0
    shadow_db: float = 20.0
    dropout_db: float = 4.0
    speckle_seed: int = 0


def sample_look(
    rng: np.random.Generator, *, heart: Heart | None = None, most_lean_deg: float = 0.0
) -> Look:
    """Draw an acquisition; one in four has a shadow.

    Given the heart, the depth is set as an operator would: an apical view reaches the roof of the
    left atrium. The plane leans by up to `most_lean_deg` to either side, mostly by less than half.
    """
    uniform = rng.uniform
    attenuation, gap = float(uniform(0.9, 1.8)), float(uniform(12, 22))
    reach = gap + heart.wall_mm + heart.lv_length_mm + heart.la_length_mm + 4 if heart else 0.0
    return Look(
        depth_mm=max(reach, float(uniform(132, 165))),
        sector_angle_deg=float(uniform(70, 90)),
        right_share=float(uniform(-0.015, 0.015)),
        down_share=float(uniform(0.0, 0.01)),
        probe_shift_mm=float(uniform(-6, 6)),
        probe_gap_mm=gap,
        probe_tilt_deg=float(uniform(-8, 8)),
        probe_roll_deg=float(uniform(-8, 8)),
        gain_db=float(rng.normal(5, 3)),
        dynamic_range_db=float(uniform(42, 56)),
        gamma=float(uniform(1.2, 1.8)),
        averaging_mm=float(uniform(0.2, 0.5)),
        attenuation_db_per_cm=attenuation,
        tgc_db_per_cm=attenuation + float(rng.normal(0.0, 0.3)),
        noise_db=float(uniform(-40, -26)),
        blood_db=float(uniform(-16, -7)),
        surroundings_db=float(uniform(-11, -2)),
        clutter_db=float(uniform(-10, 4)),
        clutter_mm=float(uniform(15, 40)),
        haze_db=float(uniform(2, 6)),
        specular=float(uniform(0.2, 1.0)),
        texture_db=float(uniform(2.5, 5)),
        axial_mm=float(uniform(0.3, 0.55)),
        lateral_deg=float(uniform(0.8, 1.6)),
        focus_mm=float(uniform(60, 110)),
        shadow_angle=float(uniform(-0.9, 0.9)),
        shadow_width_deg=float(uniform(5, 15)) if uniform() < 0.25 else 0.0,
        shadow_db=float(uniform(8, 22)),
        dropout_db=float(uniform(0, 12)),
        speckle_seed=int(rng.integers(2**31)),
        probe_lean_deg=most_lean_deg * float(rng.triangular(-1, 0, 1)),
    )
