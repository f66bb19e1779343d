"""How the images that a run learnt from were read, so that others are read alike."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from septum.contract import BadInput, Record, Source
from septum.data import SOURCES, open_source
from septum.data.decode import PLANE
from septum.runs import Run


@dataclass(frozen=True, kw_only=True)
class Card:
    """What differs between data sets in the reading of a file.

    Attributes:
        classes: Of the masks, the background first; empty where nobody says.
        field_mm: Height and width of the field round the middle of a picture; None for all of it.
        stretch: Percentiles of the grey levels that become black and white; None for none.
        slices: A volume is one of slices, each stretched between percentiles of its volume, and no
            film along its last axis.
        axial: These slices lie across the body, wherever the axes of the file lead.
    """

    classes: Sequence[str] = ()
    field_mm: tuple[float, float] | None = None
    stretch: tuple[float, float] | None = None
    slices: bool = False
    axial: bool = False


def read(run: Run, root: Path) -> Card:
    """The card of the data sets of a run, which lie below a folder.

    Raises:
        BadInput: They cannot be read.
    """
    found = [open_source(name, root) for name in run.data.split("+")]
    return _united([of(source, records) for source, records in found], run)


def guess(run: Run) -> Card:
    """The card of the layouts that the data sets of a run are named after, if they are."""
    layouts = [name.rpartition(":")[2] for name in run.data.split("+")]
    cards = [of(SOURCES[name], ()) if name in SOURCES else Card() for name in layouts]
    return _united(cards, run)


def as_dict(card: Card) -> dict[str, Any]:
    """For a file."""
    return asdict(card)


def from_dict(said: dict[str, Any]) -> Card:
    """From a file; what is missing there is a `KeyError`."""
    pairs = {name: said[name] and tuple(said[name]) for name in ("field_mm", "stretch")}
    return Card(classes=tuple(said["classes"]), slices=said["slices"], axial=said["axial"], **pairs)


def of(source: Source, records: Sequence[Record]) -> Card:
    """Of one data set, with these of its records."""
    return Card(
        classes=tuple(source.classes),
        field_mm=source.field_mm,
        stretch=source.stretch,
        slices=any(r.at for r in records) or source.field_mm is not None,
        axial=any(r.labels.get(PLANE) == "axial" for r in records),
    )


def _united(cards: Sequence[Card], run: Run) -> Card:
    """What all agree on; a structure that was merged has the name of its group."""

    def agreed(name: str) -> Any:
        values = {getattr(card, name) for card in cards}
        return values.pop() if len(values) == 1 else None

    return Card(
        classes=("background", *run.groups) if run.groups else agreed("classes") or (),
        field_mm=agreed("field_mm"),
        stretch=agreed("stretch"),
        slices=all(card.slices for card in cards),
        axial=all(card.axial for card in cards),
    )


def found(run: Run, root: Path | None) -> Card:
    """The card by the images of a run, or by their names where they are not there."""
    try:
        return guess(run) if root is None else read(run, root)
    except BadInput:
        return guess(run)
