"""What a run's own images say, against scikit-learn and counting by hand."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.covariance import OAS

from septum import runs
from septum.contract import BadInput, Record
from septum.data.prepare import prepare_many
from septum.metrics import density
from septum.predict import reference
from septum.predict.card import Card
from septum.predict.reference import Reference


def made(distances):
    flow = density.LinearFlow(A=torch.eye(2).double(), b=torch.zeros(2).double())
    return Reference(card=Card(), flow=flow, distances=np.sort(distances), radius={})


def test_one_in_a_hundred_needs_ninety_nine_subjects():
    assert made(np.arange(98.0)).most() is None
    assert made(np.arange(99.0)).most() == 98.0
    assert made(np.arange(19.0)).most(0.05) == 18.0


def test_a_percentile_is_the_share_that_lies_nearer():
    found = made(np.array([1.0, 2.0, 3.0, 4.0]))
    assert [found.percentile(x) for x in (0.5, 2.0, 2.5, 9.0)] == [0.0, 25.0, 50.0, 100.0]


@pytest.fixture(scope="module")
def run(trained):
    return runs.load(trained("unet"))


@pytest.fixture(scope="module")
def computed(run, root, cache):
    return reference.compute(run, ["phantom"], root, cache=cache)


def test_distances_are_those_of_mahalanobis_with_a_shrunk_covariance(run, computed, root, cache):
    images = prepare_many(["phantom"], root, size=(64, 96), cache=cache)
    train, val = images.split("train"), images.split("val")
    seen = run.model.encode(train.batch(range(len(train.records))).image).pooled.double().numpy()
    oracle = OAS().fit(seen)
    asked = run.model.encode(val.batch(range(len(val.records))).image).pooled.double()
    expected = np.sqrt(oracle.mahalanobis(asked.numpy()))
    assert np.allclose(computed.distance(asked), expected, rtol=1e-4)
    assert len(computed.distances) == len({record.subject for record in val.records})
    near = np.abs(computed.distances[:, None] - expected).min(1)
    assert near.max() < 1e-3


def test_an_interval_is_as_wide_as_the_error_that_one_in_twenty_exceeds():
    truth = np.array([10.0 * k for k in range(19)])
    labels = [{"ef_percent": x} for x in truth]
    records = [_record(k, x) for k, x in enumerate(labels)]
    off = np.random.default_rng(0).permutation(19) / 2
    assert reference._radius("ef_percent", truth + off, records) == (9.0, 19)
    few = reference._radius("ef_percent", (truth + off)[:18], records[:18])
    assert few == (np.inf, 18)


def _record(k, labels):
    return Record(id=f"{k}", subject=f"{k}", image=Path("x"), labels=labels)


def test_a_label_of_yes_and_no_has_no_interval():
    records = [_record(k, {"infarct": float(k % 2)}) for k in range(40)]
    assert reference._radius("infarct", np.zeros(40), records)[0] == np.inf


def test_it_is_kept_with_the_run_and_made_again_for_other_weights(trained, computed, tmp_path):
    own = runs.load(shutil.copytree(trained("unet"), tmp_path / "run"))
    (own.folder / reference.FILE).unlink(missing_ok=True)  # another test may have left it
    assert reference.load(own) is None
    reference.store(own, computed)
    found = reference.load(own)
    assert np.array_equal(found.distances, computed.distances)
    assert (found.card, found.radius) == (computed.card, computed.radius)
    assert torch.equal(found.flow.A, computed.flow.A)
    (own.folder / reference.FILE).write_bytes(b"damaged")
    assert reference.load(own) is None
    reference.store(own, computed)
    with (own.folder / "model.safetensors").open("ab") as file:
        file.write(b"\0")
    assert reference.load(own) is None


def test_the_card_says_how_the_images_were_read(computed):
    structures = ("left_ventricle", "myocardium")
    assert computed.card.classes[:3] == ("background", *structures)
    assert (computed.card.field_mm, computed.card.slices) == (None, False)


def test_an_empty_validation_split_is_told(run, root, cache, monkeypatch):
    whole = prepare_many(["phantom"], root, size=(64, 96), cache=cache)
    few = whole.limited({"view": ["A4C"]})
    few = replace(few, records=[replace(r, split="train") for r in few.records])
    monkeypatch.setattr(reference, "prepare_many", lambda *_, **__: few)
    with pytest.raises(BadInput, match="'val' of phantom is empty; it has images in train"):
        reference.compute(run, ["phantom"], root, cache=cache)
