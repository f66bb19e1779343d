"""Small volumes for sketches: discs for chambers, painted in grey, written as NIfTI."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import SimpleITK
from jaxtyping import Int16, Shaped

from septum.contract import BadInput

Disc = tuple[float, float, float]
"""Row, column and radius of a disc, as shares of the rows and columns."""


def stack(
    shape: tuple[int, int, int], discs: Mapping[int, Disc], *, size: float = 1.0
) -> Int16[np.ndarray, "z y x"]:
    """Slices of discs that shrink towards the middle from the first slice to the last; 0 around.

    Args:
        shape: Slices, rows and columns.
        discs: By the value that fills them, each over the ones before it.
        size: Scale of them all.
    """
    slices, rows, columns = shape
    y = ((np.arange(rows) + 0.5) / rows - 0.5)[:, None]
    x = (np.arange(columns) + 0.5) / columns - 0.5
    scale = (size * (1 - 0.4 * np.arange(slices) / slices))[:, None, None]
    index = np.zeros(shape, np.int16)
    for value, (row, column, radius) in discs.items():
        index[np.hypot(y / scale - row + 0.5, x / scale - column + 0.5) < radius] = value
    return index


def paint(
    index: Shaped[np.ndarray, "*shape"], levels: Mapping[int, float], rng: np.random.Generator
) -> Int16[np.ndarray, "*shape"]:
    """Intensities: the level of every value with noise of a tenth of it; 100 where none is told."""
    level = np.full(index.shape, 100.0)
    for value, told in levels.items():
        level[index == value] = told
    return np.round(level * rng.normal(1, 0.1, index.shape)).astype(np.int16)


def write(
    path: Path,
    voxels: Shaped[np.ndarray, "*t z y x"],
    *,
    spacing_mm: tuple[float, float, float],
    direction: tuple[float, ...] = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0),
) -> None:
    """Write a volume or a cine of volumes.

    Args:
        path: Its name ends in `.nii` or `.nii.gz`.
        voxels: Integers or real numbers.
        spacing_mm: Distance of neighbouring slices, rows and columns.
        direction: Cosines of the axes of the file, row by row; by default columns lead to the left,
            rows to the back and slices to the head.

    Raises:
        BadInput: The file cannot be written.
    """
    volumes = [SimpleITK.GetImageFromArray(v) for v in voxels.reshape(-1, *voxels.shape[-3:])]
    for volume in volumes:
        volume.SetSpacing(spacing_mm[::-1])
        volume.SetDirection(direction)
    image = SimpleITK.JoinSeries(volumes) if voxels.ndim > 3 else volumes[0]
    try:
        SimpleITK.WriteImage(image, str(path))
    except RuntimeError as error:
        raise BadInput(f"{path} cannot be written; make room or name another folder.") from error
