from dataclasses import dataclass

import numpy as np
import pytest
import torch
from sklearn import metrics as theirs
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from septum.contract import BadInput, Clip, Features
from septum.tasks import diagnose
from septum.tasks.filmed import clip_starts

CLIP = Clip(frames=4, stride=2)
N = 20
ILL = np.random.default_rng(3).random(N) < 0.6


@dataclass(frozen=True)
class Doctor:
    """Says the probability of an infarct by the place of a film and the start of a clip."""

    chance: torch.Tensor

    phases = after_step = encode = lambda *_: None

    def regress(self, image):
        place, start = seen(image)
        return {"infarct": self.chance[place] + start / 1000}


@dataclass(frozen=True)
class Encodes:
    """Only has features: two of the place of the film, one of the start of the clip."""

    phases = after_step = lambda *_: None

    def encode(self, image):
        place, start = seen(image)
        ill = torch.tensor(ILL)[place] * 2.0
        pooled = torch.stack([ill + (place * 7 % 5) / 2, (place * 3 % 7) / 3.0, start / 9], 1)
        return Features(content=image, style=None, pooled=pooled.float())


def seen(image):
    first = image[:, 0, 0, 0, 0]
    return first.floor().long(), (256 * first.frac()).round()


@pytest.fixture
def films(toys):
    def build(values=None, *, each=1):
        values = ILL.astype(float).tolist() if values is None else values
        records = [
            toys.record(f"f{i}", f"s{i // each}", **({} if v is None else {"infarct": v}))
            for i, v in enumerate(values)
        ]
        return toys.films([30] * len(values), clip=CLIP, records=records)

    return build


def test_rates_and_rows_are_scikit_learns_of_the_mean_over_three_clips(films):
    chance = torch.linspace(0.1, 0.9, N)[torch.randperm(N, generator=torch.manual_seed(1))]
    said = np.array(
        [float(chance[i]) + np.mean(clip_starts(films(), i, "three", 0)) / 1000 for i in range(N)]
    )

    report = diagnose.run(Doctor(chance), films(), films(), 0)

    ill = said >= 0.5
    assert {path: metric.value for path, metric in report.metrics.items()} == {
        "sensitivity": pytest.approx(theirs.recall_score(ILL, ill)),
        "specificity": pytest.approx(theirs.recall_score(ILL, ill, pos_label=False)),
        "precision": pytest.approx(theirs.precision_score(ILL, ill)),
        "f1": pytest.approx(theirs.f1_score(ILL, ill)),
        "accuracy": pytest.approx(theirs.accuracy_score(ILL, ill)),
        "auroc": pytest.approx(theirs.roc_auc_score(ILL, said)),
    }
    assert {metric.n for metric in report.metrics.values()} == {N}
    assert report.rows[2] == {
        "id": "f2",
        "subject": "s2",
        "infarct": float(ILL[2]),
        "said": pytest.approx(said[2]),
    }


def test_a_model_without_the_label_is_asked_by_a_logistic_regression_of_its_features(films):
    train, test, model = films(), films(), Encodes()

    report = diagnose.run(model, train, test, 0)

    def features(place, start):
        return model.encode(train.clips([place], [start]).image).pooled[0].double().numpy()

    learnt = np.stack([features(i, clip_starts(train, i, "one", 0)[0]) for i in range(N)])
    scale = StandardScaler().fit(learnt)
    fitted = LogisticRegression(max_iter=1_000).fit(scale.transform(learnt), ILL)
    clips = [[features(i, s) for s in clip_starts(test, i, "three", 0)] for i in range(N)]
    said = [fitted.predict_proba(scale.transform(three))[:, 1].mean() for three in clips]
    assert [row["said"] for row in report.rows] == pytest.approx(said)
    assert report.metrics["auroc"].value == pytest.approx(theirs.roc_auc_score(ILL, said))


def test_exactly_one_half_is_ill(films):
    values = [1.0, 0.0, 1.0, 0.0]
    samples = films(values)
    whole = Clip(frames=4, stride=0)  # one clip, from the start

    report = diagnose.run(
        Doctor(torch.tensor([0.5, 0.49, 0.6, 0.5])),
        samples,
        type(samples)(frames=samples.frames, clip=whole, records=samples.records),
        0,
    )

    assert report.metrics["sensitivity"].value == 1
    assert report.metrics["specificity"].value == 0.5


def test_films_without_the_label_are_not_asked_about(films):
    values = [None, float("nan"), *ILL.astype(float).tolist()[2:]]

    report = diagnose.run(Doctor(torch.rand(N)), films(), films(values), 0)

    assert [row["id"] for row in report.rows] == [f"f{i}" for i in range(2, N)]


def test_subjects_not_films_are_drawn_again(films):
    chance = torch.linspace(0.3, 0.7, N)

    alone = diagnose.run(Doctor(chance), films(), films(), 0).metrics["accuracy"]
    together = diagnose.run(Doctor(chance), films(), films(each=N), 0).metrics["accuracy"]

    assert alone.low < alone.value < alone.high
    assert together.low == together.value == together.high == alone.value


def test_the_curve_is_scikit_learns(films):
    report = diagnose.run(Doctor(torch.linspace(0.3, 0.7, N)), films(), films(), 0)

    said = [row["said"] for row in report.rows]
    false, true, _ = theirs.roc_curve(ILL, said)
    curve = report.figures["roc"].axes[0].lines[1]
    assert curve.get_xdata().tolist() == false.tolist()
    assert curve.get_ydata().tolist() == true.tolist()


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ([1.0, 1.0], r"films \(val\) are not known to be of both kinds, infarct = 0 and"),
        ([None, None], "not known to be of both kinds"),
        ([1.0, 0.0, 0.3], r"f2 of films has infarct = 0.3, and a diagnosis is 0 or 1"),
    ],
)
def test_other_labels_are_refused(films, values, words):
    with pytest.raises(BadInput, match=words):
        diagnose.run(Doctor(torch.rand(3)), films(), films(values), 0)


def test_a_probe_needs_training_films_of_both_kinds(films):
    with pytest.raises(BadInput, match="both kinds"):
        diagnose.run(Encodes(), films([1.0] * N), films(), 0)


def test_stills_are_refused(toys):
    stills = toys.stills(image=torch.zeros(1, 1, 2, 2), mask=None, records=[], classes=())

    with pytest.raises(BadInput, match="still images"):
        diagnose.run(Doctor(torch.rand(3)), stills, stills, 0)
