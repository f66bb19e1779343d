"""The bench of ConceptVAE asks what the paper asks, of both models, and only once."""

import pytest

from septum import runs
from septum.bench import ablation, concept_vae
from septum.bench.concept_vae import QUESTIONS, TRAININGS
from septum.bench.published import CONCEPT_VAE
from septum.bench.table import Setting
from septum.data.phantom import VIEWS
from septum.data.prepare import prepare_many
from septum.tasks import TASKS

EVERY_PUBLISHED = {(model, metric) for model, numbers in CONCEPT_VAE.items() for metric in numbers}


@pytest.mark.parametrize("name", QUESTIONS)
def test_a_question_is_about_what_there_is(name):
    question = QUESTIONS[name]
    assert question.task in TASKS
    assert {TRAININGS[run].images for run in question.asked} <= {"main", "phantom"}
    assert len({TRAININGS[run].limits.get("view") for run in question.asked}) == 1


def test_both_models_are_trained_alike():
    for name, training in TRAININGS.items():
        other = TRAININGS[name.replace("concept_vae", "vicreg")]
        assert (training.images, training.limits, training.steps, training.size) == (
            other.images, other.limits, other.steps, other.size,
        )  # fmt: skip
        recipes = [runs.sized(t.model, t.size).recipe for t in (training, other)]
        assert recipes[0].image_size == recipes[1].image_size
        assert recipes[0].steps == recipes[1].steps


def test_the_outlying_view_is_not_among_those_that_are_trained_on():
    assert {*concept_vae.SEEN_VIEWS, "PLAX"} <= {*VIEWS}
    assert "PLAX" not in concept_vae.SEEN_VIEWS


def test_published_means_are_those_of_their_parts():
    for numbers in CONCEPT_VAE.values():
        landmarks = [v for k, v in numbers.items() if k.startswith("map5/") and "mean" not in k]
        if landmarks:
            assert numbers["map5/mean"] == pytest.approx(sum(landmarks) / 5, abs=1e-3)
    ours, theirs = CONCEPT_VAE["ConceptVAE"], CONCEPT_VAE["VICReg"]
    for numbers, which in ((ours, "both"), (theirs, "content")):
        valve = [numbers[f"average_precision/{which}/{name}"] for name in ("open", "closed")]
        mean = numbers[f"average_precision/{which}/mean"]
        assert mean == pytest.approx(sum(valve) / 2, abs=1e-3)


@pytest.fixture
def setting(phantom_root, tmp_path, monkeypatch):
    """Two cheap questions, one on the user's images and one on the phantom."""
    asked = {name: QUESTIONS[name] for name in ("retrieve", "outliers")}
    monkeypatch.setattr(concept_vae, "QUESTIONS", asked)
    monkeypatch.setattr(concept_vae, "HEARTS", 8)
    monkeypatch.setattr(concept_vae, "PHASES", ("ED",))
    monkeypatch.setattr(ablation, "VARIANTS", {"as it is": {}})

    def prepared(size, names):
        return prepare_many(names, phantom_root, size=size, cache=tmp_path / "cache")

    return Setting(out=tmp_path / "out", data=("phantom",), prepared=prepared, steps=2)


@pytest.mark.slow
def test_every_model_is_asked_once(setting, monkeypatch, tiny_models):  # noqa: ARG001
    rows = concept_vae.rows(setting)
    found = {(row["table"].partition(":")[0], row["model"]) for row in rows}
    models = ("ConceptVAE", "ConceptVAE, untrained", "VICReg", "VICReg, untrained")
    for table in ("Table 1", "Figure 6"):
        assert {model for where, model in found if where == table} == {*models}
    assert ("Ablation", "as it is") in found
    assert all(row["low"] <= row["value"] <= row["high"] and row["n"] > 0 for row in rows)
    beside = {(row["model"], row["metric"]) for row in rows if row["published"] != ""}
    assert beside
    assert beside <= EVERY_PUBLISHED

    monkeypatch.setattr(runs, "evaluate", lambda *_, **__: pytest.fail("asked a second time"))
    assert concept_vae.rows(setting) == rows
