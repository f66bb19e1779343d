"""The command line on films: drawn, trained on, asked about; and stills where films are meant."""

import csv
import json

import pytest

from septum import cli
from septum.data import SOURCES, open_source


def septum(words, *more):
    return cli.main([*words.split(), *map(str, more)])


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Sixteen beating hearts in the layout of EchoNet-Dynamic."""
    root = tmp_path_factory.mktemp("films")
    words = "data sketch hearts --layout echonet-dynamic --subjects 16 --seed 3 --out"
    assert septum(words, root) == 0
    return root


def test_a_population_is_written_in_a_layout(root):
    with (root / "hearts" / "FileList.csv").open() as file:
        rows = [*csv.DictReader(file)]
    _, records = open_source("hearts:echonet_dynamic", root)
    assert len(rows) == len(records) == 16
    assert {row["Split"] for row in rows} == {"TRAIN", "VAL", "TEST"}


def test_a_layout_without_a_population_is_told(tmp_path, capsys):
    assert septum("data sketch acdc --subjects 3 --out", tmp_path) == 2
    assert "leave out --subjects" in capsys.readouterr().err
    assert septum("data sketch fantom --out", tmp_path) == 2
    assert ", ".join(SOURCES) in capsys.readouterr().err
    assert septum("data sketch ../camus --layout camus --out", tmp_path) == 2
    assert "no plain path" in capsys.readouterr().err


@pytest.mark.slow
def test_from_films_to_an_ejection_fraction(root, tmp_path):
    images = "--data", "hearts:echonet_dynamic", "--root", root, "--cache", tmp_path / "cache"
    run = tmp_path / "run"
    assert septum("train coreecho --steps 3", *images, "--out", run) == 0
    out = run / "evaluate" / "regress_ef"
    assert septum("evaluate regress_ef --split all --run", run, *images, "--out", out) == 0
    found = json.loads((out / "metrics.json").read_text())["metrics"]
    assert found["mae"]["n"] == 16
    assert found["mae"]["low"] <= found["mae"]["value"] <= found["mae"]["high"]
    assert septum("report", run, "--cache", tmp_path / "cache") == 0
    assert (run / "report.html").stat().st_size > 10_000


def test_a_model_of_films_refuses_stills_and_the_other_way_round(
    root, phantom_root, tmp_path, capsys
):
    cache = "--cache", tmp_path / "cache", "--out", tmp_path / "run"
    assert septum("train coreecho --data phantom --root", phantom_root, *cache) == 2
    assert "holds still images" in capsys.readouterr().err
    assert septum("train concept_vae --data hearts:echonet_dynamic --root", root, *cache) == 2
    assert "holds films" in capsys.readouterr().err
