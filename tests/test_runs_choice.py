"""Which images a training draws, and that a run is asked about such as it was trained on."""

from collections import Counter
from dataclasses import replace

import pytest

from septum import checkpoint, cli, runs
from septum.contract import BadInput
from septum.data.prepare import prepare
from septum.data.unique import unique
from septum.models import MODELS

pytestmark = pytest.mark.usefixtures("tiny_models")


@pytest.fixture(scope="module")
def images(phantom_root, tmp_path_factory):
    return prepare("phantom", phantom_root, size=(64, 96), cache=tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="module")
def twinned(images):
    """The last image has the picture of the first, which is of another heart."""
    first, *others, last = images.records
    assert first.subject != last.subject
    return replace(images, records=[first, *others, replace(last, image=first.image)])


def ids(prepared):
    return [record.id for record in prepared.records]


def with_recipe(monkeypatch, **changes):
    paper = MODELS["concept_vae"]
    small = replace(paper.sizes["small"], recipe=replace(paper.sizes["small"].recipe, **changes))
    sizes = {**paper.sizes, "small": small}
    monkeypatch.setitem(MODELS, "concept_vae", replace(paper, sizes=sizes))


def test_a_run_without_near_duplicates_is_asked_without(twinned, tmp_path):
    runs.train("concept_vae", unique(twinned), tmp_path / "run")
    run = runs.load(tmp_path / "run")
    assert checkpoint.read_header(tmp_path / "run")["unique"] == run.unique == "label"
    assert ids(runs.as_seen(run, twinned)) == ids(twinned)[:-1]
    assert runs.as_seen(replace(run, unique=""), twinned) is twinned
    left = unique(twinned)
    assert runs.as_seen(run, left) is left
    folded = runs.as_seen(replace(run, fold=1), twinned)
    assert [r.split for r in folded.records] == [r.split for r in left.folded(1).records]


def test_a_run_with_all_images_is_asked_with_all(twinned, tmp_path):
    runs.train("concept_vae", twinned, tmp_path / "run")
    assert runs.as_seen(runs.load(tmp_path / "run"), twinned) is twinned


def test_unique_is_a_word_of_the_command_line(phantom_root, tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "phantom").symlink_to(phantom_root / "phantom")
    words = ["--data", "phantom", "--root", str(tmp_path / "data"), "--cache", str(tmp_path / "c")]
    out = str(tmp_path / "run")
    assert cli.main(["train", "concept_vae", *words, "--out", out, "--unique"]) == 0
    assert checkpoint.read_header(tmp_path / "run")["unique"] == "label"


def test_a_balanced_recipe_draws_as_many_of_each(images, tmp_path, monkeypatch):
    drawn = []

    def noted(*words, **options):
        for batch in runs_batches(*words, **options):
            drawn.append(Counter(batch.texts["view"]))
            yield batch

    runs_batches = runs.batches
    monkeypatch.setattr(runs, "batches", noted)
    with_recipe(monkeypatch, balanced="view")
    few = [r for i, r in enumerate(images.records) if r.labels["view"] == "A4C" or i < 8]
    kept = [images.records.index(r) for r in few]
    uneven = replace(images, records=few, places=images.places[kept])
    assert Counter(r.labels["view"] for r in uneven.split("train").records)["A2C"] < 8
    runs.train("concept_vae", uneven, tmp_path / "run")
    assert drawn == [{"A4C": 2, "A2C": 2}] * 2
    assert runs.load(tmp_path / "run").recipe.balanced == "view"


def test_a_recipe_that_is_balanced_by_what_nobody_knows_is_refused(images, tmp_path, monkeypatch):
    with_recipe(monkeypatch, balanced="site")
    with pytest.raises(BadInput, match="the label 'site' to balance by"):
        runs.train("concept_vae", images, tmp_path / "run")
    assert not (tmp_path / "run").exists()
