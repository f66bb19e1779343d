"""How many images and subjects there are, as a whole or by the value of a label."""

from collections.abc import Mapping, Sequence

from septum.contract import Record
from septum.data.limits import written
from septum.data.split import SPLITS

Counts = Mapping[str, Mapping[str, int]]
"""`images` and `subjects` by what they are counted by."""


def by_split(records: Sequence[Record]) -> Counts:
    """Of every split that has any, in the usual order."""
    found = {split: [r for r in records if r.split == split] for split in SPLITS}
    return {split: _count(of) for split, of in found.items() if of}


def by_label(records: Sequence[Record], label: str, *, default: str = "") -> Counts:
    """Of every value of a label, in alphabetical order; nothing of records without.

    Args:
        records: What is counted.
        label: For example `organ`.
        default: Value of records that do not have it.

    >>> from pathlib import Path
    >>> heart = Record(id="a", subject="p", image=Path("a"), labels={"organ": "heart"})
    >>> by_label([heart, heart], "organ")
    {'heart': {'images': 2, 'subjects': 1}}
    """
    of: dict[str, list[Record]] = {}
    for record in records:
        of.setdefault(written(record.labels.get(label, default)), []).append(record)
    return {value: _count(of[value]) for value in sorted(of) if value}


def _count(records: Sequence[Record]) -> dict[str, int]:
    return {"images": len(records), "subjects": len({r.subject for r in records})}
