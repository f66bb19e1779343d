"""The part of an ultrasound frame that the scanner has filled: a cone or a rectangle."""

from typing import Any

import numpy as np
from jaxtyping import Bool, UInt8
from PIL import Image, ImageDraw
from scipy import ndimage
from scipy.spatial import ConvexHull, QhullError

NOISE = 4
"""Grey levels that compression leaves in a black margin."""
GAP_PX = 2
"""Black gaps up to twice this width do not part the sector."""


SMALL = 0.1
"""Share of the largest bright region below which another is a text or a logo."""


def find(grey: UInt8[np.ndarray, "h w"]) -> Bool[np.ndarray, "h w"]:
    """The convex hull of the large bright regions; all of a frame that has none.

    Chambers, shadows and dropout are black inside the hull; texts and logos lie apart from it.
    """
    bright = ndimage.binary_dilation(grey > NOISE, iterations=GAP_PX)
    if not bright.any():
        return np.ones(grey.shape, bool)
    regions: Any = ndimage.label(bright)[0]  # pyright: ignore[reportIndexIssue]
    sizes = np.bincount(regions[bright])
    large = np.flatnonzero(sizes > SMALL * sizes.max())
    return _hull(np.isin(regions, large) & (grey > NOISE))


def _hull(region: Bool[np.ndarray, "h w"]) -> Bool[np.ndarray, "h w"]:
    rows = np.flatnonzero(region.any(1))
    left = region[rows].argmax(1)
    right = region.shape[1] - 1 - region[rows, ::-1].argmax(1)
    ends = np.stack([np.r_[left, right], np.r_[rows, rows]], 1)
    try:
        corners = ends[ConvexHull(ends).vertices]
    except QhullError:  # a line or a dot has no hull
        return region
    canvas = Image.new("L", region.shape[::-1])
    ImageDraw.Draw(canvas).polygon([(int(x), int(y)) for x, y in corners], fill=1, outline=1)
    return np.asarray(canvas).astype(bool)
