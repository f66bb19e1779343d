"""Each picture once: near-duplicates among images of different subjects are left out.

    images of a data set → pairs that are alike → groups that these connect
        → the first image of a group stays; of a group that contradicts itself none

Splits stay as they are. What is left of a data set depends neither on the size it is prepared at
nor on what it is joined with: it is looked at by itself, as its files have it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Int, UInt8
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from septum.contract import BadInput, Record
from septum.data import alike, decode, volume
from septum.data.limits import written
from septum.data.prepared import Prepared


def unique(images: Prepared, *, by: str = "label") -> Prepared:
    """The images without near-duplicates (`septum.data.alike`) of images of other subjects.

    Images of one subject are often alike, and stay. Every file is decoded once more.

    Args:
        images: Stills.
        by: A label. A group of near-duplicates that have several values of it is left out wholly,
            since nobody knows which is right.

    Raises:
        BadInput: They are films, a file cannot be read any more, or no image is left.
    """
    if images.spans is not None:
        raise BadInput(
            f"{images.name} holds films, of which near-duplicates are not found; keep them all, or "
            "choose a data set of stills."
        )
    of: dict[str, list[int]] = {}
    for place, record in enumerate(images.records):
        of.setdefault(str(record.labels.get("data")), []).append(place)
    out = {place for places in of.values() for place in _left_out(images.records, places, by)}
    volume.forget()
    stay = [place for place in range(len(images.records)) if place not in out]
    if not stay:
        raise BadInput(
            f"Every image of {images.name} has a near-duplicate with another {by}; keep them all."
        )
    records = [images.records[place] for place in stay]
    return replace(images, records=records, places=images.places[stay], unique_by=by)


def groups(
    thumbnails: UInt8[np.ndarray, "n 32 32"], subjects: Sequence[str]
) -> list[Int[np.ndarray, " m"]]:
    """Places of images that pairs of near-duplicates of different subjects connect."""
    found = [(i, j) for i, j, _ in alike.pairs(thumbnails) if subjects[i] != subjects[j]]
    first, second = np.array(found, np.int64).reshape(-1, 2).T
    graph = coo_array((np.ones(len(found)), (first, second)), shape=(len(thumbnails),) * 2)
    _, group = connected_components(graph, directed=False)
    return [np.flatnonzero(group == k) for k in np.unique(group[first])]


def _left_out(records: Sequence[Record], places: Sequence[int], by: str) -> Iterator[int]:
    seen = [records[place] for place in places]
    thumbnails = np.stack([alike.thumbnail(decode.image(record).grey) for record in seen])
    for group in groups(thumbnails, [record.subject for record in seen]):
        kept = _kept([seen[i] for i in group], by)
        yield from (places[i] for i in group if seen[i].subject != kept)


def _kept(group: Sequence[Record], by: str) -> str | None:
    """The subject of the first image; None for a group that contradicts itself."""
    values = {written(record.labels[by]) for record in group if by in record.labels}
    return group[0].subject if len(values) < 2 else None
