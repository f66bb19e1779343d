"""The command line: quick help, frozen options, one sentence and status 2 for bad input."""

import csv
import errno
import json
import os
import shutil
from pathlib import Path

import pytest
from PIL import Image

from septum import bench, checkpoint, cli, runs
from septum.models import MODELS
from septum.tasks import TASKS

pytestmark = pytest.mark.usefixtures("tiny_models")


@pytest.fixture(scope="module")
def septum(tmp_path_factory):
    """Run a command; images are prepared into a cache that all tests of this file share."""
    cache = tmp_path_factory.mktemp("cache")

    def command(words, *more):
        arguments = [*words.split(), *map(str, more)]
        return cli.main([*arguments, "--cache", str(cache)])

    return command


@pytest.fixture(scope="module")
def images(phantom_root):
    return "--data", "phantom", "--root", phantom_root


@pytest.fixture(scope="module")
def trained(septum, images, tmp_path_factory, tiny_models):  # noqa: ARG001 - the order matters
    """A finished run that is not to be written."""
    folder = tmp_path_factory.mktemp("runs") / "trained"
    assert septum("train concept_vae", *images, "--out", folder) == 0
    return folder


@pytest.fixture
def run(trained, tmp_path):
    """A finished run that may be spoilt."""
    return shutil.copytree(trained, tmp_path / "run")


@pytest.fixture
def own(phantom_root, tmp_path):
    """A data set that may be spoilt."""
    return shutil.copytree(phantom_root / "phantom", tmp_path / "data" / "own")


@pytest.fixture
def complaint(capsys):
    """The one sentence that a failed command prints; nothing else may be on stderr."""

    def sentence():
        lines = capsys.readouterr().err.strip().splitlines()
        assert len(lines) == 1
        assert lines[0].startswith("septum: ")
        return lines[0]

    return sentence


def test_sketch_prepare_and_audit(septum, tmp_path, capsys):
    assert cli.main(["data", "list"]) == 0
    assert cli.main(["data", "sketch", "camus", "--out", str(tmp_path)]) == 0
    root = ("--data", "camus", "--root", tmp_path)
    assert septum("data prepare --image-size 32 48", *root) == 0
    facts = json.loads(Path(capsys.readouterr().out.split()[-1]).read_text())
    assert facts["data"] == "camus"
    assert facts["image_size"] == [32, 48]
    assert facts["splits"]["train"] == {"images": 4, "subjects": 1}
    assert facts["organs"] == {"heart": {"images": 8, "subjects": 2}}
    audit = ["data", "audit", *map(str, root), "--out", str(tmp_path / "audit")]
    assert cli.main(audit) == 0
    assert json.loads((tmp_path / "audit" / "audit.json").read_text())["clean"]
    assert {p.suffix for p in (tmp_path / "audit").iterdir()} == {".json", ".txt", ".png"}


def test_evaluate_and_report(septum, images, run, capsys):
    out = run / "evaluate" / "retrieve"
    assert septum("evaluate retrieve", "--run", run, *images, "--out", out) == 0
    assert "95 % interval" in capsys.readouterr().out
    said = json.loads((out / "metrics.json").read_text())
    assert {k: said[k] for k in ("task", "model", "data", "split", "seed")} == {
        "task": "retrieve",
        "model": "concept_vae",
        "data": "phantom",
        "split": "val",
        "seed": 0,
    }
    assert said["metrics"].keys() >= {"map5/mean", "floor/map5/mean", "map5_strict/mean"}
    assert said["metrics"]["map5/mean"].keys() == {"value", "low", "high", "unit", "n"}
    table = run / "what_was_measured.json"
    table.write_text(json.dumps({"rows": [{"variant": "taken back", "loss": 0.25}]}))
    assert septum("report", run, "--tables", table) == 0
    page = (run / "report.html").read_text()
    assert all(word in page for word in ("ConceptVAE", "What was measured", "taken back"))


def test_a_run_opens_as_it_was_trained(run):
    opened = runs.load(run)
    small = MODELS["concept_vae"].sizes["small"]
    assert (opened.name, opened.size, opened.data, opened.seed) == (
        "concept_vae",
        "small",
        "phantom",
        0,
    )
    assert opened.config == small.config
    assert opened.recipe == small.recipe


def test_the_floor_is_the_same_for_every_run_of_a_config(run):
    one, other = (runs.floor(runs.load(run)).state_dict() for _ in range(2))
    assert all(one[name].equal(other[name]) for name in one)
    assert not one["head.weight"].equal(runs.load(run).model.state_dict()["head.weight"])


def test_a_finished_run_resumes_to_the_same_weights(septum, images, run):
    before = (run / checkpoint.WEIGHTS).read_bytes()
    assert septum("train concept_vae --resume", *images, "--out", run) == 0
    assert (run / checkpoint.WEIGHTS).read_bytes() == before


def test_an_interruption_ends_with_status_130(septum, images, tmp_path, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(runs, "train", interrupted)
    assert septum("train concept_vae", *images, "--out", tmp_path / "run") == 130


@pytest.mark.parametrize("registry", [MODELS, TASKS, MODELS["concept_vae"].sizes])
def test_an_unknown_name_is_answered_with_the_choices(registry, septum, images, run, complaint):
    words = {
        id(MODELS): "train concept_va",
        id(TASKS): f"evaluate segmnt --run {run}",
    }.get(id(registry), "train concept_vae --size huge")
    assert septum(words, *images, "--out", run) == 2
    assert ", ".join(registry) in complaint()


def test_an_unknown_data_set_is_answered_with_the_choices(septum, phantom_root, complaint):
    assert septum("data prepare --data fantom", "--root", phantom_root) == 2
    assert "phantom" in complaint()


def test_a_missing_root_is_named(septum, tmp_path, complaint):
    assert septum("data prepare --data phantom", "--root", tmp_path / "nowhere") == 2
    assert str(tmp_path / "nowhere") in complaint()


def test_nothing_to_train_on_is_said(septum, phantom_root, tmp_path, complaint):
    assert septum("train concept_vae --root", phantom_root, "--out", tmp_path, "--data") == 2
    assert "at least one" in complaint()


def missing(folder, image):  # noqa: ARG001 - all spoilers are called alike
    image.unlink()


def truncated(folder, image):  # noqa: ARG001
    image.write_bytes(image.read_bytes()[:200])


def no_image(folder, image):  # noqa: ARG001
    image.write_text("not a picture")


def too_large(folder, image):  # noqa: ARG001
    Image.new("L", (5000, 4000)).save(image)


def outside(folder, image):
    image.rename(folder.parent / "elsewhere.png")
    rewrite(folder, image="../elsewhere.png")


def other_size(folder, image):
    Image.new("L", (10, 10)).save(folder / "masks" / image.name)


def two_splits(folder, image):  # noqa: ARG001
    rewrite(folder, split="train")
    rewrite(folder, split="test", row=1)


def unknown_split(folder, image):  # noqa: ARG001
    rewrite(folder, split="tset")


def rewrite(folder, *, row=0, **cells):
    with (folder / "manifest.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    rows[row] |= cells
    with (folder / "manifest.csv").open("w", newline="") as file:
        table = csv.DictWriter(file, rows[0])
        table.writeheader()
        table.writerows(rows)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (missing, "There is no file"),
        (truncated, "damaged"),
        (no_image, "no image"),
        (too_large, "larger than"),
        (outside, "no plain path"),
        (other_size, "10 x 10"),
        (two_splits, "is in two splits"),
        (unknown_split, "'tset'"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_bad_data_set_is_told_in_one_sentence(spoil, said, septum, own, complaint):
    spoil(own, sorted((own / "images").iterdir())[0])
    where = ("--data", "own", "--root", own.parent)
    assert septum("data prepare --image-size 32 48", *where) == 2
    assert said in complaint()


def test_an_empty_split_is_named(septum, own, run, complaint):
    for row in range(48):
        rewrite(own, split="train", row=row)
    where = ("--data", "own", "--root", own.parent, "--out", own)
    assert septum("evaluate retrieve --split test", "--run", run, *where) == 2
    assert "'test' of own is empty" in complaint()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"septum": "9.9.9"}, "9.9.9"),
        ({"model": "unheard_of"}, "choose one of anatomy_vit"),
        ({"size": "huge"}, "small, paper"),
        ({"config": {}}, "other settings"),
        ({"recipe": []}, "other settings"),
        ({"model": ["concept_vae"]}, "There is no model"),
    ],
)
def test_a_run_of_another_version_or_model_is_refused(change, said, run, complaint):
    path = run / checkpoint.CONFIG
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    assert cli.main(["report", str(run)]) == 2
    assert said in complaint()


def test_a_folder_without_a_run_is_refused(tmp_path, complaint):
    assert cli.main(["report", str(tmp_path)]) == 2
    assert "holds no run" in complaint()


def test_a_taken_folder_is_refused_and_left_alone(septum, images, run, complaint):
    before = {p: p.read_bytes() for p in run.rglob("*") if p.is_file()}
    assert septum("train concept_vae --seed 1", *images, "--out", run) == 2
    assert "--resume" in complaint()
    assert {p: p.read_bytes() for p in run.rglob("*") if p.is_file()} == before


def test_a_full_disk_loses_nothing(septum, images, run, monkeypatch, complaint):
    def full(_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    before = (run / checkpoint.WEIGHTS).read_bytes()
    monkeypatch.setattr(os, "fsync", full)
    assert septum("train concept_vae --resume", *images, "--out", run) == 2
    assert "No space left" in complaint()
    assert (run / checkpoint.WEIGHTS).read_bytes() == before


@pytest.mark.parametrize("seed", [-1, 1 << 63])
@pytest.mark.parametrize("command", ["train concept_vae", "evaluate segment"])
def test_an_impossible_seed_is_refused_before_anything_is_written(
    command, seed, septum, images, run, tmp_path, complaint
):
    more = ("--run", run) if command.startswith("evaluate") else ()
    assert septum(command, *more, *images, "--seed", seed, "--out", tmp_path / "out") == 2
    assert f"{seed} cannot be used" in complaint()
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("option", [("--size", "huge"), ("--steps", 0), ("--subjects", 0)])
def test_an_impossible_demo_is_refused_before_anything_is_written(option, tmp_path, complaint):
    words = ["demo", "--out", str(tmp_path / "demo"), *map(str, option)]
    assert cli.main(words) == 2
    assert str(option[1]) in complaint()
    assert not (tmp_path / "demo").exists()


def test_results_belong_to_one_run(run, complaint):
    assert cli.main(["report", str(run), str(run), "--results", str(run)]) == 2
    assert "one run" in complaint()


def test_a_bench_table_is_printed_and_written(tmp_path, monkeypatch, capsys, complaint):
    row = {"name": "step", "value": 0.125, "low": 0.1, "high": 0.15, "unit": "s", "n": 8}
    monkeypatch.setitem(bench.TABLES, "speed", lambda _: [row])
    assert cli.main(["bench", "speed", "--out", str(tmp_path)]) == 0
    assert "0.125" in capsys.readouterr().out
    said = json.loads((tmp_path / "speed.json").read_text())
    assert said["rows"] == [row]
    assert said["machine"]["torch"]
    assert cli.main(["bench", "speeed", "--out", str(tmp_path)]) == 2
    assert "speed" in complaint()


def test_a_table_that_needs_images_says_so(tmp_path, complaint):
    assert cli.main(["bench", "ablation", "--out", str(tmp_path)]) == 2
    assert "--data" in complaint()


@pytest.mark.slow
def test_demo_ends_with_a_page(tmp_path, capsys):
    assert cli.main(["demo", "--out", str(tmp_path), "--subjects", "12"]) == 0
    page = Path(capsys.readouterr().out.split()[-1])
    assert page.is_relative_to(tmp_path)
    assert "Dice loss" in page.read_text()
