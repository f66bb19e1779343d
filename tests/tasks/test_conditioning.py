"""The worth of the organ, on models of which one knows what they do with it."""

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cosine
from torch import nn

from septum.contract import BadInput, Conditions, Features
from septum.tasks import conditioning
from septum.tasks.linear import Lessons, logistic

ORGANS = ("breast", "lung", "thyroid")


class Told(nn.Module):
    """Pooled features are a function of the image's column of numbers and of the organ.

    The first number is the place of the organ that it recognises.
    """

    def __init__(self, pooled, organs=ORGANS):
        super().__init__()
        self.pooled = pooled
        self.names = organs
        self.told = []

    def phases(self):
        return ()

    def after_step(self, progress: float) -> None:
        pass

    def encode(self, image):
        return self.encode_as(image, self.recognise(image))

    def organs(self):
        return self.names

    def recognise(self, image):
        found = image[:, 0, 0, 0].round().long()
        return nn.functional.one_hot(found, len(self.names)).float()

    def encode_as(self, image, organ):
        assert not self.training
        assert not torch.is_grad_enabled()
        self.told.append(organ)
        pooled = self.pooled(image[:, 0, :, 0], organ)
        return Features(content=image, style=None, pooled=pooled)


def images(toys, columns, labels, *, subjects=None, split="val"):
    """Images whose column is these numbers."""
    records = [
        toys.record(f"{split}{i}", None if subjects is None else subjects[i], **of)
        for i, of in enumerate(labels)
    ]
    column = torch.tensor(columns).float()[:, None, :, None]
    return toys.stills(
        image=column.expand(-1, -1, -1, 2).contiguous(),
        mask=None,
        records=records,
        classes=("background",),
        split=split,
    )


SIGN = torch.tensor([1.0, -1.0])


def signs(toys, n, *, seed, split, right=1.0):
    """Two organs; the second number is the class, its sign changed in the second organ.

    Only a share of the images has its own organ as the first number.
    """
    draw = np.random.default_rng(seed)
    organ, label = draw.integers(2, size=(2, n))
    said = np.where(np.arange(n) < right * n, organ, 1 - organ)
    value = (2 * label - 1) * (1 - 2 * organ)
    labels = [
        {"organ": ORGANS[o], "label": ("benign", "malignant")[c]}
        for o, c in zip(organ, label, strict=True)
    ]
    return images(toys, np.stack([said, value], 1), labels, split=split)


def by_sign(numbers, organ):
    """The class, if the organ is right."""
    return numbers[:, 1:2] * (organ @ SIGN)[:, None]


@pytest.fixture(scope="module")
def splits(toys):
    return (
        signs(toys, 60, seed=0, split="train", right=0.8),
        signs(toys, 50, seed=1, split="val", right=0.9),
    )


@pytest.fixture(scope="module")
def report(splits):
    return conditioning.run(Told(by_sign, ORGANS[:2]), *splits, 0)


def values(report, head):
    return {
        path.split("/")[1]: metric.value
        for path, metric in report.metrics.items()
        if path.startswith(f"{head}/")
    }


def test_the_stand_in_conditions():
    assert isinstance(Told(by_sign), Conditions)


def test_what_only_the_right_organ_tells_is_lost_without_it(splits, report):
    labels = [record.labels["label"] for record in splits[1].records]

    found = values(report, "accuracy")

    assert found["given"] == 1
    assert found["wrong"] == 0
    assert found["predicted"] == found["organ"] == pytest.approx(0.9)
    # without an organ all features are 0, and every image is given the same class
    assert found["absent"] in {labels.count(name) / 50 for name in ("benign", "malignant")}
    lost = values(report, "accuracy_lost")
    assert lost == pytest.approx({n: 1 - found[n] for n in ("predicted", "wrong", "absent")})


def test_a_classifier_fitted_to_wrong_organs_reads_them(report):
    matched = values(report, "accuracy_matched")

    assert matched["wrong"] == 1
    # 80 % of the training images have the sign of their class, and so has the line
    assert matched["predicted"] == pytest.approx(0.9)
    assert values(report, "accuracy_matched_lost")["wrong"] == 0


def test_drift_is_that_of_hand_made_features(report):
    # opposite in the wrong organ, zero without one; every tenth image is recognised as the other
    assert values(report, "drift") == pytest.approx({"predicted": 0.2, "wrong": 2.0, "absent": 0.5})


def test_a_model_that_ignores_the_organ_drifts_and_loses_exactly_nothing(splits):
    model = Told(lambda numbers, organ: numbers.sin(), ORGANS[:2])  # noqa: ARG005

    report = conditioning.run(model, *splits, 0)

    for head in ("drift", "accuracy_lost", "accuracy_matched_lost"):
        for name in ("predicted", "wrong", "absent"):
            metric = report.metrics[f"{head}/{name}"]
            assert (metric.value, metric.low, metric.high) == (0, 0, 0)


def test_drift_is_one_less_the_cosine_of_scipy():
    a, b = np.random.default_rng(0).normal(size=(2, 20, 5))

    expected = [cosine(x, y) for x, y in zip(a, b, strict=True)]

    np.testing.assert_allclose(conditioning.drift(a, b), expected)
    assert (conditioning.drift(a, a) == 0).all()


def test_accuracy_is_that_of_the_probe_on_the_same_features(toys):
    draw = np.random.default_rng(3)
    splits = []
    for split in ("train", "val"):
        label, organ = draw.integers(2, size=80), draw.integers(3, size=80)
        columns = np.stack([organ, label + draw.normal(size=80), draw.normal(size=80)], 1)
        labels = [{"organ": ORGANS[o], "view": "ab"[c]} for o, c in zip(organ, label, strict=True)]
        splits.append(images(toys, columns, labels, split=split))

    def pooled(numbers, organ):
        return torch.cat([numbers[:, 1:], numbers[:, 1:2] * organ], 1)

    report = conditioning.run(Told(pooled), *splits, 0)

    features, classes = [], []
    for samples in splits:
        organ = torch.tensor([ORGANS.index(r.labels["organ"]) for r in samples.records])
        one_hot = nn.functional.one_hot(organ, 3).float()
        features.append(pooled(samples.image[:, 0, :, 0], one_hot).double().numpy())
        classes.append([r.labels["view"] for r in samples.records])
    subjects = [record.subject for record in splits[0].records]
    y = np.array([name == "b" for name in classes[0]]).astype(int)
    probe = logistic(Lessons(x=features[0], y=y, subjects=subjects, classes=2), seed=0)
    expected = np.mean(probe(features[1]).argmax(1) == [name == "b" for name in classes[1]])
    assert 0.55 < expected < 0.95
    assert report.metrics["accuracy/given"].value == pytest.approx(expected)


def test_recall_is_that_of_every_organ_by_hand(toys):
    said = [0, 0, 1, 1, 1, 2]
    truth = [0, 0, 0, 1, 1, 1]
    labels = [{"organ": ORGANS[o]} for o in truth]
    samples = images(toys, [[k, 0] for k in said], labels)

    report = conditioning.run(Told(by_row(1)), samples, samples, 0)

    assert values(report, "accuracy")["organ"] == pytest.approx(4 / 6)
    assert values(report, "recall") == pytest.approx({"breast": 2 / 3, "lung": 2 / 3})
    assert [row["said/organ"] for row in report.rows] == [ORGANS[k] for k in said]


def by_row(k):
    return lambda numbers, organ: torch.cat([numbers[:, k : k + 1], organ], 1)


def test_intervals_are_over_subjects(toys):
    labels = [{"organ": ORGANS[i % 2]} for i in range(40)]
    columns = [[float(i % 4 < 2 and i % 2), 1.0] for i in range(40)]
    alone = images(toys, columns, labels)
    together = images(toys, columns, labels, subjects=["one"] * 40)

    found, same = (
        conditioning.run(Told(by_row(1)), s, s, 0).metrics["accuracy/organ"]
        for s in (alone, together)
    )

    assert found.value == same.value == 0.75
    assert found.low < 0.75 < found.high
    assert (same.low, same.high) == (0.75, 0.75)


def test_images_of_unknown_organs_are_left_out_and_counted(toys):
    names = ["breast", "liver", "lung", "", "breast"]
    labels = [{"organ": name} for name in names] + [{}]
    samples = images(toys, [[0, i] for i in range(6)], labels)

    report = conditioning.run(Told(by_row(1)), samples, samples, 0)

    assert [row["id"] for row in report.rows] == ["val0", "val2", "val4"]
    assert (report.metrics["left_out"].value, report.metrics["left_out"].n) == (3, 6)
    assert report.metrics["drift/absent"].n == report.metrics["accuracy/organ"].n == 3


def test_images_without_a_class_do_not_count_for_accuracy_only(toys, splits):
    train, test = splits
    records = [*test.records[:30]] + [
        toys.record(r.id, r.subject, organ=r.labels["organ"]) for r in test.records[30:]
    ]
    partly = toys.stills(image=test.image, mask=None, records=records, classes=())

    report = conditioning.run(Told(by_sign, ORGANS[:2]), train, partly, 0)

    assert report.metrics["accuracy/given"].n == 30
    assert report.metrics["accuracy_lost/wrong"].n == 30
    assert report.metrics["drift/wrong"].n == 50


@pytest.mark.parametrize(
    ("facts", "label"),
    [
        ([{"label": "a", "view": "c", "organ": "lung"}, {"label": "b", "view": "d"}], "label"),
        ([{"label": "a", "view": "c"}, {"label": "a", "view": "d"}], "view"),
        ([{"label": "a", "organ": "lung"}, {"organ": "heart"}], "organ"),
        ([{"label": "", "organ": "lung"}, {"label": "a", "organ": "lung"}], None),
    ],
)  # fmt: skip
def test_the_class_is_the_first_label_with_two_values(toys, facts, label):
    records = [toys.record(f"r{i}", **fact) for i, fact in enumerate(facts)]

    assert conditioning.told_apart(records, records) == label
    assert conditioning.told_apart(records, records[:1]) is None


def test_a_class_that_training_does_not_show_is_missed(toys, splits):
    train, test = splits
    records = [
        toys.record(r.id, r.subject, **{**r.labels, "label": "unseen"}) for r in test.records[:20]
    ]
    other = toys.stills(
        image=test.image, mask=None, records=[*records, *test.records[20:]], classes=()
    )

    metric = conditioning.run(Told(by_sign, ORGANS[:2]), train, other, 0).metrics["accuracy/given"]

    assert (metric.value, metric.n) == (pytest.approx(30 / 50), 50)


def test_images_of_one_class_still_have_a_drift(toys):
    samples = images(toys, [[0, 1], [0, 2]], [{"organ": "lung"}] * 2)

    report = conditioning.run(Told(by_row(1)), samples, samples, 0)

    assert {path.split("/")[0] for path in report.metrics} == {
        *("accuracy", "recall", "left_out", "drift")
    }
    assert values(report, "accuracy") == {"organ": 0.0}
    assert not report.figures["conditions"].axes[0].patches


def test_the_wrong_organ_is_one_of_the_others_of_the_model(toys):
    samples = images(toys, [[1, i] for i in range(64)], [{"organ": "lung"}] * 64)
    model = Told(by_row(1))

    conditioning.run(model, samples, samples, 0)

    asked = model.told[len(model.told) // 2 :]  # after those of training
    told = {name: torch.cat(asked[i::4]) for i, name in enumerate(conditioning.CONDITIONS)}
    assert (told["given"] == torch.tensor([0.0, 1.0, 0.0])).all()
    assert (told["absent"] == 0).all()
    wrong = told["wrong"].sum(0).tolist()
    assert wrong[1] == 0
    assert min(wrong[0], wrong[2]) > 16
    assert sum(wrong) == 64


def test_another_organ_is_never_the_same_and_any_of_the_others():
    organ = np.repeat(np.arange(4), 200)

    found = conditioning.others(organ, 4, seed=0)

    assert (found != organ).all()
    counts = np.array([np.bincount(found[organ == k], minlength=4) for k in range(4)])
    off = counts[~np.eye(4, dtype=bool)]
    assert off.min() > 45  # of 200, 67 in the mean
    assert off.max() < 90


def test_a_model_of_one_organ_cannot_be_told_a_wrong_one(toys):
    samples = images(toys, [[0, i] for i in range(4)], [{"organ": "breast"}] * 4)

    report = conditioning.run(Told(by_row(1), ("breast",)), samples, samples, 0)

    assert set(values(report, "drift")) == {"predicted", "absent"}


def test_training_images_are_drawn_and_few(splits):
    model = Told(by_sign, ORGANS[:2])

    conditioning.run(model, *splits, 0, images=20)

    assert [len(organ) for organ in model.told] == [20] * 4 + [32] * 4 + [18] * 4


def test_the_model_is_left_in_the_mode_it_came_in(splits):
    model = Told(by_sign, ORGANS[:2]).train()

    conditioning.run(model, *splits, 0)

    assert model.training
    assert torch.is_grad_enabled()


def test_rows_hold_what_the_metrics_are_made_of(splits, report):
    assert [row["id"] for row in report.rows] == [record.id for record in splits[1].records]
    right = [row["said/predicted"] == row["label"] for row in report.rows]
    assert np.mean(right) == pytest.approx(report.metrics["accuracy/predicted"].value)
    assert np.mean([row["drift/predicted"] for row in report.rows]) == pytest.approx(0.2)
    assert {row["said_matched/wrong"] for row in report.rows} == {"benign", "malignant"}


def test_bars_are_as_high_as_the_metrics(report):
    told, drifts = report.figures["conditions"].axes

    names = [text.get_text() for text in told.get_xticklabels()]
    assert names == ["given", "predicted", "wrong", "absent"]
    heights = [bar.get_height() for bar in told.patches]
    assert heights == [
        *(report.metrics[f"accuracy/{name}"].value for name in names),
        *(report.metrics[f"accuracy_matched/{name}"].value for name in names[1:]),
    ]
    assert [bar.get_height() for bar in drifts.patches] == [*values(report, "drift").values()]


def test_no_known_organ_is_refused_and_the_known_ones_named(toys):
    samples = images(toys, [[0, 0]], [{"organ": "liver"}])

    with pytest.raises(BadInput, match=r"stills \(val\).*breast, lung, thyroid"):
        conditioning.run(Told(by_row(1)), samples, samples, 0)


def test_a_model_that_is_not_told_organs_is_refused(toys, splits):
    with pytest.raises(BadInput, match="does not ask which organ"):
        conditioning.run(toys.says(content=lambda image: image), *splits, 0)
