"""The modality from the style, with styles that tell everything, nothing, and part of it."""

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score
from sklearn.preprocessing import StandardScaler

from septum.contract import BadInput
from septum.tasks import modality

SEQUENCES = ("LGE", "cine")


def hearts(toys, n, *, seed, split, share=0.5, **labels):
    """Three numbers per image: noise, its sequence with noise, and its sequence, as grey levels."""
    draw = np.random.default_rng(seed)
    is_cine = draw.random(n) < share
    levels = np.stack(
        [draw.random(n), 0.3 * is_cine + 0.5 * draw.random(n), 0.2 + 0.6 * is_cine], axis=1
    )
    image = torch.from_numpy(levels).float()[:, None, :, None].expand(-1, -1, -1, 4).contiguous()
    records = [
        toys.record(f"{split}{i}", f"{split}{i // 2}", **{"sequence": SEQUENCES[int(c)], **labels})
        for i, c in enumerate(is_cine)
    ]
    return toys.stills(
        image=image, mask=None, records=records, classes=("background",), split=split
    )


def spelled(*levels):
    """A function of an image: maps that vary around these of its numbers."""
    ripple = torch.tensor([-0.1, 0.1]).repeat(4, 2)

    def maps(image):
        return torch.stack([image[:, 0, k, :1, None] + ripple for k in levels], dim=1)

    return maps


@pytest.fixture(scope="module")
def splits(toys):
    return (
        hearts(toys, 200, seed=1, split="train", share=0.6),
        hearts(toys, 120, seed=2, split="val", share=0.3),
    )


@pytest.fixture(scope="module")
def report(toys, splits):
    model = toys.says(content=spelled(0), style=spelled(0, 1, 2))
    return modality.run(model, *splits, 0)


def truth(samples):
    return [record.labels["sequence"] for record in samples.records]


def columns(samples, *levels):
    return samples.image[:, 0, list(levels), 0].double().numpy()


@pytest.mark.parametrize(
    ("name", "levels"), [("all", (0, 1, 2)), ("z0", (0,)), ("z1", (1,)), ("z2", (2,))]
)
def test_accuracy_is_that_of_a_logistic_regression(splits, report, name, levels):
    train, test = splits
    scale = StandardScaler().fit(columns(train, *levels))
    line = LogisticRegression().fit(scale.transform(columns(train, *levels)), truth(train))
    expected = line.score(scale.transform(columns(test, *levels)), truth(test))

    found = report.metrics[f"accuracy/{name}"]

    assert found.value == pytest.approx(expected)
    assert found.n == 120
    assert found.low <= found.value <= found.high


def test_a_style_that_is_the_modality_tells_it_and_noise_does_not(report):
    metrics = report.metrics

    assert metrics["accuracy/all"].value == metrics["accuracy/z2"].value == 1
    assert 0.5 < metrics["accuracy/z1"].value < 0.95
    assert metrics["accuracy/z0"].value < metrics["accuracy/chance"].value + 0.1
    assert metrics["accuracy/best"] == metrics["accuracy/z2"]
    # z0 and the content are the same noise here
    assert metrics["accuracy/content"] == metrics["accuracy/z0"]


def test_content_may_tell_what_style_does_not(toys, splits):
    model = toys.says(content=spelled(2), style=spelled(0))

    metrics = modality.run(model, *splits, 0).metrics

    assert metrics["accuracy/content"].value == 1
    assert metrics["accuracy/all"].value < 0.8


def test_chance_and_balanced_accuracy_are_those_of_scikit_learn(toys, splits):
    train, test = splits
    report = modality.run(toys.says(content=spelled(0), style=spelled(1)), train, test, 0)

    blind = DummyClassifier(strategy="most_frequent").fit(columns(train, 0), truth(train))
    said = [row["said/all"] for row in report.rows]
    found = report.metrics["balanced_accuracy/all"]
    assert report.metrics["accuracy/chance"].value == pytest.approx(
        blind.score(columns(test, 0), truth(test))
    )
    assert report.metrics["accuracy/chance"].value < 0.5
    assert found.value == pytest.approx(balanced_accuracy_score(truth(test), said))
    assert found.low < found.value < found.high


def test_the_best_dimension_is_chosen_on_the_training_split(toys, splits):
    train, _ = splits
    # on the tested images the second dimension is wrong and the first right
    test = hearts(toys, 60, seed=3, split="val")
    image = test.image.clone()
    image[:, :, 1], image[:, :, 2] = test.image[:, :, 2], 1 - test.image[:, :, 2]
    flipped = toys.stills(
        image=image, mask=None, records=test.records, classes=test.classes, split="val"
    )

    metrics = modality.run(
        toys.says(content=spelled(0), style=spelled(1, 2)), train, flipped, 0
    ).metrics

    assert metrics["accuracy/z1"].value == metrics["accuracy/best"].value == 0
    assert metrics["accuracy/z0"].value > 0.4


def test_rows_say_what_was_taken_for_what(splits, report):
    test = splits[1]

    assert [row["id"] for row in report.rows] == [record.id for record in test.records]
    assert [row["sequence"] for row in report.rows] == truth(test)
    assert [row["said/all"] for row in report.rows] == truth(test)
    z = np.array([[row[f"z{k}"] for k in range(3)] for row in report.rows])
    np.testing.assert_allclose(z, columns(test, 0, 1, 2), atol=1e-6)


def test_the_plane_holds_the_principal_components_of_z(splits, report):
    train, test = splits
    z = StandardScaler().fit(columns(train, 0, 1, 2)).transform(columns(test, 0, 1, 2))
    expected = PCA(2).fit_transform(z)

    (axes,) = report.figures["plane"].axes

    assert [text.get_text() for text in axes.get_legend().get_texts()] == list(SEQUENCES)
    for line, name in zip(axes.lines, SEQUENCES, strict=True):
        of_kind = np.array(truth(test)) == name
        np.testing.assert_allclose(np.abs(line.get_xydata()), np.abs(expected[of_kind]), atol=1e-5)


def test_one_dimension_makes_a_line(toys, splits):
    report = modality.run(toys.says(content=spelled(0), style=spelled(2)), *splits, 0)

    (axes,) = report.figures["plane"].axes
    assert all((line.get_ydata() == 0).all() for line in axes.lines)


def test_bars_are_as_high_as_the_metrics(report):
    (axes,) = report.figures["accuracy"].axes

    names = [text.get_text() for text in axes.get_xticklabels()]
    heights = [bar.get_height() for bar in axes.patches]
    assert names == ["all of z", "z0", "z1", "z2", "content"]
    assert heights == [
        report.metrics[f"accuracy/{name.removesuffix(' of z')}"].value for name in names
    ]
    (chance,) = [line for line in axes.lines if line.get_linestyle() == ":"]
    assert set(chance.get_ydata()) == {report.metrics["accuracy/chance"].value}


@pytest.mark.parametrize(
    ("facts", "label"),
    [
        ([{"sequence": "cine", "data": "a"}, {"sequence": "LGE", "data": "b"}], "sequence"),
        ([{"sequence": "cine", "modality": "MR"}, {"modality": "CT"}], "modality"),
        ([{"modality": "MR", "data": "acdc"}, {"modality": "MR", "data": "emidec"}], "data"),
    ],
)  # fmt: skip
def test_the_first_label_with_two_values_is_the_modality(toys, facts, label):
    records = [toys.record(f"r{i}", **fact) for i, fact in enumerate(facts)]
    samples = toys.stills(image=None, mask=None, records=records, classes=())

    kinds = modality.told_apart(samples, samples)

    assert kinds.label == label
    assert list(kinds.names) == sorted(fact[label] for fact in facts)


def test_images_of_unknown_kind_are_left_out(toys, splits):
    train, test = splits
    records = [*test.records[:100], *(toys.record(f"bare{i}") for i in range(20))]
    partly = toys.stills(image=test.image, mask=None, records=records, classes=test.classes)

    report = modality.run(toys.says(content=spelled(0), style=spelled(2)), train, partly, 0)

    assert report.metrics["accuracy/all"].n == len(report.rows) == 100


def test_few_training_images_still_hold_every_kind(toys):
    samples = hearts(toys, 300, seed=4, split="train", share=0.99)
    kinds = modality.told_apart(samples, samples)

    places = modality.drawn(samples, kinds, 0, 10)

    assert len(places) in {10, 11}
    assert places == sorted(places)
    assert {kinds.of(samples.records[place]) for place in places} == set(SEQUENCES)
    assert modality.drawn(samples, kinds, 1, 10) != places


def test_one_kind_of_images_is_refused_and_two_data_sets_asked_for(toys):
    one = hearts(toys, 8, seed=0, split="train", share=2.0, modality="MR", data="acdc")

    with pytest.raises(BadInput, match=r"sequence, modality, data.*--data acdc emidec"):
        modality.run(toys.says(content=spelled(0), style=spelled(0)), one, one, 0)


def test_kinds_that_only_one_split_knows_are_none(toys, splits):
    train, test = splits
    other = [
        toys.record(r.id, r.subject, sequence=r.labels["sequence"] + "2") for r in test.records
    ]
    renamed = toys.stills(image=test.image, mask=None, records=other, classes=test.classes)

    with pytest.raises(BadInput, match="all of one kind"):
        modality.told_apart(train, renamed)


def test_a_model_without_style_is_told_what_it_can_be_asked(toys, splits):
    with pytest.raises(BadInput, match="ask it segment, retrieve"):
        modality.run(toys.says(content=spelled(0)), *splits, 0)
