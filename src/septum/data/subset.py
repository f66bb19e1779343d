"""The images of one split, and what is known of them."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Float, Float32, Int, UInt8
from torch import Tensor

from septum.contract import BadInput, Batch, Record
from septum.data.shards import Frames

LEVEL = np.float32(1 / 255)
"""Intensity of one grey level."""


@dataclass(frozen=True, kw_only=True)
class Subset:
    """The samples of one split (`septum.contract.Outlined`).

    Attributes:
        places: Frame of every record.
        images: None for films, of which a batch needs to know the clip.
        masks: Class indices, 255 where a record has no mask; None where no record has one.
        hidden: Subjects whose masks are kept from their images.
    """

    name: str
    split: str
    classes: Sequence[str]
    records: Sequence[Record]
    places: Int[np.ndarray, " n"]
    images: Frames | None
    sectors: Frames
    masks: Frames | None
    hidden: frozenset[str] = frozenset()

    def batch(self, indices: Sequence[int]) -> Batch:
        """The images at these places of `records`.

        Raises:
            BadInput: They are films.
        """
        if self.images is None:
            raise BadInput(
                f"{self.name} holds films, which are seen in clips; choose a model of clips, such "
                "as coreecho, or a data set of still images."
            )
        return self.shown(indices, _intensities(self.images.gather(self._places(indices)))[:, None])

    def shown(self, indices: Sequence[int], image: Float[Tensor, "b 1 *t h w"]) -> Batch:
        """These pictures of the records at these places, with what is known of them."""
        sectors = self.sectors.gather(self._places(indices))
        rows = np.asarray(indices, np.int64)
        return Batch(
            image=image,
            sector=torch.from_numpy(sectors.view(bool))[:, None],
            mask=self._masks(indices),
            labels={name: torch.from_numpy(v[rows]) for name, v in self._numbers.items()},
            texts={name: [v[i] for i in indices] for name, v in self._texts.items()},
            ids=[self.records[i].id for i in indices],
        )

    def annotated(self) -> Sequence[int]:
        """Places of the images that come with their mask."""
        return [i for i in self.outlined() if self.records[i].subject not in self.hidden]

    def outlined(self) -> Sequence[int]:
        """Places that have a mask, also one that is kept from its image."""
        if self.masks is None:
            return []
        return [i for i, record in enumerate(self.records) if is_outlined(record)]

    def shapes(self, indices: Sequence[int]) -> Int[Tensor, "m h w"]:
        """The masks at these places of `outlined`."""
        assert self.masks is not None
        return _indices(self.masks.gather(self._places(indices)))

    def _places(self, indices: Sequence[int]) -> Int[np.ndarray, " b"]:
        return self.places[np.asarray(indices, np.int64)]

    def _masks(self, indices: Sequence[int]) -> Int[Tensor, "b h w"] | None:
        """The masks at these places, -1 all over where one is kept back."""
        if self.masks is None:
            return None
        mask = self.shapes(indices)
        mask[[self.records[i].subject in self.hidden for i in indices]] = -1
        return mask

    @cached_property
    def _numbers(self) -> dict[str, Float32[np.ndarray, " n"]]:
        """Every numeric label of every record."""
        facts = [r.labels for r in self.records]
        names = {k: None for f in facts for k, v in f.items() if not isinstance(v, str)}
        return {k: np.array([_number(f.get(k)) for f in facts], np.float32) for k in names}

    @cached_property
    def _texts(self) -> dict[str, list[str]]:
        """Every text label of every record."""
        facts = [r.labels for r in self.records]
        names = {k: None for f in facts for k, v in f.items() if isinstance(v, str)}
        return {k: [_text(f.get(k)) for f in facts] for k in names}


def is_outlined(record: Record) -> bool:
    """Whether the record has a mask, in a file or traced."""
    return record.mask is not None or bool(record.outlines)


def _number(value: str | float | None) -> float:
    return math.nan if value is None or isinstance(value, str) else value


def _text(value: str | float | None) -> str:
    return value if isinstance(value, str) else ""


def _intensities(grey: UInt8[np.ndarray, "b h w"]) -> Tensor:
    return torch.from_numpy(np.multiply(grey, LEVEL, dtype=np.float32))


def _indices(index: UInt8[np.ndarray, "b h w"]) -> Tensor:
    return torch.from_numpy(index.view(np.int8).astype(np.int64))  # 255 turns into -1
