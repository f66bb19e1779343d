"""Speckle that travels: the scatterers of an image plane, for all frames of a film.

    beams at end diastole --sow--> scatterers, fibres --where the tissue was then--> every frame

The lattice is finer than beams and samples, and neighbours on it are alike, so that a frame finds
nearly the same where the tissue has moved by part of a sample. Tissue that moves across the plane
keeps its speckle, as in a thick beam.
"""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from septum.data.phantom.heart import Array
from septum.data.phantom.look import Look
from septum.data.phantom.tissue import Codes, Points
from septum.data.phantom.ultrasound import SOLID, Complex, fibres, point_spread
from septum.data.phantom.views import Fan, Plane

FINER = 3
"""Lattice points per sample and per beam."""
SPREAD = 0.55
"""Standard deviation of the blur that makes neighbours alike, in samples and beams."""


@dataclass(frozen=True)
class Ground:
    """What scatters in an image plane at end diastole.

    Attributes:
        plane, fan: Where the lattice lies.
        scatterers: Complex Gaussian numbers of mean square 1, [R B].
        fibres: Gaussian numbers of unit variance, [R B].
        gain: Of scatterers, so that their mean square is 1 after the point spread too, [r 1].
    """

    plane: Plane
    fan: Fan
    scatterers: Complex
    fibres: Array
    gain: Array


def sow(plane: Plane, look: Look, fan: Fan) -> Ground:
    """Draw what scatters in a plane; the seed of the look names it."""
    rows, columns = (FINER * n for n in fan.beam_x.shape)
    first, step = fan.angle[0, 0], (fan.angle[0, 1] - fan.angle[0, 0]) / FINER
    ranges = np.linspace(fan.range_mm[0, 0], fan.range_mm[-1, 0], rows, dtype=np.float32)[:, None]
    angles = (first + step * np.arange(columns)).astype(np.float32)
    points = plane(ranges * np.sin(angles), ranges * np.cos(angles))
    white = np.random.default_rng(look.speckle_seed).normal(size=(2, rows, columns))
    alike = ndimage.gaussian_filter(white, (0, SPREAD * FINER, SPREAD * FINER), mode="wrap")
    scatterers = (alike[0] + 1j * alike[1]) / np.sqrt(2 * alike.var())
    return Ground(
        plane=plane,
        fan=fan,
        scatterers=scatterers.astype(np.complex64),
        fibres=fibres(points, look.speckle_seed),
        gain=_gain(look, fan),
    )


def look_up(
    ground: Ground, tissue: Codes, material: Points, *, beat: float
) -> tuple[Complex, Array]:
    """Scatterers and fibres of a frame, [r b] both; those of blood are others in every frame.

    Args:
        ground: What was sown.
        tissue: Code of every sample of the frame.
        material: Where every sample was at end diastole.
        beat: When, in beats.
    """
    at = _places(ground, material)
    fibre = ndimage.map_coordinates(ground.fibres, at, order=1, mode="nearest")
    way = np.random.default_rng(round(1e6 * beat)).uniform(0, ground.fibres.shape)
    at += (1 - SOLID[tissue]) * way.astype(np.float32)[:, None, None]
    scatter = ndimage.map_coordinates(ground.scatterers, at, order=1, mode="grid-wrap")
    return ground.gain * scatter.astype(np.complex64), np.asarray(fibre)


def _places(ground: Ground, material: Points) -> Array:
    """Indices of the lattice below points, [2 r b]."""
    fan, x, y = ground.fan, *ground.plane.foot(material)
    last = ground.fibres.shape[0] - 1
    near, far = fan.range_mm[0, 0], fan.range_mm[-1, 0]
    step = (fan.angle[0, 1] - fan.angle[0, 0]) / FINER
    row = (np.hypot(x, y) - near) * np.float32(last / (far - near))
    return np.stack([row, (np.arctan2(x, y) - fan.angle[0, 0]) / step])


def _gain(look: Look, fan: Fan) -> Array:
    """One over the amplitude that the point spread gives to scatterers which are alike."""
    kernel, transfer = point_spread(look, fan)
    rows, columns = np.arange(len(kernel), dtype=np.float32), transfer.shape[1]
    along = kernel @ _likeness(rows[:, None] - rows) @ kernel
    power = np.fft.fft(_likeness(np.fft.fftfreq(columns, 1 / columns))).real
    across = (transfer**2 * power).mean(axis=1, keepdims=True)
    return (1 / np.sqrt(along * across)).astype(np.float32)


def _likeness(lag: Array) -> Array:
    """Correlation of scatterers so many samples apart."""
    return np.exp(-((lag / (2 * SPREAD)) ** 2))
