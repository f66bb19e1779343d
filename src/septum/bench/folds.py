"""Numbers of several folds as one: cases of all of them, of whom none is tested twice."""

import csv
from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter
from pathlib import Path

import numpy as np
from jaxtyping import Float

from septum.contract import BadInput, Metric
from septum.metrics.interval import mean_by_subject
from septum.metrics.paired import t_test

FACTS = ("id", "subject", "slices")
MAIN = "dice/mean"

Column = Float[np.ndarray, " n"]
Table = Mapping[str, Column]


def pooled(folders: Sequence[Path], *, seed: int) -> dict[str, Metric]:
    """The mean of every column over the cases of all these evaluations, by its name."""
    subjects, columns = cases(folders)
    return {
        name: mean_by_subject(values, subjects, unit=_unit(name), seed=seed)
        for name, values in columns.items()
        if not np.isnan(values).all()
    }


def compared(
    ours: Sequence[Path],
    others: Sequence[Sequence[Path]],
    *,
    name: str = MAIN,
    score: Callable[[Table], Column] | None = None,
    unit: str = "",
) -> dict[str, Metric]:
    """A score of ours against the best of the others: the mean gain and its p (paired t-test).

    Args:
        ours: Evaluations, of different cases.
        others: Such evaluations of everyone else.
        name: Of the gain, and of the column that is the score.
        score: Of every case, higher for better, where it is no column.
        unit: Of the score.

    Raises:
        BadInput: The evaluations are of other cases, or of a single subject.
    """
    subjects, found = cases(ours)
    tables = [cases(folders) for folders in others]
    if any(list(names) != list(subjects) for names, _ in tables):
        raise BadInput(f"{ours[0]} was asked of other cases than what it is compared with.")
    if len({*subjects}) < 2:
        raise BadInput(
            f"{ours[0]} was asked of one subject, which says nothing of others; add some."
        )
    score = score or itemgetter(name)
    best = max((score(table) for _, table in tables), key=lambda values: float(np.nanmean(values)))
    test = t_test(score(found), best, subjects)
    n, p = test.n, test.p_value
    return {
        f"gain_{name}": Metric(value=test.difference, low=test.low, high=test.high, unit=unit, n=n),
        f"p_value_{name}": Metric(value=p, low=p, high=p, unit="", n=n),
    }


def cases(folders: Sequence[Path]) -> tuple[Sequence[str], Table]:
    """Subjects and columns of all rows of `predictions.csv`, NaN where a cell is empty."""
    rows = predictions(folders)
    names = [name for name in dict.fromkeys(n for row in rows for n in row) if name not in FACTS]
    columns = {
        name: np.array([float(row.get(name) or "nan") for row in rows], np.float64)
        for name in names
    }
    return [row["subject"] for row in rows], columns


def predictions(folders: Sequence[Path]) -> list[dict[str, str]]:
    """All rows of their `predictions.csv`."""
    return [row for folder in folders for row in _rows(folder / "predictions.csv")]


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _unit(name: str) -> str:
    return next(
        (unit for unit in ("mm", "px") if name.split("/", maxsplit=1)[0].endswith(f"_{unit}")), ""
    )
