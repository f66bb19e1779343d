"""Prepared data: frames on disk, facts in memory, batches by place."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from jaxtyping import Int, UInt8

from septum.contract import BadInput, Clip, Record
from septum.data import stacked
from septum.data.films import FilmSubset
from septum.data.limits import Limits, allows, refuse_empty, written
from septum.data.shards import Frames
from septum.data.split import FOLDS, SPLITS, by_fold
from septum.data.subset import Subset, is_outlined

Measure = Callable[[UInt8[np.ndarray, "h w"], Record], Mapping[str, float]]
"""Facts by name, with the unit in the name, of a mask and its record."""
MeasureVolume = Callable[[UInt8[np.ndarray, "d h w"], Record], Mapping[str, float]]
"""The same of the masks of the slices of a volume, in their order, and the record of it."""


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """One data set, or several joined, at one size.

    Attributes:
        records: One per image or film; every one has a split and its data set as the label `data`,
            points and outlines are in prepared pixels, and `spacing_y_mm`, `spacing_x_mm` tell the
            size of a prepared pixel where it is known.
        places: Sector, mask and image or span of every record.
        images: One per still image; of films all frames, those of one next to each other.
        masks: Class indices, 255 where a record has no mask; None where no record has one.
        spans: First frame and number of frames of every film; None for still images.
        clip: What is seen of a film at once; None where that has not been chosen.
        limits: Labels that the records were chosen by.
        groups: Classes that make up the structures of the masks, where these were merged.
        fold: Which one of a cross-validation the splits are; None for those of the data set.
        folds: How many there are.
        by: Label by whose values the folds are stratified.
        shares: Of the training subjects that were kept, by data set, where not all were.
        shown: Share of the training subjects whose masks are shown.
        hidden: The other training subjects.
        unique_by: Label by which near-duplicates contradict one another, where these were left out
            (`septum.data.unique`); empty where they were not.
        singles: Slices that `stacked` has left out since they are no volume.
    """

    name: str
    classes: Sequence[str]
    records: Sequence[Record]
    places: Int[np.ndarray, " n"]
    images: Frames
    sectors: Frames
    masks: Frames | None
    spans: Int[np.ndarray, "m 2"] | None = None
    clip: Clip | None = None
    limits: Limits = field(default_factory=dict[str, Sequence[str]])
    groups: Mapping[str, Sequence[str]] = field(default_factory=dict[str, Sequence[str]])
    fold: int | None = None
    folds: int = FOLDS
    by: str = ""
    shares: Mapping[str, float] = field(default_factory=dict[str, float])
    shown: float = 1.0
    hidden: frozenset[str] = frozenset()
    unique_by: str = ""
    singles: int = 0

    def limited(self, limits: Limits) -> "Prepared":
        """The images whose labels have these values; all of them where no label is named.

        Raises:
            BadInput: There is none.
        """
        refuse_empty(limits, self.records)
        kept = [i for i, record in enumerate(self.records) if allows(limits, record)]
        records, places = [self.records[i] for i in kept], self.places[kept]
        return replace(self, records=records, places=places, limits={**self.limits, **limits})

    def filmed(self, clip: Clip) -> "Prepared":
        """The films, seen in such clips.

        Raises:
            BadInput: There is no such clip, these are still images, or a film is shorter than the
                stride.
        """
        if clip.frames < 1 or clip.stride < 0 or clip.per_film < 1:
            raise BadInput(
                f"There is no clip of {clip.frames} frames with a stride of {clip.stride}, "
                f"{clip.per_film} times per film; use at least 1 frame, stride 0 and 1 clip."
            )
        if self.spans is None:
            raise BadInput(
                f"{self.name} holds still images, and the model takes films; choose a data set of "
                "films, or a model of still images."
            )
        for record, length in zip(self.records, self.spans[self.places, 1], strict=True):
            if length < clip.stride:
                raise BadInput(
                    f"{record.image} is a film of {length} frames, shorter than the stride of "
                    f"{clip.stride}; drop it, or use a smaller stride."
                )
        return replace(self, clip=clip)

    def described(self, measure: Measure) -> "Prepared":
        """The same, with what is measured in every mask as labels; those there are stay.

        The mask of a film is that of end-diastole. Masks that are kept back are measured as well.
        """
        if self.masks is None:
            return self
        records = list(self.records)
        for i, record in enumerate(records):
            if is_outlined(record):
                facts = measure(self.masks.gather(self.places[i : i + 1])[0], record)
                records[i] = replace(record, labels={**facts, **record.labels})
        return replace(self, records=records)

    def stacked(self, measure: MeasureVolume | None = None) -> "Prepared":
        """Slices as volumes (`septum.data.stacked.volumes`): films along the slices, without masks.

        A clip with a stride of 0 is the volume, resampled to so many slices. A missing slice is
        passed over, and what has one slice left out. The sector is that of the slice in the middle.

        Args:
            measure: What becomes labels of a volume all of whose slices have a mask, beside those
                that do not differ between slices of any volume, which stay.

        Raises:
            BadInput: These are films, or no two slices make a volume.
        """
        found = {} if self.spans is not None else stacked.volumes(self.records)
        whole = {name: rows for name, rows in found.items() if len(rows) > 1}
        if not whole:
            raise BadInput(
                f"{self.name} holds no volumes of several slices; choose a data set of slices that "
                "have the labels volume and slice."
            )
        lengths = np.array([len(rows) for rows in whole.values()])
        without = stacked.of_slices(self.records, whole.values())
        middle = [rows[len(rows) // 2] for rows in whole.values()]
        return replace(
            self,
            records=[
                self._measured(stacked.volume(name, self._at(rows), without=without), rows, measure)
                for name, rows in whole.items()
            ],
            places=np.arange(len(whole)),
            images=self.images.ordered(self.places[np.concatenate(list(whole.values()))]),
            sectors=self.sectors.ordered(self.places[middle]),
            masks=None,
            spans=np.stack([np.cumsum(lengths) - lengths, lengths], axis=1),
            singles=len(found) - len(whole),
        )

    def folded(self, fold: int, *, folds: int = FOLDS, by: str = "") -> "Prepared":
        """The images in the splits of one fold of a cross-validation, dealt per data set.

        Args:
            fold: Which one, from 0.
            folds: How many there are (`septum.data.split.by_fold`).
            by: Label of whose values every fold has its share; none is looked at if empty.

        Raises:
            BadInput: There is no such fold or label, or a data set has too few subjects.
        """
        strata = self._strata(by) if by else None
        place = {
            subject: split
            for name, of in self._subjects().items()
            for subject, split in _dealt(of, name, fold, folds, strata).items()
        }
        records = [replace(r, split=place[r.subject]) for r in self.records]
        return replace(self, records=records, fold=fold, folds=folds, by=by)

    def labelled(self, share: float, *, seed: int = 0) -> "Prepared":
        """Only this share of the training subjects keep their masks, chosen by the seed.

        A larger share has the subjects of a smaller one. Every image with a mask gets the area of
        every class as the label `NAME_px`, also where its mask is now hidden.

        Raises:
            BadInput: The share yields no subject, or is more than 1.
        """
        shown = {s for of in self._annotated().values() for s in _share(of, share, seed)}
        hidden = {s for of in self._annotated().values() for s in of} - shown
        return replace(self.described(self._areas), hidden=frozenset(hidden), shown=share)

    def kept(self, shares: Mapping[str, float], *, seed: int = 0) -> "Prepared":
        """Only this share of the training subjects of every named data set; 0 leaves it out.

        What is not for training stays as it is.

        Raises:
            BadInput: A share yields no subject, or is more than 1.
        """
        of = self._subjects("train")
        keep = {s for name in of for s in _wanted(of[name], shares.get(name, 1.0), seed)}
        stay = [i for i, r in enumerate(self.records) if r.split != "train" or r.subject in keep]
        records = [self.records[i] for i in stay]
        fewer = {**self.shares, **{name: share for name, share in shares.items() if share != 1}}
        return replace(self, records=records, places=self.places[stay], shares=fewer)

    def split(self, name: str) -> Subset | FilmSubset:
        """The samples of `train`, `val`, `test`, or `all`; films in clips once these are chosen.

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
        about = self._subset(name, places)
        if self.spans is None or self.clip is None:
            return about
        spans = self.spans[about.places]
        return FilmSubset(about=about, frames=self.images, spans=spans, clip=self.clip)

    def _at(self, rows: Sequence[int]) -> list[Record]:
        return [self.records[row] for row in rows]

    def _measured(
        self, volume: Record, rows: Sequence[int], measure: MeasureVolume | None
    ) -> Record:
        if measure is None or self.masks is None or not all(map(is_outlined, self._at(rows))):
            return volume
        facts = measure(self.masks.gather(self.places[rows]), volume)
        return replace(volume, labels={**facts, **volume.labels})

    def _subset(self, split: str, places: Sequence[int]) -> Subset:
        return Subset(
            name=self.name,
            split=split,
            classes=self.classes,
            records=[self.records[i] for i in places],
            places=self.places[places],
            images=self.images if self.spans is None else None,
            sectors=self.sectors,
            masks=self.masks,
            hidden=self.hidden,
        )

    def _subjects(self, split: str | None = None) -> dict[str, list[str]]:
        """Subjects by data set, in the order of their names."""
        of: dict[str, set[str]] = {}
        for record in self.records:
            if split in {None, record.split}:
                of.setdefault(str(record.labels["data"]), set()).add(record.subject)
        return {name: sorted(found) for name, found in of.items()}

    def _strata(self, by: str) -> dict[str, str]:
        """What the images of every subject say under a label."""
        of: dict[str, set[str]] = {}
        for record in self.records:
            of.setdefault(record.subject, set()).add(written(record.labels.get(by)))
        if not any(map(any, of.values())):
            raise BadInput(f"No image of {self.name} has the label {by!r}; choose another.")
        return {subject: "+".join(sorted(values)) for subject, values in of.items()}

    def _annotated(self) -> dict[str, list[str]]:
        """Training subjects with a mask, by data set."""
        masked = [r for r in self.records if is_outlined(r)]
        return replace(self, records=masked)._subjects("train")

    def _areas(self, mask: UInt8[np.ndarray, "h w"], _: Record) -> dict[str, float]:
        counts = np.bincount(mask.ravel(), minlength=len(self.classes))
        return {f"{name}_px": float(counts[k]) for k, name in enumerate(self.classes) if k}


def _dealt(
    subjects: Sequence[str], data: str, fold: int, folds: int, strata: Mapping[str, str] | None
) -> Mapping[str, str]:
    """The split of every subject, by its name alone: joined with others or not, its fold is one."""
    named = {subject.removeprefix(f"{data}/"): subject for subject in subjects}
    of = None if strata is None else {alone: strata[named[alone]] for alone in named}
    dealt = by_fold([*named], fold, folds=folds, strata=of)
    return {named[alone]: split for alone, split in dealt.items()}


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
