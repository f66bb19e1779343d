"""The bench of SDNet asks what the paper asks, of every method alike, and only once."""

from dataclasses import replace
from functools import partial
from itertools import combinations, pairwise
from pathlib import Path, PurePosixPath

import numpy as np
import pytest

from septum import runs
from septum.baselines import BASELINES
from septum.bench import sdnet
from septum.bench.published import SDNET
from septum.bench.sdnet import FEW, METHODS, SHARES, Bench, few_labels, trainings
from septum.bench.table import Setting
from septum.contract import BadInput, Record
from septum.data import SOURCES, phantom
from septum.data.classes import parse
from septum.data.prepare import prepare_many
from septum.data.prepared import Prepared
from septum.data.shards import Frames
from septum.data.split import FOLDS
from septum.models import MODELS
from septum.models.sdnet import SDNet, SDNetConfig
from septum.tasks import delineate

SUBJECTS, SIDE = 80, 32
CONDITIONS = [(share, fold) for share in SHARES for fold in range(FOLDS)]
JOINT_IS_NO_MEAN = {("U-Net", "3.0%"), ("U-Net", "1.5%")}
"""Where structures overlap so badly that all of them as one are another thing than their mean."""


@pytest.fixture(scope="module")
def bench():
    """On as many subjects as make 56 of a fold to learn from; one outlined slice each."""
    classes = SOURCES["acdc"].classes
    mask = np.arange(SIDE * SIDE, dtype=np.uint8).reshape(1, SIDE, SIDE) % len(classes)
    everything = Prepared(
        name="some",
        classes=classes,
        records=[
            Record(
                id=f"s{i:02d}", subject=f"s{i:02d}", image=Path("none"), mask=Path("none"),
                split="train", labels={"data": "some"},
            )
            for i in range(SUBJECTS)
        ],
        places=np.zeros(SUBJECTS, np.int64),
        images=Frames([mask]),
        sectors=Frames([np.ones_like(mask)]),
        masks=Frames([mask]),
    )  # fmt: skip
    return Bench(Setting(out=Path("none"), data=("some",), prepared=lambda *_: everything))


def learnt(bench, name, split):
    return bench.learnt(bench.all[name]).split(split)


def shown(bench, name):
    """Subjects with masks."""
    samples = learnt(bench, name, "train")
    return {samples.records[i].subject for i in samples.annotated()}


def subjects(samples):
    return {record.subject for record in samples.records}


def methods(share):
    return [m for m in METHODS if m != "sdnet_consistent" or share in FEW]


def test_no_training_is_done_twice_nor_in_the_folder_of_another():
    found = trainings()
    few = FOLDS * (len(SHARES) * 4 + len(FEW))
    others = 1 + len(sdnet.MIXTURES) + len(sdnet.PHANTOM_MIXTURES)
    assert len(found) == few + others + len(sdnet.CHANNELS) + len(sdnet.LENGTHS)
    assert [pair for pair in combinations(found, 2) if found[pair[0]] == found[pair[1]]] == []
    above = {str(parent) for name in found for parent in PurePosixPath(name).parents}
    assert above.isdisjoint(found)


def test_a_training_comes_after_the_one_it_begins_with():
    names = [*trainings()]
    begins = {name: training.begin for name, training in trainings().items() if training.begin}
    assert begins
    assert all(names.index(begin) < names.index(name) for name, begin in begins.items())


@pytest.mark.parametrize(("share", "fold"), CONDITIONS)
def test_methods_differ_in_nothing_but_the_method(bench, share, fold):
    names = [few_labels(method, share, fold) for method in methods(share)]
    of = [bench.all[name] for name in names]
    assert {(t.images, t.fold, t.labelled, t.shares) for t in of} == {
        ("main", fold, share, (1.0, 1.0))
    }
    assert len({runs.sized(t.model, t.size).recipe for t in of}) == 1
    assert len({frozenset(shown(bench, name)) for name in names}) == 1
    assert bench.all[names[-1]].model == "sdnet"


@pytest.mark.parametrize("fold", range(FOLDS))
def test_shares_are_of_subjects_and_the_least_is_one_of_them(bench, fold):
    names = [few_labels("sdnet", share, fold) for share in SHARES]
    found = [shown(bench, name) for name in names]
    assert [len(of) for of in found] == [56, 28, 14, 7, 3, 2, 1]
    assert all(more > less for more, less in pairwise(found))
    assert subjects(learnt(bench, names[-1], "train")) == found[0]


def test_no_subject_is_tested_twice_nor_learnt_from(bench):
    folds = [few_labels("unet", 1.0, fold) for fold in range(FOLDS)]
    tested = [subjects(learnt(bench, name, "test")) for name in folds]
    assert all(a.isdisjoint(b) for a, b in combinations(tested, 2))
    for name, held in zip(folds, tested, strict=True):
        assert held.isdisjoint(shown(bench, name))
        assert held.isdisjoint(subjects(learnt(bench, name, "val")))


def test_every_number_of_table_1_stands_beside_one_of_ours(bench, monkeypatch):
    samples = learnt(bench, few_labels("sdnet", 1.0, 0), "test")
    model = SDNet(SDNetConfig(image_size=(SIDE, SIDE), width=4, segmentor_width=4, critic_width=4))
    found = delineate.run(model, samples, samples, 0).metrics
    monkeypatch.setattr(Bench, "asked", lambda *_: Path("none"))
    monkeypatch.setattr(sdnet, "pooled", lambda *_, **__: found)
    monkeypatch.setattr(sdnet, "compared", lambda *_: {})

    rows = [*sdnet._few_labels(bench)]

    beside = {(r["model"], r["metric"]): r["published"] for r in rows if r["published"] != ""}
    table = SDNET["Table 1"]
    assert beside == {(model, path): v for model, of in table.items() for path, v in of.items()}
    assert {row["model"] for row in rows} == {*METHODS.values()}


def test_published_averages_are_near_the_mean_of_their_classes():
    far = set()
    for model, numbers in SDNET["Table 1"].items():
        for share in {path.rpartition("/")[2] for path in numbers}:
            of = {k.split("/")[1]: v for k, v in numbers.items() if k.endswith(f"/{share}")}
            mean = sum(v for k, v in of.items() if k != "joint") / 3
            if abs(of["joint"] - mean) > 0.03:
                far.add((model, share))
    assert far == JOINT_IS_NO_MEAN
    for numbers in SDNET["Section 5.2"].values():
        mean = (numbers["dice/myocardium"] + numbers["dice/left_ventricle"]) / 2
        assert numbers["dice/mean"] == pytest.approx(mean, abs=0.031)


def test_one_data_set_is_not_enough(bench):
    with pytest.raises(BadInput, match="two data sets"):
        sdnet.rows(bench.setting)


def shortened(paper):
    """Trained on tiny images."""
    sizes = {
        name: replace(
            size,
            config=replace(size.config, width=4),
            recipe=replace(size.recipe, image_size=(SIDE, SIDE)),
        )
        for name, size in paper.sizes.items()
    }
    return replace(paper, sizes=sizes)


@pytest.fixture
def setting(tmp_path, monkeypatch):
    """Every table with as few trainings as it can have, on a dozen small hearts a modality."""
    for name, values in (
        ("SHARES", (1.0, 0.125)), ("FEW", (0.125,)), ("MIXTURES", ((1.0, 1.0), (0.5, 0.0))),
        ("PHANTOM_MIXTURES", ((1.0, 1.0),)), ("CHANNELS", (4,)), ("LENGTHS", (4,)), ("HEARTS", 12),
    ):  # fmt: skip
        monkeypatch.setattr(sdnet, name, values)
    for registry in (MODELS, BASELINES):
        for name in registry.keys() & {training.model for training in trainings().values()}:
            monkeypatch.setitem(registry, name, shortened(registry[name]))
    small = partial(phantom.Study, size=(40, 40), slices=2, phases=("ED",))
    monkeypatch.setattr(phantom, "Study", small)
    for k, kind in enumerate(("MR", "LGE")):
        study = small(subjects=12, first_subject=100 * (k + 1), modality=kind)
        phantom.write_stacks(tmp_path / "data" / kind.lower(), study, seed=0)

    def prepared(size, names, words=()):
        return prepare_many(
            names, tmp_path / "data", size=size, cache=tmp_path / "cache", groups=parse(words)
        )

    return Setting(out=tmp_path / "out", data=("mr", "lge"), prepared=prepared, steps=2)


@pytest.mark.slow
def test_every_table_is_measured_once(setting, monkeypatch):
    rows = sdnet.rows(setting)

    assert {(row["table"], row["data"]) for row in rows} == {
        ("Table 1: few labels", "mr"),
        ("Section 5.2: areas", "mr"),
        ("Table 3: mixed", "mr+lge"),
        ("Table 3: phantom", "phantom"),
        *((f"Sections 5.3 to 5.5: mixed, {t}", "mr+lge") for t in ("modality", "transform")),
        *((f"Sections 5.3 to 5.5: phantom, {t}", "phantom") for t in ("modality", "transform")),
        ("Sections 5.3 to 5.5: mixed, traverse", "mr+lge"),
        ("Sections 5.3 to 5.5: phantom, traverse", "phantom"),
        ("Section 5.6: lengths of s and z", "mr"),
    }
    assert all(row["low"] <= row["value"] <= row["high"] and row["n"] > 0 for row in rows)
    tested = [r["n"] for r in rows if r["table"].startswith("Table 1") and "dice/" in r["metric"]]
    assert set(tested) == {6}  # two subjects a fold
    beside = {
        (r["table"].partition(":")[0], r["model"], r["metric"])
        for r in rows
        if r["published"] != ""
    }
    for table in ("Section 5.2", "Sections 5.3 to 5.5"):
        for model, numbers in SDNET[table].items():
            assert {(table, model, metric) for metric in numbers} <= beside

    monkeypatch.setattr(runs, "train", lambda *_, **__: pytest.fail("trained a second time"))
    monkeypatch.setattr(runs, "evaluate", lambda *_, **__: pytest.fail("asked a second time"))
    assert sdnet.rows(setting) == rows
