"""How grainy images are: their power by frequency, and the statistics of their speckle.

    image --minus mean, times Hann window--> |FFT|² --mean over rings--> power by frequency
    image --square windows inside the sector--> signal-to-noise ratio, widths of the grain,
                                                share of the power that is high

What they are of are the grey levels as they are shown. Fully developed speckle has a
signal-to-noise ratio of 1.91 in the envelope (Wagner, Smith, Sandrik, Lopez, IEEE Transactions on
Sonics and Ultrasonics 30(3), 1983, doi:10.1109/T-SU.1983.31404), and another after
log compression: images are to be compared with their like, not with that number.
"""

import math

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional as F

WINDOW_PX = 16
"""Side of the windows that statistics of speckle are of; they overlap by a half."""
HIGH = 0.25
"""Cycles per pixel beyond which a frequency is high: half of the highest along an axis."""
FLOOR = (1 / 255) ** 2 / 12
"""Power that rounding to 8 bits adds at every frequency; what is below is no signal."""
FLAT = math.sqrt(FLOOR)
"""Standard deviation up to which a window is flat: what rounding to 8 bits makes of a slope."""

Image = Float[Tensor, "b 1 h w"]


def power(image: Image) -> Float[Tensor, "b h w"]:
    """Periodogram |FFT(w (x - m))|² / Σ w² in the order of `torch.fft.fft2`, in float64.

    w is a Hann window and m the mean under it, so that there is no power at frequency 0. Its mean
    over frequencies is the variance under w² (Parseval). White noise has its variance everywhere,
    but for frequencies next to 0, which lose some with the mean.

    >>> power(torch.ones(1, 1, 8, 8)).abs().max().item() < 1e-20
    True
    """
    h, w = image.shape[2:]
    window = torch.outer(_hann(h, image.device), _hann(w, image.device))
    x = image[:, 0].double()
    mean = (x * window).sum((1, 2), keepdim=True) / window.sum()
    return torch.fft.fft2((x - mean) * window).abs().square() / window.square().sum()


def frequencies(height: int, width: int) -> Float[Tensor, " rings"]:
    """Cycles per pixel in the middle of every ring of `radial_power`, up to 1/2.

    >>> frequencies(8, 12).tolist()
    [0.125, 0.25, 0.375, 0.5]
    """
    side = min(height, width)
    return torch.arange(1, side // 2 + 1, dtype=torch.float64) / side


def radial_power(image: Image) -> Float[Tensor, "b rings"]:
    """Mean power of the frequencies nearest to every one of `frequencies`, whatever direction.

    The corners beyond half a cycle per pixel are in no ring.
    """
    h, w = image.shape[2:]
    side = min(h, w)
    ring = (_radius(h, w, image.device) * side).round().long().flatten()
    rings = side // 2 + 1
    seen = power(image).flatten(1)
    total = seen.new_zeros(len(seen), int(ring.max()) + 1).index_add_(1, ring, seen)
    count = torch.bincount(ring)
    return (total / count.clamp(min=1))[:, 1:rings]


def spectral_distance_db(real: Image, drawn: Image) -> Float[Tensor, " b"]:
    """Mean over rings of |10 lg (power of the drawn image / of the real one)|, in decibels.

    Powers below what rounding to 8 bits adds count as that. 0 of an image with itself, but not of
    two draws of one noise, for every ring is a mean over finitely many frequencies.

    >>> x = torch.rand(1, 1, 32, 32)
    >>> round(spectral_distance_db(x, 0.1 * x).item(), 4)  # a hundredth of the power
    20.0
    """
    one, other = (10 * radial_power(of).clamp(min=FLOOR).log10() for of in (real, drawn))
    return (one - other).abs().mean(1)


def statistics(
    image: Image, inside: Bool[Tensor, "b 1 h w"] | None = None, *, window_px: int = WINDOW_PX
) -> dict[str, Float[Tensor, " b"]]:
    """Statistics of the speckle of every image, by name, over the windows wholly inside.

    * `speckle_snr`: mean / standard deviation, median over the windows that are not flat.
    * `axial_width_px`, `lateral_width_px`: full width at half maximum of the autocorrelation down
      and across the image; at most a window. Means of windows are taken away before, which narrows
      grain that is wide for a window.
    * `high_share`: share of the power that lies beyond 1/4 cycle per pixel, in [0, 1].

    NaN where no window is wholly inside, or all are flat.

    Args:
        image: Images as they are shown, in [0, 1].
        inside: The sector; everywhere by default.
        window_px: Side of a window, at most that of the image.

    >>> noise = torch.rand(1, 1, 64, 64, generator=torch.manual_seed(0))  # mean 1/2, variance 1/12
    >>> [round(value.item(), 1) for value in statistics(noise).values()]  # high: 1 - pi / 16
    [1.7, 1.0, 1.0, 0.8]
    """
    tiles = _tiles(image.double(), window_px)
    grainy = tiles.std((2, 3)) > FLAT
    if inside is not None:
        grainy &= _tiles(inside, window_px).all(3).all(2)
    return {
        "speckle_snr": _snr(tiles, grainy),
        "axial_width_px": _width_px(tiles.mT, grainy),
        "lateral_width_px": _width_px(tiles, grainy),
        "high_share": _high_share(tiles, grainy),
    }


def _snr(tiles: Float[Tensor, "b n p p"], grainy: Bool[Tensor, "b n"]) -> Float[Tensor, " b"]:
    ratio = tiles.mean((2, 3)) / tiles.std((2, 3))
    return ratio.masked_fill(~grainy, math.nan).nanmedian(1).values


def _width_px(tiles: Float[Tensor, "b n p p"], grainy: Bool[Tensor, "b n"]) -> Float[Tensor, " b"]:
    """Twice the lag along rows at which the autocovariance of all windows falls to a half."""
    side = tiles.shape[3]
    x = (tiles - tiles.mean((2, 3), keepdim=True)) * grainy[:, :, None, None]
    lags = [(x[..., k:] * x[..., : side - k]).mean(3).sum((1, 2)) for k in range(side // 2)]
    curve = F.pad(torch.stack(lags, 1) / lags[0][:, None], (0, 1))  # 0 at half a window
    k = (curve < 0.5).int().argmax(1, keepdim=True)
    high, low = curve.gather(1, k - 1), curve.gather(1, k)
    return 2 * (k - (0.5 - low) / (high - low))[:, 0]


def _high_share(
    tiles: Float[Tensor, "b n p p"], grainy: Bool[Tensor, "b n"]
) -> Float[Tensor, " b"]:
    side = tiles.shape[3]
    seen = power(tiles.flatten(0, 1)[:, None]).unflatten(0, tiles.shape[:2])
    total = (seen * grainy[:, :, None, None]).sum(1)
    return total[:, _radius(side, side, tiles.device) > HIGH].sum(1) / total.sum((1, 2))


def _tiles(image: Tensor, side: int) -> Tensor:
    """Square windows of every image, `b n p p`, half a window apart."""
    step = max(1, side // 2)
    return image[:, 0].unfold(1, side, step).unfold(2, side, step).flatten(1, 2)


def _radius(h: int, w: int, device: torch.device) -> Float[Tensor, "h w"]:
    """Cycles per pixel of every frequency of `power`, whatever direction."""
    down, across = (torch.fft.fftfreq(n, dtype=torch.float64, device=device) for n in (h, w))
    return torch.hypot(down[:, None], across)


def _hann(side: int, device: torch.device) -> Float[Tensor, " side"]:
    return torch.hann_window(side, dtype=torch.float64, device=device)
