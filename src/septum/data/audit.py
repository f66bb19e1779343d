"""Look for what spoils an experiment in a data set: leaks, twins, contradictions, broken files.

    records → read every file, going on after a bad one → counts, problems, pairs of twins

`septum.data.findings` writes them as JSON, as text and as a picture.
"""

import hashlib
import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from septum.contract import BadInput, Label, Record, Source
from septum.data import alike, decode, open_source, volume
from septum.data.counts import Counts, by_label
from septum.data.split import by_hash

MOST_VALUES = 20
"""A text label with more values than this is a name and is not counted."""


@dataclass(frozen=True, kw_only=True)
class Twins:
    """Two images that are the same, or nearly.

    Attributes:
        correlation: Of their fine structure; 1 where every pixel is equal.
        exact: Every pixel is equal.
        disagree: Text labels that differ; `mask` where equal pixels have different masks.
    """

    first: Record
    second: Record
    exact: bool
    correlation: float
    same_split: bool
    disagree: tuple[str, ...]

    @property
    def same_subject(self) -> bool:
        """Frames of one subject are often alike; that leaks nothing."""
        return self.first.subject == self.second.subject


@dataclass(frozen=True, kw_only=True)
class Audit:
    """What was found in a data set.

    Attributes:
        records: Those that can be read.
        codes: Class index of every value in their masks (`septum.contract.Source.codes`).
        values: How often a text label has which value.
        organs: Images and subjects by organ.
        sizes: Heights and widths of images, from the least pixels to the most.
        bad_rows: Rows of the table that cannot be used; one sentence each.
        unreadable: Files that cannot be decoded; one sentence each.
        mismatched: Masks of another size, or with unknown indices; one sentence each.
        in_two_splits: Published splits of every subject that has more than one.
        images_with_class: Images in whose mask a class occurs.
    """

    name: str
    records: Sequence[Record]
    codes: Mapping[int, int] | None
    images_by_split: Mapping[str, int]
    subjects_by_split: Mapping[str, int]
    images_with_class: Mapping[str, int]
    values: Mapping[str, Mapping[str, int]]
    organs: Counts
    sizes: Sequence[tuple[int, int]]
    bad_rows: Sequence[str]
    unreadable: Sequence[str]
    mismatched: Sequence[str]
    in_two_splits: Mapping[str, Sequence[str]]
    twins: Sequence[Twins]


@dataclass
class _Seen:
    """What the files have told so far."""

    unreadable: list[str] = field(default_factory=list[str])
    mismatched: list[str] = field(default_factory=list[str])
    images_with_class: Counter[str] = field(default_factory=Counter[str])
    records: list[Record] = field(default_factory=list[Record])
    sizes: set[tuple[int, int]] = field(default_factory=set[tuple[int, int]])
    thumbnails: list[UInt8[np.ndarray, "32 32"]] = field(default_factory=list)
    digests: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])


def audit(name: str, root: Path) -> Audit:
    """Read every file of a data set once and tell what is wrong with it.

    Args:
        name: A data set under `root`, as `septum.data.open_source` understands it.
        root: Holds one folder per data set.

    Raises:
        BadInput: There is nothing to audit: no folder, no card, no usable row.
    """
    bad_rows: list[str] = []
    source, records = open_source(name, root, on_bad=lambda problem: bad_rows.append(str(problem)))
    seen = _Seen()
    for record in records:
        _look(record, source, seen)
    volume.forget()
    published = _published(records)
    split = {s: next(iter(names)) if names else by_hash(s) for s, names in published.items()}
    return Audit(
        name=name,
        records=seen.records,
        codes=source.codes,
        images_by_split=Counter(split[r.subject] for r in records),
        subjects_by_split=Counter(split.values()),
        images_with_class=seen.images_with_class,
        values=_values(records),
        organs=by_label(records, "organ", default=source.organ),
        sizes=sorted(seen.sizes, key=math.prod),
        bad_rows=bad_rows,
        unreadable=seen.unreadable,
        mismatched=seen.mismatched,
        in_two_splits={s: sorted(names) for s, names in published.items() if len(names) > 1},
        twins=_twins(seen, split),
    )


def _look(record: Record, source: Source, seen: _Seen) -> None:
    try:
        grey, index = decode.image(record).grey, decode.mask(record, source.codes)
    except BadInput as error:
        seen.unreadable.append(str(error))
        return
    classes = source.classes
    seen.records.append(record)
    seen.sizes.add((grey.shape[0], grey.shape[1]))
    seen.thumbnails.append(alike.thumbnail(grey))
    seen.digests.append((_digest(grey), "" if index is None else _digest(index)))
    if index is not None:
        present = [int(i) for i in np.unique(index)]
        seen.images_with_class.update(classes[i] for i in present if i < len(classes))
        if index.shape != grey.shape:
            seen.mismatched.append(
                f"{record.mask} has {index.shape[0]} x {index.shape[1]} pixels, "
                f"its image {grey.shape[0]} x {grey.shape[1]}."
            )
        if present[-1] >= len(classes):
            seen.mismatched.append(
                f"{record.mask} holds the index {present[-1]}, the classes end at "
                f"{len(classes) - 1}."
            )


def _published(records: Sequence[Record]) -> dict[str, set[str]]:
    splits: dict[str, set[str]] = defaultdict(set)
    for record in records:
        splits[record.subject] |= {record.split} if record.split else set()
    return splits


def _values(records: Sequence[Record]) -> dict[str, dict[str, int]]:
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for record in records:
        for name, value in record.labels.items():
            if isinstance(value, str):
                counts[name][value] += 1
    return {k: dict(sorted(v.items())) for k, v in counts.items() if len(v) <= MOST_VALUES}


def _twins(seen: _Seen, split: Mapping[str, str]) -> list[Twins]:
    """Pairs of equal images, then pairs of similar ones from the most similar on."""
    found = dict.fromkeys(_equal(seen.digests), 1.0)
    if seen.thumbnails:
        near = sorted(alike.pairs(np.stack(seen.thumbnails)), key=lambda pair: -pair[2])
        found |= {(i, j): r for i, j, r in near if (i, j) not in found}
    return [_compare(seen, i, j, split, correlation=r) for (i, j), r in found.items()]


def _equal(digests: Sequence[tuple[str, str]]) -> list[tuple[int, int]]:
    places: dict[str, list[int]] = defaultdict(list)
    for place, (image, _) in enumerate(digests):
        places[image].append(place)
    return [pair for group in places.values() for pair in combinations(group, 2)]


def _compare(seen: _Seen, i: int, j: int, split: Mapping[str, str], *, correlation: float) -> Twins:
    a, b = seen.records[i], seen.records[j]
    exact = seen.digests[i][0] == seen.digests[j][0]
    masks_differ = exact and seen.digests[i][1] != seen.digests[j][1]
    return Twins(
        first=a,
        second=b,
        exact=exact,
        correlation=round(min(correlation, 1.0), 4),
        same_split=split[a.subject] == split[b.subject],
        disagree=(*_differing(a.labels, b.labels), *["mask"] * masks_differ),
    )


def _differing(a: Mapping[str, Label], b: Mapping[str, Label]) -> list[str]:
    return [k for k, v in a.items() if isinstance(v, str) and b.get(k, v) != v]


def _digest(pixels: UInt8[np.ndarray, "h w"]) -> str:
    return hashlib.sha256(repr(pixels.shape).encode() + pixels.tobytes()).hexdigest()
