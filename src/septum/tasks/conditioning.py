"""How much does it matter that a model is told the organ (ARL, limitations)?

    image, organ given | predicted | wrong | absent --model--> pooled --logistic regression--> class

Anatomy-aware Representation Learning for Medical Ultrasound, ICLR 2026,
https://openreview.net/forum?id=5ThIWuDkEf, fears that a missing or wrong organ harms. Here the same
images are encoded four times: under the organ they state, under the distribution that the model
recognises, under another organ of its table drawn at random, and under none.

* `accuracy/organ`, `recall/ORGAN`: of the organ that the model recognises.
* `drift/C`: 1 - cosine similarity of the pooled features under C and under the organ given; 0 where
  the organ makes no difference, at most 2.
* `accuracy/C`: of a logistic regression that was fitted under the organ given, and is asked under
  C. `accuracy_matched/C`: of one that was fitted under C as well.
* `accuracy_lost/C`, `accuracy_matched_lost/C`: `accuracy/given` less these, image by image; below 0
  where C is better.

The class is what the task `classify` asks about, and so is the logistic regression. Where classes
go with organs, as in joined data sets, the organ given all but names the class: ask about images of
one organ then.
"""

from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from septum.contract import (
    BadInput,
    Conditions,
    Label,
    Metric,
    Model,
    Record,
    Report,
    Samples,
)  # fmt: skip
from septum.metrics.interval import mean_by_subject
from septum.nn.device import device_of
from septum.tasks import drawing_organs
from septum.tasks.classify import LABELS
from septum.tasks.frozen import BATCH, still
from septum.tasks.linear import Lessons, logistic
from septum.tasks.transform import path

ORGAN = "organ"
"""The label that says what an image shows."""
GIVEN = "given"
CONDITIONS = (GIVEN, "predicted", "wrong", "absent")
IMAGES = 2_000
"""Most training images that a classifier is fitted to, drawn at random."""


@runtime_checkable
class Told(Model, Conditions, Protocol):
    """A model that is told the organ."""


@dataclass(frozen=True, kw_only=True)
class Known:
    """Images of a split whose organ a model knows.

    Attributes:
        places: Where they are in the split.
        organ: Of each, its place in the table of the model.
        left_out: How many others there are.
    """

    places: Int[np.ndarray, " n"]
    organ: Int[np.ndarray, " n"]
    left_out: int

    def at(self, chosen: Sequence[int]) -> "Known":
        """Some of them."""
        rows = np.array(chosen, dtype=int)
        return Known(places=self.places[rows], organ=self.organ[rows], left_out=self.left_out)


@dataclass(frozen=True, kw_only=True)
class Seen:
    """Images as a model sees them under every condition.

    Attributes:
        said: Place in the table of the organ that is recognised.
        pooled: By condition, one vector per image.
    """

    records: Sequence[Record]
    said: Int[np.ndarray, " n"]
    pooled: Mapping[str, Float[np.ndarray, "n _"]]

    @property
    def subjects(self) -> list[str]:
        """Of every image."""
        return [record.subject for record in self.records]


def run(model: Model, train: Samples, test: Samples, seed: int, *, images: int = IMAGES) -> Report:
    """Recognition, drift, and accuracy under every condition; a row per image whose organ is known.

    `left_out` counts the tested images that state no organ of the model's table, of all. `wrong` is
    missing of a model that knows one organ, accuracies where no label has two values in both
    splits; `accuracy/chance` is that of naming the most frequent class of training.

    Raises:
        BadInput: If the model is not told organs, or no image of a split states one that it knows.
    """
    if not isinstance(model, Told):
        raise BadInput(
            "The model does not ask which organ an image shows; ask it classify, or choose a model "
            "such as anatomy_vit."
        )
    table = list(model.organs())
    learned, tested = known(train, table), known(test, table)
    few = np.random.default_rng(seed).permutation(len(learned.places))[:images]
    # other draws than for the tested images: an organ must not be wrong in the same way
    learn = seen(model, train, learned.at(sorted(few.tolist())), seed + 1)
    asked = seen(model, test, tested, seed)
    truth = np.array(table)[tested.organ]
    drifts = {name: drift(asked.pooled[name], asked.pooled[GIVEN]) for name in asked.pooled}
    label = told_apart(learn.records, asked.records)
    said = {} if label is None else answers(learn, asked, label, seed)
    metrics = _recognition(asked, truth, table, tested.left_out, seed)
    metrics |= {
        f"drift/{name}": mean_by_subject(far, asked.subjects, unit="", seed=seed)
        for name, far in drifts.items()
        if name != GIVEN
    }
    if label is not None:
        metrics |= _accuracies(said, asked, label, seed)
    rows = _rows(asked, truth, table, drifts, said)
    return Report(
        metrics=metrics, rows=rows, figures={"conditions": drawing_organs.conditions(metrics)}
    )


def known(samples: Samples, organs: Sequence[str]) -> Known:
    """The images that state one of these organs.

    Raises:
        BadInput: If there is none.
    """
    stated = [str(record.labels.get(ORGAN, "")) for record in samples.records]
    found = {i: organs.index(name) for i, name in enumerate(stated) if name in organs}
    if not found:
        raise BadInput(
            f"No image of {samples.name} ({samples.split}) has a label {ORGAN} that the model "
            f"knows, which are {', '.join(organs)}; name a data set of one of them, or a run "
            "that was trained on this organ."
        )
    return Known(
        places=np.array([*found]),
        organ=np.array([*found.values()]),
        left_out=len(stated) - len(found),
    )


def others(organ: Int[np.ndarray, " n"], count: int, *, seed: int) -> Int[np.ndarray, " n"]:
    """For every one of `count` organs another one, drawn at random.

    >>> others(np.array([0, 1, 0]), 2, seed=0).tolist()
    [1, 0, 1]
    """
    return (organ + np.random.default_rng(seed).integers(1, count, size=len(organ))) % count


def one_hot(organ: Int[np.ndarray, " n"], count: int) -> Float[Tensor, "n organs"]:
    """As a model is told them."""
    return F.one_hot(torch.from_numpy(organ), count).float()


@contextmanager
def at_rest(model: Model) -> Generator[torch.device]:
    """Where a model works; in evaluation mode and without gradients until it is left."""
    with torch.no_grad(), still(model):
        yield device_of(model)


def seen(model: Told, samples: Samples, of: Known, seed: int) -> Seen:
    """Encode these images under every condition."""
    count = len(model.organs())
    told = {GIVEN: one_hot(of.organ, count), "absent": torch.zeros(len(of.organ), count)}
    if count > 1:
        told["wrong"] = one_hot(others(of.organ, count, seed=seed), count)
    pooled: dict[str, list[Tensor]] = {
        name: [] for name in CONDITIONS if name in {*told, "predicted"}
    }
    said: list[Tensor] = []
    with at_rest(model) as device:
        for start in range(0, len(of.places), BATCH):
            some = slice(start, start + BATCH)
            image = samples.batch(of.places[some].tolist()).image.to(device)
            predicted = model.recognise(image)
            said.append(predicted.argmax(1).cpu())
            for name, parts in pooled.items():
                organ = predicted if name == "predicted" else told[name][some].to(device)
                parts.append(model.encode_as(image, organ).pooled.cpu())
    return Seen(
        records=[samples.records[place] for place in of.places],
        said=torch.cat(said).numpy(),
        pooled={name: torch.cat(parts).double().numpy() for name, parts in pooled.items()},
    )


def drift(a: Float[np.ndarray, "n e"], b: Float[np.ndarray, "n e"]) -> Float[np.ndarray, " n"]:
    """1 - cosine similarity, row by row; exactly 0 for equal rows, at most 2.

    >>> drift(np.array([[3.0, 0.0], [0.0, 2.0]]), np.array([[1.0, 0.0], [5.0, 0.0]])).tolist()
    [0.0, 1.0]
    """
    # half the squared distance of unit vectors, which rounding cannot make other than 0 for equals
    return np.square(_unit(a) - _unit(b)).sum(1) / 2


def told_apart(train: Sequence[Record], test: Sequence[Record]) -> str | None:
    """The first of `LABELS` of which both show two values; None without."""
    for label in LABELS:
        if all(len({*classes(records, label)} - {""}) > 1 for records in (train, test)):
            return label
    return None


def classes(records: Sequence[Record], label: str) -> list[str]:
    """What every record says in words; empty where it does not."""
    stated = (record.labels.get(label) for record in records)
    return [value if isinstance(value, str) else "" for value in stated]


def answers(learn: Seen, asked: Seen, label: str, seed: int) -> dict[str, np.ndarray]:
    """The class that is said of every tested image, by the path of its accuracy."""
    truth = np.array(classes(learn.records, label))
    rows = truth != ""
    names, y = np.unique(truth[rows], return_inverse=True)
    subjects = np.array(learn.subjects)[rows].tolist()
    probes = {
        name: logistic(Lessons(x=x[rows], y=y, subjects=subjects, classes=len(names)), seed=seed)
        for name, x in learn.pooled.items()
    }
    said = {f"accuracy/{name}": probes[GIVEN](x) for name, x in asked.pooled.items()}
    said |= {
        f"accuracy_matched/{name}": probes[name](x)
        for name, x in asked.pooled.items()
        if name != GIVEN
    }
    found = {path_of: names[chance.argmax(1)] for path_of, chance in said.items()}
    return found | {"accuracy/chance": np.full(len(asked.records), names[np.bincount(y).argmax()])}


def _unit(x: Float[np.ndarray, "n e"]) -> Float[np.ndarray, "n e"]:
    size = np.linalg.norm(x, axis=1, keepdims=True)
    return x / np.where(size > 0, size, 1)


def _recognition(
    asked: Seen, truth: np.ndarray, table: Sequence[str], left_out: int, seed: int
) -> dict[str, Metric]:
    right = (np.array(table)[asked.said] == truth).astype(np.float64)
    of = {"accuracy/organ": np.ones(len(truth), dtype=bool)}
    of |= {f"recall/{path(name)}": truth == name for name in table if name in truth}
    metrics = {
        name: mean_by_subject(
            right[rows], np.array(asked.subjects)[rows].tolist(), unit="", seed=seed
        )
        for name, rows in of.items()
    }
    lost = float(left_out)
    everything = left_out + len(truth)
    metrics["left_out"] = Metric(value=lost, low=lost, high=lost, unit="images", n=everything)
    return metrics


def _accuracies(
    said: Mapping[str, np.ndarray], asked: Seen, label: str, seed: int
) -> dict[str, Metric]:
    """Accuracies, and what is lost against the organ given; an image without a class is NaN."""
    truth = np.array(classes(asked.records, label))
    right = {name: np.where(truth == "", np.nan, found == truth) for name, found in said.items()}
    best = right[f"accuracy/{GIVEN}"]
    lost = {
        name.replace("/", "_lost/"): best - of
        for name, of in right.items()
        if name not in {f"accuracy/{GIVEN}", "accuracy/chance"}
    }
    return {
        name: mean_by_subject(of, asked.subjects, unit="", seed=seed)
        for name, of in {**right, **lost}.items()
    }


def _rows(
    asked: Seen,
    truth: np.ndarray,
    table: Sequence[str],
    drifts: Mapping[str, Float[np.ndarray, " n"]],
    said: Mapping[str, np.ndarray],
) -> list[dict[str, Label]]:
    rows: list[dict[str, Label]] = []
    for i, record in enumerate(asked.records):
        row: dict[str, Label] = {"id": record.id, "subject": record.subject, ORGAN: str(truth[i])}
        row["said/organ"] = table[int(asked.said[i])]
        row |= {label: record.labels[label] for label in LABELS if label in record.labels}
        row |= {f"drift/{name}": float(far[i]) for name, far in drifts.items() if name != GIVEN}
        rows.append(row | {n.replace("accuracy", "said"): str(of[i]) for n, of in said.items()})
    return rows
