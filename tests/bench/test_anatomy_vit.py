"""The bench of A-ViT: what the paper asks, of every method alike, and only once."""

import csv
import json
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage
from sklearn.metrics import jaccard_score

from septum import runs
from septum.baselines import BASELINES
from septum.bench import PAGES, TABLES
from septum.bench import anatomy_vit as table
from septum.bench.anatomy_vit import ALL, LADDER, METHODS, ONCE, Bench, trainings
from septum.bench.published import ANATOMY_VIT
from septum.bench.table import Setting
from septum.contract import Metric
from septum.data.prepare import prepare_many
from septum.models import MODELS
from septum.nn.vit import VitConfig

SIDE = 32
SHRUNK = {
    "decoder_width": 16, "decoder_depth": 1, "decoder_heads": 2, "critic_width": 8, "head": 16,
    "bottleneck": 64, "prototypes": 64, "width": 16, "auxiliary_width": 16,
}  # fmt: skip
USED = {"anatomy_vit", "mae", "masked_vit", "dino", "finetuned", "upernet"}
KEYS = {"table", "data", "model", "metric", "value", "low", "high", "n", "published"}


def metric(value=1.0):
    return Metric(value=value, low=value, high=value, unit="", n=3)


def unasked(*data, **options):
    return Setting(out=Path("none"), data=data, prepared=lambda *_: None, **options)


def test_a_table_and_its_page():
    assert TABLES["anatomy_vit"] is table.rows
    assert PAGES["anatomy_vit"] in trainings()
    assert {*METHODS} == {*trainings()}


def test_no_training_is_done_twice():
    found = trainings()
    assert [pair for pair in combinations(found, 2) if found[pair[0]] == found[pair[1]]] == []
    assert len({training.label for training in found.values()}) == len(found)


def test_methods_have_one_encoder_and_see_as_many_images():
    found = trainings()
    sizes = [runs.sized(training.model, table.SIZE) for training in found.values()]
    assert len({size.recipe for size in sizes}) == 1
    assert len({replace(size.config.vit, deforms=False) for size in sizes}) == 1
    for training, size in zip(found.values(), sizes, strict=True):
        assert {*training.changes} <= {*vars(size.config)}


def test_rungs_differ_by_one_part_each():
    steps = [trainings()[name] for name in LADDER]
    assert [step.model for step in steps] == ["masked_vit", *["anatomy_vit"] * 3]
    left_out = [{part for part, weight in step.changes.items() if not weight} for step in steps[1:]]
    assert left_out == [{"adversarial", "distillation"}, {"distillation"}, set()]


def test_every_published_number_stands_beside_one_of_ours(monkeypatch):
    names = {path for of in ANATOMY_VIT.values() for numbers in of.values() for path in numbers}
    names |= {f"{score}/own" for score in table.SCORES}
    answer = SimpleNamespace(metrics=dict.fromkeys(sorted(names), metric()))
    monkeypatch.setattr(Bench, "folder", lambda *_: Path("none"))
    monkeypatch.setattr(Bench, "tuned", lambda *_: Path("none"))
    monkeypatch.setattr(Bench, "answered", lambda *_: Path("none"))
    monkeypatch.setattr(table, "read", lambda _: answer)
    monkeypatch.setattr(table, "_gain", lambda *_: (metric(), metric()))
    monkeypatch.setattr(table, "_miou", lambda *_: metric())
    monkeypatch.setattr(Bench, "classified", ("busi", "busi" + ONCE, "other"))
    monkeypatch.setattr(Bench, "outlined", ("camus", "others"))

    rows = table.rows(unasked())

    beside = {
        (f"{row['table']}/{row['data']}", row["model"], row["metric"]): row["published"]
        for row in rows
        if row["published"] != "" and not row["data"].endswith(ONCE)
    }
    assert beside == {
        (where, model, path): value
        for where, of in ANATOMY_VIT.items()
        for model, numbers in of.items()
        for path, value in numbers.items()
    }


def test_the_gain_is_how_much_more_often_ours_is_right(tmp_path):
    truth = ["benign", "malignant", "benign", "malignant", "benign"]
    subjects = ["a", "a", "b", "c", "d"]
    ours = _said(tmp_path / "ours", subjects, truth, [1, 1, 1, 1, 0])
    theirs = _said(tmp_path / "theirs", subjects, truth, [1, 0, 0, 0, 0])
    gain, p = table._gain(ours, theirs, "said/linear")
    assert gain.value == pytest.approx((0.5 + 1 + 1 + 0) / 4)
    assert gain.n == 4
    assert 0 < p.value < 1
    same, p = table._gain(ours, ours, "said/linear")
    assert (same.value, p.value) == (0.0, 1.0)


def _said(folder, subjects, truth, right):
    other = {"benign": "malignant", "malignant": "benign"}
    said = [t if r else other[t] for t, r in zip(truth, right, strict=True)]
    rows = zip(map(str, range(len(truth))), subjects, truth, said, strict=True)
    return _answered(folder, ["id", "subject", "truth", "said/linear"], rows)


def _answered(folder, header, rows):
    folder.mkdir()
    with (folder / "predictions.csv").open("w", newline="") as file:
        csv.writer(file).writerows([header, *rows])
    return folder


def test_the_mean_iou_is_that_of_the_masks(tmp_path):
    """Against scikit-learn, from the Dice of these masks."""
    rng = np.random.default_rng(0)
    drawn, truth = rng.random((2, 3, 2, 50)) < 0.5
    dice = 2 * (drawn & truth).sum(2) / (drawn.sum(2) + truth.sum(2))
    rows = [(f"i{i}", f"s{i}", d.mean(), *d) for i, d in enumerate(dice)]
    header = ["id", "subject", "dice/mean", "dice/ventricle", "dice/atrium"]
    found = table._miou(_answered(tmp_path / "a", header, rows), 0)
    both = zip(truth.reshape(6, 50), drawn.reshape(6, 50), strict=True)
    assert found.value == pytest.approx(np.mean([jaccard_score(t, d) for t, d in both]))
    assert found.n == 3


def picture(seed):
    smooth = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=(40, 40)), 1.5)
    return (128 + 300 * smooth).clip(0, 255).astype(np.uint8)


def written(folder, card, header, rows, pictures):
    folder.mkdir(parents=True)
    for name, pixels in pictures.items():
        Image.fromarray(pixels).save(folder / f"{name}.png")
    with (folder / "manifest.csv").open("w", newline="") as file:
        csv.writer(file).writerows([header, *rows])
    (folder / "dataset.json").write_text(json.dumps(card))


@pytest.fixture
def root(tmp_path):
    """Breasts of two classes, of whom two strangers share a picture; hearts without `test`."""
    folder, names = tmp_path / "data", [f"b{i}" for i in range(14)]
    pictures = {name: picture(i) for i, name in enumerate(names)} | {"b1": picture(5)}
    splits = ["train"] * 8 + ["val"] * 2 + ["test"] * 4
    rows = [
        (name, name, split, f"{name}.png", ("benign", "malignant")[i % 2])
        for i, (name, split) in enumerate(zip(names, splits, strict=True))
    ]
    header = ["id", "subject", "split", "image", "label"]
    written(folder / "busi", {"organ": "breast"}, header, rows, pictures)

    y, x = np.mgrid[:40, :40] - 20
    hearts = {f"c{i}": picture(100 + i) for i in range(6)}
    masks = {f"m{i}": (x**2 + y**2 < (8 + i) ** 2).astype(np.uint8) for i in range(6)}
    rows = [
        (f"c{i}", f"c{i}", "val" if i > 3 else "train", f"c{i}.png", f"m{i}.png") for i in range(6)
    ]
    card = {"organ": "heart", "mask_classes": {"1": "left_ventricle"}}
    header = ["id", "subject", "split", "image", "mask"]
    written(folder / "camus", card, header, rows, hearts | masks)
    return folder


def shrunk(size):
    """The same, of a network and a schedule that take no time."""
    config = size.config
    vit = VitConfig(patch_px=8, width=24, depth=3, heads=2, deforms=config.vit.deforms)
    sides = {name: value for name, value in SHRUNK.items() if hasattr(config, name)}
    recipe = replace(size.recipe, batch_size=4, image_size=(SIDE, SIDE))
    return replace(size, config=replace(config, vit=vit, **sides), recipe=recipe)


@pytest.fixture
def setting(root, tmp_path, monkeypatch):
    """Both data sets and a few phantom hearts, and small networks."""
    for registry in (MODELS, BASELINES):
        for name in USED & registry.keys():
            paper = registry[name]
            sizes = {k: shrunk(s) if k.startswith("tiny") else s for k, s in paper.sizes.items()}
            monkeypatch.setitem(registry, name, replace(paper, sizes=sizes))
    monkeypatch.setattr(table, "HEARTS", 6)
    monkeypatch.setattr(table, "FEWEST", 3)

    def prepared(size, names):
        return prepare_many(names, root, size=size, cache=tmp_path / "cache")

    return Setting(out=tmp_path / "out", data=("busi", "camus"), prepared=prepared, steps=2)


def test_what_a_data_set_says_decides_what_it_is_asked(setting, monkeypatch):
    bench = Bench(setting)
    assert bench.classified == ["busi", "busi" + ONCE]
    assert bench.outlined == ["camus"]
    busi, once = (bench.alone(name) for name in bench.classified)
    assert {r.id for r in busi.records} - {r.id for r in once.records} == {"b5"}
    assert table._tested(busi) == "test"
    assert table._tested(bench.alone("camus")) == "val"
    assert {r.labels["organ"] for r in bench.images.records} == {"breast", "heart"}
    assert {r.labels["data"] for r in bench.images.records} == {"busi", "camus", "phantom"}
    monkeypatch.setattr(table, "FEWEST", 5)
    assert Bench(setting).classified == []


def test_the_phantom_is_one_site_also_where_it_is_named(setting, monkeypatch):
    bench = Bench(replace(setting, data=("busi", "phantom")))
    busi = bench.alone("busi")
    monkeypatch.setattr(bench, "alone", lambda name: replace(busi, name=name))
    assert bench.images.name == "busi+phantom"


@pytest.mark.slow
def test_every_table_is_there_and_nothing_is_done_twice(setting, monkeypatch):
    begun, asked = [], []
    train, evaluate = runs.train, runs.evaluate

    def training(name, images, out, **options):
        begun.append((out.name, name, options["size"], options["begin"] and options["begin"].name))
        train(name, images, out, **options)

    def evaluating(run, task, images, out, **options):
        asked.append((run.folder.name, out.name, images.name, options["split"]))
        return evaluate(run, task, images, out, **options)

    monkeypatch.setattr(runs, "train", training)
    monkeypatch.setattr(runs, "evaluate", evaluating)
    rows = table.rows(setting)

    assert all(row.keys() == KEYS for row in rows)
    assert all(row["low"] <= row["value"] <= row["high"] and row["n"] > 0 for row in rows)
    assert len({(r["table"], r["data"], r["model"], r["metric"]) for r in rows}) == len(rows)
    labels = {name: training.label for name, training in trainings().items()}
    ladder = {labels[name] for name in LADDER}
    assert _shown(rows) == {
        ("Linear probe", data): {*labels.values(), "A-ViT, untrained"}
        for data in ("busi", "busi" + ONCE)
    } | {("Fine-tuning", data): {"scratch", *ladder} for data in ("busi", "busi" + ONCE)} | {
        ("Organ label", data): {"A-ViT"} for data in ("busi", "busi" + ONCE)
    } | {
        ("Segmentation", "camus"): {"scratch", "masked modelling", "A-ViT"},
        ("Speckle", ALL): ladder,
        ("Offsets", ALL): {"+ ACDT", "A-ViT"},
    }  # fmt: skip

    assert len({folder for folder, *_ in begun}) == len(begun) == 6 + 2 * 5 + 3
    assert {size for _, _, size, begin in begun if begin} == {"tiny"}
    alone = [(name, size) for folder, name, size, _ in begun if folder.startswith("scratch")]
    assert {*alone} == {("finetuned", "tiny_scratch"), ("upernet", "tiny_scratch")}
    assert len({*asked}) == len(asked)
    assert {split for _, _, data, split in asked if data == "camus"} == {"val"}
    assert {split for _, _, data, split in asked if data != "camus"} == {"test"}

    monkeypatch.setattr(runs, "train", lambda *_, **__: pytest.fail("trained a second time"))
    monkeypatch.setattr(runs, "evaluate", lambda *_, **__: pytest.fail("asked a second time"))
    assert table.rows(setting) == rows


def _shown(rows):
    of = {}
    for row in rows:
        of.setdefault((row["table"], row["data"]), set()).add(row["model"])
    return of
