"""Which frames a report shows."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int

from septum.contract import Batch, Record, Samples

AT_ONCE = 64
"""Frames whose masks are looked at together."""


@dataclass(frozen=True, kw_only=True)
class Shown:
    """Some frames of a data set, with what to write beside each."""

    batch: Batch
    captions: Sequence[str]
    ids: Sequence[str]


def shown(samples: Samples, places: Sequence[int]) -> Shown:
    """The frames at these places."""
    records = [samples.records[place] for place in places]
    of_many = len({record.labels.get("data") for record in samples.records}) > 1
    facts = ("data", "view", "phase") if of_many else ("view", "phase")
    return Shown(
        batch=samples.batch(places),
        captions=[caption(record, facts) for record in records],
        ids=[record.id for record in records],
    )


def varied(records: Sequence[Record], count: int) -> list[int]:
    """Places of frames of as many data sets and views as there are, then phases.

    Each is of another subject, as long as there are any.

    Fewer than `count` only where there are fewer frames.
    """
    kinds: dict[tuple[str, str], dict[str, list[int]]] = {}
    for place, record in enumerate(records):
        data, view, phase = (str(record.labels.get(name, "")) for name in ("data", "view", "phase"))
        kinds.setdefault((view, data), {}).setdefault(phase, []).append(place)
    turns = [
        (turn, view, places)
        for view, phases in sorted(kinds.items())
        for turn, (_, places) in enumerate(sorted(phases.items()))
    ]
    chosen: list[int] = []
    queues = [places for _, _, places in sorted(turns, key=lambda kind: kind[:2])]
    while len(chosen) < min(count, len(records)):
        for queue in queues:
            chosen += _next(records, queue, chosen)
    return chosen[:count]


def spread(total: int, count: int) -> list[int]:
    """At most `count` places, evenly over all."""
    step = max(1, -(-total // count))
    return list(range(0, total, step))


def telling(samples: Samples) -> list[int]:
    """Places of frames that show enough: their structures are half as large as usual, or larger.

    Usual is the median of the frames that show any. All places, where no frame has a mask.
    """
    total = len(samples.records)
    parts = [range(start, min(start + AT_ONCE, total)) for start in range(0, total, AT_ONCE)]
    areas = np.concatenate([_areas(samples.batch(part)) for part in parts])
    if not areas.any():
        return list(range(total))
    return np.flatnonzero(areas >= np.median(areas[areas > 0]) / 2).tolist()


def caption(record: Record, facts: Sequence[str] = ("view", "phase")) -> str:
    """These facts where they are known, otherwise the record's id."""
    known = [str(record.labels[name]) for name in facts if record.labels.get(name)]
    return " · ".join(known) or record.id


def _areas(batch: Batch) -> Int[np.ndarray, " b"]:
    """Pixels of structures in every frame; 0 where it has no mask."""
    if batch.mask is None:
        return np.zeros(len(batch.image), dtype=np.int64)
    return (batch.mask > 0).flatten(1).sum(1).cpu().numpy()


def _next(records: Sequence[Record], queue: Sequence[int], chosen: Sequence[int]) -> list[int]:
    """The first of a queue that is not chosen yet, of a new subject if there is one."""
    seen = {records[place].subject for place in chosen}
    free = [place for place in queue if place not in chosen]
    fresh = [place for place in free if records[place].subject not in seen]
    return (fresh or free)[:1]
