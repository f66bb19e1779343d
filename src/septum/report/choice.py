"""Which frames a report shows."""

from collections.abc import Sequence
from dataclasses import dataclass

from septum.contract import Batch, Record, Samples


@dataclass(frozen=True, kw_only=True)
class Shown:
    """Some frames of a data set, with what to write beside each."""

    batch: Batch
    captions: Sequence[str]
    ids: Sequence[str]


def shown(samples: Samples, places: Sequence[int]) -> Shown:
    """The frames at these places."""
    records = [samples.records[place] for place in places]
    return Shown(
        batch=samples.batch(places),
        captions=[caption(record) for record in records],
        ids=[record.id for record in records],
    )


def varied(records: Sequence[Record], count: int) -> list[int]:
    """Places of frames of as many views as there are, then phases, each of another subject.

    Fewer than `count` only where there are fewer frames.
    """
    kinds: dict[str, dict[str, list[int]]] = {}
    for place, record in enumerate(records):
        view, phase = (str(record.labels.get(name, "")) for name in ("view", "phase"))
        kinds.setdefault(view, {}).setdefault(phase, []).append(place)
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


def caption(record: Record) -> str:
    """View and phase where they are known, otherwise the record's id."""
    facts = [str(record.labels[name]) for name in ("view", "phase") if record.labels.get(name)]
    return " · ".join(facts) or record.id


def _next(records: Sequence[Record], queue: Sequence[int], chosen: Sequence[int]) -> list[int]:
    """The first of a queue that is not chosen yet, of a new subject if there is one."""
    seen = {records[place].subject for place in chosen}
    free = [place for place in queue if place not in chosen]
    fresh = [place for place in free if records[place].subject not in seen]
    return (fresh or free)[:1]
