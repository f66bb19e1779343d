"""Tables that are sound at any moment and harmless in a spreadsheet."""

import csv
import io
import json

import numpy as np
import pytest
from pyarrow import parquet

from septum.contract import BadInput
from septum.predict import Answer, Estimate, Failure, Input, written
from septum.predict.written import Folder

FRAMES = np.full((1, 6, 8), 90, np.uint8)


def one(name, tmp_path, **changes):
    return Input(id=name, path=tmp_path / f"{name}.png", frames=FRAMES, **changes)


def answer(**changes):
    return Answer(embedding=np.array([1.0, 2.0], np.float32), **changes)


def rows(folder):
    return list(csv.DictReader(io.StringIO((folder / "predictions.csv").read_text())))


def test_rows_have_the_columns_that_any_has(tmp_path):
    ef = Estimate(value=55.5, low=40.0, high=70.0, unit="percent")
    with Folder(tmp_path / "out", {"model": "m"}) as folder:
        folder.add(one("a", tmp_path), answer(estimates={"ef_percent": ef}, abstain=False))
        folder.add(one("b", tmp_path), answer(shares={"view": {"A2C": 0.25, "A4C": 0.75}}))
        folder.fail(Failure(id="c", path=tmp_path / "c.png", kind="picture", error="Broken."))
    a, b, c = rows(tmp_path / "out")
    assert (a["ef_percent"], a["ef_percent_low"], a["ef_percent_high"]) == ("55.5", "40.0", "70.0")
    assert (a["abstain"], a["view"], a["error"]) == ("no", "", "")
    assert (b["view"], b["view/A4C"], b["height"], b["width"]) == ("A4C", "0.75", "6", "8")
    assert (c["error"], c["height"]) == ("Broken.", "")
    said = json.loads((tmp_path / "out" / "predictions.json").read_text())
    assert said["model"] == "m"
    assert [found["id"] for found in said["inputs"]] == ["a", "b", "c"]
    table = parquet.read_table(tmp_path / "out" / "embeddings.parquet").to_pydict()
    assert table == {"id": ["a", "b"], "embedding": [[1.0, 2.0], [1.0, 2.0]]}


def test_no_cell_is_a_formula(tmp_path):
    path = tmp_path / "=HYPERLINK(1).png"
    with Folder(tmp_path / "out", {}) as folder:
        folder.fail(Failure(id="x", path=path, kind="picture", error="@sum is no image."))
        shares = {"+label": {"=1+1": 0.6, "-2": 0.4}}
        folder.add(one("y", tmp_path), answer(shares=shares, proxies={"a": -0.5}))
    text = (tmp_path / "out" / "predictions.csv").read_text()
    cells = [cell for row in csv.reader(io.StringIO(text)) for cell in row]
    assert [cell for cell in cells if cell.startswith(("=", "+", "@"))] == []
    assert "'@sum is no image." in cells
    assert "-0.5" in cells  # a number may be below 0


def test_what_a_killed_run_leaves_is_sound(tmp_path, monkeypatch):
    monkeypatch.setattr(written, "EVERY_S", 0.0)
    monkeypatch.setattr(written, "SHARE", 1e9)
    folder = Folder(tmp_path / "out", {}).__enter__()  # never left, as by SIGKILL
    for name in "abc":
        folder.add(one(name, tmp_path), answer(masks=FRAMES))
    assert [row["id"] for row in rows(tmp_path / "out")] == ["a", "b", "c"]
    with pytest.raises(KeyboardInterrupt):
        interrupted(tmp_path)
    assert [row["id"] for row in rows(tmp_path / "other")] == ["a"]


def interrupted(tmp_path):
    with Folder(tmp_path / "other", {}) as folder:
        folder.add(one("a", tmp_path), answer())
        raise KeyboardInterrupt


def test_a_name_leads_nowhere_else(tmp_path):
    with pytest.raises(BadInput, match="no plain path"), Folder(tmp_path / "out", {}) as folder:
        folder.add(one("../../x", tmp_path), answer(masks=FRAMES))


def test_numbers_that_are_none_are_left_out(tmp_path):
    with Folder(tmp_path / "out", {}) as folder:
        folder.add(one("a", tmp_path), answer(outlier=float("nan"), proxies={"p": float("inf")}))
    (row,) = rows(tmp_path / "out")
    assert row.keys().isdisjoint({"outlier", "proxy/p"})
    assert "NaN" not in (tmp_path / "out" / "predictions.json").read_text()


def test_the_name_of_a_dicom_file_is_not_written(tmp_path):
    source = Input(id="dicom-0001-ab", path=tmp_path / "MUELLER", frames=FRAMES, kind="dicom")
    with Folder(tmp_path / "out", {}) as folder:
        folder.add(source, answer())
    assert "MUELLER" not in (tmp_path / "out" / "predictions.json").read_text()
    assert "MUELLER" not in (tmp_path / "out" / "predictions.csv").read_text()
