"""What a model measures in a still picture: masks with their areas and Dice, and its estimates."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, UInt8

from septum.contract import Regresses, Segments
from septum.explore import pictures
from septum.explore.edits import segmented
from septum.explore.pictures import Colours
from septum.explore.shown import Shown
from septum.metrics import attributes, overlap
from septum.metrics.labels import number, pixel_mm
from septum.palette import colour, tints

Row = Mapping[str, str | float | None]


@dataclass(frozen=True, kw_only=True)
class Masked:
    """A picture, the mask that the model draws on it, and the true one if that is known."""

    said: UInt8[np.ndarray, "h w"]
    true: UInt8[np.ndarray, "h w"] | None


def masked(shown: Shown, place: int) -> Masked:
    """The masks of an image; the lock of the run is held.

    Raises:
        BadInput: The model has other classes than its images.
    """
    batch = shown.batch(place)
    said = segmented(shown, batch.image[0, 0].numpy())
    mask = batch.mask
    is_known = mask is not None and bool((mask >= 0).all())
    return Masked(said=said, true=mask[0].byte().numpy() if is_known and mask is not None else None)


def structures(shown: Shown, place: int, found: Masked) -> list[Row]:
    """Area and Dice of every structure that is drawn or true."""
    pixel = pixel_mm(shown.records[place])
    unit, size = ("px", 1.0) if pixel is None else ("mm2", pixel[0] * pixel[1])
    rows: list[Row] = []
    for k, name in enumerate(shown.samples.classes):
        area = {w: float(size * (m == k).sum()) for w, m in _both(found).items()}
        if k and any(area.values()):
            rows.append(
                {
                    "measure": f"{name} area",
                    "unit": unit,
                    "said": area["said"],
                    "true": area.get("true"),
                }
            )
            if "true" in area:
                rows.append({"measure": f"{name} Dice", "unit": "", "said": dice(found, k)})
    return rows


def dice(found: Masked, k: int) -> float:
    """Of one class, between what is said and what is true."""
    said, true = (torch.from_numpy(m == k)[None, None] for m in _both(found).values())
    return float(overlap.dice(said, true))


def shapes(shown: Shown, place: int, found: Masked) -> list[Row]:
    """Attributes of the mask (`septum.metrics.attributes`), and of the true one."""
    classes, pixel = shown.samples.classes, pixel_mm(shown.records[place])
    of = {w: attributes.of_slice(m, classes, pixel_mm=pixel) for w, m in _both(found).items()}
    return [
        {"measure": name, "unit": "", **{who: values.get(name) for who, values in of.items()}}
        for name in dict.fromkeys(name for values in of.values() for name in values)
        if "_area" not in name
    ]


@torch.no_grad()
def estimates(shown: Shown, place: int) -> list[Row]:
    """What the model estimates of an image; the lock of the run is held."""
    model = shown.run.model
    if not isinstance(model, Regresses):
        return []
    said = model.regress(shown.image(place))
    record = shown.records[place]
    return [
        {"measure": name, "unit": "", "said": float(value[0]), "true": number(record, name)}
        for name, value in said.items()
    ]


def over(
    picture: UInt8[np.ndarray, "h w"], mask: UInt8[np.ndarray, "h2 w2"], classes: Sequence[str]
) -> Colours:
    """A picture under the structures of a mask, in the colours of `palette.colour`."""
    maps = np.stack([mask == k for k in range(1, len(classes))])
    return pictures.tinted(picture, tints(maps, [colour(k) for k in range(1, len(classes))]))


def warm(picture: UInt8[np.ndarray, "h w"], share: Float[np.ndarray, "h2 w2"]) -> Colours:
    """A picture under orange, the stronger the closer a place is to 1 or beyond; NaN is clear."""
    opacity = 0.8 * np.nan_to_num(share).clip(0, 1)
    orange = np.broadcast_to(np.array([0.902, 0.624, 0.0]), (*share.shape, 3))
    return pictures.tinted(picture, np.concatenate([orange, opacity[..., None]], axis=-1))


def can_segment(shown: Shown) -> bool:
    """Whether the model draws masks of stills."""
    return isinstance(shown.run.model, Segments) and not shown.is_film()


def _both(found: Masked) -> dict[str, UInt8[np.ndarray, "h w"]]:
    return {"said": found.said} | ({} if found.true is None else {"true": found.true})
