"""A stack of slices through a heart in its body, drawn as a scanner shows it, and its truth.

    Grid, pose, body --tissue_in--> codes [slices depths h w] --mask_of--> classes [slices h w]
                                    codes --acquire, grey_levels--> image [slices h w]

A voxel is as thick as its slice and as wide as its pixel: its tissue is known at several places,
of which the one in the middle gives its class.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from septum.data.phantom import tissue as t
from septum.data.phantom.body import (
    ANCHOR_LEVEL,
    PULMONARY,
    Body,
    anchor,
    chest_at,
    heart_axes,
    in_body,
)
from septum.data.phantom.heart import (
    PHASES,
    Array,
    Heart,
    Pose,
    cycle_at,
    infarct_at,
    pose_at,
    rest_walls,
    scar_percent,
    volume_ml,
    wall_mm,
)
from septum.data.phantom.planes import DEPTHS, Grid, grid_of
from septum.data.phantom.scanner import Scan, acquire, grey_levels
from septum.data.phantom.tissue import CLASS_OF_TISSUE, CLASSES, Codes, Points, around, tissue_at
from septum.data.phantom.vessels import ROOT_MM, Tube, paint_tubes, tubes

STACK_CLASSES: tuple[str, ...] = (*CLASSES, "pulmonary_artery")
"""Name of every mask value of a stack. Papillary muscles belong to the left ventricle, scar to the
myocardium; vessels other than the pulmonary artery and the aorta up to its arch are background."""
CLASS_OF_CODE = np.concatenate([CLASS_OF_TISSUE, np.zeros(12, np.uint8)])
CLASS_OF_CODE[PULMONARY] = len(CLASSES)
YIELDS = np.isin(np.arange(28), (t.SURROUNDINGS, t.RV, t.RV_WALL, t.FAT, t.PERICARDIUM, t.FIBROUS))
"""Tissues of the heart over which the pulmonary artery is painted."""
CONUS_LEVEL = 1.08
"""The right ventricle of the heart ends here; a tube leads on to the pulmonary artery."""
WAVES = 48
"""Plane waves in the texture of tissues."""
SEQUENCES = {"MR": ("MR", "cine"), "LGE": ("MR", "LGE"), "CT": ("CT", "CT")}
"""Modality and sequence of a scan, as the facts name them."""
MUSCLE_G_PER_ML = 1.05


@dataclass(frozen=True, kw_only=True)
class Stack:
    """Slices and their truth.

    Attributes:
        image: Grey levels, [slices h w].
        mask: Index into `STACK_CLASSES`, [slices h w].
        facts: `modality` (`MR` or `CT`), `sequence` (`cine`, `LGE` or `CT`), `plane`, the name of
            the `phase` ("" between those of `PHASES`), the place in the `cycle`, volumes in mL,
            mass, scar, thickness of the wall now, the spacing of voxels as `spacing_{z,y,x}_mm`,
            and every factor of heart, body and scan.
    """

    image: NDArray[np.uint8]
    mask: NDArray[np.uint8]
    facts: Mapping[str, str | float]


def draw_stack(
    heart: Heart,
    body: Body,
    scan: Scan,
    *,
    plane: str,
    phase: str | float,
    size: tuple[int, int] = (112, 112),
    slices: int = 10,
) -> Stack:
    """Draw one volume; the same arguments draw the same bytes.

    The planes are those of end diastole at every phase, as a scanner sets them once.

    Args:
        heart: The subject.
        body: The subject's surroundings.
        scan: The acquisition.
        plane: One of `PLANES`; how slices are ordered and turned is said at `planes.grid_of`.
        phase: Place in the beat in [0, 1), or the name of one in `PHASES`.
        size: Height and width in pixels.
        slices: How many; they always hold the whole heart.

    Raises:
        BadInput: There is no such plane or phase, or the heart cannot beat as asked.

    >>> stack = draw_stack(Heart(), Body(), Scan(), plane="short_axis", phase="ES", slices=3)
    >>> stack.image.shape, round(float(stack.facts["volume_ml"]))
    ((3, 112, 112), 45)
    """
    cycle = cycle_at(phase)
    pose = pose_at(heart, cycle)
    grid = grid_of(plane, heart, body, scan, size=size, slices=slices)
    tissue = tissue_in(grid, pose, body)
    texture = texture_in(grid, body)
    signal = acquire(tissue, texture, scan, pixel_mm=grid.pixel_mm, cycle=cycle)
    facts = {"plane": plane, **_facts(pose, cycle, grid), **_factors(heart, body, scan)}
    return Stack(image=grey_levels(signal, scan), mask=mask_of(tissue), facts=facts)


def _factors(*parts: Heart | Body | Scan) -> dict[str, str | float]:
    """Every field; the modality as the table of facts names it."""
    fields = {k: v for part in parts for k, v in asdict(part).items()}
    modality, sequence = SEQUENCES[fields.pop("modality")]
    floats = {k: v if isinstance(v, str) else float(v) for k, v in fields.items()}
    return {"modality": modality, "sequence": sequence, **floats}


def _facts(pose: Pose, cycle: float, grid: Grid) -> dict[str, str | float]:
    heart = pose.heart
    muscle_ml = myocardium_ml(heart)
    return {
        "phase": {at: name for name, at in PHASES.items()}.get(cycle, ""),
        "cycle": cycle,
        "edv_ml": volume_ml(pose_at(heart, PHASES["ED"])),
        "esv_ml": volume_ml(pose_at(heart, PHASES["ES"])),
        "volume_ml": volume_ml(pose),
        "myocardium_ml": muscle_ml,
        "myocardium_g": MUSCLE_G_PER_ML * muscle_ml,
        "wall_now_mm": wall_mm(pose),
        "scar_percent": scar_percent(heart),
        "spacing_z_mm": grid.gap_mm,
        "spacing_y_mm": grid.pixel_mm,
        "spacing_x_mm": grid.pixel_mm,
    }


@lru_cache(maxsize=256)
def myocardium_ml(heart: Heart) -> float:
    """Volume of the wall of the left ventricle from below the apex to the annulus.

    The outflow tract takes about 3 % of it, which is not deducted here.
    """
    lowest = -heart.wall_mm / heart.lv_length_mm
    level = (lowest + (1 - lowest) * (np.arange(512) + 0.5) / 512)[:, None]
    angle = (np.arange(64) + 0.5) / 64 * 2 * np.pi
    infarct = infarct_at(heart, level, np.cos(angle), np.sin(angle))
    endo, epi = rest_walls(heart, level, infarct)
    area = np.pi * np.broadcast_to(epi**2 - endo**2, (512, 64)).mean()
    return float(area * (1 - lowest) * heart.lv_length_mm / 1000)


def tissue_in(grid: Grid, pose: Pose, body: Body) -> Codes:
    """Code of the tissue, [slices depths h w]."""
    tissue = np.empty((grid.slices, DEPTHS, *grid.size), np.uint8)
    texture = texture_in(grid, body)
    vessels = [Tube(v.code, grid.into(v.path), v.radius_mm) for v in tubes(pose, body)]
    for depth in range(DEPTHS):
        across, down, right = grid.lattice(depth)
        layer = tissue[:, depth]
        for k, level in enumerate(across.tolist()):
            points = _points(grid.middle, grid.axes, (level, down, right))
            layer[k] = chest_at(body, points, texture[k])
        paint_tubes(layer, (across, down, right), vessels)
        for k, level in enumerate(across.tolist()):
            _paint_heart(layer[k], grid, (level, down, right), pose, body)
    return tissue


def mask_of(tissue: Codes) -> NDArray[np.uint8]:
    """Index into `STACK_CLASSES` in the middle of every voxel, [slices h w]."""
    return CLASS_OF_CODE[tissue[:, DEPTHS // 2]]


def texture_in(grid: Grid, body: Body) -> NDArray[np.float32]:
    """A smooth random field of unit variance that lies still in the body, [slices h w].

    A sum of plane waves 9 to 30 mm long; a wave is the product of its parts along three axes.
    """
    rng = np.random.default_rng(body.organs_seed)
    way = rng.normal(size=(WAVES, 3))
    way *= (2 * np.pi / rng.uniform(9, 30, (WAVES, 1))) / np.linalg.norm(way, axis=1, keepdims=True)
    start = rng.uniform(0, 2 * np.pi, WAVES) + way @ grid.middle
    number = grid.axes @ way.T
    a, b, c = (
        np.exp(1j * np.outer(axis, k)).astype(np.complex64)
        for axis, k in zip(grid.lattice(DEPTHS // 2), number, strict=True)
    )
    a *= np.exp(1j * start) * np.sqrt(2 / WAVES)
    return np.stack([((layer * b) @ c.T).real for layer in a.astype(np.complex64)])


Slice = tuple[float, Array, Array]


def _points(origin: NDArray[np.floating], axes: NDArray[np.floating], lines: Slice) -> Points:
    """Points of a slice, [h w], in the frame that origin and axes are given in."""
    across, down, right = lines
    start, e = origin + across * axes[0], axes.astype(np.float32)
    return Points(
        *((np.float32(start[k]) + down[:, None] * e[1, k]) + right * e[2, k] for k in range(3))
    )


def heart_points(grid: Grid, lines: Slice, heart: Heart, body: Body) -> Points:
    """Points of a slice, [h w], in the frame of the heart; lines as `Grid.lattice` gives them."""
    base = heart_axes(body)
    origin = base @ (grid.middle - anchor(body)) + [0, 0, ANCHOR_LEVEL * heart.lv_length_mm]
    return _points(origin, grid.axes @ base.T, lines)


def _paint_heart(tissue: Codes, grid: Grid, lines: Slice, pose: Pose, body: Body) -> None:
    """Paint the heart over a slice, [h w], in the box of the slice that may hold it."""
    heart = pose.heart
    centre = grid.into(in_body(body, heart, np.array([-10, 0, 0.65 * heart.lv_length_mm])))
    reach = 0.5 * (heart.lv_length_mm + heart.la_length_mm + heart.wall_mm) + 22
    half2 = reach**2 - (lines[0] - centre[0]) ** 2
    if half2 <= 0:
        return
    ends = centre[1:, None] + np.sqrt(half2) * np.array([-1, 1])
    rows, columns = (
        slice(*np.searchsorted(line, end).tolist())
        for line, end in zip(lines[1:], ends, strict=True)
    )
    points = heart_points(grid, (lines[0], lines[1][rows], lines[2][columns]), heart, body)
    box, codes = tissue[rows, columns], _heart_at(points, pose, body)
    painted = np.where(box == PULMONARY, ~YIELDS[codes], codes != t.SURROUNDINGS)
    box[painted] = codes[painted]


def _heart_at(points: Points, pose: Pose, body: Body) -> Codes:
    """The heart up to where its vessels take over, with as much fat on it as the body has."""
    near = around(pose, points)
    codes = tissue_at(near, aorta_mm=ROOT_MM)
    most = body.epicardial_fat_mm * (0.6 + 0.4 * near.sin + 2 * np.maximum(0, near.level - 0.7))
    gone = (codes == t.FAT) & (near.radius - near.free > most + 2.7)
    gone |= (codes == t.PERICARDIUM) & (near.level > 1.02)
    gone |= ((codes == t.RV) | (codes == t.RV_WALL)) & (near.level > CONUS_LEVEL)
    codes[gone] = t.SURROUNDINGS
    return codes
