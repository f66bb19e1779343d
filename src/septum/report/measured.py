"""The tables that `septum bench` measured, as they are read beside one another.

A row is one number: `table`, `data`, `model`, `metric`, `value`, `low`, `high`, `n`, `published`.
"""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from septum.contract import BadInput, Label
from septum.report.words import number

Row = Mapping[str, Label]
Parts = Mapping[str, Sequence[Row]]
"""A table, or what it consists of, by name; a table in one part has no name for it."""

LABELLED = "labelled"
"""Column of the share of the training subjects that have labels."""


def tables(path: Path) -> dict[str, Parts]:
    """The tables of a file that `septum bench` wrote, by title.

    Raises:
        BadInput: As `rows`.
    """
    found = rows(path)
    if found and "table" in found[0]:
        return beside(found)
    return {path.stem.replace("_", " ").capitalize(): {"": found}}


def rows(path: Path) -> list[Row]:
    """A table from a JSON list of objects, each a row by column name; alone or as `rows`.

    Raises:
        BadInput: If the file holds anything else.
    """
    wanted = f"{path} is no JSON list of rows; each is an object of texts and numbers by column."
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
        said = said.get("rows") if isinstance(said, dict) else said
    except (OSError, ValueError) as error:
        raise BadInput(wanted) from error
    if not isinstance(said, list) or not all(isinstance(row, dict) for row in said):
        raise BadInput(wanted)
    if not all(isinstance(cell, str | int | float) for row in said for cell in row.values()):
        raise BadInput(wanted)
    return said


def beside(rows: Sequence[Row]) -> dict[str, Parts]:
    """Rows of one number each as tables by title: the models beside one another, then the paper.

    A table with more models than metrics has a row per model instead. Metrics that were measured at
    shares of labels, such as `dice/mean/12.5%`, have a part of the table each, a row per share.
    """
    found: dict[str, dict[str, list[Row]]] = {}
    for row in rows:
        metric, percent = at_share(str(row["metric"]))
        part = "" if percent is None else metric
        known = row if percent is None else {**row, LABELLED: f"{percent:g} %"}
        found.setdefault(f"{row['table']} ({row['data']})", {}).setdefault(part, []).append(known)
    return {
        title: {name: _beside(part) for name, part in parts.items()}
        for title, parts in found.items()
    }


def at_share(metric: str) -> tuple[str, float | None]:
    """What was measured, and at what percentage of the labels, if it says.

    >>> at_share("dice/mean/12.5%"), at_share("dice/mean")
    (('dice/mean', 12.5), ('dice/mean', None))
    """
    found = re.fullmatch(r"(.+)/(\d+(?:\.\d+)?)%", metric)
    return (found[1], float(found[2])) if found else (metric, None)


def _beside(rows: Sequence[Row]) -> list[dict[str, Label]]:
    down, across = _axes(rows)
    found: dict[str, dict[str, Label]] = {}
    for row in rows:
        line = found.setdefault(str(row[down]), {down: row[down], "n": row["n"]})
        line[str(row[across])] = _interval(row)
    for row in (row for row in rows if row["published"] != ""):
        found[str(row[down])][f"{row[across]}, paper"] = f"{row['published']:.3f}"
    columns = dict.fromkeys(name for line in found.values() for name in line)
    return [{name: line.get(name, "") for name in columns} for line in found.values()]


def _axes(rows: Sequence[Row]) -> tuple[str, str]:
    """What is written downwards, and what across."""
    if LABELLED in rows[0]:
        return LABELLED, "model"
    models, metrics = ({str(row[key]) for row in rows} for key in ("model", "metric"))
    return ("model", "metric") if len(models) > len(metrics) else ("metric", "model")


def _interval(row: Row) -> str:
    value, low, high = (number(float(row[name])) for name in ("value", "low", "high"))
    return value if low == high else f"{value} ({low} to {high})"
