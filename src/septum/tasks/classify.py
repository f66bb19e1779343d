"""Which class does an image show: benign or malignant, which view, which organ?

    model that knows the classes --classify--> probabilities                         (own)
    frozen model --pooled features--> logistic regression, linear layer --> probabilities

What is told is the first of three text labels that has two values in both splits. Images without
it are left out; of joined data sets, values of one name are one class. A model that tells a label
itself, and knows two of the tested values, is asked about that one, by its own probabilities. All
others are probed (`septum.tasks.linear`), and asked how they fare with fewer labels.

A class of the tested split that the training split does not show is a class that nobody can name:
its images count as missed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from matplotlib.figure import Figure
from torch import Tensor

from septum.contract import BadInput, Classifies, Label, Metric, Model, Record, Report, Samples
from septum.metrics.classification import hits_by_subject, scores_by_subject
from septum.metrics.interval import mean_by_subject
from septum.nn.device import device_of
from septum.tasks import drawing_classes
from septum.tasks.frozen import BATCH, encoded, still
from septum.tasks.linear import Lessons, fraction, linear, logistic

LABELS = ("label", "view", "organ")
"""Where classes are looked for."""
SHARES = (0.01, 0.05, 0.2, 1.0)
"""Of the training subjects, whose labels are shown."""
DRAWS = 5
"""How often a share of the subjects is drawn; scores are means over them."""


@dataclass(frozen=True, kw_only=True)
class Shown:
    """The images of a split whose class is known."""

    records: Sequence[Record]
    places: Sequence[int]
    values: Sequence[str]

    @property
    def subjects(self) -> list[str]:
        """Of every image."""
        return [record.subject for record in self.records]


@dataclass(frozen=True, kw_only=True)
class Answers:
    """What is said of the tested images.

    Attributes:
        truth: Index of the class.
        classes: First those that can be named, then those that nobody was taught.
        chance: Probability of every class, by who says so.
    """

    shown: Shown
    truth: Int[np.ndarray, " n"]
    classes: Sequence[str]
    chance: Mapping[str, Float[np.ndarray, "n k"]]


def run(model: Model, train: Samples, test: Samples, seed: int) -> Report:
    """How well classes are told; a row per tested image.

    * `accuracy`, `balanced_accuracy`, `f1`, `auroc`, `ece` of `own`, or of `logistic` and `linear`:
      as in `septum.metrics.classification`, in [0, 1].
    * `accuracy/majority`: of always naming the most frequent class of the training split.
    * `accuracy/logistic/5%`, `balanced_accuracy/logistic/5%`: of the logistic regression with the
      labels of 5 % of the training subjects, likewise 1, 20 and 100 %. They are means over five
      draws, each with a subject of every class; shares too small for that are left out, and the
      picture names them.

    Raises:
        BadInput: If there is nothing to tell apart, the model encodes clips only, or a probe would
            have to learn a class of a single subject.
    """
    label, teller = _question(model, train, test)
    learn, asked = shown(train, label), shown(test, label)
    metrics, figures = {"accuracy/majority": _majority(learn, asked, seed)}, dict[str, Figure]()
    if teller is not None:
        said = answered(asked, teller.classified()[1], {"own": own(teller, test, asked.places)})
    else:
        said, fewer = _probed(model, train, test, label, seed)
        metrics |= fewer
        figures["labels"] = drawing_classes.by_share(metrics, shares=SHARES)
    for name, chance in said.chance.items():
        found = scores_by_subject(chance, said.truth, asked.subjects, seed=seed)
        metrics |= {f"{score}/{name}": metric for score, metric in found.items()}
    figures["confusion"] = drawing_classes.confusion(said.chance, said.truth, said.classes)
    figures["reliability"] = drawing_classes.reliability(said.chance, said.truth, metrics)
    return Report(metrics=metrics, rows=_rows(said), figures=figures)


def shown(samples: Samples, label: str) -> Shown:
    """The images that state this label in words."""
    stated = [(place, _value(record, label)) for place, record in enumerate(samples.records)]
    known = [(place, value) for place, value in stated if value]
    return Shown(
        records=[samples.records[place] for place, _ in known],
        places=[place for place, _ in known],
        values=[value for _, value in known],
    )


def answered(
    asked: Shown, named: Sequence[str], chance: Mapping[str, Float[np.ndarray, "n k"]]
) -> Answers:
    """The answers, with probability 0 of classes that are not among those named."""
    classes = [*named, *sorted({*asked.values} - {*named})]
    more = ((0, 0), (0, len(classes) - len(named)))
    return Answers(
        shown=asked,
        truth=np.array([classes.index(value) for value in asked.values]),
        classes=classes,
        chance={name: np.pad(of, more) for name, of in chance.items()},
    )


@torch.no_grad()
def own(
    model: Classifies, samples: Samples, places: Sequence[int]
) -> Float[np.ndarray, "n values"]:
    """The probabilities that a model itself gives; it is left in the mode it came in."""
    found: list[Tensor] = []
    for start in range(0, len(places), BATCH):
        image = samples.batch(list(places[start : start + BATCH])).image
        with still(model):
            found.append(model.classify(image.to(device_of(model))).double().cpu())
    return torch.cat(found).numpy()


def _question(model: Model, train: Samples, test: Samples) -> tuple[str, Classifies | None]:
    """The label to tell, and the model if by its own probabilities."""
    if isinstance(model, Classifies):
        label, values = model.classified()
        if _told_apart(label, train, test) and len({*values} & {*shown(test, label).values}) > 1:
            return label, model
    found = [label for label in LABELS if _told_apart(label, train, test)]
    if not found:
        raise BadInput(
            f"The images of {train.name} are all of one class in the labels {', '.join(LABELS)} in "
            f"{train.split} or {test.split}; choose a data set that states two, or name several."
        )
    return found[0], None


def _told_apart(label: str, train: Samples, test: Samples) -> bool:
    return all(len({*shown(samples, label).values}) > 1 for samples in (train, test))


def _value(record: Record, label: str) -> str:
    value = record.labels.get(label)
    return value if isinstance(value, str) else ""


def _majority(learn: Shown, asked: Shown, seed: int) -> Metric:
    most = max(sorted({*learn.values}), key=list(learn.values).count)
    right = (np.array(asked.values) == most).astype(np.float64)
    return mean_by_subject(right, asked.subjects, unit="", seed=seed)


def _probed(
    model: Model, train: Samples, test: Samples, label: str, seed: int
) -> tuple[Answers, dict[str, Metric]]:
    """The answers of both probes, and the scores with fewer labels."""
    learn, asked = shown(train, label), shown(test, label)
    named = sorted({*learn.values})
    lessons = Lessons(
        x=_pooled(model, train, learn),
        y=np.array([named.index(value) for value in learn.values]),
        subjects=learn.subjects,
        classes=len(named),
    )
    _refuse_single(lessons, named, train)
    x = _pooled(model, test, asked)
    probes = {"logistic": logistic, "linear": linear}
    said = answered(asked, named, {k: of(lessons, seed=seed)(x) for k, of in probes.items()})
    return said, _by_share(lessons, x, said, seed)


def _pooled(model: Model, samples: Samples, of: Shown) -> Float[np.ndarray, "n e"]:
    parts = [features.pooled for _, features in encoded(model, samples, of.places)]
    return torch.cat(parts).double().numpy()


def _refuse_single(lessons: Lessons, named: Sequence[str], train: Samples) -> None:
    stated = [c for classes in lessons.shown().values() for c in classes]
    single = next((name for c, name in enumerate(named) if stated.count(c) < 2), None)
    if single is not None:
        raise BadInput(
            f"The class {single} has one subject in {train.split} of {train.name}, and no other to "
            "tell whether it is learnt; leave the class out or choose another fold."
        )


def _by_share(
    lessons: Lessons, x: Float[np.ndarray, "n e"], said: Answers, seed: int
) -> dict[str, Metric]:
    """Scores of the logistic regression by share of the training subjects."""
    metrics: dict[str, Metric] = {}
    for share in SHARES:
        draws = _draws(lessons, x, share, seed) if share < 1 else [said.chance["logistic"]]
        if draws:
            right = np.mean([of.argmax(1) == said.truth for of in draws], axis=0)
            found = hits_by_subject(right, said.truth, said.shown.subjects, seed=seed)
            metrics |= {f"{score}/logistic/{share:.0%}": m for score, m in found.items()}
    return metrics


def _draws(
    lessons: Lessons, x: Float[np.ndarray, "n e"], share: float, seed: int
) -> list[Float[np.ndarray, "n k"]]:
    """Probabilities by those that learnt from a share of the subjects; none if one cannot."""
    drawn = [fraction(lessons, share, seed=DRAWS * seed + draw) for draw in range(DRAWS)]
    few = [lesson for lesson in drawn if lesson is not None]
    return [logistic(of, seed=seed)(x) for of in few] if len(few) == DRAWS else []


def _rows(said: Answers) -> list[dict[str, Label]]:
    rows: list[dict[str, Label]] = []
    for i, record in enumerate(said.shown.records):
        row: dict[str, Label] = {"id": record.id, "subject": record.subject}
        row["truth"] = said.shown.values[i]
        for name, chance in said.chance.items():
            row[f"said/{name}"] = said.classes[int(chance[i].argmax())]
            row |= {f"{name}/{c}": float(p) for c, p in zip(said.classes, chance[i], strict=True)}
        rows.append(row)
    return rows
