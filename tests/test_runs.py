"""What a run knows about the images it was trained on, and how it is trained."""

from dataclasses import replace

import pytest
import torch

from septum import checkpoint, runs
from septum.contract import BadInput
from septum.data.prepare import prepare_many
from septum.models import MODELS

pytestmark = pytest.mark.usefixtures("tiny_models")


@pytest.fixture(scope="module")
def images(phantom_root, tmp_path_factory):
    """The phantom twice, under two names."""
    root = tmp_path_factory.mktemp("twice")
    for name in ("phantom", "other"):
        (root / name).symlink_to(phantom_root / "phantom")
    return prepare_many(("phantom", "other"), root, size=(64, 96), cache=root / "cache")


@pytest.fixture(scope="module")
def run(images, tmp_path_factory, tiny_models):  # noqa: ARG001 - the order matters
    """Trained on one view of one of the two data sets."""
    folder = tmp_path_factory.mktemp("runs") / "run"
    runs.train("concept_vae", images.limited({"data": ("phantom",), "view": ("A4C",)}), folder)
    return runs.load(folder)


def test_a_run_remembers_which_images_it_was_trained_on(run):
    assert run.limits == {"data": ["phantom"], "view": ["A4C"]}


def test_records_are_told_from_what_a_run_was_trained_on(run, images):
    told = runs.told(run, images).records
    for record in told:
        ours = record.labels["data"] == "phantom" and record.labels["view"] == "A4C"
        assert record.labels["known"] == ("yes" if ours else "no")
    assert [r.id for r in told] == [r.id for r in images.records]


def test_a_data_set_that_states_what_is_known_is_believed(run, images):
    stated = [replace(r, labels={**r.labels, "known": "no"}) for r in images.records]
    told = runs.told(run, replace(images, records=stated))
    assert {r.labels["known"] for r in told.records} == {"no"}


def with_recipe(monkeypatch, **changes):
    paper = MODELS["concept_vae"]
    small = replace(paper.sizes["small"], recipe=replace(paper.sizes["small"].recipe, **changes))
    sizes = {**paper.sizes, "small": small}
    monkeypatch.setitem(MODELS, "concept_vae", replace(paper, sizes=sizes))


def test_lars_resumes_where_it_was_stopped(images, tmp_path, monkeypatch):
    with_recipe(monkeypatch, optimiser="lars", lr=1.0, warmup_steps=1)
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    runs.train("concept_vae", images, whole)
    runs.train("concept_vae", images, stopped)
    (stopped / checkpoint.WEIGHTS).unlink()
    runs.train("concept_vae", images, stopped, resume=True)
    weights = [runs.load(folder).model.state_dict() for folder in (whole, stopped)]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


def test_an_unknown_optimiser_is_refused(images, tmp_path, monkeypatch):
    with_recipe(monkeypatch, optimiser="sgd")
    with pytest.raises(BadInput, match="adamw or lars"):
        runs.train("concept_vae", images, tmp_path / "run")
