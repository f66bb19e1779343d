"""Prepared data: frames on disk, facts in memory, batches by place."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Float32, Int, UInt8
from torch import Tensor

from septum.contract import BadInput, Batch, Record
from septum.data.limits import Limits, allows, refuse_empty
from septum.data.shards import Frames
from septum.data.split import SPLITS


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """One data set, or several joined, at one size.

    Attributes:
        records: One per image; every one has a split and its data set as the label `data`, points
            are in prepared pixels, and `spacing_y_mm`, `spacing_x_mm` tell the size of a prepared
            pixel where it is known.
        places: Frame of every record.
        limits: Labels that the records were chosen by.
        masks: Class indices, 255 where a record has no mask; None where no record has one.
    """

    name: str
    classes: Sequence[str]
    records: Sequence[Record]
    places: Int[np.ndarray, " n"]
    images: Frames
    sectors: Frames
    masks: Frames | None
    limits: Limits = field(default_factory=dict[str, Sequence[str]])

    def limited(self, limits: Limits) -> "Prepared":
        """The images whose labels have these values; all of them where no label is named.

        Raises:
            BadInput: There is none.
        """
        refuse_empty(limits, self.records)
        kept = [i for i, record in enumerate(self.records) if allows(limits, record)]
        records, places = [self.records[i] for i in kept], self.places[kept]
        return replace(self, records=records, places=places, limits={**self.limits, **limits})

    def split(self, name: str) -> "Subset":
        """The samples of `train`, `val`, `test`, or `all`.

        Raises:
            BadInput: There is no such split, or nothing in it.
        """
        if name not in {*SPLITS, "all"}:
            raise BadInput(f"There is no split {name!r}; use train, val, test or all.")
        places = [i for i, r in enumerate(self.records) if name in {r.split, "all"}]
        if not places:
            filled = [s for s in SPLITS if any(r.split == s for r in self.records)]
            raise BadInput(
                f"The split {name!r} of {self.name} is empty; it has images in {', '.join(filled)}."
            )
        return Subset(whole=self, split=name, places=np.asarray(places))


@dataclass(frozen=True, kw_only=True)
class Subset:
    """The samples of one split (`septum.contract.Samples`)."""

    whole: Prepared
    split: str
    places: Int[np.ndarray, " n"]

    @property
    def name(self) -> str:
        """Name of the data set."""
        return self.whole.name

    @property
    def classes(self) -> Sequence[str]:
        """Name of every mask index; index 0 is `background`."""
        return self.whole.classes

    @property
    def records(self) -> Sequence[Record]:
        """One per image."""
        return self._records

    def batch(self, indices: Sequence[int]) -> Batch:
        """The images at these places of `records`."""
        rows = np.asarray(indices, np.int64)
        places = self.whole.places[self.places[rows]]
        masks = self.whole.masks
        return Batch(
            image=_intensities(self.whole.images.gather(places))[:, None],
            sector=torch.from_numpy(self.whole.sectors.gather(places).view(bool))[:, None],
            mask=None if masks is None else _indices(masks.gather(places)),
            labels={name: torch.from_numpy(v[rows]) for name, v in self._numbers.items()},
            ids=[self.records[i].id for i in indices],
        )

    @cached_property
    def _records(self) -> Sequence[Record]:
        return [self.whole.records[i] for i in self.places]

    @cached_property
    def _numbers(self) -> dict[str, Float32[np.ndarray, " n"]]:
        """Every numeric label of every record."""
        facts = [r.labels for r in self.records]
        names = {k: None for f in facts for k, v in f.items() if not isinstance(v, str)}
        return {k: np.array([_number(f.get(k)) for f in facts], np.float32) for k in names}


def _number(value: str | float | None) -> float:
    return math.nan if value is None or isinstance(value, str) else value


def _intensities(grey: UInt8[np.ndarray, "b h w"]) -> Tensor:
    return torch.from_numpy(np.multiply(grey, np.float32(1 / 255), dtype=np.float32))


def _indices(index: UInt8[np.ndarray, "b h w"]) -> Tensor:
    return torch.from_numpy(index.view(np.int8).astype(np.int64))  # 255 turns into -1
