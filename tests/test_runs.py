"""What a run knows about the images it was trained on, and how it is trained."""

from dataclasses import replace

import pytest
import torch

from septum import checkpoint, runs
from septum.baselines import BASELINES
from septum.contract import BadInput
from septum.data.classes import merged
from septum.data.prepare import prepare_many
from septum.models import MODELS
from septum.models.anatomy_vit import AnatomyViTConfig
from septum.nn.vit import VitConfig

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
    with pytest.raises(BadInput, match="adamw, lars or madgrad"):
        runs.train("concept_vae", images, tmp_path / "run")


@pytest.fixture(scope="module")
def folded(images, tmp_path_factory, tiny_models):  # noqa: ARG001 - the order matters
    """SDNet, trained in the second fold with a third of the masks, on two merged structures."""
    folder = tmp_path_factory.mktemp("runs") / "folded"
    groups = {"heart": ("left_ventricle", "myocardium"), "atrium": ("left_atrium",)}
    narrowed = merged(images, groups).folded(1).labelled(0.3)
    runs.train("sdnet", narrowed, folder, changes={"width": 4, "channels": 4})
    return folder


def test_a_run_remembers_its_fold_and_structures(folded):
    run = runs.load(folded)
    assert (run.fold, run.config.structures, run.config.image_size) == (1, 2, (64, 96))
    assert runs.words(run.groups) == ["heart=left_ventricle,myocardium", "atrium=left_atrium"]
    assert checkpoint.read_header(folded)["labelled"] == 0.3


def test_a_run_is_asked_in_the_splits_of_its_fold(folded, images):
    run = runs.load(folded)
    asked = runs.as_seen(run, images)
    assert [r.split for r in asked.records] == [r.split for r in images.folded(1).records]
    assert [r.split for r in asked.records] != [r.split for r in images.records]
    assert runs.as_seen(replace(run, fold=None), images) is images


def test_a_training_begins_with_the_weights_that_fit(folded, images, tmp_path):
    narrowed = images.folded(1).labelled(0.3)  # other structures: other masks, same anatomy
    changes = {"width": 4, "channels": 4, "area": "left_ventricle_px"}
    runs.train("sdnet", narrowed, tmp_path / "tuned", changes=changes, begin=folded)
    before, after = runs.load(folded).model, runs.load(tmp_path / "tuned").model
    runs.train("sdnet", narrowed, tmp_path / "anew", changes=changes, seed=5)
    anew = runs.load(tmp_path / "anew").model

    def distance(a, b):
        pairs = zip(a.f_anatomy.parameters(), b.f_anatomy.parameters(), strict=True)
        return sum((x - y).abs().sum().item() for x, y in pairs)

    assert distance(before, after) < 0.1 * distance(before, anew)
    assert after.area is not None
    said = checkpoint.read_header(tmp_path / "tuned")["begin"]
    assert said["classes"]["atrium"] == ["left_atrium"]


def test_a_run_of_another_kind_cannot_be_begun_with(run, images, tmp_path):
    with pytest.raises(BadInput, match="no weight that fits this model"):
        runs.train("sdnet", images.labelled(0.5), tmp_path / "run", begin=run.folder)


@pytest.fixture(scope="module")
def tuned(images, tmp_path_factory, tiny_models):  # noqa: ARG001 - the order matters
    """A ViT of a size of its own, that learnt to tell views, with a table of organs."""
    folder = tmp_path_factory.mktemp("runs") / "tuned"
    vit = VitConfig(patch_px=16, width=16, depth=2, heads=2, deforms=True)
    changes = {"vit": vit, "label": "view", "organs": ("lung",)}
    runs.train("finetuned", images, folder, size="tiny", changes=changes)
    return folder


def test_a_head_takes_over_the_encoder_of_the_run_it_begins_with(tuned, images, tmp_path):
    runs.train("upernet", images, tmp_path / "drawn", size="tiny", begin=tuned)
    before, after = runs.load(tuned), runs.load(tmp_path / "drawn")

    assert after.config.vit == before.config.vit
    assert after.config.organs == before.config.organs == ("lung", "heart")
    assert after.config.width == BASELINES["upernet"].sizes["tiny"].config.width
    was, now = (run.model.encoder.state_dict() for run in (before, after))
    assert max((now[name] - was[name]).abs().max().item() for name in was) < 1e-2


def test_what_is_set_comes_before_what_is_taken_over(tuned, images, tmp_path):
    changes = {"vit": VitConfig(patch_px=16, width=16, depth=1, heads=2, deforms=True)}
    runs.train("upernet", images, tmp_path / "run", size="tiny", changes=changes, begin=tuned)
    assert runs.load(tmp_path / "run").config.vit.depth == 1


def test_only_the_table_of_organs_is_taken_over_where_nothing_else_is_asked_for(tuned):
    config = AnatomyViTConfig(organs=("hip",))
    assert runs.inherited(config, tuned) == replace(config, organs=("lung", "heart"))
    assert runs.inherited(config, None) is config
    other = MODELS["sdnet"].sizes["small"].config
    assert runs.inherited(other, tuned) == other


@pytest.mark.parametrize(
    ("words", "changes"),
    [
        (["channels=4", "rotation_deg=7"], {"channels": 4, "rotation_deg": 7.0}),
        (["area=left_ventricle_px"], {"area": "left_ventricle_px"}),
        ([], {}),
    ],
)
def test_fields_are_set_by_words(words, changes):
    found = runs.parsed(MODELS["sdnet"].sizes["small"].config, words)
    assert found == changes
    assert [type(v) for v in found.values()] == [type(v) for v in changes.values()]


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("channels=x", "no int; write it like 8"),
        ("nothing=1", "sets no field of the config; set structures"),
        ("image_size=3", "sets no field"),
        ("channels", "no int"),
    ],
)
def test_a_field_that_cannot_be_set_is_refused(word, message):
    with pytest.raises(BadInput, match=message):
        runs.parsed(MODELS["sdnet"].sizes["small"].config, [word])
