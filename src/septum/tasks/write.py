"""A report as files: `metrics.json`, `predictions.csv` and one PNG per figure."""

import csv
import io
import json
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from septum.contract import BadInput, Metric, Report

DPI = 120


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """One answered question: the facts that identify it, its metrics, and its pictures."""

    task: str
    data: str
    split: str
    model: str
    metrics: Mapping[str, Metric]
    pictures: Sequence[Path]


def with_floor(report: Report, floor: Report) -> Report:
    """The report with the metrics of a randomly initialised model under `floor/`."""
    beside = {f"floor/{path}": metric for path, metric in floor.metrics.items()}
    return replace(report, metrics={**report.metrics, **beside})


def write(
    report: Report, out: Path, *, task: str, model: str, data: str, split: str, seed: int
) -> None:
    """Write the report into a folder, file by file, each one whole or not at all.

    Raises:
        BadInput: If the folder cannot be written to.
    """
    facts = {"task": task, "model": model, "data": data, "split": split, "seed": seed}
    metrics = {path: asdict(metric) for path, metric in report.metrics.items()}
    try:
        out.mkdir(parents=True, exist_ok=True)
        for name, figure in report.figures.items():
            picture = io.BytesIO()
            figure.savefig(picture, format="png", dpi=DPI)
            _replace(out / f"{name}.png", picture.getvalue())
        if report.rows:
            _replace(out / "predictions.csv", _csv(report).encode())
        text = json.dumps({**facts, "metrics": metrics}, indent=2, allow_nan=False)
        _replace(out / "metrics.json", text.encode())
    except OSError as error:
        raise BadInput(
            f"The report cannot be written to {out} ({error.strerror}); choose another folder."
        ) from error


def read(folder: Path) -> Evaluation:
    """An evaluation from its folder: `metrics.json`, and every PNG beside it.

    Raises:
        BadInput: If there is no such file, or it is not one that `septum evaluate` writes.
    """
    path = folder / "metrics.json"
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
        metrics = {str(name): _metric(**facts) for name, facts in said["metrics"].items()}
        facts = {name: str(said[name]) for name in ("task", "data", "split", "model")}
    except OSError as error:
        raise BadInput(f"{path} cannot be read; name the folder of an evaluation.") from error
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise BadInput(f"{path} is no result of an evaluation; evaluate again.") from error
    return Evaluation(**facts, metrics=metrics, pictures=sorted(folder.glob("*.png")))


def _metric(*, value: Any, low: Any, high: Any, unit: Any, n: Any) -> Metric:
    """From JSON, where a missing number is null."""
    value, low, high = (math.nan if part is None else float(part) for part in (value, low, high))
    return Metric(value=value, low=low, high=high, unit=str(unit), n=int(n))


def _csv(report: Report) -> str:
    """One line per row; the columns are those of all rows, in the order they first occur."""
    columns = dict.fromkeys(name for row in report.rows for name in row)
    text = io.StringIO()
    table = csv.DictWriter(text, list(columns), lineterminator="\n")
    table.writeheader()
    table.writerows(report.rows)
    return text.getvalue()


def _replace(path: Path, content: bytes) -> None:
    """Write beside the file, then rename: a reader sees the old file or the new one."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        beside.write_bytes(content)
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
