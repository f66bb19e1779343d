"""Distance of the outlines of predicted and true regions."""

import math
from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float
from scipy import ndimage


def hausdorff95_mm(
    p: Bool[np.ndarray, "*grid"], t: Bool[np.ndarray, "*grid"], *, spacing_mm: Sequence[float]
) -> float:
    """The 95th percentile of the distances between two surfaces: the larger of both directions.

    On the surface of a mask are its pixels with a neighbour across an edge (in 3-D, across a face)
    that is not in the mask, or not in the image. Distances are between centres, percentiles
    interpolate linearly, and each direction has its own: MONAI's definition. Others pool both
    directions before they take one percentile.

    Args:
        p: Prediction, in 2-D or 3-D; swapped with `t` the distance is the same.
        t: Truth.
        spacing_mm: Distance of neighbouring centres along every axis. With 1 the distance is in
            pixels.

    Returns:
        The distance; NaN where a mask is empty.

    >>> line = np.zeros((5, 9), bool)
    >>> line[1] = True
    >>> hausdorff95_mm(line, np.roll(line, 2, axis=0), spacing_mm=(1.5, 1.0))
    3.0
    """
    if not (p.any() and t.any()):
        return math.nan
    box = ndimage.find_objects((p | t).astype(np.int8))[0]
    outlines = _surface(p[box]), _surface(t[box])
    there, back = (_distances(a, b, spacing_mm) for a, b in (outlines, outlines[::-1]))
    return float(max(np.percentile(there, 95), np.percentile(back, 95)))


def _surface(mask: Bool[np.ndarray, "*grid"]) -> Bool[np.ndarray, "*grid"]:
    return mask & np.logical_not(ndimage.binary_erosion(mask))


def _distances(
    a: Bool[np.ndarray, "*grid"], b: Bool[np.ndarray, "*grid"], spacing_mm: Sequence[float]
) -> Float[np.ndarray, " n"]:
    """Of every pixel of `a` to the nearest of `b`."""
    return np.asarray(ndimage.distance_transform_edt(~b, sampling=spacing_mm))[a]
