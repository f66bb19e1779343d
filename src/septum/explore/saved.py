"""What a visitor takes home: tables that are safe to open, and names that are safe to write."""

import csv
import io
import re
from collections.abc import Mapping, Sequence

Cell = str | int | float | None

FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""A text that begins like this is run by programs that show tables."""
MOST = 80
"""Characters of a file name before its ending."""


def table(rows: Sequence[Mapping[str, Cell]]) -> bytes:
    r"""Comma-separated cells, the names of all columns first; texts are never formulas.

    >>> table([{"id": "=1+1", "area": -2.0}, {"id": "a", "kind": "b"}]).decode()
    "id,area,kind\r\n'=1+1,-2.0,\r\na,,b\r\n"
    """
    columns = list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow([_guarded(name) for name in columns])
    writer.writerows([_guarded(row.get(name)) for name in columns] for row in rows)
    return text.getvalue().encode()


def name(*words: str, ending: str) -> str:
    """A file name of words, of which only letters, digits, dots, - and _ are left.

    >>> name("../P 1", "edited", ending="png")
    'P_1-edited.png'
    """
    kept = (re.sub(r"[^A-Za-z0-9_.-]+", "_", word).strip("._") for word in words)
    return "-".join(word for word in kept if word)[:MOST] + f".{ending}"


def _guarded(cell: Cell) -> Cell:
    is_formula = isinstance(cell, str) and cell.startswith(FORMULA)
    return f"'{cell}" if is_formula else cell
