"""Tables that are safe to open."""

import csv
import io
from collections.abc import Mapping, Sequence

Cell = str | int | float | None

FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""A text that begins like this is run by programs that show tables."""


def as_csv(rows: Sequence[Mapping[str, Cell]]) -> bytes:
    r"""Comma-separated cells, the names of all columns first; texts are never formulas.

    >>> as_csv([{"id": "=1+1", "area": -2.0}, {"id": "a", "kind": "b"}]).decode()
    "id,area,kind\r\n'=1+1,-2.0,\r\na,,b\r\n"
    """
    columns = list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow([_guarded(name) for name in columns])
    writer.writerows([_guarded(row.get(name)) for name in columns] for row in rows)
    return text.getvalue().encode()


def _guarded(cell: Cell) -> Cell:
    is_formula = isinstance(cell, str) and cell.startswith(FORMULA)
    return f"'{cell}" if is_formula else cell
