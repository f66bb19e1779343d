"""What a picture of a heart would be, had it more or less of one attribute; from its mask.

    mask --rays from the middle of the cavity--> its inner and outer wall, by angle
    cavity, wall, thickness: both walls elsewhere   --> where every pixel comes from
    infarct, its share: the wall is scarred or healed --> what every pixel is lifted by

Rays keep their angle, and squared distances along them are stretched evenly in the cavity, in the
wall and around, so that every part keeps its share of the area that its ring gains or loses. What
is as far away as the nearest edge of the picture stays where it is.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf, pi

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional as F

from septum.contract import Batch
from septum.nn.blur import gaussian_blur
from septum.nn.ranks import draw

CAVITY = ("left_ventricle",)
SCAR = ("infarction", "no_reflow")
WALL = ("myocardium", *SCAR)
KNOWN = (
    "left_ventricle_area", "myocardium_area", "wall_thickness_mean", "infarction_area",
    "infarct_share",
)  # fmt: skip
"""Attributes that can be given and taken here."""
UNITS = ("_px", "_mm2", "_mm", "_percent")
WAVES = 4
"""Of a wall along the angle; finer detail of it is left out."""
WITHIN = 0.92
"""Share of the squared distance to the nearest edge that the outer wall may reach."""
SOFT_PX = 0.8
"""Blur of the edge of a scar."""
DEPTH = 0.7
"""How much sooner, in radians, a scar grows along the cavity than right through the wall."""
LEAST_LIFT, USUAL_LIFT, ABOVE_BLOOD = 0.15, 0.25, 0.08
"""How much brighter scar is: at least; where no wall is healthy; and than blood, where none is."""
LEAST_PX = 4
"""Of pixels whose mean says how bright a tissue is."""
RIM_PX = 2


@dataclass(frozen=True, kw_only=True)
class Lesson:
    """Images with another amount of an attribute, each its own.

    Attributes:
        rows: Which images of the batch they are.
        which: Of the attributes.
        amount: In [-1, 1]: how far, and to which end.
        field: What makes the one of the other, as for `septum.nn.reshaping.changed`.
        inside: The heart before or after, and two pixels round it.
    """

    rows: Int[Tensor, " n"]
    which: Int[Tensor, " n"]
    amount: Float[Tensor, " n"]
    field: Float[Tensor, "n 3 h w"]
    inside: Bool[Tensor, "n 1 h w"]


@dataclass(frozen=True, kw_only=True)
class Rays:
    """A heart seen from the middle of its cavity; squared distances in square pixels.

    Attributes:
        middle: Row and column.
        angle: Of every pixel.
        square: Its squared distance.
        inner, outer: Those of the two walls at that angle.
        far: That of the nearest edge of the picture.
    """

    middle: Float[Tensor, "b 2 1 1"]
    angle: Float[Tensor, "b h w"]
    square: Float[Tensor, "b h w"]
    inner: Float[Tensor, "b h w"]
    outer: Float[Tensor, "b h w"]
    far: Float[Tensor, "b 1 1"]


def lesson(
    batch: Batch,
    classes: Sequence[str],
    names: Sequence[str],
    *,
    low: Sequence[float],
    high: Sequence[float],
    reach: float,
) -> Lesson | None:
    """For every slice whose heart is known one attribute of these, and an amount, drawn at random.

    An amount of 1 goes the share `reach` of the way from what is to `high`, one of -1 to `low`.
    None where no heart is known, or no attribute can be given.
    """
    able = [m for m, name in enumerate(names) if stem(name) in KNOWN]
    if batch.mask is None or batch.image.dim() != 4 or not able:
        return None
    image, mask = batch.image, batch.mask
    chance = draw(torch.rand, (len(image), 2), device=image.device)
    which = torch.tensor(able, device=image.device)[(len(able) * chance[:, 0]).long()]
    amount = 2 * chance[:, 1] - 1
    has = [of(mask, classes, part).flatten(1).any(1) for part in (CAVITY, WALL)]
    known, field = torch.zeros_like(has[0]), image.new_zeros(len(image), 3, *image.shape[2:])
    for m in able:
        now, end = _aim(batch, names[m], torch.where(amount > 0, high[m], low[m]))
        rows = torch.nonzero(has[0] & has[1] & (which == m) & ~(now + end).isnan())[:, 0]
        if len(rows):
            wanted = (now + reach * amount.abs() * (end - now))[rows]
            known[rows] = True
            field[rows] = given(
                image[rows], mask[rows], classes, stem(names[m]), now=now[rows], wanted=wanted
            )
    rows = torch.nonzero(known)[:, 0]
    if not len(rows):
        return None
    heart = (mask > 0) | (carried(mask, field) > 0)
    return Lesson(
        rows=rows, which=which[rows], amount=amount[rows], field=field[rows],
        inside=_near(heart)[rows],
    )  # fmt: skip


def _aim(
    batch: Batch, name: str, end: Float[Tensor, " b"]
) -> tuple[Float[Tensor, " b"], Float[Tensor, " b"]]:
    """What images have of an attribute, and where its edit ends, both in pixels or percent."""
    one = pixel(name, batch)
    return batch.labels.get(name, torch.nan * one) / one, end / one


def given(
    image: Float[Tensor, "b 1 h w"],
    mask: Int[Tensor, "b h w"],
    classes: Sequence[str],
    attribute: str,
    *,
    now: Float[Tensor, " b"],
    wanted: Float[Tensor, " b"],
) -> Float[Tensor, "b 3 h w"]:
    """The field that gives these hearts so much of an attribute, one of `KNOWN`.

    Args:
        image: Intensities in [0, 1].
        mask: Each with a cavity and a wall.
        classes: Of the mask.
        attribute: Without unit.
        now: How much of it they have: pixels, sides of a pixel, or percent.
        wanted: How much they are to have.
    """
    rays, times = seen(mask, classes), (wanted / now.clamp(min=1e-6))[:, None, None]
    if attribute == "infarct_share":
        wanted = wanted / 100 * of(mask, classes, WALL).flatten(1).sum(1)
    if attribute in {"infarction_area", "infarct_share"}:
        lift = _scarred(image[:, 0], mask, classes, rays, wanted)[:, None]
        return torch.cat([0 * lift, 0 * lift, lift], dim=1)
    inner, outer = rays.inner, rays.outer
    if attribute == "left_ventricle_area":
        inner = times * inner
        outer = outer + inner - rays.inner
    elif attribute == "myocardium_area":
        outer = inner + times * (outer - inner)
    else:
        outer = (inner.sqrt() + times * (outer.sqrt() - inner.sqrt())).square()
    return torch.cat([_stretched(rays, inner, outer), torch.zeros_like(image)], dim=1)


def seen(mask: Int[Tensor, "b h w"], classes: Sequence[str]) -> Rays:
    """A heart from the middle of its cavity."""
    cavity = of(mask, classes, CAVITY).float()
    height, width = mask.shape[-2:]
    places = torch.stack(torch.meshgrid(
        torch.arange(height, device=mask.device), torch.arange(width, device=mask.device),
        indexing="ij",
    )).float()  # fmt: skip
    middle = (cavity[:, None] * places).sum((2, 3)) / cavity.sum((1, 2))[:, None]
    middle = middle[:, :, None, None]
    y, x = (places - middle).unbind(1)
    angle = torch.atan2(y, x)
    edge = torch.tensor([height - 1, width - 1], device=mask.device)[:, None, None] - middle
    inner = _wall(cavity, angle)
    heart = cavity + of(mask, classes, WALL)
    return Rays(
        middle=middle, angle=angle, square=y.square() + x.square(), inner=inner,
        outer=torch.maximum(_wall(heart, angle), inner + 1),
        far=torch.minimum(middle, edge).amin(1).square(),
    )  # fmt: skip


def _wall(inside: Float[Tensor, "b h w"], angle: Float[Tensor, "b h w"]) -> Tensor:
    """Squared distance of the edge of a region, at the angle of every pixel.

    The area between two rays is half the mean of that, times their angle; it is a Fourier series
    of the angles of the pixels inside.
    """
    turns = torch.arange(WAVES + 1, device=angle.device)[:, None, None] * angle[:, None]
    waves = torch.stack([turns.cos(), turns.sin()])
    means = (inside[:, None] * waves).sum((-2, -1), keepdim=True) / pi
    means[:, :, 0] /= 2
    return (2 * (means * waves).sum((0, 2))).clamp(min=1)


def _stretched(rays: Rays, inner: Tensor, outer: Tensor) -> Float[Tensor, "b 2 h w"]:
    """From where pixels come if the walls are to be at these squared distances."""
    outer = torch.minimum(outer, torch.maximum(WITHIN * rays.far, rays.outer))
    inner = torch.minimum(inner, outer - 1)
    at = rays.square
    wall = rays.inner + (at - inner) * (rays.outer - rays.inner) / (outer - inner)
    around = rays.outer + (at - outer) * (rays.far - rays.outer) / (rays.far - outer)
    source = torch.where(at < inner, at * rays.inner / inner, torch.where(at < outer, wall, around))
    way = torch.where(at < rays.far, source.clamp(min=0), at).sqrt() - at.sqrt()
    return torch.stack([way * rays.angle.sin(), way * rays.angle.cos()], dim=1)


def _scarred(
    image: Float[Tensor, "b h w"],
    mask: Int[Tensor, "b h w"],
    classes: Sequence[str],
    rays: Rays,
    wanted: Float[Tensor, " b"],
) -> Float[Tensor, "b h w"]:
    """How much brighter the wall gets where it is scarred, or darker where it heals.

    A scar grows from its middle, or else from where the wall is brightest, along the cavity sooner
    than outwards, and shrinks to there.
    """
    scar, wall = of(mask, classes, SCAR), of(mask, classes, WALL)
    bright = image - _mean(image, wall, image.new_zeros(len(image)))[:, None, None]
    weight = torch.where(wall, torch.where(scar, 100.0, bright), 0)
    start = torch.atan2(
        (weight * rays.angle.sin()).sum((1, 2)), (weight * rays.angle.cos()).sum((1, 2))
    )
    off = rays.angle - start[:, None, None]
    depth = ((rays.square - rays.inner) / (rays.outer - rays.inner)).clamp(0, 1)
    late = torch.atan2(off.sin(), off.cos()).abs() + DEPTH * depth
    late = torch.where(wall, late - 100 * scar, inf)
    rank = late.flatten(1).argsort(1).argsort(1).view_as(late)
    after = wall & (rank < wanted[:, None, None])
    soft = gaussian_blur((after.float() - scar.float())[:, None], SOFT_PX)[:, 0]
    return soft * _lift(image, mask, classes)[:, None, None]


def _lift(image: Tensor, mask: Tensor, classes: Sequence[str]) -> Float[Tensor, " b"]:
    """By how much scar is brighter than healthy wall, as far as a picture shows it."""
    scar, blood = of(mask, classes, SCAR), of(mask, classes, CAVITY)
    healthy = of(mask, classes, WALL) & ~scar
    bright = _mean(image, scar, _mean(image, blood, image.mean((1, 2))) + ABOVE_BLOOD)
    return (bright - _mean(image, healthy, bright - USUAL_LIFT)).clamp(min=LEAST_LIFT)


def _mean(image: Tensor, inside: Tensor, otherwise: Tensor) -> Float[Tensor, " b"]:
    """Of the pixels inside; where these are too few, otherwise."""
    count = inside.sum((1, 2))
    mean = (image * inside).sum((1, 2)) / count.clamp(min=1)
    return torch.where(count < LEAST_PX, otherwise, mean)


def carried(mask: Int[Tensor, "b h w"], field: Float[Tensor, "b 3 h w"]) -> Int[Tensor, "b h w"]:
    """Class indices, each from the nearest pixel; scars are left as they were."""
    height, width = mask.shape[-2:]
    rows = torch.arange(height, device=mask.device)[:, None] + field[:, 0]
    columns = torch.arange(width, device=mask.device) + field[:, 1]
    at = rows.round().clamp(0, height - 1) * width + columns.round().clamp(0, width - 1)
    return mask.flatten(1).gather(1, at.long().flatten(1)).view_as(mask)


def of(
    mask: Int[Tensor, "b h w"], classes: Sequence[str], names: Sequence[str]
) -> Bool[Tensor, "b h w"]:
    """Where a mask has one of these classes."""
    index = [i for i, name in enumerate(classes) if name in names]
    return torch.isin(mask, torch.tensor(index, device=mask.device))


def stem(name: str) -> str:
    """An attribute without its unit.

    >>> stem("wall_thickness_mean_mm")
    'wall_thickness_mean'
    """
    return next((name.removesuffix(unit) for unit in UNITS if name.endswith(unit)), name)


def pixel(name: str, batch: Batch) -> Float[Tensor, " b"]:
    """What a pixel, or its side, counts in the unit of an attribute; 1 where that is pixels."""
    one = batch.image.new_ones(len(batch.image))
    sides = [batch.labels.get(f"spacing_{axis}_mm", one * torch.nan) for axis in "yx"]
    if name.endswith("_mm2"):
        return sides[0] * sides[1]
    return (sides[0] * sides[1]).sqrt() if name.endswith("_mm") else one


def _near(inside: Bool[Tensor, "b h w"]) -> Bool[Tensor, "b 1 h w"]:
    side = 2 * RIM_PX + 1
    return F.max_pool2d(inside[:, None].float(), side, stride=1, padding=RIM_PX) > 0
