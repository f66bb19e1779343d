"""Classes told by models whose features or probabilities are known."""

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from sklearn import metrics as theirs
from torch import nn

from septum.contract import BadInput, Classifies, Features, Model
from septum.tasks import classify, linear
from septum.tasks.linear import Lessons, fraction, logistic

KINDS = ("benign", "malignant", "normal")


def images(toys, n, *, seed, split, names=KINDS, label="label", noise=0.5, **more):
    """Grey levels of an image are its class and noise; two images of every subject."""
    draw = np.random.default_rng(seed)
    kind = np.minimum(draw.geometric(0.5, n // 2) - 1, len(names) - 1).repeat(2)
    levels = np.eye(4)[kind] + noise * draw.normal(size=(n, 4))
    records = [
        toys.record(f"{split}{i}", f"{split}{i // 2}", **{label: names[k], **more})
        for i, k in enumerate(kind)
    ]
    image = torch.from_numpy(levels).float()[:, None, :, None].expand(-1, -1, -1, 4)
    return toys.stills(image=image, mask=None, records=records, classes=(), split=split)


def like(samples, records):
    return type(samples)(
        image=samples.image, mask=None, records=records, classes=(), split=samples.split
    )


def levels(image):
    return image[:, :, :, :1]


@pytest.fixture(scope="module", autouse=True)
def _hurry():
    """Two draws, and a layer that learns for a quarter of its time: its own tests give it all."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(linear, "EPOCHS", 20)
        patch.setattr(classify, "DRAWS", 2)
        yield


@pytest.fixture(scope="module")
def splits(toys):
    return images(toys, 160, seed=1, split="train"), images(toys, 120, seed=2, split="val")


@pytest.fixture(scope="module")
def report(toys, splits):
    return classify.run(toys.says(content=levels), *splits, 0)


@dataclass(frozen=True)
class Doctor:
    """A model that answers with the first grey levels."""

    values: tuple[str, ...] = KINDS
    label: str = "label"

    def phases(self):
        return ()

    def after_step(self, progress):
        pass

    def encode(self, image):
        content = levels(image)
        return Features(content=content, style=None, pooled=content.flatten(1))

    def classified(self):
        return self.label, self.values

    def classify(self, image):
        return (3 * image[:, 0, : len(self.values), 0]).softmax(1)


def truth(samples):
    return [record.labels["label"] for record in samples.records]


def lessons(samples):
    return Lessons(
        x=samples.image[:, 0, :, 0].double().numpy(),
        y=np.array([KINDS.index(value) for value in truth(samples)]),
        subjects=[record.subject for record in samples.records],
        classes=3,
    )


def test_the_stand_in_keeps_the_contract():
    assert isinstance(Doctor(), Model)
    assert isinstance(Doctor(), Classifies)


def test_a_model_that_knows_the_classes_is_asked_itself(splits):
    train, test = splits

    report = classify.run(Doctor(), train, test, 0)

    chance = Doctor().classify(test.image).double().numpy()
    said = np.array(KINDS)[chance.argmax(1)]
    assert report.metrics["accuracy/own"].value == theirs.accuracy_score(truth(test), said)
    assert report.metrics["f1/own"].value == pytest.approx(
        theirs.f1_score(truth(test), said, average="macro")
    )
    assert report.metrics["auroc/own"].value == pytest.approx(
        theirs.roc_auc_score(truth(test), chance, multi_class="ovr")
    )
    names = {"accuracy", "balanced_accuracy", "f1", "auroc", "ece"}
    assert {*report.metrics} == {*(f"{name}/own" for name in names), "accuracy/majority"}
    assert {*report.figures} == {"confusion", "reliability"}
    assert report.rows[7] == {
        "id": "val7",
        "subject": "val3",
        "truth": truth(test)[7],
        "said/own": said[7],
        **{f"own/{kind}": pytest.approx(p) for kind, p in zip(KINDS, chance[7], strict=True)},
    }


def test_other_models_are_asked_by_a_regression_of_their_features(splits, report):
    train, test = splits

    chance = logistic(lessons(train), seed=0)(lessons(test).x)

    said = np.array(KINDS)[chance.argmax(1)]
    assert [row["said/logistic"] for row in report.rows] == said.tolist()
    assert report.metrics["accuracy/logistic"].value == theirs.accuracy_score(truth(test), said)
    assert report.metrics["balanced_accuracy/logistic"].value == pytest.approx(
        theirs.balanced_accuracy_score(truth(test), said)
    )
    assert [row["logistic/normal"] for row in report.rows] == pytest.approx(chance[:, 2])
    assert report.metrics["accuracy/linear"].value > 0.7
    assert report.metrics["accuracy/logistic"].n == 120


def test_always_the_most_frequent_class_of_training_is_the_least(splits, report):
    most = max(KINDS, key=truth(splits[0]).count)

    expected = np.mean([value == most for value in truth(splits[1])])
    assert report.metrics["accuracy/majority"].value == pytest.approx(expected)


def test_fewer_labels_are_means_over_draws(splits, report):
    train, test = splits
    few = [fraction(lessons(train), 0.2, seed=draw) for draw in range(2)]
    asked = lessons(test)

    said = [logistic(part, seed=0)(asked.x).argmax(1) for part in few]

    metrics = report.metrics
    assert metrics["accuracy/logistic/20%"].value == pytest.approx(
        np.mean([theirs.accuracy_score(asked.y, answers) for answers in said])
    )
    assert metrics["balanced_accuracy/logistic/20%"].value == pytest.approx(
        np.mean([theirs.balanced_accuracy_score(asked.y, answers) for answers in said])
    )
    for score in ("accuracy", "balanced_accuracy"):
        assert metrics[f"{score}/logistic/100%"] == metrics[f"{score}/logistic"]


def test_shares_too_small_for_every_class_are_left_out_and_named(report):
    # 80 subjects: 1 % is one, 5 % are four
    assert "accuracy/logistic/1%" not in report.metrics
    assert "accuracy/logistic/5%" in report.metrics
    (axes,) = report.figures["labels"].axes
    assert axes.get_title() == "1%: not a subject of every class"


def test_the_label_is_the_first_that_both_splits_tell_two_values_of(toys):
    def told(**label):
        one = images(toys, 24, seed=3, split="val", **label, noise=0.1)
        row = classify.run(toys.says(content=levels), one, one, 0).rows[0]
        return {part.split("/")[1] for part in row if part.startswith("logistic/")}

    assert told(label="view", names=("2CH", "4CH")) == {"2CH", "4CH"}
    assert told(label="organ", names=("heart", "hip"), view="x") == {"heart", "hip"}
    assert told(label="view", names=("2CH", "4CH"), organ="heart") == {"2CH", "4CH"}


def test_a_number_or_an_empty_text_is_no_class(toys, splits):
    train, test = splits
    odd = [("", 3.0)[i % 2] for i in range(20)]
    records = [*(toys.record(f"odd{i}", label=value) for i, value in enumerate(odd))]
    partly = like(test, [*records, *test.records[20:]])

    report = classify.run(Doctor(), train, partly, 0)

    assert [row["id"] for row in report.rows] == [r.id for r in test.records[20:]]
    assert report.metrics["accuracy/own"].n == 100


def test_a_model_is_asked_about_the_label_it_knows(toys):
    both = images(toys, 40, seed=4, split="val", label="organ", names=("heart", "hip"))
    records = [
        toys.record(r.id, r.subject, **r.labels, label="ab"[i % 2])
        for i, r in enumerate(both.records)
    ]
    samples = like(both, records)

    of_organs = classify.run(Doctor(("heart", "hip"), "organ"), samples, samples, 0)
    of_others = classify.run(Doctor(("lung", "hip"), "organ"), samples, samples, 0)

    assert {row["truth"] for row in of_organs.rows} == {"heart", "hip"}
    assert "accuracy/own" in of_organs.metrics
    # it knows one of these organs: its features are probed for the first label
    assert {row["truth"] for row in of_others.rows} == {"a", "b"}
    assert "accuracy/own" not in of_others.metrics


def test_a_class_that_training_does_not_show_is_missed(toys, splits):
    train, test = splits
    strange = [
        toys.record(r.id, r.subject, label="cyst") if i < 12 else r
        for i, r in enumerate(test.records)
    ]

    report = classify.run(toys.says(content=levels), train, like(test, strange), 0)

    assert {row["said/logistic"] for row in report.rows} <= {*KINDS}
    assert {row["linear/cyst"] for row in report.rows} == {0.0}
    right = [row["said/logistic"] == row["truth"] for row in report.rows]
    assert not any(right[:12])
    assert report.metrics["accuracy/logistic"].value == pytest.approx(np.mean(right))
    (axes, _) = report.figures["confusion"].axes
    assert [text.get_text() for text in axes.get_yticklabels()] == [*KINDS, "cyst"]


def test_subjects_not_images_are_drawn_again(toys, splits):
    train, test = splits
    one = like(test, [toys.record(r.id, "s", **r.labels) for r in test.records])

    alone = classify.run(Doctor(), train, test, 0).metrics["accuracy/own"]
    together = classify.run(Doctor(), train, one, 0).metrics["accuracy/own"]

    assert alone.low < alone.value < alone.high
    assert together.low == together.value == together.high == alone.value


def test_the_confusion_counts_every_image(splits, report):
    said = [row["said/logistic"] for row in report.rows]

    axes = report.figures["confusion"].axes[0]

    counts = [int(text.get_text()) for text in axes.texts]
    expected = theirs.confusion_matrix(truth(splits[1]), said, labels=KINDS)
    assert counts == expected.ravel().tolist()
    np.testing.assert_allclose(
        axes.images[0].get_array(), expected / expected.sum(1, keepdims=True)
    )


def test_reliability_is_drawn_where_the_error_is_measured(report):
    (axes,) = report.figures["reliability"].axes
    _, *lines = axes.lines

    for line, name in zip(lines, ("logistic", "linear"), strict=True):
        assert line.get_label().startswith(
            f"{name}, error {report.metrics[f'ece/{name}'].value:.3f}"
        )
        said, share = line.get_xydata().T
        # 15 bins of 8 images
        assert np.abs(said - share).mean() == pytest.approx(report.metrics[f"ece/{name}"].value)


def test_a_network_keeps_its_mode(splits):
    class Net(nn.Module):
        def phases(self):
            return ()

        def after_step(self, progress):
            pass

        def encode(self, image):
            return Doctor().encode(image)

        def classified(self):
            return "label", KINDS

        def classify(self, image):
            assert not self.training
            return Doctor().classify(image)

    net = Net().train()

    classify.run(net, *splits, 0)

    assert net.training


def test_one_class_is_refused_and_the_labels_are_named(toys, splits):
    one = images(toys, 8, seed=0, split="val", names=("benign",))

    with pytest.raises(BadInput, match=r"one class in the labels label, view, organ in train or"):
        classify.run(toys.says(content=levels), splits[0], one, 0)


def test_a_class_of_one_training_subject_is_refused_by_probes_alone(toys, splits):
    train, test = splits
    records = [
        toys.record(r.id, r.subject, label="normal" if i < 2 else KINDS[i // 2 % 2])
        for i, r in enumerate(train.records)
    ]
    single = like(train, records)

    with pytest.raises(BadInput, match="class normal has one subject in train of stills"):
        classify.run(toys.says(content=levels), single, test, 0)
    assert classify.run(Doctor(), single, test, 0).metrics


def test_clips_are_refused(toys, splits):
    def clips(image):
        return levels(image)[:, :, None]

    with pytest.raises(BadInput, match="one map per still image"):
        classify.run(toys.says(content=clips), *splits, 0)
