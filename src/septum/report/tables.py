"""What the evaluations of a run found, as headlines and tables beside the untrained floor.

A metric is named by a path (`dice_loss/content/k5`); the same name under `floor/` is what a
randomly initialised, frozen model reaches.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from septum.contract import Metric
from septum.report import words
from septum.tasks.write import Evaluation

FLOOR = "floor/"
HEADLINES = (
    "dice_loss/content/k5",
    "dice_loss/both/k5",
    "dice_loss/style/k5",
    "map5/mean",
    "dice/mean",
    "accuracy/all",
)
"""Numbers that open the page; of an evaluation with none of them, its first that can be good."""


@dataclass(frozen=True, kw_only=True)
class Headline:
    """One number with its floor.

    Attributes:
        where: Task, data set and split.
        better: `lower`, `higher`, or nothing where neither is.
        top: End of a scale from 0 that holds both intervals.
    """

    name: str
    where: str
    metric: Metric
    floor: Metric | None
    better: str
    top: float


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One number of a table, its floor, and whether it is the best of its row."""

    metric: Metric | None
    floor: Metric | None
    best: bool


@dataclass(frozen=True, kw_only=True)
class Table:
    """The metrics whose names begin alike; `dice_loss/content/k5` is in row k5, column content.

    Of a longer name, the parts between column and row belong to the title.

    Attributes:
        columns: One without a name where names have two parts or one.
        rows: One cell per column, by name of the row.
        better: As of a headline.
    """

    title: str
    columns: Sequence[str]
    rows: Mapping[str, Sequence[Cell]]
    better: str

    @property
    def has_floor(self) -> bool:
        """Whether any number has a floor."""
        return any(cell.floor for cells in self.rows.values() for cell in cells)


def headlines(evaluation: Evaluation) -> list[Headline]:
    """Its numbers among HEADLINES, or its first one; none if that is neither good nor bad."""
    own = [name for name in evaluation.metrics if not name.startswith(FLOOR)]
    chosen = [name for name in HEADLINES if name in own] or [*filter(words.better, own[:1])]
    return [_headline(evaluation, name) for name in chosen]


def tables(evaluation: Evaluation) -> list[Table]:
    """All its numbers, one table per beginning of their names."""
    places: dict[str, dict[tuple[str, str], str]] = {}
    for name in evaluation.metrics:
        if not name.startswith(FLOOR):
            title, column, row = _place(name)
            places.setdefault(title, {})[column, row] = name
    return [_table(evaluation.metrics, title, names) for title, names in places.items()]


def _headline(evaluation: Evaluation, name: str) -> Headline:
    metric, floor = evaluation.metrics[name], evaluation.metrics.get(FLOOR + name)
    ends = [end for m in (metric, floor) if m for end in (m.value, m.high) if math.isfinite(end)]
    return Headline(
        name=name,
        where=f"{evaluation.task}, {evaluation.data}, {evaluation.split}",
        metric=metric,
        floor=floor,
        better=words.better(name),
        top=1.05 * max([*ends, 1e-9]),
    )


def _place(name: str) -> tuple[str, str, str]:
    """Title of its table, column and row."""
    *head, row = name.split("/")
    first, column, *between = [*head, "", ""][: max(2, len(head))]
    return "/".join([first, *between]), column, row


def _table(
    metrics: Mapping[str, Metric], title: str, names: Mapping[tuple[str, str], str]
) -> Table:
    columns = list(dict.fromkeys(column for column, _ in names))
    rows = dict.fromkeys(row for _, row in names)
    better = words.better(title)
    return Table(
        title=title,
        columns=columns,
        rows={
            row: _cells(metrics, [names.get((c, row)) for c in columns], better=better)
            for row in rows
        },
        better=better,
    )


def _cells(
    metrics: Mapping[str, Metric], names: Sequence[str | None], *, better: str
) -> list[Cell]:
    found = [metrics[name] if name else None for name in names]
    values = [metric.value for metric in found if metric]
    best = {"lower": min, "higher": max}[better](values) if better and len(values) > 1 else None
    return [
        Cell(
            metric=metric,
            floor=metrics.get(f"{FLOOR}{name}"),
            best=metric is not None and metric.value == best,
        )
        for name, metric in zip(names, found, strict=True)
    ]
