"""What two runs say of one image."""

import numpy as np
import pytest
import torch
from sklearn.metrics import f1_score

from septum.contract import BadInput
from septum.explore import compared, shown
from septum.explore.compared import Row, Said


@pytest.fixture(scope="module")
def runs(made, explored_root):
    folders = [made(name) for name in ("concept_vae", "unet")]
    return shown.shown(folders, cache=explored_root / "cache")


def test_dice_of_every_structure_is_that_of_scikit_learn():
    rng = np.random.default_rng(0)
    drawn, true = rng.integers(0, 4, (2, 16, 16))
    found = compared.overlaps(
        torch.from_numpy(drawn), torch.from_numpy(true)[None], ["background", "a", "b_c", "d"], 4
    )
    expected = f1_score(true.ravel(), drawn.ravel(), labels=[1, 2, 3], average=None)
    assert list(found) == ["Dice of a", "Dice of b c", "Dice of d"]
    assert list(found.values()) == pytest.approx(expected.tolist())


def test_no_dice_without_a_mask_or_with_other_classes_or_of_what_is_in_neither():
    drawn, names = torch.tensor([[0, 1], [1, 0]]), ["background", "a", "b"]
    assert compared.overlaps(drawn, None, names, 3) == {}
    assert compared.overlaps(drawn, torch.full((1, 2, 2), -1), names, 3) == {}
    assert compared.overlaps(drawn, drawn[None], names, 2) == {}
    assert compared.overlaps(drawn, drawn[None], names, 3) == {"Dice of a": 1.0}


def test_rows_have_the_truth_of_labels_and_the_difference_of_both_runs():
    labels = {"ef_percent": 60.0, "organ": "heart", "age_years": float("nan")}
    here = {"ef_percent": 50.0, "organ: heart": 0.25, "age_years": 1.0}
    there = {"ef_percent": 58.0, "organ: heart": 0.75, "organ: breast": 0.25}
    found = {row.name: row for row in compared.rows(labels, here, there)}
    assert found["ef_percent"] == Row(name="ef_percent", truth=60.0, here=50.0, there=58.0)
    assert found["ef_percent"].difference == 8.0
    assert found["organ: heart"].truth == 1.0
    assert found["organ: breast"].truth == 0.0
    assert found["organ: breast"].difference is None
    assert found["age_years"].truth is None


def test_a_model_of_concepts_says_its_map_and_its_drawing(runs):
    run = runs[0]
    found = compared.said(run, 2)
    assert found.clip[0] == pytest.approx(run.frame(2) / 255, abs=1e-6)
    assert found.map is not None
    assert found.again is not None
    assert found.numbers[compared.ERROR] == pytest.approx(np.abs(found.again - found.clip).mean())
    assert list(compared.views(found, 0)) == ["image", "map", "drawn by the model"]


def test_a_model_of_masks_says_its_dice(runs):
    run = runs[1]
    found = compared.said(run, 2)
    batch = run.batch(2)
    drawn = run.run.model.segment(batch.image)[0].argmax(0).numpy().ravel()
    true = batch.mask[0].numpy().ravel()
    expected = {
        name: f1_score(true == k, drawn == k)
        for k, name in enumerate(run.samples.classes)
        if k and ((true == k) | (drawn == k)).any()
    }
    dices = {name: value for name, value in found.numbers.items() if name.startswith("Dice of")}
    assert list(dices.values()) == pytest.approx(list(expected.values()))
    assert found.again is None
    assert found.map is not None
    assert sum(part.share for part in found.map.parts) == pytest.approx((drawn > 0).mean())


def test_a_model_that_cannot_draw_after_all_says_why(runs, monkeypatch):
    def refuses(*_):
        raise BadInput("It draws nothing.")

    monkeypatch.setattr(runs[0].run.model, "decode", refuses)
    found = compared.said(runs[0], 0)
    assert found.again is None
    assert found.trouble == "It draws nothing."
    assert found.map is not None


def test_a_shorter_clip_shows_its_last_frame():
    clip = np.stack([np.zeros((2, 2)), np.ones((2, 2))])
    found = Said(clip=clip, map=None, again=None, numbers={})
    assert compared.views(found, 0)["image"].max() == 0
    assert compared.views(found, 9)["image"].min() == 255


@pytest.mark.slow
@pytest.mark.parametrize(
    ("model", "says"),
    [
        ("coreecho", "ef_percent"),
        ("attri_ssc_vae", compared.ERROR),
        ("anatomy_vit", "organ: "),
        ("sdnet", "Dice of "),
    ],
)
def test_every_kind_of_model_is_asked_what_it_can(made, explored_root, model, says):
    run = shown.shown([made(model)], cache=explored_root / "cache")[0]
    found = compared.said(run, 0)
    assert any(name.startswith(says) for name in found.numbers)
    assert len(found.clip) == (run.batch(0).image.shape[2] if run.is_film() else 1)
