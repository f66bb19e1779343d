"""Which slices make up one volume, and what is known of it as a whole."""

import math
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace

from septum.contract import Record

STATES = ("modality", "view", "phase", "frame")
"""Labels that differ between volumes of a subject."""


def volumes(records: Sequence[Record]) -> dict[str, list[int]]:
    """Places of the slices of every volume, in their order; volumes in that of their first records.

    Slices belong together if they share the subject and the label `volume`; without that label, if
    they share the subject, the labels of `STATES` and the frame of a cine. Their order is that of
    the label `slice`, or of the first number of `at`; an image that has none of the three is by
    itself. A volume is named after its subject, with what it differs in where there are several.

    >>> from pathlib import Path
    >>> at = lambda k: Record(id=f"z{k}", subject="a", image=Path("a"), labels={"slice": k})
    >>> volumes([at(2.0), at(1.0)])
    {'a': [1, 0]}
    """
    places: dict[tuple[str, ...], list[int]] = {}
    for place, record in enumerate(records):
        places.setdefault(_key(record), []).append(place)
    count = Counter(subject for subject, *_ in places)
    return {
        key[0] if count[key[0]] == 1 else " ".join(key): sorted(
            found, key=lambda place: _position(records[place]) or 0.0
        )
        for key, found in places.items()
    }


def of_slices(records: Sequence[Record], whole: Iterable[Sequence[int]]) -> set[str]:
    """Labels of which slices of one of these volumes state different values.

    They are facts of a slice, also in volumes where all slices happen to agree.
    """
    names: set[str] = set()
    for places in whole:
        stated = {fact for place in places for fact in records[place].labels.items()}
        names |= {name for name, count in Counter(name for name, _ in stated).items() if count > 1}
    return names


def volume(name: str, slices: Sequence[Record], *, without: Collection[str]) -> Record:
    """One record of all slices, with what any of them states but for these labels."""
    return replace(
        slices[0],
        id=name,
        mask=None,
        at=(),
        film=tuple(dict.fromkeys(r.image for r in slices)),
        outlines={},
        labels={k: v for r in slices for k, v in r.labels.items() if k not in without},
    )


def _key(record: Record) -> tuple[str, ...]:
    if "volume" in record.labels:
        return record.subject, str(record.labels["volume"])
    if _position(record) is None:
        return record.subject, record.id
    state = [str(record.labels[name]) for name in STATES if name in record.labels]
    return record.subject, *state, *map(str, record.at[1:])


def _position(record: Record) -> float | None:
    stated = record.labels.get("slice")
    if isinstance(stated, float) and not math.isnan(stated):
        return stated
    return float(record.at[0]) if record.at else None
