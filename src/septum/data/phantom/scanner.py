"""How a stack looks: the signal of every tissue under a modality, the field, blur and noise.

    tissue [slices depths h w] --acquire--> signal [slices h w] --grey_levels--> [0, 255]

A cine (balanced steady-state free precession, echo in the middle of the repetition) shows bright
blood; fat has the opposite phase of water, so a black line divides them. In late enhancement the
healthy muscle is nulled and scar bright. A contrast CT measures Hounsfield units.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import cos, radians, sin

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from septum.contract import BadInput
from septum.data.phantom import body as b
from septum.data.phantom import tissue as t
from septum.data.phantom.heart import Array
from septum.data.phantom.tissue import Codes

PERCENTILES = (5, 95)
"""Of the signal of a whole stack, drawn black and white."""


@dataclass(frozen=True, kw_only=True)
class Scan:
    """Style factors of one acquisition. Signals are shares of that of blood in a cine, or HU in CT.

    Attributes:
        modality: `MR` (cine), `LGE` or `CT`.
        left_blood_signal, right_blood_signal: Of the left and the right heart.
        myocardium_signal, scar_signal: Of healthy and dead muscle of the heart.
        fat_signal: Negative in a cine: opposed in phase to water.
        muscle_signal, liver_signal, lung_signal, bone_signal, fluid_signal: Of the surroundings.
        air_signal: Outside the body.
        mottle_share: Spread of the signal of a tissue from place to place.
        bias_share: Half the logarithm of how much brighter one end of the field is.
        bias_angle_deg: Direction of the bright end: 0 is right, 90 down.
        blur_mm: Standard deviation of the point spread in the plane.
        noise_signal: Standard deviation of the noise; of each of both channels in MR.
        window_low_signal, window_high_signal: Signals beyond are cut off.
        gamma: Exponent of the grey curve; above 1 darkens the greys.
        thickness_mm: Of a slice, where the stack is not denser.
        shift_right_mm, shift_down_mm: Of the heart in the field of view.
        rotation_deg: Turn of the field of view in its plane.
        noise_seed: Names the noise.
    """

    modality: str = "MR"
    left_blood_signal: float = 1.0
    right_blood_signal: float = 0.94
    myocardium_signal: float = 0.36
    scar_signal: float = 0.40
    fat_signal: float = -1.05
    muscle_signal: float = 0.25
    liver_signal: float = 0.34
    lung_signal: float = 0.05
    bone_signal: float = 0.5
    fluid_signal: float = 1.0
    air_signal: float = 0.0
    mottle_share: float = 0.07
    bias_share: float = 0.25
    bias_angle_deg: float = 200.0
    blur_mm: float = 0.8
    noise_signal: float = 0.025
    window_low_signal: float = 0.0
    window_high_signal: float = 2.0
    gamma: float = 1.0
    thickness_mm: float = 7.0
    shift_right_mm: float = 0.0
    shift_down_mm: float = 0.0
    rotation_deg: float = 0.0
    noise_seed: int = 0


SIGNALS: Mapping[str, Mapping[str, tuple[float, float]]] = {
    "MR": {
        "left_blood": (1.0, 0.05),
        "right_blood": (0.94, 0.05),
        "myocardium": (0.36, 0.035),
        "scar": (0.41, 0.03),
        "fat": (-1.05, 0.12),
        "muscle": (0.25, 0.03),
        "liver": (0.34, 0.05),
        "lung": (0.05, 0.012),
        "bone": (0.5, 0.07),
        "fluid": (1.0, 0.1),
        "air": (0.0, 0.0),
    },
    "LGE": {
        "left_blood": (0.62, 0.06),
        "right_blood": (0.58, 0.06),
        "myocardium": (0.13, 0.035),
        "scar": (0.98, 0.07),
        "fat": (0.85, 0.1),
        "muscle": (0.3, 0.04),
        "liver": (0.42, 0.06),
        "lung": (0.06, 0.015),
        "bone": (0.42, 0.06),
        "fluid": (0.25, 0.06),
        "air": (0.0, 0.0),
    },
    "CT": {
        "left_blood": (400.0, 25.0),
        "right_blood": (240.0, 45.0),
        "myocardium": (105.0, 10.0),
        "scar": (62.0, 8.0),
        "fat": (-100.0, 8.0),
        "muscle": (55.0, 8.0),
        "liver": (95.0, 12.0),
        "lung": (-830.0, 25.0),
        "bone": (330.0, 50.0),
        "fluid": (12.0, 5.0),
        "air": (-1000.0, 0.0),
    },
}
"""Mean and spread of the signal of every kind of tissue."""
STYLES: Mapping[str, Mapping[str, tuple[float, float]]] = {
    "MR": {
        "mottle_share": (0.05, 0.09),
        "bias_share": (0.1, 0.5),
        "blur_mm": (0.6, 1.1),
        "noise_signal": (0.012, 0.04),
        "window_low_signal": (0.0, 0.0),
        "window_high_signal": (1.6, 2.4),
        "thickness_mm": (6.0, 8.0),
    },
    "LGE": {
        "mottle_share": (0.05, 0.1),
        "bias_share": (0.1, 0.4),
        "blur_mm": (0.7, 1.2),
        "noise_signal": (0.025, 0.06),
        "window_low_signal": (0.0, 0.0),
        "window_high_signal": (1.4, 2.0),
        "thickness_mm": (6.0, 8.0),
    },
    "CT": {
        "mottle_share": (0.02, 0.04),
        "bias_share": (0.0, 0.0),
        "blur_mm": (0.45, 0.8),
        "noise_signal": (10.0, 30.0),
        "window_low_signal": (-300.0, -150.0),
        "window_high_signal": (450.0, 600.0),
        "thickness_mm": (0.6, 1.5),
    },
}
"""Lowest and highest value of the factors that depend on the modality."""
MODALITIES = tuple(SIGNALS)
TURNS_DEG: Mapping[str, float] = {"short_axis": 25.0, "axial": 3.0}
"""Spread of the turn of the field of view by plane."""


def sample_scan(
    rng: np.random.Generator, *, modality: str = "MR", plane: str = "short_axis"
) -> Scan:
    """Draw an acquisition.

    Raises:
        BadInput: There is no such modality.
    """
    if modality not in SIGNALS:
        raise BadInput(
            f"There is no modality {modality!r} of stacks; choose from {', '.join(MODALITIES)}."
        )
    signals = {f"{k}_signal": float(rng.normal(*v)) for k, v in SIGNALS[modality].items()}
    styles = {k: float(rng.uniform(*v)) for k, v in STYLES[modality].items()}
    return Scan(
        modality=modality,
        **signals,
        **styles,
        bias_angle_deg=float(rng.uniform(0, 360)),
        gamma=float(rng.uniform(0.85, 1.2)),
        shift_right_mm=float(rng.uniform(-12, 12)),
        shift_down_mm=float(rng.uniform(-12, 12)),
        rotation_deg=float(np.clip(rng.normal(), -2, 2) * TURNS_DEG.get(plane, 0.0)),
        noise_seed=int(rng.integers(2**31)),
    )


def signals(scan: Scan) -> NDArray[np.float32]:
    """Signal of every tissue code, [28]."""
    table = np.full(28, scan.muscle_signal, np.float32)
    table[[t.LV, t.LA, t.AORTA, b.ARTERY]] = scan.left_blood_signal
    table[[t.RV, t.RA, b.PULMONARY, b.VEIN]] = scan.right_blood_signal
    table[[t.MYOCARDIUM, t.PAPILLARY, t.RV_WALL]] = scan.myocardium_signal
    table[t.SCAR] = scan.scar_signal
    table[[t.SURROUNDINGS, t.FAT]] = scan.fat_signal
    leaflet = 0.7 * scan.left_blood_signal + 0.3 * scan.myocardium_signal
    table[[t.MITRAL, t.TRICUSPID, t.AORTIC]] = leaflet
    table[[b.AIR, b.TABLE]] = scan.air_signal
    table[b.LUNG] = scan.lung_signal
    table[b.BONE] = scan.bone_signal
    table[b.LIVER] = scan.liver_signal
    table[b.SPLEEN] = 1.3 * scan.liver_signal
    table[b.BOWEL] = 0.5 * (scan.muscle_signal + scan.fluid_signal)
    table[b.FLUID] = scan.fluid_signal
    if scan.modality == "CT":
        table[b.TABLE] = -250.0
    return table


def acquire(tissue: Codes, texture: Array, scan: Scan, *, pixel_mm: float, cycle: float) -> Array:
    """Signal of every voxel, [slices h w], with its noise, which differs over the cycle.

    Args:
        tissue: Codes at the depths of every voxel, [slices depths h w].
        texture: Mottle of unit variance, [slices h w].
        scan: The acquisition.
        pixel_mm: Edge of a pixel.
        cycle: Place in the beat in [0, 1).
    """
    table = signals(scan)
    still = np.stack([table[voxels].mean(axis=0) for voxels in tissue])
    still *= 1 + np.float32(scan.mottle_share) * texture
    sharp = scan.blur_mm / pixel_mm
    rng = np.random.default_rng([scan.noise_seed, round(1e4 * cycle)])
    return DETECTORS[scan.modality](_blur(still, sharp), scan, sharp, rng)


def _blur(volume: Array, sigma_px: float) -> Array:
    return ndimage.gaussian_filter(volume, (0, sigma_px, sigma_px), truncate=3)


def _magnitude(volume: Array, scan: Scan, sharp: float, rng: np.random.Generator) -> Array:
    """The length of a complex signal with Gaussian noise in both channels: Rician."""
    del sharp
    sigma = np.float32(scan.noise_signal)
    real = volume * _bias(scan, volume.shape[-2:])
    real += sigma * rng.standard_normal(volume.shape, np.float32)
    return np.hypot(real, sigma * rng.standard_normal(volume.shape, np.float32))


def _bias(scan: Scan, size: tuple[int, ...]) -> Array:
    """Sensitivity of the coils over the field: e^bias at the bright end, e^-bias at the other."""
    h, w = size
    y, x = np.linspace(-1, 1, h)[:, None], np.linspace(-1, 1, w)
    angle = radians(scan.bias_angle_deg)
    return np.exp(scan.bias_share * (x * cos(angle) + y * sin(angle))).astype(np.float32)


def _hounsfield(volume: Array, scan: Scan, sharp: float, rng: np.random.Generator) -> Array:
    """Noise as coarse as the kernel of the reconstruction, and of the spread asked for."""
    noise = _blur(rng.standard_normal(volume.shape, np.float32), sharp)
    point = np.zeros((1, 33, 33), np.float32)
    point[0, 16, 16] = 1
    power = float((_blur(point, sharp) ** 2).sum())
    return volume + np.float32(scan.noise_signal / np.sqrt(power)) * noise


DETECTORS: Mapping[str, Callable[[Array, Scan, float, np.random.Generator], Array]] = {
    "MR": _magnitude,
    "LGE": _magnitude,
    "CT": _hounsfield,
}


def grey_levels(signal: Array, scan: Scan) -> NDArray[np.uint8]:
    """The window, then the whole stack between two of its percentiles, then the grey curve."""
    shown = np.clip(signal, scan.window_low_signal, scan.window_high_signal)
    low, high = np.percentile(shown, PERCENTILES)
    share = np.clip((shown - low) / max(high - low, 1e-6), 0, 1)
    return np.round(255 * share ** np.float32(scan.gamma)).astype(np.uint8)
