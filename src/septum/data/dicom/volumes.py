"""MR and CT series as volumes: slices in the order in which they lie in the body.

    headers of one series → places along the normal → evenly spaced? → voxels `z y x`

The order is that of Image Position (Patient) projected on the normal of the slices; Instance Number
and the names of files say nothing of it. What is no even stack is refused, since the volume of a
structure in it would be wrong.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from jaxtyping import Float64

from septum.contract import BadInput
from septum.data.dicom.header import Facts, Plane, facts, is_dicom, values
from septum.data.volume import Grid, Volume

MODALITIES = ("MR", "CT", "PT")
SAME_PLACE_MM = 1e-2
"""Slices nearer than this lie at one place."""
EVEN = 0.05
"""Distances of slices differ from their median by this share of it at most."""
PARALLEL = 1e-3
"""Cosines of directions that are equal differ by this at most."""

Headers = Sequence[tuple[Path, Facts]]


@dataclass(frozen=True, kw_only=True)
class Series:
    """The slices of one volume, in order.

    Attributes:
        slices: File of every slice, and its frame in it.
        spacing_mm: Of slices, rows and columns.
        affine: From column, row and slice, counted from 0, to mm to the left, the back and the
            head.
    """

    slices: Sequence[tuple[Path, int]]
    spacing_mm: tuple[float, float, float]
    affine: Float64[np.ndarray, "4 4"]


def is_slice(one: Facts) -> bool:
    """Whether the frames of an object may be slices of a volume."""
    return one.modality in MODALITIES and len(one.planes) == one.frames > 0


def grouped(headers: Iterable[tuple[Path, Facts]]) -> Mapping[tuple[Path, str], Headers]:
    """The objects of every series that has two slices or more, by folder and series."""
    groups: dict[tuple[Path, str], list[tuple[Path, Facts]]] = defaultdict(list)
    for path, one in headers:
        if is_slice(one):
            groups[path.parent, one.series_uid].append((path, one))
    return {k: v for k, v in groups.items() if sum(one.frames for _, one in v) > 1}


def in_order(headers: Headers) -> Series:
    """The slices of one series from the first to the last along their normal.

    Raises:
        BadInput: They have several sizes, spacings or directions; two lie at one place, or one is
            missing between others.
    """
    where = f"The series of {headers[0][0]}"
    _check_alike(where, [one for _, one in headers])
    flat = [(path, k, p) for path, one in headers for k, p in enumerate(one.planes)]
    row, column = _directions(where, [p for _, _, p in flat])
    normal = np.cross(row, column)
    flat.sort(key=lambda item: float(normal @ item[2].position_mm))
    positions = np.array([p.position_mm for _, _, p in flat])
    apart_mm = _even_mm(where, np.diff(positions @ normal))
    row_mm, column_mm = headers[0][1].spacing_mm or _unspaced(where)
    affine = np.eye(4)
    affine[:3, 0], affine[:3, 1] = row * column_mm, column * row_mm
    affine[:3, 2] = (positions[-1] - positions[0]) / (len(flat) - 1)
    affine[:3, 3] = positions[0]
    return Series(
        slices=tuple((path, frame) for path, frame, _ in flat),
        spacing_mm=(apart_mm, row_mm, column_mm),
        affine=affine,
    )


def series_of(path: Path) -> Series:
    """The series that the slices of a file belong to, of the files beside it.

    Raises:
        BadInput: As for `in_order`, or the file is no slice of a volume.
    """
    groups = _beside(path.parent, path.parent.stat().st_mtime_ns)
    if (headers := groups.get((path.parent, facts(path).series_uid))) is None:
        raise BadInput(f"{path} is no slice of a volume; read it as a picture.")
    return in_order(headers)


def load(path: Path) -> Volume:
    """The volume that the slices of a file belong to, with what they measure.

    Raises:
        BadInput: As for `series_of`, or a slice cannot be decoded.
    """
    found = series_of(path)
    return _loaded(found.slices, found.spacing_mm)


@lru_cache(maxsize=2)
def _beside(folder: Path, stamp: int) -> Mapping[tuple[Path, str], Headers]:
    del stamp
    return grouped((path, facts(path)) for path in sorted(folder.iterdir()) if is_dicom(path))


@lru_cache(maxsize=2)
def _loaded(slices: Sequence[tuple[Path, int]], spacing_mm: tuple[float, float, float]) -> Volume:
    decoded = {path: values(path) for path, _ in slices}
    voxels = np.stack([decoded[path][frame] for path, frame in slices])[None]
    grid = Grid(shape=voxels.shape, spacing_mm=spacing_mm)
    return Volume(path=slices[0][0], grid=grid, voxels=voxels)


def _check_alike(where: str, headers: Sequence[Facts]) -> None:
    if len({(one.height, one.width) for one in headers}) > 1:
        raise BadInput(f"{where} holds slices of several sizes; store one stack per series.")
    first, *others = (one.spacing_mm for one in headers)
    if not all(other == first or np.allclose(other or 0, first or 0) for other in others):
        raise BadInput(f"{where} holds slices of several spacings; store one stack per series.")


def _directions(
    where: str, planes: Sequence[Plane]
) -> tuple[Float64[np.ndarray, "3"], Float64[np.ndarray, "3"]]:
    """Along the rows and along the columns of all slices."""
    pairs = np.array([(p.along_row, p.along_column) for p in planes])
    if np.abs(pairs - pairs[0]).max() > PARALLEL:
        raise BadInput(
            f"{where} holds slices of several directions, as a localiser does; store one stack "
            "per series."
        )
    row, column = pairs[0]
    if np.abs(pairs[0] @ pairs[0].T - np.eye(2)).max() > PARALLEL:
        raise BadInput(f"{where} states directions that are not perpendicular; export it again.")
    return row, column


def _even_mm(where: str, steps: Float64[np.ndarray, " n"]) -> float:
    """Distance of neighbouring slices."""
    if steps.min() < SAME_PLACE_MM:
        raise BadInput(
            f"{where} holds two slices at the same place; store one phase, echo or contrast per "
            "series."
        )
    middle = float(np.median(steps))
    if np.abs(steps - middle).max() > EVEN * middle:
        raise BadInput(
            f"{where} has slices between {steps.min():.4g} and {steps.max():.4g} mm apart, some "
            "are missing; fetch them all."
        )
    return middle


def _unspaced(where: str) -> tuple[float, float]:
    raise BadInput(f"{where} does not state the spacing of its pixels; export it again.")
