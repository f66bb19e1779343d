"""Slices of volumes, in the order of the file or turned to lie across the body.

    file → nifti → voxels `frame slice row column` → one slice `h w`

Columns, rows and slices are the first, second and third axis of the file, frames of a cine its
fourth. A volume that is asked for as `axial` is turned as its header says, so that columns lead to
the left of the body, rows to its back and slices to its head. The last two volumes are kept: slices
of a volume are read one after the other, beside those of its mask.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np
import SimpleITK
from jaxtyping import Float, Shaped, UInt8

from septum.contract import BadInput
from septum.data import nifti
from septum.data.read import inside

PERCENTILES = (5, 95)
"""Those of a volume that become black and white."""
SAME = 1e-3
"""Spacings that differ by a smaller share are equal."""
ENDINGS = (".nii.gz", ".nii")
AXES = ("SI", "PA", "LR")
"""Where slices, rows and columns of an axial volume lead, and the opposite."""
IN_FILE = "LPS"


@dataclass(frozen=True, kw_only=True)
class Grid:
    """Where the voxels of a volume lie.

    Attributes:
        shape: Frames, slices, rows and columns.
        spacing_mm: Distance of neighbouring slices, rows and columns.
        leads: Where columns, rows and slices of the file lead, before it is turned to be axial:
            left or right, posterior or anterior, superior or inferior; `LPS` if it is not turned.
    """

    shape: tuple[int, int, int, int]
    spacing_mm: tuple[float, float, float]
    leads: str = IN_FILE


@dataclass(frozen=True, kw_only=True)
class Volume:
    """One decoded volume, or a cine of several."""

    path: Path
    grid: Grid
    voxels: Shaped[np.ndarray, "t z y x"]

    def values(self, at: Sequence[int]) -> Shaped[np.ndarray, "h w"]:
        """What the file states at `(slice,)` of a volume, or `(slice, frame)` of a cine.

        Raises:
            BadInput: There is no such slice.
        """
        return self.voxels[self._place(at)]

    def grey(self, at: Sequence[int]) -> UInt8[np.ndarray, "h w"]:
        """The slice, such that percentiles 5 and 95 of its volume are 0 and 255; the rest is cut.

        Raises:
            BadInput: There is no such slice.
        """
        low, high = self._windows[self._place(at)[0]]
        share = (self.values(at).astype(np.float64) - low) / max(high - low, 1e-12)
        return np.round(np.clip(share, 0, 1) * 255).astype(np.uint8)

    @cached_property
    def _windows(self) -> Float[np.ndarray, "t 2"]:
        return np.stack([np.percentile(frame, PERCENTILES) for frame in self.voxels])

    def _place(self, at: Sequence[int]) -> tuple[int, int]:
        """Frame and slice."""
        frames, slices = self.grid.shape[:2]
        wanted = (*at, 0) if len(at) == frames == 1 else tuple(at)
        if len(wanted) != 2 or not (0 <= wanted[0] < slices and 0 <= wanted[1] < frames):
            raise BadInput(
                f"{self.path} has no slice at {tuple(at)}, but {slices} slices in {frames} "
                "frame(s); fetch it again."
            )
        return wanted[1], wanted[0]


def grid(path: Path, *, axial: bool = False) -> Grid:
    """Where the voxels of a file lie; only its header is read.

    Raises:
        BadInput: As for `septum.data.nifti.header`; or the volume is to be axial and does not state
            its orientation.
    """
    head = nifti.header(path)
    return _turned(path, head) if axial else Grid(shape=head.shape, spacing_mm=head.spacing_mm)


def load(path: Path, *, axial: bool = False) -> Volume:
    """The voxels of a file.

    Raises:
        BadInput: As for `grid`; or voxels are missing, infinite or undefined.
    """
    nifti.check_file(path)
    stat = path.stat()
    return (_axial if axial else _in_file)(path, (stat.st_size, stat.st_mtime_ns))


def as_in_file(
    axial: Shaped[np.ndarray, "t z y x"], leads: str
) -> Shaped[np.ndarray, "t z2 y2 x2"]:
    """Voxels of an axial volume in the order of its file, which leads so (`Grid.leads`)."""
    order, back = _turning(leads)
    return np.flip(axial, back).transpose(np.argsort(order))


def forget() -> None:
    """Free the volumes that are kept."""
    _in_file.cache_clear()
    _axial.cache_clear()


def find(folder: Path, stem: str) -> Path | None:
    """The volume of that name in a folder, compressed or not.

    Raises:
        BadInput: It is a link that leads out of the folder.
    """
    paths = [inside(folder, stem + ending) for ending in ENDINGS]
    return next((path for path in paths if path.is_file()), None)


def check_same(path: Path, other: Path, *, axial: bool = False) -> None:
    """Make sure that slices of two files lie on each other, whatever their frames.

    Raises:
        BadInput: Their sizes, spacings or orientations differ; or as for `grid`.
    """
    a, b = grid(path, axial=axial), grid(other, axial=axial)
    spacings = zip(a.spacing_mm, b.spacing_mm, strict=True)
    near = all(math.isclose(*pair, rel_tol=SAME) for pair in spacings)
    if not near or (a.shape[1:], a.leads) != (b.shape[1:], b.leads):
        raise BadInput(f"{other} has {_words(b)}, but {path} {_words(a)}; export both alike.")


Stamp = tuple[int, int]
"""Size and date of a file: one that has changed is read again."""


@lru_cache(maxsize=2)
def _in_file(path: Path, stamp: Stamp) -> Volume:
    del stamp
    head = nifti.header(path)
    return Volume(path=path, grid=grid(path), voxels=nifti.voxels(path, head))


@lru_cache(maxsize=2)
def _axial(path: Path, stamp: Stamp) -> Volume:
    del stamp
    head = nifti.header(path)
    turned = _turned(path, head)
    order, back = _turning(turned.leads)
    voxels = nifti.voxels(path, head).transpose(order)
    return Volume(path=path, grid=turned, voxels=np.flip(voxels, back))


def _turned(path: Path, head: nifti.Header) -> Grid:
    """The grid of the volume once it is axial."""
    leads = _leads(path) if head.is_oriented else ""
    if any(sum(letter in axis for letter in leads) != 1 for axis in AXES):
        raise BadInput(f"{path} does not state its orientation; correct its header.")
    z, y, x = (2 - axis for axis in _axes(leads))
    sides, mm = head.shape[1:], head.spacing_mm
    return Grid(
        shape=(head.shape[0], sides[z], sides[y], sides[x]),
        spacing_mm=(mm[z], mm[y], mm[x]),
        leads=leads,
    )


def _leads(path: Path) -> str:
    SimpleITK.ProcessObject.GlobalWarningDisplayOff()  # problems are told below
    reader = SimpleITK.ImageFileReader()
    reader.SetImageIO("NiftiImageIO")
    reader.SetFileName(str(path))
    try:
        reader.ReadImageInformation()
    except RuntimeError as error:
        raise BadInput(f"{path} states no sound orientation; correct its header.") from error
    directions = np.reshape(reader.GetDirection(), (reader.GetDimension(), -1))[:3, :3]
    orient = SimpleITK.DICOMOrientImageFilter.GetOrientationFromDirectionCosines
    return orient(directions.ravel().tolist())


def _turning(leads: str) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The order of axes that makes a file axial, and which of them then run the other way."""
    axes = _axes(leads)
    back = (1 + k for k, axis in enumerate(axes) if leads[axis] != AXES[k][0])
    return (0, *(3 - axis for axis in axes)), tuple(back)


def _axes(leads: str) -> list[int]:
    """The axes of the file along slices, rows and columns: 0 for its first."""
    return [next(k for k, letter in enumerate(leads) if letter in axis) for axis in AXES]


def _words(a: Grid) -> str:
    _, z, y, x = a.shape
    mm = " x ".join(f"{side:g}" for side in reversed(a.spacing_mm))
    return f"{x} x {y} x {z} voxels of {mm} mm leading to {a.leads}"
