"""What commands print, and write beside it."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import dropwhile, takewhile
from pathlib import Path
from typing import Any

RULE = "[─-]{8,}"
"""Parts the paragraphs of a box."""


def table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print rows under their columns."""
    from rich.console import Console
    from rich.table import Table

    grid = Table(*columns, box=None, pad_edge=False)
    for row in rows:
        grid.add_row(*(f"{cell:.4g}" if isinstance(cell, float) else str(cell) for cell in row))
    Console().print(grid)


def metrics(report: Any) -> None:
    """Every metric of a `septum.contract.Report` beside its floor."""
    floor = "floor/"
    own = {name: m for name, m in report.metrics.items() if not name.startswith(floor)}
    rows = [
        (name, f"{m.value:.3f}", f"{m.low:.3f} to {m.high:.3f}", m.n, m.unit, untrained)
        for name, m in own.items()
        for known in [report.metrics.get(floor + name)]
        for untrained in [f"{known.value:.3f}" if known else ""]
    ]
    table(("metric", "value", "95 % interval", "n", "unit", "untrained"), rows)


def json_file(path: Path, facts: Mapping[str, Any]) -> None:
    """Write facts as JSON, whole or not at all, and print where."""
    from septum.checkpoint import write_json

    write_json(path, facts)
    print(path)


def sentence(box: str) -> str:
    r"""What a box of the command line's parser complains about, in one sentence.

    >>> sentence("╭─ Oh ─╮\n│ Missing:       │\n│     --out PATH │\n│ ──────── │\n│ More │\n╰──╯")
    'Missing: --out PATH; see septum --help.'
    """
    lines = box.splitlines()
    inner = lines[1:-1] if lines[0].startswith("╭") else lines[2:]  # a box without a border
    rows = [line.rstrip("│ ")[2:] for line in inner]
    parts = [part.splitlines() for part in re.split(RULE, "\n".join(rows))]
    parts = [[row for row in part if not row.startswith(8 * " ")] for part in parts]
    said = [" ".join(" ".join(takewhile(bool, _headless(part))).split()) for part in parts]
    worst = next((part for part in said if part.startswith("Unrecognized")), said[0])
    choice = [part for part in said if part.startswith("Available")]
    return "; ".join([worst.rstrip("."), *choice, "see septum --help."])


def _headless(part: Sequence[str]) -> Iterator[str]:
    """Without the empty lines above the first word."""
    return dropwhile(lambda row: not row, part)
