"""The five landmarks of the left ventricle in an apical view, apex up (ConceptVAE, section 5.1).

Where a data set states them they are taken from its labels; otherwise they are read off the masks
of the left ventricular cavity and the left atrium:

    left, right annulus          the two ends of the border between ventricle and atrium
    apex                         the point of the cavity's contour farthest from their midpoint
    mid-septum, mid-free-wall    the contour half-way up, to the left and right of the long axis

Left and right are those of the image. The septum is on the left in a four-chamber view; the paper
uses the same names in the two- and three-chamber views, where another wall lies there.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy import ndimage

from septum.contract import Label, Record

NAMES = ("left_annulus", "right_annulus", "apex", "mid_septum", "mid_free_wall")
VENTRICLE = ("left_ventricle", "lv_endocardium")
ATRIUM = ("left_atrium",)
TOUCH_PX = 3.0
"""Farthest from the atrium that a pixel of the ventricle is still their border."""


def stated(records: Sequence[Record]) -> Float[np.ndarray, "n 5 2"]:
    """The landmarks (x, y) in pixels that the labels give; NaN where they do not."""
    wanted = [[f"{name}_x_px", f"{name}_y_px"] for name in NAMES]
    return np.array([[[_number(r.labels.get(k)) for k in xy] for xy in wanted] for r in records])


def derived(mask: Int[np.ndarray, "h w"], classes: Sequence[str]) -> Float[np.ndarray, "5 2"]:
    """The landmarks (x, y) in pixels of a mask; all NaN where ventricle and atrium do not touch."""
    ventricle, atrium = _region(mask, classes, VENTRICLE), _region(mask, classes, ATRIUM)
    annuli = _annuli(ventricle, atrium)
    if annuli is None:
        return np.full((5, 2), np.nan)
    inner = np.asarray(ndimage.binary_erosion(ventricle), dtype=bool)
    contour = _points(ventricle & ~inner)
    base = annuli.mean(0)
    apex = contour[np.argmax(np.linalg.norm(contour - base, axis=1))]
    return np.stack([*annuli, apex, *_half_way(contour, base, apex)])


def _number(label: Label | None) -> float:
    return np.nan if label is None or isinstance(label, str) else float(label)


def _region(
    mask: Int[np.ndarray, "h w"], classes: Sequence[str], names: Sequence[str]
) -> Bool[np.ndarray, "h w"]:
    """The largest connected part of the class with one of these names."""
    region = np.isin(mask, [i for i, name in enumerate(classes) if name in names])
    parts = np.asarray(ndimage.label(region)[0])  # pyright: ignore[reportIndexIssue]
    sizes = np.bincount(parts.ravel())
    return parts == 1 + np.argmax(sizes[1:]) if len(sizes) > 2 else region


def _annuli(
    ventricle: Bool[np.ndarray, "h w"], atrium: Bool[np.ndarray, "h w"]
) -> Float[np.ndarray, "2 2"] | None:
    """The ends of the border along its principal direction, left one first."""
    if not atrium.any():
        return None
    distance_px = np.asarray(ndimage.distance_transform_edt(~atrium))
    border = _points(ventricle & (distance_px <= TOUCH_PX))
    if len(border) < 2:
        return None
    centred = border - border.mean(0)
    along = centred @ np.linalg.svd(centred, full_matrices=False)[2][0]
    ends = border[[np.argmin(along), np.argmax(along)]]
    return ends[np.argsort(ends[:, 0])]


def _half_way(
    contour: Float[np.ndarray, "n 2"],
    base: Float[np.ndarray, " 2"],
    apex: Float[np.ndarray, " 2"],
) -> Float[np.ndarray, "2 2"]:
    """Where the perpendicular through the middle of the long axis leaves the cavity, left first."""
    axis = (apex - base) / np.linalg.norm(apex - base)
    offset = contour - (apex + base) / 2
    level = contour[np.abs(offset @ axis) <= 1]
    across = (level - base) @ np.array([-axis[1], axis[0]])
    ends = level[[np.argmin(across), np.argmax(across)]]
    return ends[np.argsort(ends[:, 0])]


def _points(region: Bool[np.ndarray, "h w"]) -> Float[np.ndarray, "n 2"]:
    """The pixels (x, y) of a region."""
    return np.argwhere(region)[:, ::-1].astype(float)
