import numpy as np
import pytest
import torch
from torch.nn import functional as F

from septum.contract import BadInput
from septum.metrics import reading, resample
from septum.metrics.factor import Factor
from septum.tasks import disentangle
from septum.tasks.disentangle import DIRECTIONS, answers

CELL = 4
SCORES = {
    "mig", "sap", "modularity", "dci/disentanglement", "dci/completeness", "dci/informativeness",
    "infomec/modularity", "infomec/compactness", "infomec/explicitness",
}  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def _quick():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reading, "TREES", 4)
        patch.setattr(resample, "GROUPS", 3)
        yield


def squares(toys, subjects, *, split, seed, names=("view", "volume_ml", "gain_db")):
    """A square per image, left or right by view and as large as the volume, on a grey of gain."""
    rng = np.random.default_rng(seed)
    records, images = [], []
    for i in range(subjects):
        volume_ml = float(rng.integers(2, 6))
        for view in ("A2C", "A4C"):
            labels = {"view": view, "volume_ml": volume_ml, "gain_db": float(rng.uniform(0, 5))}
            labels["speckle_seed"] = float(rng.integers(2**31))
            image, side = torch.full((32, 48), labels["gain_db"] / 10), int(volume_ml)
            left = 0 if view == "A2C" else 6
            image[CELL : CELL * (1 + side), CELL * left : CELL * (left + side)] += 0.5
            images.append(image)
            kept = {name: labels[name] for name in names}
            records.append(toys.record(f"{split}{i}_{view}", subject=f"{split}{i}", **kept))
    return toys.stills(
        image=torch.stack(images)[:, None],
        mask=None,
        records=records,
        classes=("background",),
        split=split,
    )


def shape(image):
    """Content: where the square is, whatever the grey round it."""
    return F.avg_pool2d((image - image.amin((2, 3), keepdim=True) > 0.1).float(), CELL)


def grey(image):
    """Style: the grey round the square, everywhere."""
    return image.amin((2, 3), keepdim=True).expand(-1, -1, 32 // CELL, 48 // CELL)


@pytest.fixture(scope="module")
def splits(toys):
    return squares(toys, 30, split="train", seed=0), squares(toys, 12, split="val", seed=1)


@pytest.fixture(scope="module")
def report(toys, splits):
    return disentangle.run(toys.says(content=shape, style=grey), *splits, 0)


def test_content_tells_the_anatomy_style_the_look_and_neither_the_other(report):
    value = {path: metric.value for path, metric in report.metrics.items()}

    assert value["leakage/content/view"] == value["leakage/pooled/view"] == 1
    assert value["leakage/content/volume_ml"] > 0.95
    assert value["leakage/style/gain_db"] > 0.95
    assert value["leakage/image/gain_db"] > 0.9
    assert value["leakage/content/gain_db"] < 0.1
    assert value["leakage/style/view"] < 0.3
    assert value["leakage/style/volume_ml"] < 0.1


def test_names_rows_and_the_figure(report):
    cells = {
        f"leakage/{row}/{factor}"
        for row in ("content", "style", "pooled", "image")
        for factor in ("view", "volume_ml", "gain_db")
    }
    assert set(report.metrics) == cells | SCORES
    assert {report.metrics[path].n for path in cells} == {24}
    assert {report.metrics[path].n for path in SCORES} == {84}
    assert set(report.figures) == {"leakage"}
    assert [row["id"] for row in report.rows[:2]] == ["val0_A2C", "val0_A4C"]
    assert all(row["view/content"] == row["view"] for row in report.rows)
    assert all(abs(row["gain_db/style"] - row["gain_db"]) < 0.5 for row in report.rows)


def labelled(toys, *names):
    """Images of which only this much is known."""
    return (
        squares(toys, 8, split="train", seed=0, names=names),
        squares(toys, 8, split="val", seed=1, names=names),
    )


def test_a_model_without_style_is_asked_for_content_alone(toys):
    found = disentangle.run(toys.says(content=shape), *labelled(toys, "view"), 0).metrics

    assert set(found) == {f"leakage/{row}/view" for row in ("content", "pooled", "image")}


def test_a_control_is_no_factor_to_score(toys):
    found = disentangle.run(toys.says(content=shape), *labelled(toys, "view", "speckle_seed"), 0)

    assert not set(found.metrics) & SCORES
    assert found.metrics["leakage/content/speckle_seed"].low == 0


def test_images_without_labels_are_refused(toys):
    with pytest.raises(BadInput, match=r"stills \(val\) have no label.*view, phase.*phantom"):
        disentangle.run(toys.says(content=shape), *labelled(toys), 0)


def test_more_features_than_directions_tell_as_much(toys, splits):
    def wide(image):
        return shape(image).repeat(1, DIRECTIONS // 18 + 1, 1, 1)

    model = toys.says(content=wide)
    found = disentangle.run(model, *splits, 0).metrics

    assert model.encode(splits[1].image).pooled.shape[1] > disentangle.CODES
    assert found["leakage/content/view"].value == found["leakage/pooled/view"].value == 1
    assert found["leakage/content/volume_ml"].value > 0.95
    assert set(found) > SCORES


def test_an_image_of_both_splits_is_scored_once(toys, splits):
    found = disentangle.run(toys.says(content=shape), splits[0], splits[0], 0).metrics

    assert found["mig"].n == 60
    assert found["leakage/content/view"].n == 60


def test_no_more_training_images_than_asked_for(toys):
    train, test = labelled(toys, "view")
    asked = []

    class Counted(toys.stills):
        def batch(self, indices):
            asked.extend(indices)
            return super().batch(indices)

    disentangle.run(toys.says(content=shape), Counted(**vars(train)), test, 0, images=12)

    assert len(set(asked)) == len(asked) == 12


@pytest.mark.slow
def test_the_seed_decides(toys, splits):
    model = toys.says(content=shape, style=grey)

    found = [disentangle.run(model, *splits, seed, images=30).metrics for seed in (0, 0, 1)]

    assert found[0] == found[1]
    assert found[0] != found[2]


def test_a_rare_class_is_not_given_up():
    rng = np.random.default_rng(0)
    kind = (np.arange(200) % 10 == 0).astype(float)
    x = kind[:, None] + rng.normal(size=(200, 1))
    factor = Factor(name="k", values=kind, classes=("common", "rare"))

    said = answers(x, factor, [str(i) for i in range(200)], np.array([[-0.5], [0.2], [0.8], [2.0]]))

    assert said.tolist() == [0, 0, 1, 1]


def test_images_of_unknown_factor_are_not_fitted_to():
    x = np.random.default_rng(1).normal(size=(60, 3))
    values = x @ [1.0, 2.0, 3.0]
    who = [str(i % 20) for i in range(60)]
    half = np.where(np.arange(60) < 40, values, np.nan)
    wrong = np.where(np.arange(60) < 40, values, 100.0)

    said = answers(x, Factor(name="q", values=half), who, x)

    assert said == pytest.approx(answers(x[:40], Factor(name="q", values=values[:40]), who[:40], x))
    assert abs(said - answers(x, Factor(name="q", values=wrong), who, x)).max() > 1


def test_what_is_learnt_of_subjects_by_heart_is_shrunk_away():
    rng = np.random.default_rng(2)
    subject = np.arange(20).repeat(5)
    x, values = rng.normal(size=(20, 30))[subject], rng.normal(size=20)[subject]
    factor = Factor(name="q", values=values)

    said = answers(x, factor, subject.astype(str).tolist(), rng.normal(size=(50, 30)))

    assert said.std() < 0.3 * values.std()
