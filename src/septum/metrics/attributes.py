"""Clinical attributes of a left ventricle, measured on label maps of its short axis.

    label map --pixels--> areas, volumes, share of the wall that is infarct
              --outlines, seen along 100 rays--> thickness of the wall
              --rays--> transmurality
              --second moments--> eccentricity of the cavity

The wall is made of the classes `myocardium`, `infarction` and `no_reflow`, the infarct of the last
two. An attribute that the classes allow but the picture does not show is left out: it is unknown.
All is known of no label map in which a pixel has no class.

Rays run from the middle of the cavity, at equal angles. The outlines of the cavity and of the
ventricle with its wall, both solid, are those of the masks blurred by less than a pixel, which
takes their stairs away: the farthest place on every ray where the blurred mask falls below 1/2.
The thickness at a point of the inner outline is the distance to the nearest point of the outer
one, so that no wall that is seen at a slant is too thick. The minimal thickness is the least mean
over a tenth of the ring.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int, Integer
from scipy import ndimage

RAYS = 100
STEP_PX = 0.25
"""Between samples along a ray, in the smaller side of a pixel."""
ARC = 10
"""Neighbouring rays that a minimum is a mean of: the least of 100 noisy numbers is too little."""
BLUR_PX = 1.0
"""Standard deviation of the blur: it moves an outline of radius r inwards by 1 / 2 r pixels."""
FEWEST = 10
"""Known values from which an attribute can be learnt."""
COLLINEAR = 0.999
"""Correlation beyond which one attribute says nothing beside another."""

LENGTH, AREA, VOLUME = ("_px", "_mm"), ("_px", "_mm2"), ("_voxels", "_ml")
PERCENT, BARE = ("_percent", "_percent"), ("", "")
CAVITY, MUSCLE, DEAD, NO_REFLOW = "left_ventricle", "myocardium", "infarction", "no_reflow"

OF_SLICE: Mapping[str, tuple[tuple[str, ...], tuple[str, str]]] = {
    "left_ventricle_area": ((CAVITY,), AREA),
    "myocardium_area": ((MUSCLE,), AREA),
    "wall_thickness_mean": ((CAVITY, MUSCLE), LENGTH),
    "wall_thickness_min": ((CAVITY, MUSCLE), LENGTH),
    "infarction_area": ((DEAD,), AREA),
    "no_reflow_area": ((NO_REFLOW,), AREA),
    "infarct_share": ((MUSCLE, DEAD), PERCENT),
    "transmurality": ((CAVITY, MUSCLE, DEAD), PERCENT),
    "eccentricity": ((CAVITY,), BARE),
}
"""Classes that attributes of a slice need, and their units: without and with known spacing."""
OF_VOLUME = {
    stem.replace("_area", "_volume"): (needs, VOLUME if units == AREA else units)
    for stem, (needs, units) in OF_SLICE.items()
}
OVER_SLICES: Mapping[str, Callable[[list[float]], float]] = {
    "wall_thickness_mean": lambda known: float(np.mean(known)),
    "wall_thickness_min": min,
    "transmurality": lambda known: float(np.mean([v for v in known if v > 0] or [0.0])),
    "eccentricity": lambda known: float(np.mean(known)),
}

Mask = Bool[np.ndarray, "h w"]
Pair = Float[np.ndarray, " 2"]


def named(classes: Sequence[str], *, in_mm: bool) -> tuple[str, ...]:
    """Names of the attributes that these classes allow of a slice, in a fixed order.

    >>> named(["background", "myocardium"], in_mm=True)
    ('myocardium_area_mm2',)
    """
    return tuple(_named(OF_SLICE, classes, in_mm).values())


def named_volume(classes: Sequence[str], *, in_mm: bool) -> tuple[str, ...]:
    """Names of the attributes that these classes allow of a volume, in a fixed order."""
    return tuple(_named(OF_VOLUME, classes, in_mm).values())


def of_slice(
    mask: Integer[np.ndarray, "h w"],
    classes: Sequence[str],
    *,
    pixel_mm: tuple[float, float] | None,
) -> dict[str, float]:
    """What is known of one slice, by name.

    * `..._area`: of the cavity, the whole wall, the infarct and the part without reflow; 0 where
      there is none.
    * `wall_thickness_mean`, `..._min`: over 100 points of the inner outline; known where the wall
      closes round the cavity and the middle of the cavity is blood.
    * `infarct_share_percent`: of the area of the wall; known where there is a wall.
    * `transmurality_percent`: of the wall that a ray crosses, averaged over rays that meet infarct;
      0 where there is a wall and no infarct.
    * `eccentricity`: sqrt(1 - λ₂ / λ₁) of the second moments of the cavity's largest part; 0 of a
      circle, near 1 of a line.

    Args:
        mask: Index into `classes`.
        classes: Name of every index.
        pixel_mm: Height and width of a pixel; None where unknown, for lengths and areas in pixels.

    >>> of_slice(np.array([[0, 1, 1]]), ["background", "left_ventricle"], pixel_mm=(2.0, 1.0))
    {'left_ventricle_area_mm2': 4.0, 'eccentricity': 0.0}
    """
    found = _measured(mask, classes, pixel_mm)
    return _worded(found, _named(OF_SLICE, classes, pixel_mm is not None))


def of_volume(
    slices: Iterable[Integer[np.ndarray, "h w"]],
    classes: Sequence[str],
    *,
    voxel_mm: tuple[float, float, float] | None,
) -> dict[str, float]:
    """What is known of a stack of slices, by name.

    Volumes and the share of infarct are those of all voxels. The mean thickness and eccentricity
    are means over the slices that know them, the minimal thickness is the least of them, and the
    transmurality a mean over the slices that show infarct, or 0.

    Args:
        slices: Index into `classes`, in any order.
        classes: Name of every index.
        voxel_mm: Distance of slices, height and width of a pixel; None where unknown.

    >>> slices = [np.ones((5, 8), int)] * 3
    >>> of_volume(slices, ["background", "myocardium"], voxel_mm=(10.0, 2.0, 2.5))
    {'myocardium_volume_ml': 6.0}
    """
    each = [_measured(mask, classes, voxel_mm and voxel_mm[1:]) for mask in slices]
    if not (each and all(each)):
        return {}
    unit = voxel_mm[0] / 1000 if voxel_mm else 1.0
    found = {
        stem.replace("_area", "_volume"): unit * sum(one[stem] for one in each)
        for stem, (_, units) in OF_SLICE.items()
        if units == AREA
    }
    found |= _share(found, "infarction_volume", "myocardium_volume")
    for stem, over in OVER_SLICES.items():
        if known := [one[stem] for one in each if stem in one]:
            found[stem] = over(known)
    return _worded(found, _named(OF_VOLUME, classes, voxel_mm is not None))


@dataclass(frozen=True, kw_only=True)
class Usable:
    """What can be learnt from.

    Attributes:
        names: Attributes, in the order they came in.
        remarks: A sentence about every one that is left out, or known of some images only.
    """

    names: tuple[str, ...]
    remarks: tuple[str, ...]


def usable(values: Mapping[str, Float[np.ndarray, " n"]], subjects: Sequence[str]) -> Usable:
    """Leave out what is known of too few images, constant, or collinear with one before it.

    Args:
        values: Of the images of a training, by name; what is not finite is unknown.
        subjects: Of the same images.

    >>> columns = {"a_px": np.arange(12.0), "b_mm": 2 - np.arange(12.0), "c": np.ones(12)}
    >>> usable(columns, ["P1"] * 12).names
    ('a_px',)
    """
    who, kept, remarks = np.asarray(subjects), list[str](), list[str]()
    for name, column in values.items():
        known = np.isfinite(column)
        if fault := _fault(column[known]) or _follows(column, {k: values[k] for k in kept}):
            remarks.append(f"{name} is left out: {fault}.")
            continue
        kept.append(name)
        if not known.all():
            remarks.append(
                f"{name} is unknown in {(~known).sum()} of {len(who)} images, of "
                f"{len(set(who[~known]))} of {len(set(subjects))} subjects; it is learnt from "
                "the others."
            )
    return Usable(names=tuple(kept), remarks=tuple(remarks))


def _fault(known: Float[np.ndarray, " n"]) -> str:
    if len(known) < FEWEST:
        return f"it is known of {len(known)} images, and at least {FEWEST} are needed"
    if np.ptp(known) <= 1e-6 * np.abs(known).max():
        return f"it is {known[0]:.6g} in all {len(known)} images where it is known"
    return ""


def _follows(column: Float[np.ndarray, " n"], others: Mapping[str, np.ndarray]) -> str:
    """The first column that this one is collinear with, in words."""
    for name, other in others.items():
        both = np.isfinite(column) & np.isfinite(other)
        a, b = column[both], other[both]
        if len(a) < FEWEST or _fault(a) or _fault(b):
            continue
        if abs(r := float(np.corrcoef(a, b)[0, 1])) > COLLINEAR:
            return f"it says what {name} says (correlation {r:.5f} over {len(a)} images)"
    return ""


def _named(
    table: Mapping[str, tuple[tuple[str, ...], tuple[str, str]]],
    classes: Sequence[str],
    in_mm: bool,  # noqa: FBT001 - told by name wherever it is chosen
) -> dict[str, str]:
    """Full names by stem."""
    has = set(classes)
    return {stem: stem + units[in_mm] for stem, (needs, units) in table.items() if has >= {*needs}}


def _worded(found: Mapping[str, float], names: Mapping[str, str]) -> dict[str, float]:
    return {name: found[stem] for stem, name in names.items() if stem in found}


def _share(found: Mapping[str, float], part: str, whole: str) -> dict[str, float]:
    return {"infarct_share": 100 * found[part] / found[whole]} if found.get(whole) else {}


def _measured(
    mask: Integer[np.ndarray, "h w"], classes: Sequence[str], pixel_mm: tuple[float, float] | None
) -> dict[str, float]:
    """All that is known of a slice by stem, also what the classes do not allow."""
    if mask.size == 0 or mask.min() < 0 or mask.max() >= len(classes):
        return {}
    pixel = np.array(pixel_mm or (1.0, 1.0), float)
    cavity, wall, infarct, no_reflow = (
        np.isin(classes, names)[mask]
        for names in ([CAVITY], [MUSCLE, DEAD, NO_REFLOW], [DEAD, NO_REFLOW], [NO_REFLOW])
    )
    parts = {"left_ventricle": cavity, "myocardium": wall}
    parts |= {"infarction": infarct, "no_reflow": no_reflow}
    found = {f"{k}_area": float(v.sum() * pixel.prod()) for k, v in parts.items()}
    found |= _share(found, "infarction_area", "myocardium_area")
    if wall.any() and not infarct.any():
        found["transmurality"] = 0.0
    if cavity.any():
        box = ndimage.find_objects((cavity | wall).astype(np.int8))[0]
        cavity, wall, infarct = (np.pad(part[box], 3) for part in (cavity, wall, infarct))
        found |= _shape(_part(cavity), wall, infarct, pixel)
    return found


def _shape(cavity: Mask, wall: Mask, infarct: Mask, pixel: Pair) -> dict[str, float]:
    """What depends on where pixels are; the cavity is in one part."""
    places = np.argwhere(cavity)
    found = {"eccentricity": _eccentricity(places * pixel, pixel)}
    rays = _rays(places.mean(0), cavity.shape, pixel)
    if infarct.any():
        found["transmurality"] = _transmurality(wall, infarct, rays)
    if np.asarray(ndimage.binary_fill_holes(wall))[cavity].all():
        thickness = _thickness(cavity, wall, rays)
        if np.isfinite(thickness).all():
            found["wall_thickness_mean"] = float(thickness.mean())
            arcs = ndimage.uniform_filter1d(thickness, ARC, mode="wrap")
            found["wall_thickness_min"] = float(arcs.min())
    return found


def _part(mask: Mask) -> Mask:
    """The connected part with the most pixels; neighbours share a side."""
    parts = np.asarray(ndimage.label(mask)[0])  # pyright: ignore[reportIndexIssue]
    return parts == 1 + np.argmax(np.bincount(parts.ravel())[1:])


def _eccentricity(places: Float[np.ndarray, "n 2"], pixel: Pair) -> float:
    """Of pixels that are areas, not points: a single square one has none."""
    moments = np.cov(places.T, bias=True) + np.diag(pixel**2) / 12
    least, most = np.linalg.eigvalsh(moments)
    return float(np.sqrt(max(0.0, 1 - least / most)))


@dataclass(frozen=True)
class _Rays:
    """Places along rays.

    Attributes:
        way: Down and to the right, a unit vector for every ray.
        radii: Distance from the middle.
        places: Row and column in pixels.
    """

    way: Float[np.ndarray, "rays 2"]
    radii: Float[np.ndarray, " n"]
    places: Float[np.ndarray, "2 rays n"]


def _rays(middle: Pair, shape: tuple[int, ...], pixel: Pair) -> _Rays:
    angle = (np.arange(RAYS) + 0.5) / RAYS * 2 * np.pi
    way = np.stack([np.sin(angle), np.cos(angle)], axis=1)
    reach = np.linalg.norm(np.maximum(middle, np.array(shape) - middle) * pixel)
    radii = np.arange(0, reach, STEP_PX * pixel.min())
    places = middle[:, None, None] + (way / pixel).T[:, :, None] * radii
    return _Rays(way, radii, places)


def _transmurality(wall: Mask, infarct: Mask, rays: _Rays) -> float:
    """Percent; rays meet the pixels that they cross."""
    last = np.array(wall.shape)[:, None, None] - 1
    row, column = np.clip(np.rint(rays.places), 0, last).astype(int)
    dead, muscle = (part[row, column].sum(1) for part in (infarct, wall))
    met = dead > 0
    return float(100 * np.mean(dead[met] / muscle[met]))


def _thickness(cavity: Mask, wall: Mask, rays: _Rays) -> Float[np.ndarray, " rays"]:
    """At every point of the inner outline; NaN where a ray does not meet both outlines."""
    solid = np.asarray(ndimage.binary_fill_holes(cavity | wall))
    parts = np.asarray(ndimage.label(solid)[0])  # pyright: ignore[reportIndexIssue]
    inner = _outline(np.asarray(ndimage.binary_fill_holes(cavity)), rays)
    outer = _outline(parts == parts[cavity][0], rays)
    return _to_polygon(inner[:, None] * rays.way, outer[:, None] * rays.way)


def _outline(solid: Mask, rays: _Rays) -> Float[np.ndarray, " rays"]:
    """Farthest radius at which the blurred mask falls below 1/2; NaN where it never reaches it."""
    soft = ndimage.gaussian_filter(solid.astype(np.float64), BLUR_PX, mode="constant")
    along = ndimage.map_coordinates(soft, rays.places, order=1) - 0.5
    last = along.shape[1] - 1 - np.argmax((along >= 0)[:, ::-1], axis=1)
    first_out = np.minimum(last + 1, along.shape[1] - 1)
    above, below = (_at(along, place) for place in (last, first_out))
    over = np.where(above >= 0, above / np.where(above > below, above - below, 1), np.nan)
    return rays.radii[last] + over * rays.radii[1]


def _at(rows: Float[np.ndarray, "r n"], place: Int[np.ndarray, " r"]) -> Float[np.ndarray, " r"]:
    return np.take_along_axis(rows, place[:, None], axis=1)[:, 0]


def _to_polygon(
    points: Float[np.ndarray, "n 2"], corners: Float[np.ndarray, "m 2"]
) -> Float[np.ndarray, " n"]:
    """Distance of every point to the nearest of the polygon's sides."""
    side = np.roll(corners, -1, axis=0) - corners
    way = points[:, None] - corners
    along = (way * side).sum(2) / np.maximum((side**2).sum(1), np.finfo(float).tiny)
    off = way - np.clip(along, 0, 1)[:, :, None] * side
    return np.sqrt((off**2).sum(2).min(1))
