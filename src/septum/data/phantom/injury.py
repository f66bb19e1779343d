"""Infarcts as late enhancement tells them apart: how deep they reach, and where no blood flows.

    heart, body, scan, injury --draw_late--> Late: signal, classes, and the truth in mL

Muscle dies from the inside of the wall outwards (Reimer & Jennings, Circulation 1977,
doi:10.1161/01.CIR.56.5.786). In the middle of a large infarct the vessels are blocked, so that the
contrast agent does not arrive: a dark core in the bright scar.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from septum.data.phantom import tissue as t
from septum.data.phantom.body import Body
from septum.data.phantom.heart import Array, Heart, Pose, cycle_at, infarct_at, pose_at, walls
from septum.data.phantom.planes import DEPTHS, Grid, grid_of
from septum.data.phantom.scanner import Scan, acquire
from septum.data.phantom.stack import heart_points, texture_in, tissue_in
from septum.data.phantom.tissue import Codes, Points, around

LATE_CLASSES = ("background", "left_ventricle", "myocardium", "infarction", "no_reflow")
PHASE = "mid_diastole"
"""The scanner listens while the heart lies still."""
NO_REFLOW = 28
"""A tissue beside those of heart and body."""
DEAD, CORE = 0.5, 0.9
"""How dead (`infarct_at`) the wall is where a scar and its core begin."""
RIM = 0.2
"""The scar reaches its full depth where the wall is so much more than just dead."""
CORE_FROM = 0.2
"""The core begins at this share of the depth of the scar."""
LARGE_DEG = 70.0
"""Half-width from which on an infarct has a core; 61 % of those in EMIDEC have one."""
DEPTHS_SHARE = (0.5, 1.0)
LARGE_DEPTHS_SHARE = (0.75, 1.0)
CORES_SHARE = (0.6, 0.8)
CLASS_OF_CODE = np.zeros(NO_REFLOW + 1, np.uint8)
CLASS_OF_CODE[[t.LV, t.PAPILLARY, t.MITRAL]] = 1
CLASS_OF_CODE[[t.MYOCARDIUM, t.SCAR, NO_REFLOW]] = 2, 3, 4


@dataclass(frozen=True, kw_only=True)
class Injury:
    """How an infarct lies in its wall.

    Attributes:
        depth_share: Of the wall, from the inside, that is scar in the middle of the infarct.
        core_share: Of that depth, where the core without blood ends; 0 for no core.
    """

    depth_share: float = 1.0
    core_share: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Late:
    """A late-enhancement volume and its truth.

    Attributes:
        signal: [slices h w]; the slices that show the left ventricle, from its base to its apex.
        mask: Index into `LATE_CLASSES`, [slices h w].
        spacing_mm: Distance of neighbouring slices, rows and columns.
        facts: `left_ventricle_volume_ml`, `myocardium_volume_ml` (the whole wall up to the annulus,
            of which the outflow tract takes about 3 %, not deducted), `infarction_volume_ml` (with
            the core), `no_reflow_volume_ml`, and `infarct_share_percent` of the wall.
    """

    signal: NDArray[np.float32]
    mask: NDArray[np.uint8]
    spacing_mm: tuple[float, float, float]
    facts: Mapping[str, float]


def sample_injury(rng: np.random.Generator, heart: Heart) -> Injury:
    """Draw how deep the infarct is; a large one is deep, and has a core."""
    large = heart.infarct_half_width_deg > LARGE_DEG
    depth = float(rng.uniform(*(LARGE_DEPTHS_SHARE if large else DEPTHS_SHARE)))
    core = float(rng.uniform(*CORES_SHARE))
    return Injury(depth_share=depth, core_share=core if large else 0.0)


def draw_late(
    heart: Heart,
    injury: Injury,
    body: Body,
    scan: Scan,
    *,
    size: tuple[int, int] = (160, 160),
    slices: int = 10,
) -> Late:
    """Draw one short-axis volume in mid-diastole; the same arguments draw the same bytes.

    Args:
        heart: The subject.
        injury: How its infarct, if it has one, lies in the wall.
        body: The subject's surroundings.
        scan: The acquisition, of modality `LGE`.
        size: Height and width in pixels.
        slices: From above the base to below the apex; those beyond either are left away.
    """
    pose = pose_at(heart, cycle_at(PHASE))
    grid = grid_of("short_axis", heart, body, scan, size=size, slices=slices)
    tissue = tissue_in(grid, pose, body)
    _injure(tissue, grid, pose, body, injury)
    mask = CLASS_OF_CODE[tissue[:, DEPTHS // 2]]
    shows = mask.any((1, 2))
    lit = np.where(tissue == NO_REFLOW, np.uint8(t.MYOCARDIUM), tissue)
    texture = texture_in(grid, body)
    signal = acquire(lit, texture, scan, pixel_mm=grid.pixel_mm, cycle=cycle_at(PHASE))
    return Late(
        signal=signal[shows].astype(np.float32),
        mask=mask[shows],
        spacing_mm=(grid.gap_mm, grid.pixel_mm, grid.pixel_mm),
        facts=volumes_ml(pose, injury),
    )


def volumes_ml(pose: Pose, injury: Injury) -> dict[str, float]:
    """The facts of `Late`, summed over cells of level, angle and depth in the wall."""
    lowest = -pose.heart.wall_mm / pose.heart.lv_length_mm
    level, angle, share = np.meshgrid(
        _middles(lowest, 1.0, 128),
        _middles(0.0, 2 * np.pi, 64),
        _middles(0.0, 1.0, 32),
        indexing="ij",
    )
    infarct = infarct_at(pose.heart, level, np.cos(angle), np.sin(angle))
    endo, epi = walls(pose, level, infarct)
    slab = 2 * np.pi * (1 - lowest) * pose.length_mm / 1000
    wall = slab * (epi - endo) * (endo + share * (epi - endo)) / level.size
    codes = _codes(injury, np.broadcast_to(infarct, share.shape), share)
    dead = {code: float(wall[codes == code].sum()) for code in (t.SCAR, NO_REFLOW)}
    return {
        "left_ventricle_volume_ml": float((slab * endo**2 / 2).mean()),
        "myocardium_volume_ml": float(wall.sum()),
        "infarction_volume_ml": sum(dead.values()),
        "no_reflow_volume_ml": dead[NO_REFLOW],
        "infarct_share_percent": float(100 * sum(dead.values()) / wall.sum()),
    }


def _injure(tissue: Codes, grid: Grid, pose: Pose, body: Body, injury: Injury) -> None:
    """Tell apart what the phantom calls scar, [slices depths h w]."""
    for depth in range(DEPTHS):
        across, down, right = grid.lattice(depth)
        for layer, level in zip(tissue[:, depth], across.tolist(), strict=True):
            dead = layer == t.SCAR
            if dead.any():
                points = heart_points(grid, (level, down, right), pose.heart, body)
                near = around(pose, Points(points.x[dead], points.y[dead], points.z[dead]))
                share = (near.radius - near.endo) / (near.epi - near.endo)
                layer[dead] = _codes(injury, np.asarray(near.infarct), share)


def _codes(injury: Injury, infarct: Array, share: Array) -> Codes:
    """Tissue of the wall by how dead it is and where in its depth, 0 inside and 1 outside."""
    reach = injury.depth_share * np.clip((infarct - DEAD) / RIM, 0, 1)
    codes = np.where(share < reach, t.SCAR, t.MYOCARDIUM).astype(np.uint8)
    core = (share > CORE_FROM * reach) & (share < injury.core_share * reach)
    codes[core & (infarct > CORE)] = NO_REFLOW
    return codes


def _middles(low: float, high: float, count: int) -> Array:
    return low + (high - low) * (np.arange(count) + 0.5) / count
