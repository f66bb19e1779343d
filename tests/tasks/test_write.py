import csv
import json
import math
from pathlib import Path

import pytest
from matplotlib.figure import Figure
from PIL import Image

from septum.contract import BadInput, Metric, Report
from septum.tasks.write import read, with_floor, write

FACTS = {"task": "segment", "model": "concept_vae", "data": "camus", "split": "val", "seed": 3}


def report(value: float = 0.25) -> Report:
    metric = Metric(value=value, low=0.125, high=0.5, unit="", n=7)
    rows = [{"id": "a", "loss": 0.1}, {"id": "b, with comma", "view": "A4C"}]
    return Report(metrics={"dice_loss/content/k5": metric}, rows=rows, figures={"curve": Figure()})


def test_the_metrics_file_is_the_interface_that_scripts_rely_on(tmp_path: Path):
    write(report(), tmp_path / "new" / "out", **FACTS)

    assert json.loads((tmp_path / "new" / "out" / "metrics.json").read_text()) == {
        "task": "segment",
        "model": "concept_vae",
        "data": "camus",
        "split": "val",
        "seed": 3,
        "metrics": {
            "dice_loss/content/k5": {"value": 0.25, "low": 0.125, "high": 0.5, "unit": "", "n": 7}
        },
    }


def test_rows_and_figures(tmp_path: Path):
    write(report(), tmp_path, **FACTS)

    with (tmp_path / "predictions.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert rows == [
        {"id": "a", "loss": "0.1", "view": ""},
        {"id": "b, with comma", "loss": "", "view": "A4C"},
    ]
    with Image.open(tmp_path / "curve.png") as picture:
        assert picture.format == "PNG"
    assert {p.name for p in tmp_path.iterdir()} == {"metrics.json", "predictions.csv", "curve.png"}


def test_the_same_report_is_the_same_bytes(tmp_path: Path):
    for name in ("one", "two"):
        write(report(), tmp_path / name, **FACTS)

    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes()


def test_a_full_disk_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    write(report(), tmp_path, **FACTS)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    def full(self: Path, data: bytes) -> int:
        with self.open("wb") as file:
            file.write(data[:3])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(BadInput, match="No space left"):
        write(report(0.75), tmp_path, **FACTS)

    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_file_in_the_place_of_the_folder_is_refused(tmp_path: Path):
    (tmp_path / "out").write_text("mine")

    with pytest.raises(BadInput, match="out"):
        write(report(), tmp_path / "out", **FACTS)
    assert (tmp_path / "out").read_text() == "mine"


def test_nan_is_no_number_to_write(tmp_path: Path):
    with pytest.raises(ValueError, match="JSON"):
        write(report(float("nan")), tmp_path, **FACTS)


def test_the_floor_stands_beside():
    both = with_floor(report(0.25), report(0.75))

    assert {path: metric.value for path, metric in both.metrics.items()} == {
        "dice_loss/content/k5": 0.25,
        "floor/dice_loss/content/k5": 0.75,
    }
    assert both.rows == report().rows


def number(value, *, width=0.1, unit="1", n=200):
    return {"value": value, "low": value - width, "high": value + width, "unit": unit, "n": n}


def evaluation(folder, metrics, **facts):
    folder.mkdir(parents=True, exist_ok=True)
    said = {"task": "segment", "model": "m", "data": "d", "split": "val", "seed": 0} | facts
    (folder / "metrics.json").write_text(json.dumps({**said, "metrics": metrics}))
    return folder


def test_an_evaluation_is_read_with_its_pictures_in_order(tmp_path):
    folder = evaluation(tmp_path, {"auroc": number(0.75)})
    for name in ("b.png", "a.png", "c.txt"):
        (folder / name).write_bytes(b"")

    found = read(folder)

    assert found.metrics == {"auroc": Metric(value=0.75, low=0.65, high=0.85, unit="1", n=200)}
    assert (found.task, found.data, found.split, found.model) == ("segment", "d", "val", "m")
    assert [path.name for path in found.pictures] == ["a.png", "b.png"]


def test_an_unknown_bound_is_nan(tmp_path):
    metric = number(1.0) | {"low": None}

    assert math.isnan(read(evaluation(tmp_path, {"mae": metric})).metrics["mae"].low)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"metrics": []}',
        '{"metrics": {"a": 1}}',
        '{"metrics": {"a": {"value": 1}}}',
    ],
)
def test_what_is_no_evaluation_is_refused(tmp_path, text):
    (tmp_path / "metrics.json").write_text(text)

    with pytest.raises(BadInput, match="evaluate again"):
        read(tmp_path)


def test_a_missing_evaluation_is_refused(tmp_path):
    with pytest.raises(BadInput, match="cannot be read"):
        read(tmp_path / "nowhere")
