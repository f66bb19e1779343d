"""How like an image its reconstruction is, image by image.

All of it for intensities in [0, 1], in two dimensions or three. What looks at a neighbourhood looks
at slices, in the plane of the last two axes, and takes their mean.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F
from torchmetrics.functional.image import (
    peak_signal_noise_ratio,
    structural_similarity_index_measure,
)

BINS = 100
"""Of the histograms of intensity."""
CHUNK = 64
"""Slices that are looked at together: windows need five copies of each."""
MOST_DB = 120.0
"""PSNR of images that differ by a millionth or less."""

Image = Float[Tensor, "b 1 *d h w"]


def psnr_db(image: Image, again: Image) -> Float[Tensor, " b"]:
    """Peak signal-to-noise ratio, -10 lg of the mean squared difference; at most 120 dB.

    >>> psnr_db(torch.zeros(1, 1, 2, 2), torch.full((1, 1, 2, 2), 0.1))
    tensor([20.])
    """
    found = peak_signal_noise_ratio(
        again, image, data_range=1.0, reduction="none", dim=tuple(range(1, image.ndim))
    )
    return found.reshape(-1).clamp(max=MOST_DB)


def ssim(image: Image, again: Image) -> Float[Tensor, " b"]:
    """Structural similarity in [-1, 1], 1 for equal images; mean over slices.

    Wang, Bovik, Sheikh, Simoncelli, IEEE Transactions on Image Processing 13(4), 2004: a Gaussian
    window of 1.5 pixels, cut at 11 x 11, K1 = 0.01, K2 = 0.03. Images are reflected at their
    borders, so that they need six pixels in either direction.
    """
    pairs = zip(slices(again).split(CHUNK), slices(image).split(CHUNK), strict=True)
    found = torch.cat([_ssim(one, other) for one, other in pairs])
    return found.view(len(image), -1).mean(1)


def nmi(image: Image, again: Image) -> Float[Tensor, " b"]:
    """Normalised mutual information (H(X) + H(Y)) / H(X, Y) of intensities in 100 equal bins.

    From 1, where an image tells nothing of the other, to 2, where both are one up to a bijection of
    grey levels (Studholme, Hill, Hawkes, Pattern Recognition 32(1), 1999). An image in one bin
    tells nothing: 1; of two such images neither has anything that the other lacks: 2.
    """
    x, y = _binned(image), _binned(again)
    joint = _counted(x * BINS + y, BINS**2).unflatten(1, (BINS, BINS))
    both = _entropy(joint.flatten(1))
    apart = _entropy(joint.sum(2)) + _entropy(joint.sum(1))
    is_flat = both == 0
    return torch.where(is_flat, 2.0, apart / torch.where(is_flat, 1.0, both)).to(image.dtype)


def perceptual(
    maps: Sequence[Float[Tensor, "b _ _ _"]], again: Sequence[Float[Tensor, "b _ _ _"]]
) -> Float[Tensor, " b"]:
    """Mean squared distance of the directions of feature vectors, averaged over levels; in [0, 4].

    At every place the vector over channels is brought to length 1 (0 stays 0). It is LPIPS with all
    weights 1: Zhang, Isola, Efros, Shechtman, Wang, CVPR 2018, arXiv:1801.03924, Eq. 1.

    Args:
        maps: Of images, one per level of a network.
        again: Of their reconstructions.

    >>> a, b = torch.tensor([[3.0, 4.0], [2.0, 0.0]])[:, None, :, None, None]
    >>> perceptual([a, a], [a, b])  # half of 0.4² + 0.8²
    tensor([0.4000])
    """
    levels = [
        (F.normalize(one, dim=1) - F.normalize(other, dim=1)).square().sum(1).mean((1, 2))
        for one, other in zip(maps, again, strict=True)
    ]
    return torch.stack(levels).mean(0)


def slices(image: Image) -> Float[Tensor, "m 1 h w"]:
    """The slices of all volumes, one volume after the other; images as they are."""
    return image.reshape(-1, 1, *image.shape[-2:])


def _ssim(again: Tensor, image: Tensor) -> Float[Tensor, " b"]:
    found = structural_similarity_index_measure(again, image, data_range=1.0, reduction="none")
    assert isinstance(found, Tensor)  # no map is asked for beside
    return found.reshape(-1)


def _binned(image: Image) -> Int[Tensor, "b n"]:
    """Bin of every pixel; what is outside [0, 1] is in the first or last."""
    return (image.flatten(1) * BINS).long().clamp(0, BINS - 1)


def _counted(index: Int[Tensor, "b n"], kinds: int) -> Float[Tensor, "b kinds"]:
    """Share of every index in each row."""
    row = torch.arange(len(index), device=index.device)[:, None] * kinds
    counts = torch.bincount((row + index).flatten(), minlength=len(index) * kinds)
    return counts.view(len(index), kinds).double() / index.shape[1]


def _entropy(share: Float[Tensor, "b kinds"]) -> Float[Tensor, " b"]:
    """-Σ p ln p."""
    return -torch.xlogy(share, share).sum(1)
