"""What every table is asked, and what it answers."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from septum.bench.published import Numbers
from septum.contract import Label, Metric
from septum.data.prepared import Prepared


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What a table is made of.

    Attributes:
        out: Folder for what lies behind the numbers: runs, evaluations.
        data: Names of the data sets.
        prepared: The images of some of them, as one, at a height and width in pixels, with masks
            of some structures; raises `BadInput` if no data set was named.
        steps: Training steps of every row, instead of those of the table.
    """

    out: Path
    data: Sequence[str]
    prepared: Callable[..., Prepared]
    steps: int | None = None
    seed: int = 0


Row = Mapping[str, Label]
Table = Callable[[Setting], Sequence[Row]]


def row(table: str, path: str, metric: Metric, *, data: str, model: str, published: Numbers) -> Row:
    """A number in the shape of a table, with what was published of the model under this path."""
    theirs = published.get(model, {}).get(path)
    return {
        "table": table,
        "data": data,
        "model": model,
        "metric": path,
        "value": metric.value,
        "low": metric.low,
        "high": metric.high,
        "n": float(metric.n),
        "published": "" if theirs is None else theirs,
    }
