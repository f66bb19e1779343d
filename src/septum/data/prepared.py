"""Prepared data: frames on disk, facts in memory, batches by place."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Float32, Int, UInt8
from torch import Tensor

from septum.contract import BadInput, Batch, Record
from septum.data.limits import Limits, allows, refuse_empty
from septum.data.shards import Frames
from septum.data.split import SPLITS, by_fold


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """One data set, or several joined, at one size.

    Attributes:
        records: One per image; every one has a split and its data set as the label `data`, points
            are in prepared pixels, and `spacing_y_mm`, `spacing_x_mm` tell the size of a prepared
            pixel where it is known.
        places: Frame of every record.
        limits: Labels that the records were chosen by.
        groups: Classes that make up the structures of the masks, where these were merged.
        masks: Class indices, 255 where a record has no mask; None where no record has one.
        fold: Which one of a cross-validation the splits are; None for those of the data set.
        shown: Share of the training subjects whose masks are shown.
        hidden: The other training subjects.
    """

    name: str
    classes: Sequence[str]
    records: Sequence[Record]
    places: Int[np.ndarray, " n"]
    images: Frames
    sectors: Frames
    masks: Frames | None
    limits: Limits = field(default_factory=dict[str, Sequence[str]])
    groups: Mapping[str, Sequence[str]] = field(default_factory=dict[str, Sequence[str]])
    fold: int | None = None
    shown: float = 1.0
    hidden: frozenset[str] = frozenset()

    def limited(self, limits: Limits) -> "Prepared":
        """The images whose labels have these values; all of them where no label is named.

        Raises:
            BadInput: There is none.
        """
        refuse_empty(limits, self.records)
        kept = [i for i, record in enumerate(self.records) if allows(limits, record)]
        records, places = [self.records[i] for i in kept], self.places[kept]
        return replace(self, records=records, places=places, limits={**self.limits, **limits})

    def folded(self, fold: int) -> "Prepared":
        """The images in the splits of one fold of a cross-validation, dealt per data set.

        Raises:
            BadInput: There is no such fold, or a data set has too few subjects.
        """
        place = {
            f"{name}/{subject}": split
            for name, of in self._subjects().items()
            for subject, split in by_fold([_alone(s, name) for s in of], fold).items()
        }
        records = [
            replace(r, split=place[f"{name}/{_alone(r.subject, name)}"])
            for r in self.records
            for name in [str(r.labels["data"])]
        ]
        return replace(self, records=records, fold=fold)

    def labelled(self, share: float, *, seed: int = 0) -> "Prepared":
        """Only this share of the training subjects keep their masks, chosen by the seed.

        A larger share has the subjects of a smaller one. Every image with a mask gets the area of
        every class as the label `NAME_px`, also where its mask is now hidden.

        Raises:
            BadInput: The share yields no subject, or is more than 1.
        """
        shown = {s for of in self._annotated().values() for s in _share(of, share, seed)}
        hidden = {s for of in self._annotated().values() for s in of} - shown
        return replace(self._with_areas(), hidden=frozenset(hidden), shown=share)

    def kept(self, shares: Mapping[str, float], *, seed: int = 0) -> "Prepared":
        """Only this share of the training subjects of every named data set; 0 leaves it out.

        What is not for training stays as it is.

        Raises:
            BadInput: A share yields no subject, or is more than 1.
        """
        of = self._subjects("train")
        keep = {s for name in of for s in _wanted(of[name], shares.get(name, 1.0), seed)}
        stay = [i for i, r in enumerate(self.records) if r.split != "train" or r.subject in keep]
        return replace(self, records=[self.records[i] for i in stay], places=self.places[stay])

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

    def _subjects(self, split: str | None = None) -> dict[str, list[str]]:
        """Subjects by data set, in the order of their names."""
        of: dict[str, set[str]] = {}
        for record in self.records:
            if split in {None, record.split}:
                of.setdefault(str(record.labels["data"]), set()).add(record.subject)
        return {name: sorted(found) for name, found in of.items()}

    def _annotated(self) -> dict[str, list[str]]:
        """Training subjects with a mask, by data set."""
        masked = [r for r in self.records if r.mask is not None]
        return replace(self, records=masked)._subjects("train")

    def _with_areas(self) -> "Prepared":
        if self.masks is None:
            return self
        masked = [(i, record) for i, record in enumerate(self.records) if record.mask is not None]
        records = list(self.records)
        for i, record in masked:
            frame = self.masks.gather(self.places[i : i + 1])
            counts = np.bincount(frame.ravel(), minlength=len(self.classes))
            areas = {f"{n}_px": float(counts[k]) for k, n in enumerate(self.classes) if k}
            records[i] = replace(record, labels={**areas, **record.labels})
        return replace(self, records=records)


def _alone(subject: str, data: str) -> str:
    """The name of a subject in its own data set: joined with others or not, its fold is one."""
    return subject.removeprefix(f"{data}/")


def _wanted(subjects: Sequence[str], share: float, seed: int) -> Sequence[str]:
    return _share(subjects, share, seed) if share else ()


def _share(subjects: Sequence[str], share: float, seed: int) -> Sequence[str]:
    """The first of the subjects in an order drawn from the seed."""
    if not 0 < share <= 1 or not (count := round(share * len(subjects))):
        raise BadInput(
            f"A share of {share:g} of {len(subjects)} training subjects is none; use a share from "
            f"{1 / max(len(subjects), 1):.2g} to 1."
        )
    order = np.random.default_rng(seed).permutation(len(subjects))
    return [subjects[int(i)] for i in order[:count]]


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
        return Batch(
            image=_intensities(self.whole.images.gather(places))[:, None],
            sector=torch.from_numpy(self.whole.sectors.gather(places).view(bool))[:, None],
            mask=self._masks(indices),
            labels={name: torch.from_numpy(v[rows]) for name, v in self._numbers.items()},
            ids=[self.records[i].id for i in indices],
        )

    def annotated(self) -> Sequence[int]:
        """Places of the images that come with their mask."""
        return [i for i in self.outlined() if self.records[i].subject not in self.whole.hidden]

    def outlined(self) -> Sequence[int]:
        """Places that have a mask, also one that is kept from its image."""
        if self.whole.masks is None:
            return []
        return [i for i, record in enumerate(self.records) if record.mask is not None]

    def shapes(self, indices: Sequence[int]) -> Int[Tensor, "m h w"]:
        """The masks at these places of `outlined`."""
        assert self.whole.masks is not None
        places = self.whole.places[self.places[np.asarray(indices, np.int64)]]
        return _indices(self.whole.masks.gather(places))

    def _masks(self, indices: Sequence[int]) -> Int[Tensor, "b h w"] | None:
        """The masks at these places, -1 all over where one is kept back."""
        if self.whole.masks is None:
            return None
        mask = self.shapes(indices)
        mask[[self.records[i].subject in self.whole.hidden for i in indices]] = -1
        return mask

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
