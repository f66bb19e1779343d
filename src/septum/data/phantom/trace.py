"""Trace the cavity of the left ventricle: its long axis, and chords across it.

This is how the method of disks measures a volume (Lang et al. 2015, doi:10.1016/j.echo.2014.10.003,
figure 3), and how EchoNet-Dynamic stores its tracings.
"""

import numpy as np
from jaxtyping import Bool, Float, UInt8
from scipy import ndimage

from septum.data.phantom.tissue import CLASSES

STEP_PX = 0.05
"""Ends of chords are found to this distance."""

Places = Float[np.ndarray, "n 2"]


def trace(mask: UInt8[np.ndarray, "h w"], *, chords: int = 20) -> Float[np.ndarray, "n 4"]:
    """The long axis, then chords across it in the middle of equal parts of it.

    The axis leads from the apex, which is the point of the cavity farthest from the annulus, to the
    middle of the border to the left atrium. Chords follow in the same order, the left end first.

    Args:
        mask: Index into `CLASSES` of every pixel of an apical view.
        chords: How many.

    Returns:
        x1, y1, x2, y2 in pixels, whose centres are at integers; `chords` + 1 rows.
    """
    cavity, atrium = (mask == CLASSES.index(name) for name in ("left_ventricle", "left_atrium"))
    base, pixels = _border(cavity, atrium), np.argwhere(cavity)[:, ::-1].astype(np.float64)
    far = pixels[np.hypot(*(pixels - base).T).argmax()]
    along = (base - far) / np.hypot(*(base - far))
    apex = _ends(cavity, far[None], along)[0][0]
    share = (np.arange(chords)[:, None] + 0.5) / chords
    left, right = _ends(cavity, apex + share * (base - apex), along[::-1] * (1, -1))
    return np.vstack([np.hstack([apex, base]), np.hstack([left, right])])


def _border(one: Bool[np.ndarray, "h w"], other: Bool[np.ndarray, "h w"]) -> Float[np.ndarray, "2"]:
    """Place (x, y) of the middle of the line along which two regions touch."""
    touching = (ndimage.binary_dilation(one) & other) | (ndimage.binary_dilation(other) & one)
    return np.argwhere(touching).mean(0)[::-1]


def _ends(
    inside: Bool[np.ndarray, "h w"], places: Places, along: Float[np.ndarray, "2"]
) -> tuple[Places, Places]:
    """First and last point of a region on the lines that lead through places."""
    way = np.arange(-np.hypot(*inside.shape), np.hypot(*inside.shape), STEP_PX)
    points = places[:, None] + way[:, None] * along
    shown = ndimage.map_coordinates(inside.astype(np.float32), points.T[::-1], order=1).T > 0.5
    first, last = shown.argmax(1), shown.shape[1] - 1 - shown[:, ::-1].argmax(1)
    return places + way[first][:, None] * along, places + way[last][:, None] * along
