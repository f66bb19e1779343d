"""Which images of a data set are nearly the same, by their fine structure.

    thumbnails → minus their local mean → minus what all share → correlation of every pair

The local mean takes brightness and shading away. What all images of a set share (the edge of the
sector, a ruler) would make strangers look alike, so it goes too.
"""

from collections.abc import Iterator

import numpy as np
from jaxtyping import Float32, Float64, UInt8
from PIL import Image
from scipy import ndimage

SIDE = 32
"""Side of a thumbnail in pixels."""
WINDOW = 9
"""Side of the window of the local mean."""
LEAST_CORRELATION = 0.8
"""From here on two images are called near-duplicates. Of 188,000 pairs of BUSI 113 lie above and 18
more between 0.6 and 0.8; of 1.6 million pairs of different CAMUS patients 6 lie above, all between
the same two patients, who are one."""
BLANK = 10
"""Empty images that join the shared mean, so that few images do not cancel one another."""
ROWS = 512


def thumbnail(grey: UInt8[np.ndarray, "h w"]) -> UInt8[np.ndarray, "32 32"]:
    """The image at 32 x 32 pixels, each the mean of what it covers."""
    return np.asarray(Image.fromarray(grey).resize((SIDE, SIDE), Image.Resampling.BOX))


def pairs(thumbnails: UInt8[np.ndarray, "n 32 32"]) -> Iterator[tuple[int, int, float]]:
    """Every pair (i < j) of near-duplicates and its correlation."""
    detail = _detail(thumbnails.astype(np.float32))
    for start in range(0, len(detail), ROWS):
        block = detail[start : start + ROWS] @ detail[start:].T
        for i, j in np.argwhere(np.triu(block, 1) >= LEAST_CORRELATION):
            yield start + int(i), start + int(j), float(block[i, j])


def _detail(images: Float32[np.ndarray, "n h w"]) -> Float32[np.ndarray, "n p"]:
    """Unit vectors without mean; zero for an image without structure."""
    fine = images - ndimage.uniform_filter(images, WINDOW, axes=(1, 2))
    fine = (fine - fine.sum(0) / (len(fine) + BLANK)).reshape(len(fine), -1)
    fine -= fine.mean(1, keepdims=True)
    norm: Float64[np.ndarray, "n 1"] = np.linalg.norm(fine, axis=1, keepdims=True)
    return fine / np.maximum(norm, 1e-3).astype(np.float32)
