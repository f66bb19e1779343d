"""Render tissue as ultrasound, in beam space.

    tissue, material coordinates --scatter--> complex reflectivity --blur--> complex echo
    --envelope, compress--> grey levels [r b] --scan--> image [h w]

Scatterers are complex Gaussian numbers found by hashing the cell of material coordinates that a
sample falls into (hash of Teschner et al. 2003, "Optimized spatial hashing"), so they travel with
the tissue. Sums of many of them have a Rayleigh envelope: fully developed speckle.
"""

from dataclasses import replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from septum.data.phantom import tissue as t
from septum.data.phantom.heart import Array
from septum.data.phantom.look import Look
from septum.data.phantom.tissue import Codes, Points
from septum.data.phantom.views import Fan

Complex = NDArray[np.complexfloating]

CELL_MM = 0.45
"""Edge of the cell that holds one scatterer."""
FIBRE_MM = (2.5, 2.5, 7.0)
"""Edges of the cells in which the echo of muscle is alike."""
APERTURE_MM = 1.0
"""Spread of the beam at the probe: out of focus by 1 / range - 1 / focus, it adds so many rad."""
FLOW_MM = 1e4
"""Way of the blood in a beat, long enough that no frame shows the blood of another."""
SOLID = np.isin(np.arange(len(t.CLASS_OF_TISSUE)), t.BLOOD, invert=True).astype(np.float32)
"""1 for tissue codes that are not blood."""


def render(
    tissue: Codes, material: Points, look: Look, fan: Fan, *, cycle: float
) -> NDArray[np.uint8]:
    """Grey levels of the sector, 0 outside it; noise and blood differ over the cycle."""
    return develop(echo(tissue, material, look, fan, cycle=cycle), look, fan)


def echo(tissue: Codes, material: Points, look: Look, fan: Fan, *, cycle: float) -> Complex:
    """Complex echo of every beam; the mean square is 1 in healthy muscle before any loss."""
    flowed = replace(material, z=material.z + np.float32(FLOW_MM * cycle) * (1 - SOLID[tissue]))
    strength = echogenicity(tissue, fibres(material, look.speckle_seed), look)
    return receive(strength, scatterers(flowed, look.speckle_seed), look, fan, cycle=cycle)


def receive(strength: Array, scatter: Complex, look: Look, fan: Fan, *, cycle: float) -> Complex:
    """Complex echo of every beam: scatterers, mirrors, what is lost on the way, and noise."""
    field = strength * scatter
    field += look.specular * np.abs(np.diff(strength, axis=0, prepend=strength[:1]))
    field = blur(field * window(look, fan), look, fan)
    return field + noise(look, fan, cycle=cycle)


def develop(field: Complex, look: Look, fan: Fan) -> NDArray[np.uint8]:
    """Echo to grey levels, scan converted."""
    grey = compress(average(field, look, fan), look)
    image = np.zeros(fan.sector.shape, np.uint8)
    image[fan.sector] = ndimage.map_coordinates(grey, fan.pixel_at, order=1, mode="nearest")
    return image


def echogenicity(tissue: Codes, fibre: Array, look: Look) -> Array:
    """Amplitude that every sample scatters with; 1 is the mean of healthy muscle."""
    level = _levels_db(look)[tissue] + look.texture_db * SOLID[tissue] * fibre
    return 10 ** (level / 20)


def _levels_db(look: Look) -> Array:
    """Echo of every tissue code against healthy muscle."""
    level = np.zeros(len(t.CLASS_OF_TISSUE), np.float32)
    level[list(t.BLOOD)] = look.blood_db
    level[t.SURROUNDINGS] = look.surroundings_db
    level[t.FAT] = 0.5 * look.surroundings_db + 1
    level[t.SCAR] = 4
    level[t.PAPILLARY] = 1
    level[t.RV_WALL] = 1
    level[t.FIBROUS] = 5
    level[t.PERICARDIUM] = 9
    level[[t.MITRAL, t.TRICUSPID, t.AORTIC]] = 7
    return level


def scatterers(material: Points, seed: int) -> Complex:
    """Complex Gaussian numbers of mean square 1 that belong to places in the tissue."""
    return _lookup(material, (CELL_MM, CELL_MM, CELL_MM), seed)


def fibres(material: Points, seed: int) -> Array:
    """Gaussian numbers of unit variance that belong to the fibre at a place in the tissue."""
    return np.float32(np.sqrt(2)) * _lookup(material, FIBRE_MM, seed + 1).real


def _lookup(material: Points, cell_mm: tuple[float, float, float], seed: int) -> Complex:
    axes = (material.x, material.y, material.z)
    x, y, z = (
        np.floor(a * np.float32(1 / c)).astype(np.int32) for a, c in zip(axes, cell_mm, strict=True)
    )
    key = x * np.int32(73856093) ^ y * np.int32(19349663) ^ z * np.int32(83492791)
    table = _table()
    shift = np.int32(seed * 40503 % len(table))
    key = (key ^ (key >> np.int32(15))) * np.int32(0x2C1B3C6D) + shift
    return table[(key ^ (key >> np.int32(12))) & np.int32(len(table) - 1)]


@lru_cache(maxsize=1)
def _table() -> Complex:
    """Circular complex Gaussian numbers of mean square 1, [65536]."""
    pairs = np.random.default_rng(1).normal(scale=np.sqrt(0.5), size=(65536, 2))
    return pairs.astype(np.float32).view(np.complex64)[:, 0]


def window(look: Look, fan: Fan) -> Array:
    """Amplitude that attenuation, its compensation, shadow and drop-out leave, [r b]."""
    half = np.radians(look.sector_angle_deg / 2)
    loss = (look.attenuation_db_per_cm - look.tgc_db_per_cm) * fan.range_mm / 10
    edges = look.dropout_db * (fan.angle / half) ** 4
    if look.shadow_width_deg:
        aside = (fan.angle - look.shadow_angle * half) / np.radians(look.shadow_width_deg / 2)
        edges = edges + look.shadow_db * np.exp(-(aside**4))
    return 10 ** (-(loss + edges + look.haze_db * _haze(look.speckle_seed, fan.beam_x.shape)) / 20)


@lru_cache(maxsize=8)
def _haze(seed: int, shape: tuple[int, int]) -> Array:
    """A smooth random field of unit variance over the window, [r b]: few waves along beams."""
    waves = np.random.default_rng(seed).normal(size=(4, 10)) * np.sqrt(4 / 40)
    down, across = (
        np.cos(np.pi * np.outer((np.arange(n) + 0.5) / n, np.arange(k)))
        for n, k in zip(shape, waves.shape, strict=True)
    )
    return (down @ waves @ across.T).astype(np.float32)


def blur(field: Complex, look: Look, fan: Fan) -> Complex:
    """Spread every scatterer: along the beam alike everywhere, across beams as the range says."""
    kernel, transfer = point_spread(look, fan)
    along: Complex = np.asarray(ndimage.convolve1d(field, kernel, axis=0, mode="nearest"))
    return np.fft.ifft(np.fft.fft(along, axis=1) * transfer, axis=1)


def point_spread(look: Look, fan: Fan) -> tuple[Array, Array]:
    """Axial kernel [k] and lateral transfer function [r b] of unit noise gain."""
    return _point_spread(
        look.axial_mm,
        look.lateral_deg,
        look.focus_mm,
        fan.beam_x.shape,
        float(fan.range_mm[-1, 0]),
        float(fan.angle[0, 1] - fan.angle[0, 0]),
    )


@lru_cache(maxsize=8)
def _point_spread(
    axial_mm: float,
    lateral_deg: float,
    focus_mm: float,
    shape: tuple[int, int],
    depth_mm: float,
    step: float,
) -> tuple[Array, Array]:
    """Normalised by the power that scatterers shared by neighbouring samples let through."""
    ranges = np.linspace(1, depth_mm, shape[0])[:, None]
    spacing = ranges[1, 0] - ranges[0, 0]
    lags = np.arange(-round(4 * axial_mm / spacing), round(4 * axial_mm / spacing) + 1) * spacing
    kernel = np.exp(-0.5 * (lags / axial_mm) ** 2)
    between = np.maximum(0, 1 - np.abs(lags[:, None] - lags) / CELL_MM)
    kernel /= np.sqrt(kernel @ between @ kernel)
    width = np.hypot(
        np.radians(lateral_deg), APERTURE_MM * np.abs(1 / np.maximum(ranges, 8) - 1 / focus_mm)
    )
    frequency = 2 * np.pi * np.fft.fftfreq(shape[1], step)
    transfer = np.exp(-0.5 * (width * frequency) ** 2)
    lag = np.abs(np.fft.fftfreq(shape[1], 1 / shape[1])) * step
    power = np.fft.fft(np.maximum(0, 1 - lag * ranges / CELL_MM), axis=1).real
    transfer /= np.sqrt((transfer**2 * power).mean(axis=1, keepdims=True))
    return kernel.astype(np.float32), transfer.astype(np.float32)


def noise(look: Look, fan: Fan, *, cycle: float) -> Complex:
    """Receiver noise, which the compensation amplifies, and reverberation near the probe."""
    level = 10 ** ((look.noise_db + look.tgc_db_per_cm * fan.range_mm / 10) / 20)
    clutter = 10 ** (look.clutter_db / 20) * np.exp(-((fan.range_mm / look.clutter_mm) ** 2))
    fresh = _white(look.speckle_seed + round(1e4 * cycle), fan.beam_x.shape)
    lasting = _white(look.speckle_seed - 1, fan.beam_x.shape)
    return fresh * level.astype(np.float32) + lasting * clutter.astype(np.float32)


def _white(seed: int, shape: tuple[int, int]) -> Complex:
    """Complex white noise of mean square 1."""
    return np.resize(np.roll(_table(), seed * 7919 % len(_table())), shape)


def average(field: Complex, look: Look, fan: Fan) -> Array:
    """Intensity, averaged along the beams as machines do to calm the speckle."""
    intensity = field.real**2 + field.imag**2
    spacing = float(fan.range_mm[1, 0] - fan.range_mm[0, 0])
    return ndimage.gaussian_filter1d(intensity, look.averaging_mm / spacing, axis=0, truncate=2.5)


def compress(intensity: Array, look: Look) -> Array:
    """Intensity to grey levels in [0, 255]: logarithmic, healthy muscle in the middle at 0 dB."""
    level_db = 10 * np.log10(intensity + np.float32(1e-9))
    grey = np.clip(0.5 + (level_db + look.gain_db) / look.dynamic_range_db, 0, 1)
    return 255 * grey**look.gamma
