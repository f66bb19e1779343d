"""A run that is handed on: whole, said to be what it is, and still a run."""

import dataclasses
import importlib.util
import json
import re
import shutil
from pathlib import Path

import pytest

from septum import checkpoint, cli, opened
from septum.contract import BadInput
from septum.export import card, folder, graph, parity, probes

pytestmark = pytest.mark.usefixtures("tiny_models")

HOME = Path(__file__).parents[2]
FILES = {
    "README.md", "config.json", "encode.onnx", "environment.json", "model.safetensors",
    "parity.json",
}  # fmt: skip


@pytest.fixture(scope="module")
def septum(tmp_path_factory):
    """Run a command, with one cache for all."""
    cache = tmp_path_factory.mktemp("cache")

    def command(words, *more):
        return cli.main([*words.split(), *map(str, more), "--cache", str(cache)])

    return command


@pytest.fixture(scope="module")
def images(phantom_root):
    return "--data", "phantom", "--root", phantom_root


@pytest.fixture(scope="module")
def run(septum, images, tmp_path_factory, tiny_models):  # noqa: ARG001 - the order matters
    """A finished run with an evaluation; not to be written."""
    out = tmp_path_factory.mktemp("runs") / "run"
    assert septum("train vae", *images, "--out", out) == 0
    assert septum(f"evaluate segment --run {out}", *images, "--out", out / "evaluate" / "a") == 0
    return out


@pytest.fixture(scope="module")
def exported(septum, run, tmp_path_factory):
    out = tmp_path_factory.mktemp("exports") / "handed_on"
    assert septum("export", "--run", run, "--out", out) == 0
    return out


@pytest.fixture
def readme(exported):
    return (exported / "README.md").read_text()


def test_all_files_are_there_and_nothing_beside_them(exported):
    assert {path.name for path in exported.iterdir()} == FILES
    assert [path.name for path in exported.parent.iterdir()] == ["handed_on"]


def test_the_folder_is_a_run_like_the_one_it_was_made_of(septum, images, run, exported, tmp_path):
    words = f"evaluate segment --run {exported}"
    assert septum(words, *images, "--out", tmp_path) == 0
    said = (tmp_path / "metrics.json").read_text()
    assert said == (run / "evaluate" / "a" / "metrics.json").read_text()


def test_parity_says_on_what_and_how_far(exported):
    said = json.loads((exported / "parity.json").read_text())
    assert said["images"] == {"data": "phantom", "split": "val", "n": said["images"]["n"]}
    assert said["images"]["n"] >= 3
    assert said["batch_sizes"] == [1, 3]
    assert said["opset"] == graph.OPSET
    encode = said["graphs"]["encode"]
    assert encode["inputs"] == {"image": ["batch", 1, 64, 96]}
    assert 0 < max(encode["differences"].values()) < said["tolerance"] == 1e-4
    assert encode["onnxruntime_ms"] > 0 < encode["torch_ms"]


def test_the_card_says_what_it_is_made_of_and_how_well_it_does(readme, run):
    said = json.loads((run / "evaluate" / "a" / "metrics.json").read_text())["metrics"]
    dice = said["dice_loss/content/k5"]
    interval = f"{dice['low']:.4g} to {dice['high']:.4g}"
    row = f"| dice_loss/content/k5 | {dice['value']:.4g} | {interval} | {dice['n']} | "
    assert row in readme
    assert "nobody tells what its dimensions should mean" in readme  # the claim of the paper
    assert "Kingma" in readme
    assert "not a medical device" in readme
    assert "**Apache-2.0**, as it follows from the data" in readme
    assert "2 steps of 4, seed 0" in readme


def test_the_card_counts_subjects(readme, phantom_root):
    del phantom_root  # twelve of them
    rows = re.findall(r"^\| (?:train|val|test) \| (\d+) \| (\d+) \|$", readme, re.M)
    assert sum(int(subjects) for subjects, _ in rows) == 12
    assert sum(int(count) for _, count in rows) == 48


def test_nothing_tells_a_place_or_a_subject(exported, run, phantom_root):
    subjects = (phantom_root / "phantom" / "manifest.csv").read_text().splitlines()[1:]
    ids = {row.split(",")[1] for row in subjects}
    assert len(ids) == 12
    for path in exported.iterdir():
        content = path.read_bytes()
        for place in (HOME, run.parent, phantom_root):
            assert str(place).encode() not in content, path.name
        assert not any(name.encode() in content for name in ids), path.name


def test_the_code_of_the_card_runs(readme, exported, monkeypatch, capsys):
    monkeypatch.chdir(exported)
    blocks = re.findall(r"^```python\n(.*?)^```$", readme, re.M | re.S)
    for code in blocks:
        exec(compile(code, "README.md", "exec"), {})
    assert len(blocks) == 2
    assert "'pooled': (2, " in capsys.readouterr().out


@pytest.mark.slow
def test_an_export_can_be_exported(septum, exported, tmp_path):
    """It does not say where its images lie, so phantoms are drawn."""
    assert septum("export", "--run", exported, "--out", tmp_path / "again") == 0
    assert json.loads((tmp_path / "again" / "parity.json").read_text())["images"]["n"] == 12
    assert "subjects are not counted" in (tmp_path / "again" / "README.md").read_text()
    assert "Nothing was measured" in (tmp_path / "again" / "README.md").read_text()


def missing(run, out):  # noqa: ARG001 - all spoilers are called alike
    shutil.rmtree(run)


def unfinished(run, out):  # noqa: ARG001
    (run / checkpoint.WEIGHTS).unlink()


def taken(run, out):  # noqa: ARG001
    out.mkdir()
    (out / "mine.txt").write_text("keep")


def a_file(run, out):  # noqa: ARG001
    out.write_text("keep")


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (missing, "holds no run"),
        (unfinished, "no finished training"),
        (taken, "no empty folder"),
        (a_file, "no empty folder"),
    ],
)
def test_what_cannot_be_exported_is_told_in_one_sentence(
    spoil, said, septum, run, tmp_path, capsys
):
    own, out = shutil.copytree(run, tmp_path / "run"), tmp_path / "out"
    spoil(own, out)
    before = sorted(path for path in tmp_path.rglob("*"))
    assert septum("export", "--run", own, "--out", out) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert said in line
    assert sorted(path for path in tmp_path.rglob("*")) == before


def test_a_graph_that_is_too_far_off_leaves_no_file(septum, run, tmp_path, capsys):
    assert septum("export --tolerance 0", "--run", run, "--out", tmp_path / "out") == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert "encode differs from its model" in line
    assert list(tmp_path.iterdir()) == []


def test_a_root_without_the_images_is_refused(septum, run, tmp_path, capsys):
    words = ("--run", run, "--out", tmp_path / "out", "--root", tmp_path)
    assert septum("export", *words) == 2
    assert "There is no data set 'phantom'" in capsys.readouterr().err


def test_a_missing_package_is_named(run, tmp_path, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "onnx" else 1)
    with pytest.raises(BadInput, match=r"needs onnx; run: pip install 'septum\[export\]'"):
        folder.export(run, tmp_path / "out", tolerance=1e-4)


def test_what_was_begun_with_counts_as_data(run, tmp_path):
    """A card for a run that began with weights from data that forbid commerce."""
    header = checkpoint.read_header(run)
    before = header | {"data": "camus", "model": "beta_vae"}
    shutil.copytree(run, tmp_path / "run")
    checkpoint.write_json(tmp_path / "run" / checkpoint.CONFIG, header | {"begin": before})
    opened_run = dataclasses.replace(opened.load(run), folder=tmp_path / "run")
    found = parity.Parity(
        inputs={"image": ["batch", 1, 64, 96]},
        outputs={"pooled": ["batch", 8]},
        differences={"pooled": 0.0},
        onnxruntime_ms=1.0,
        torch_ms=1.0,
    )
    said = card.text(opened_run, {"encode": found}, images=None, root=None, tolerance=1e-4)
    assert "It began with the weights of `beta_vae`, trained on camus." in said
    assert "**research only, not for commercial use**" in said


@pytest.mark.slow
def test_films_are_drawn_for_a_model_of_films(run):
    still = opened.load(run)
    films = dataclasses.replace(still, recipe=opened.sized("coreecho", "small").recipe)
    found = probes.phantoms(films)
    clip = films.recipe.clip
    assert clip is not None
    assert found.shape == (probes.HEARTS, 1, clip.frames, *films.recipe.image_size)
    assert found.std((0, 3, 4)).min() > 0


@pytest.mark.slow
def test_a_part_that_is_no_graph_is_told_and_left_out(run, tmp_path, monkeypatch):
    """The model can encode; what it does beside has no graph."""
    still = opened.load(run)
    image = probes.phantoms(still)
    (encode,) = graph.graphs(still.model, image)
    write = graph.write

    def only_encode(one, image, path):
        if one.name != "encode":
            raise BadInput(f"{one.name} of this model is no graph.")
        write(one, image, path)

    segment = dataclasses.replace(encode, name="segment")
    monkeypatch.setattr(graph, "graphs", lambda *_: [encode, segment])
    monkeypatch.setattr(graph, "write", only_encode)
    done = folder.export(run, tmp_path / "out", tolerance=1e-4)
    assert [*done.graphs] == ["encode"]
    assert done.left_out == {"segment": "segment of this model is no graph."}
    said = json.loads((tmp_path / "out" / "parity.json").read_text())
    assert said["left_out"] == done.left_out
