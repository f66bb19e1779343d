"""Is the phantom plausible? Speckle against its theory, grey levels against real frames.

Fully developed speckle is the sum of many independent scatterers: its envelope is Rayleigh and
its mean over its standard deviation sqrt(pi / (4 - pi)) = 1.913 (Burckhardt 1978,
doi:10.1109/T-SU.1978.30978, eq. 11).
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image
from scipy import stats

from septum.contract import BadInput
from septum.data import sector
from septum.data.phantom.frame import draw
from septum.data.phantom.heart import Array, sample_heart
from septum.data.phantom.look import Look, sample_look
from septum.data.phantom.tissue import Points
from septum.data.phantom.ultrasound import blur, scatterers
from septum.data.phantom.views import fan_of

ENDINGS = (".png", ".jpg", ".jpeg")


@dataclass(frozen=True, kw_only=True)
class Speckle:
    """The envelope of uniform tissue.

    Attributes:
        envelope: Nearly independent samples of it.
        snr: Mean over standard deviation of all samples; 1.913 in theory.
        ks: Kolmogorov-Smirnov distance of `envelope` from Rayleigh of the same power, in [0, 1].
        p: Probability of a larger distance by chance.
    """

    envelope: Array
    snr: float
    ks: float
    p: float


def speckle(look: Look, *, size: tuple[int, int] = (256, 320)) -> Speckle:
    """Scan a block of uniform tissue without loss or noise, and take samples 6 apart."""
    fan = fan_of(look, size)
    block = Points(fan.beam_x, np.zeros_like(fan.beam_x), fan.beam_y)
    amplitude = np.abs(blur(scatterers(block, look.speckle_seed), look, fan))[40:-40, 6:-6]
    envelope = amplitude[::6, ::6].ravel()
    test = stats.kstest(envelope, stats.rayleigh(scale=np.sqrt(np.mean(envelope**2) / 2)).cdf)
    return Speckle(
        envelope=envelope,
        snr=float(amplitude.mean() / amplitude.std()),
        ks=float(test.statistic),
        p=float(test.pvalue),
    )


def grey_histogram(images: Iterable[NDArray[np.uint8]]) -> Array:
    """Share of every grey level within the sector of the images, [256]."""
    counts = sum(np.bincount(image[sector.find(image)], minlength=256) for image in images)
    return np.asarray(counts) / np.sum(counts)


def phantom_images(count: int, *, seed: int = 0) -> Iterator[NDArray[np.uint8]]:
    """Frames of random subjects, in turn A2C and A4C, at end diastole and end systole."""
    for k in range(count):
        rng = np.random.default_rng([seed, k])
        heart = sample_heart(rng)
        look = sample_look(rng, heart=heart)
        yield draw(heart, look, view=("A2C", "A4C")[k % 2], phase=("ED", "ES")[k // 2 % 2]).image


def real_images(folder: Path, count: int) -> Iterator[NDArray[np.uint8]]:
    """Image files of a folder in grey, evenly spread over their names.

    Raises:
        BadInput: The folder holds no image file.
    """
    files = sorted(path for path in folder.glob("*") if path.suffix.lower() in ENDINGS)
    if not files:
        raise BadInput(f"{folder} holds no {' or '.join(ENDINGS)} file; name a folder of frames.")
    for index in np.linspace(0, len(files) - 1, min(count, len(files))).round().astype(int):
        with Image.open(files[index]) as image:
            yield np.asarray(image.convert("L"))


def grey_distance(histogram: Array, other: Array) -> float:
    """Wasserstein-1 distance of two histograms of grey levels, in grey levels.

    >>> grey_distance(np.eye(256)[10], np.eye(256)[13])
    3.0
    """
    levels = np.arange(256)
    return float(stats.wasserstein_distance(levels, levels, histogram, other))


def figure(found: Speckle, phantom: Array, real: Array | None = None) -> Figure:
    """Envelope beside its theory, and grey levels of the phantom beside those of real frames."""
    page = Figure(figsize=(9, 3.2), layout="constrained")
    left, right = page.subplots(1, 2)
    x = np.linspace(0, float(found.envelope.max()), 200)
    scale = np.sqrt(np.mean(found.envelope**2) / 2)
    left.hist(found.envelope, bins=50, density=True, color="0.75", label="phantom")
    left.plot(x, stats.rayleigh.pdf(x, scale=scale), color="#0072b2", label="Rayleigh")
    left.set(xlabel="envelope", ylabel="density", title=f"uniform tissue, SNR {found.snr:.2f}")
    right.plot(phantom, color="#d55e00", label="phantom")
    if real is not None:
        right.plot(real, color="#0072b2", label="real frames")
        right.set_title(f"{grey_distance(phantom, real):.1f} grey levels apart")
    right.set(xlabel="grey level in the sector", ylabel="share")
    for axes in (left, right):
        axes.legend(frameon=False)
    return page
