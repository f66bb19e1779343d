"""Part of a data set: the images whose labels have certain values.

`view=4CH,2CH phase=ED` is read as: the view is 4CH or 2CH, and the phase is ED.
"""

from collections.abc import Mapping, Sequence

from septum.contract import BadInput, Label, Record

Limits = Mapping[str, Sequence[str]]
"""Values that a label may have, by its name. None at all: every record is allowed."""


def parse(words: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Limits from words such as `view=4CH,2CH`.

    Raises:
        BadInput: A word has no name or no value, or a name comes twice.

    >>> parse(["view=4CH,2CH", "phase=ED"])
    {'view': ('4CH', '2CH'), 'phase': ('ED',)}
    """
    limits: dict[str, tuple[str, ...]] = {}
    for word in words:
        name, _, values = word.partition("=")
        wanted = tuple(value for value in values.split(",") if value)
        if not name or not wanted or name in limits:
            raise BadInput(
                f"{word!r} chooses no images; write every label once, as NAME=VALUE or "
                "NAME=VALUE,VALUE."
            )
        limits[name] = wanted
    return limits


def allows(limits: Limits, record: Record) -> bool:
    """Whether every named label of the record has one of its values."""
    return all(written(record.labels.get(name)) in wanted for name, wanted in limits.items())


def written(value: Label | None) -> str:
    """A label as one would type it.

    >>> written(1.0), written("4CH"), written(None)
    ('1', '4CH', '')
    """
    if value is None:
        return ""
    return value if isinstance(value, str) else f"{value:g}"


def refuse_empty(limits: Limits, records: Sequence[Record]) -> None:
    """Say which label keeps every record out.

    Raises:
        BadInput: One of the limits allows none of the records, or all together do.
    """
    for name, wanted in limits.items():
        found = {written(r.labels[name]) for r in records if name in r.labels}
        if not found & {*wanted}:
            there = f"it has {_listed(found)}" if found else "no image has that label"
            raise BadInput(f"No image has {name}={','.join(wanted)}; {there}; choose other values.")
    if not any(allows(limits, record) for record in records):
        raise BadInput("No image meets all the chosen labels at once; choose fewer.")


def _listed(values: set[str], most: int = 8) -> str:
    some = sorted(values)[:most]
    return ", ".join(some) + (" ..." if len(values) > most else "")
