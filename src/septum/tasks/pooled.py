"""Grids of features as one vector per image, the same way for every kind of feature.

    content | style | grey levels --mean, spread, mean in 4 x 4 fields--> vector

Content and style are pooled alike, as one must not lose what the other may keep. Means alone would
take away from either where things lie, and that is what anatomy is.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional as F

from septum.contract import Batch, Features, Model, Record, Samples
from septum.tasks.factors import AREA, Facts
from septum.tasks.frozen import encoded
from septum.tasks.landmarks import VENTRICLE

FIELDS = 4
"""Fields of the coarse layout along height and along width."""


@dataclass(frozen=True, kw_only=True)
class Seen:
    """Images of one split as a frozen model sees them.

    Attributes:
        facts: The labels of every image, and the area of the ventricle where it has a mask.
        inputs: By row of the matrix, one vector per image.
    """

    records: Sequence[Record]
    facts: Sequence[Facts]
    inputs: Mapping[str, Float[np.ndarray, "n _"]]

    @property
    def subjects(self) -> list[str]:
        """Of every image."""
        return [record.subject for record in self.records]


def seen(model: Model, samples: Samples, places: Sequence[int]) -> Seen:
    """Encode and pool the images at these places.

    Raises:
        BadInput: If the model encodes clips only.
    """
    inputs: dict[str, list[Tensor]] = {}
    areas: list[float] = []
    for batch, features in encoded(model, samples, places):
        for row, vectors in _vectors(batch, features).items():
            inputs.setdefault(row, []).append(vectors)
        areas += _areas(batch, samples.classes).tolist()
    records = [samples.records[place] for place in places]
    return Seen(
        records=records,
        facts=[{**r.labels, AREA: area} for r, area in zip(records, areas, strict=True)],
        inputs={row: torch.cat(parts).double().numpy() for row, parts in inputs.items()},
    )


def summary(
    grid: Float[Tensor, "b d h w"], inside: Bool[Tensor, "b 1 h w"]
) -> Float[Tensor, "b e"]:
    """Mean and spread of every channel inside, and its mean inside each of 4 x 4 fields.

    A field with nothing inside has 0.
    """
    share = inside.to(grid.dtype)
    n = share.sum((2, 3), keepdim=True).clamp(min=1)
    mean = (grid * share).sum((2, 3), keepdim=True) / n
    spread = (((grid - mean) ** 2 * share).sum((2, 3), keepdim=True) / n).sqrt()
    filled = F.adaptive_avg_pool2d(share, FIELDS)
    fields = F.adaptive_avg_pool2d(grid * share, FIELDS) / torch.where(filled > 0, filled, 1)
    return torch.cat([mean.flatten(1), spread.flatten(1), fields.flatten(1)], dim=1)


def _vectors(batch: Batch, features: Features) -> dict[str, Float[Tensor, "b _"]]:
    """One vector per image for every row of the matrix."""
    h, w = features.content.shape[-2:]
    sector = torch.ones_like(batch.image[:, :1]) if batch.sector is None else batch.sector.float()
    inside = F.adaptive_avg_pool2d(sector, (h, w)) >= 0.5
    style = {} if features.style is None else {"style": summary(features.style, inside)}
    return {
        "content": summary(features.content, inside),
        **style,
        "pooled": features.pooled,
        "image": summary(_greys(batch.image, (h, w)), inside),
    }


def _greys(image: Float[Tensor, "b c H W"], grid: tuple[int, int]) -> Float[Tensor, "b c2 h w"]:
    """Mean and spread of the grey levels in every cell."""
    mean = F.adaptive_avg_pool2d(image, grid)
    square = F.adaptive_avg_pool2d(image**2, grid)
    return torch.cat([mean, (square - mean**2).clamp(min=0).sqrt()], dim=1)


def _areas(batch: Batch, classes: Sequence[str]) -> Float[Tensor, " b"]:
    """Percent of every image that is left ventricular cavity; NaN without such a mask."""
    indices = [i for i, name in enumerate(classes) if name in VENTRICLE]
    if batch.mask is None or not indices:
        return torch.full((len(batch.image),), torch.nan)
    cavity = torch.isin(batch.mask, torch.tensor(indices)).double().mean((1, 2))
    return (100 * cavity).where((batch.mask >= 0).any(2).any(1), torch.nan)
