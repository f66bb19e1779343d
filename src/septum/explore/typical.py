"""How far an image is from those of the training, and where in it.

    index: pooled features --whitened by those of the training--> distance
    index: content maps --principal axes--> distance to the nearest of the training at that place

The distance is that of Mahalanobis with a shrunk covariance (`septum.metrics.density`), that of a
place as in the task `outliers`. Both say something only beside those of validation images, which
the training has not seen: of one image per subject, so that it and a new one are exchangeable.
"""

import importlib
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Float32, Float64
from torch import Tensor
from torch.nn import functional as F

from septum.contract import BadInput, Discretises, Record
from septum.explore.index import Index, Progress
from septum.explore.shown import Shown
from septum.metrics import density

IMAGES, MAPS, VALIDATED = 2_000, 300, 100
"""Most training images, training maps and validation maps that are used, drawn at random."""
AXES = 16
CELLS = 32
"""Places along a side of a map; a finer one is averaged over squares."""
BATCH = 16
FARTHEST = 99.0
"""Percentile of the places of validation images at which a picture of distances is full."""


@dataclass(frozen=True, kw_only=True)
class Typical:
    """Distances of all records of a run from its training images.

    Attributes:
        distance: In standard deviations, of every record.
        validated: Places of a validation image of every subject.
        place_distance: Distance of every place of maps; None where a record has no map.
        most: Of a place that is farther than 99 of 100 of validation images.
    """

    distance: Float64[np.ndarray, " n"]
    validated: Sequence[int]
    place_distance: Callable[[Float[Tensor, "b d h w"]], Float64[Tensor, "b h w"]] | None
    most: float

    def farther(self, place: int) -> tuple[int, int]:
        """How many validation images are at least as far as a record, and of how many others."""
        others = [other for other in self.validated if other != place]
        return int((self.distance[others] >= self.distance[place]).sum()), len(others)

    def where(self, content: Float32[np.ndarray, "d h w"]) -> Float64[np.ndarray, "h w"]:
        """Distance of every place of a map over `most`; NaN where none is told."""
        assert self.place_distance is not None
        part = coarse(torch.from_numpy(content.copy())[None])
        return self.place_distance(part)[0].numpy() / self.most


def typical(shown: Shown, index: Index, progress: Progress, *, seed: int = 0) -> Typical:
    """Fit to the training images of a run, and ask about all its records.

    Raises:
        BadInput: No training image, or a single one, is on the page.
    """
    rng = np.random.default_rng(seed)
    train = rng.permutation(of_split(shown.records, "train"))[:IMAGES].tolist()
    if len(train) < 2:
        raise BadInput(
            "Fewer than two training images are on the page, and distances are from these; open "
            "it without --only, on the data that the run was trained on."
        )
    validated = one_each(shown.records, of_split(shown.records, "val"), seed=seed)
    distance = mahalanobis(index.pooled, train)
    progress(0.1)
    if index.content is None:
        return Typical(distance=distance, validated=validated, place_distance=None, most=1.0)
    measure = _by_place(shown, index.content, train[:MAPS], progress)
    few = rng.permutation(validated or train)[:VALIDATED].tolist()
    seen = torch.cat([measure(part) for part in _parts(index.content, few)])
    most = float(np.nanpercentile(seen.numpy(), FARTHEST))
    return Typical(distance=distance, validated=validated, place_distance=measure, most=most or 1.0)


def mahalanobis(
    pooled: Float32[np.ndarray, "n e"], train: Sequence[int]
) -> Float64[np.ndarray, " n"]:
    """Distance of every vector from those at these places, whose covariance is shrunk."""
    seen = density.moments(torch.from_numpy(pooled[list(train)]))
    flow = density.shrunk_flow(seen)
    return flow.distance(torch.from_numpy(np.array(pooled))).numpy()


def of_split(records: Sequence[Record], split: str) -> list[int]:
    """Places of the records of a split."""
    return [place for place, record in enumerate(records) if record.split == split]


def one_each(records: Sequence[Record], places: Sequence[int], *, seed: int) -> list[int]:
    """One of the places of every subject, drawn at random."""
    first: dict[str, int] = {}
    for place in np.random.default_rng(seed).permutation(np.array(places, int)).tolist():
        first.setdefault(records[place].subject, place)
    return sorted(first.values())


def _by_place(
    shown: Shown,
    content: Float32[np.ndarray, "n d h w"],
    train: Sequence[int],
    progress: Progress,
) -> Callable[[Float[Tensor, "b d h w"]], Float64[Tensor, "b h w"]]:
    """Distance of every place of a map to the nearest of training maps there or beside it."""
    outliers: Any = importlib.import_module("septum.tasks.outliers")  # takes seconds
    describe = outliers.Describe(windows=isinstance(shown.run.model, Discretises))
    seen = reduce(
        add, (density.moments(describe(part).flatten(0, 2)) for part in _parts(content, train))
    )
    progress(0.4)
    axes = density.principal_axes(seen, axes=AXES)
    maps = torch.cat([axes(describe(part)) for part in _parts(content, train)])
    inside = torch.ones(maps.shape[:3], dtype=torch.bool)
    near = density.Neighbours(maps=maps, inside=inside, k=outliers.NEAREST)
    progress(0.7)

    def measure(part: Float[Tensor, "b d h w"]) -> Float64[Tensor, "b h w"]:
        found = near.distance(axes(describe(part)))
        margin = (part.shape[2] - found.shape[1]) // 2
        return F.pad(found, (margin,) * 4, value=torch.nan)

    return measure


def _parts(
    content: Float32[np.ndarray, "n d h w"], places: Sequence[int]
) -> Iterator[Float[Tensor, "b d h w"]]:
    """Maps of records, some at a time and no finer than `CELLS`."""
    for start in range(0, len(places), BATCH):
        yield coarse(torch.from_numpy(content[list(places[start : start + BATCH])]))


def coarse(part: Float[Tensor, "b d h w"]) -> Float[Tensor, "b d h2 w2"]:
    """Maps of at most so many places along a side."""
    square = math.ceil(max(part.shape[2:]) / CELLS)
    return part if square == 1 else F.avg_pool2d(part, square)
