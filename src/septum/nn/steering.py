"""Attributes of drawn masks that gradients flow through, and how far an edit should move them."""

from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from septum.contract import Batch

WALL = ("myocardium", "infarction", "no_reflow")
SCAR = ("infarction", "no_reflow")
OTHERS: Mapping[str, Sequence[str]] = {
    "left_ventricle_area": ("myocardium_area", "infarction_area"),
    "myocardium_area": ("left_ventricle_area",),
    "wall_thickness_mean": ("left_ventricle_area",),
    "infarction_area": ("left_ventricle_area", "myocardium_area"),
    "infarct_share": ("left_ventricle_area", "myocardium_area"),
}
"""What can be measured here, and what else should stay where it is when it is edited."""
UNITS = ("_px", "_mm2", "_mm", "_percent")
STAY = 0.3
"""Weight of a shift beside a miss: at 1, edits that do nothing are hard to leave."""
STEADY_PX = 50.0
"""Beside which a shift of an area of almost nothing is small."""
SHARP_PX = 1.0
"""Keeps roots and shares of almost nothing smooth."""


def stem(name: str) -> str:
    """An attribute without its unit.

    >>> stem("wall_thickness_mean_mm")
    'wall_thickness_mean'
    """
    return next((name.removesuffix(unit) for unit in UNITS if name.endswith(unit)), name)


def measured(
    mask: Float[Tensor, "b classes h w"], classes: Sequence[str], attribute: str
) -> Float[Tensor, " b"]:
    """One of `OTHERS` on probabilities of classes: pixels, for the share a percentage.

    The thickness is that of a ring of the same cavity and wall: sqrt((A + W) / pi) - sqrt(A / pi).
    """

    def area(names: Sequence[str]) -> Float[Tensor, " b"]:
        planes = [mask[:, classes.index(name)] for name in names if name in classes]
        return torch.stack(planes).sum((0, 2, 3)) if planes else mask.new_zeros(len(mask))

    cavity, wall, scar = area(("left_ventricle",)), area(WALL), area(SCAR)
    outer, inner = ((of / torch.pi + SHARP_PX).sqrt() for of in (cavity + wall, cavity))
    return {
        "left_ventricle_area": cavity,
        "myocardium_area": wall,
        "wall_thickness_mean": outer - inner,
        "infarction_area": scar,
        "infarct_share": 100 * scar / (wall + SHARP_PX),
    }[attribute]


def pixel(name: str, batch: Batch) -> Float[Tensor, " b"]:
    """What a pixel, or its side, counts in the unit of an attribute; 1 where that is pixels."""
    one = batch.image.new_ones(len(batch.image))
    sides = [batch.labels.get(f"spacing_{axis}_mm", one * torch.nan) for axis in "yx"]
    if name.endswith("_mm2"):
        return sides[0] * sides[1]
    return (sides[0] * sides[1]).sqrt() if name.endswith("_mm") else one


def missed(
    before: Float[Tensor, "b classes h w"],
    after: Float[Tensor, "b classes h w"],
    classes: Sequence[str],
    attribute: str,
    *,
    amount: Float[Tensor, " b"],
    low: Float[Tensor, " b"],
    high: Float[Tensor, " b"],
) -> Float[Tensor, ""]:
    """How far edited images are from what the amount asks for; mean over images where known.

    The miss of the attribute by its range and, with less weight, the shift of what should stay by
    its size before.
    """
    now = measured(before, classes, attribute)
    wanted = aim(now, amount, low=low, high=high)
    off = (measured(after, classes, attribute) - wanted).abs() / (high - low)
    for other in OTHERS[attribute]:
        was = measured(before, classes, other)
        off = off + STAY * (measured(after, classes, other) - was).abs() / (was + STEADY_PX)
    known = ~off.isnan()
    return torch.where(known, off, 0).sum() / known.sum().clamp(min=1)


def aim(
    now: Float[Tensor, " b"],
    amount: Float[Tensor, " b"],
    *,
    low: Float[Tensor, " b"],
    high: Float[Tensor, " b"],
) -> Float[Tensor, " b"]:
    """Where an edit by this amount should end: on the straight way from now to the bound.

    >>> one = torch.ones(3)
    >>> aim(4 * one, torch.tensor([-1.0, 0.0, 0.5]), low=one, high=8 * one)
    tensor([1., 4., 6.])
    """
    bound = torch.where(amount > 0, high, low)
    return now + amount.abs() * (bound - now)
