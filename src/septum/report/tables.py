"""What the evaluations of a run found, as headlines and tables beside the untrained floor.

A metric is named by a path (`dice_loss/content/k5`); the same name under `floor/` is what a
randomly initialised, frozen model reaches.
"""

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from septum.contract import BadInput, Label, Metric
from septum.tasks.write import Evaluation

FLOOR = "floor/"
HEADLINES = (
    "dice_loss/content/k5",
    "dice_loss/both/k5",
    "dice_loss/style/k5",
    "map5/mean",
)
"""Numbers that open the page; of an evaluation with none of them, its first."""
WORDS = {
    "auroc": "AUROC", "dice": "Dice", "hd95": "HD95", "map5": "mAP@5", "mae": "MAE",
    "psnr": "PSNR", "r2": "R²", "rmse": "RMSE", "ssim": "SSIM", "lr": "learning rate",
}  # fmt: skip
LOWER_IS_BETTER = {"dice_loss", "hd95_mm", "hausdorff_mm", "assd_mm", "mae", "rmse"}


@dataclass(frozen=True, kw_only=True)
class Headline:
    """One number with its floor.

    Attributes:
        where: Task, data set and split.
        top: End of a scale from 0 that holds both intervals.
    """

    name: str
    where: str
    metric: Metric
    floor: Metric | None
    lower_is_better: bool
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
    """

    title: str
    columns: Sequence[str]
    rows: Mapping[str, Sequence[Cell]]
    lower_is_better: bool

    @property
    def has_floor(self) -> bool:
        """Whether any number has a floor."""
        return any(cell.floor for cells in self.rows.values() for cell in cells)


def headlines(evaluation: Evaluation) -> list[Headline]:
    """Its numbers among HEADLINES, or the first one it has."""
    own = [name for name in evaluation.metrics if not name.startswith(FLOOR)]
    chosen = [name for name in HEADLINES if name in own] or own[:1]
    return [_headline(evaluation, name) for name in chosen]


def tables(evaluation: Evaluation) -> list[Table]:
    """All its numbers, one table per beginning of their names."""
    places: dict[str, dict[tuple[str, str], str]] = {}
    for name in evaluation.metrics:
        if not name.startswith(FLOOR):
            title, column, row = _place(name)
            places.setdefault(title, {})[column, row] = name
    return [_table(evaluation.metrics, title, names) for title, names in places.items()]


def measured(path: Path) -> dict[str, Sequence[Mapping[str, Label]]]:
    """The tables of a file that `septum bench` wrote, by title.

    Raises:
        BadInput: As `rows`.
    """
    found = rows(path)
    if found and "table" in found[0]:
        return {**beside(found)}
    return {path.stem.replace("_", " ").capitalize(): found}


def rows(path: Path) -> list[Mapping[str, Label]]:
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


def beside(rows: Sequence[Mapping[str, Label]]) -> dict[str, list[dict[str, Label]]]:
    """Rows of one number each as tables by title: the models beside one another, then the paper.

    Args:
        rows: With `table`, `data`, `model`, `metric`, `value`, `low`, `high`, `n`, `published`.

    A table with more models than metrics has a row per model instead.
    """
    tables: dict[str, list[Mapping[str, Label]]] = {}
    for row in rows:
        tables.setdefault(f"{row['table']} ({row['data']})", []).append(row)
    return {title: _beside(part) for title, part in tables.items()}


def _beside(rows: Sequence[Mapping[str, Label]]) -> list[dict[str, Label]]:
    models, metrics = ({str(row[key]): None for row in rows} for key in ("model", "metric"))
    down, across = ("model", "metric") if len(models) > len(metrics) else ("metric", "model")
    found: dict[str, dict[str, Label]] = {}
    for row in rows:
        line = found.setdefault(str(row[down]), {down: row[down], "n": row["n"]})
        line[str(row[across])] = _interval(row)
    for row in (row for row in rows if row["published"] != ""):
        found[str(row[down])][f"{row[across]}, paper"] = f"{row['published']:.3f}"
    columns = dict.fromkeys(name for line in found.values() for name in line)
    return [{name: line.get(name, "") for name in columns} for line in found.values()]


def _interval(row: Mapping[str, Label]) -> str:
    return f"{row['value']:.3f} ({row['low']:.3f} to {row['high']:.3f})"


def readable(name: str) -> str:
    """A metric's path as words.

    >>> readable("dice_loss/content/k5"), readable("map5_strict/left_annulus")
    ('Dice loss, content, k = 5', 'mAP@5 strict, left annulus')
    """
    return ", ".join(_words(part) for part in name.split("/") if part)


def number(value: float) -> str:
    """Three decimals below 10, one above; a dash for what is not finite.

    >>> [number(v) for v in (0.12345, 72.46)]
    ['0.123', '72.5']
    """
    if not math.isfinite(value):
        return "\N{EN DASH}"
    return f"{value:.3f}" if abs(value) < 10 else f"{value:.1f}"


def _words(part: str) -> str:
    kernel = re.fullmatch(r"k(\d+)", part)
    if kernel:
        return f"k = {kernel[1]}"
    return " ".join(WORDS.get(word, word) for word in part.split("_"))


def _headline(evaluation: Evaluation, name: str) -> Headline:
    metric, floor = evaluation.metrics[name], evaluation.metrics.get(FLOOR + name)
    ends = [end for m in (metric, floor) if m for end in (m.value, m.high) if math.isfinite(end)]
    return Headline(
        name=name,
        where=f"{evaluation.task}, {evaluation.data}, {evaluation.split}",
        metric=metric,
        floor=floor,
        lower_is_better=_lower_is_better(name),
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
    lower = _lower_is_better(title)
    return Table(
        title=title,
        columns=columns,
        rows={
            row: _cells(metrics, [names.get((c, row)) for c in columns], lower_is_better=lower)
            for row in rows
        },
        lower_is_better=lower,
    )


def _cells(
    metrics: Mapping[str, Metric], names: Sequence[str | None], *, lower_is_better: bool
) -> list[Cell]:
    found = [metrics[name] if name else None for name in names]
    values = [metric.value for metric in found if metric]
    best = (min if lower_is_better else max)(values) if len(values) > 1 else None
    return [
        Cell(
            metric=metric,
            floor=metrics.get(f"{FLOOR}{name}"),
            best=metric is not None and metric.value == best,
        )
        for name, metric in zip(names, found, strict=True)
    ]


def _lower_is_better(name: str) -> bool:
    return name.split("/", 1)[0] in LOWER_IS_BETTER
