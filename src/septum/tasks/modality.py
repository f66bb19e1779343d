"""Can the style name the modality (SDNet, section 5.4)?

    frozen model -> z = mean of the style, mean of the content -> logistic regression -> modality

Fitted on the training split and asked about subjects it has not seen; on all of z, and on every
dimension of z alone. If one of them is about as good as all, it holds the modality.

The content is asked too. It has no intensities, and yet may tell: data sets differ in planes and
hearts, too (footnote 6 of the paper).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
import torch
from jaxtyping import Float
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor

from septum.contract import BadInput, Label, Metric, Model, Record, Report, Samples
from septum.metrics.factor import Factor, weights
from septum.metrics.interval import mean_by_subject
from septum.metrics.resample import told_by_subject
from septum.tasks import drawing_anatomy
from septum.tasks.frozen import encoded

LABELS = ("sequence", "modality", "data")
"""Where a modality is looked for: the first of these labels that has two values."""
IMAGES = 2_000
"""Most training images that a classifier is fitted to, drawn at random."""


@dataclass(frozen=True, kw_only=True)
class Kinds:
    """What the images of two splits are told apart by.

    Attributes:
        label: One of `LABELS`.
        names: The values of it that both splits have, in order; two at least.
    """

    label: str
    names: Sequence[str]

    def of(self, record: Record) -> str:
        """The kind of an image; empty where it is none of these."""
        value = str(record.labels.get(self.label, ""))
        return value if value in self.names else ""

    def places(self, samples: Samples) -> list[int]:
        """Images whose kind is known."""
        return [place for place, record in enumerate(samples.records) if self.of(record)]


@dataclass(frozen=True, kw_only=True)
class Codes:
    """Images whose kind is known, as a frozen model sees them.

    Attributes:
        z: Mean of the style over the grid.
        content: Mean of the content over the grid.
    """

    records: Sequence[Record]
    kinds: Sequence[str]
    z: Float[np.ndarray, "n s"]
    content: Float[np.ndarray, "n d"]


def run(model: Model, train: Samples, test: Samples, seed: int, *, images: int = IMAGES) -> Report:
    """Accuracy of z, of its dimensions and of the content; a row per tested image.

    `accuracy/best` is that of the dimension that does best on the training split, and
    `accuracy/chance` that of always naming the kind that is most frequent there.

    Raises:
        BadInput: If there are no two kinds of images, or the model has no style.
    """
    kinds = told_apart(train, test)
    learn = codes(model, train, kinds, drawn(train, kinds, seed, images))
    asked = codes(model, test, kinds, kinds.places(test))
    inputs = _inputs(learn, asked)
    fits = {name: fit(x, learn.kinds) for name, (x, _) in inputs.items()}
    said = {name: np.asarray(fits[name].predict(y)) for name, (_, y) in inputs.items()}
    single = [name for name in inputs if name not in {"all", "content"}]
    said["best"] = said[
        max(single, key=lambda name: float(fits[name].score(inputs[name][0], learn.kinds)))
    ]
    said["chance"] = np.full(len(asked.kinds), max(kinds.names, key=list(learn.kinds).count))
    metrics = _metrics(said, asked, seed)
    points = _plane(np.asarray(fits["all"][0].transform(asked.z)))
    figures = {
        "plane": drawing_anatomy.plane(points, asked.kinds),
        "accuracy": drawing_anatomy.bars(metrics),
    }
    return Report(metrics=metrics, rows=_rows(said, asked, kinds.label), figures=figures)


def told_apart(train: Samples, test: Samples) -> Kinds:
    """The first label of which both splits have the same two values or more.

    Raises:
        BadInput: If there is none.
    """
    for label in LABELS:
        here, there = ({r.labels.get(label) for r in s.records} for s in (train, test))
        common = sorted(str(value) for value in here & there if value is not None)
        if len(common) > 1:
            return Kinds(label=label, names=common)
    raise BadInput(
        f"The images of {train.name} are all of one kind in the labels {', '.join(LABELS)} in "
        f"{train.split} or {test.split}; name two data sets, such as --data acdc emidec, or one "
        "that has two sequences."
    )


def drawn(samples: Samples, kinds: Kinds, seed: int, images: int) -> list[int]:
    """At most so many images whose kind is known, drawn at random, in the order of the split.

    Every kind is among them.
    """
    order = np.random.default_rng(seed).permutation(kinds.places(samples)).tolist()
    found = [kinds.of(samples.records[place]) for place in order]
    first = [order[found.index(name)] for name in kinds.names]
    return sorted(dict.fromkeys(chain(first, order[:images])))


def codes(model: Model, samples: Samples, kinds: Kinds, places: Sequence[int]) -> Codes:
    """Encode these images.

    Raises:
        BadInput: If the model has no style, or encodes clips only.
    """
    styles: list[Tensor] = []
    contents: list[Tensor] = []
    for _, features in encoded(model, samples, places):
        if features.style is None:
            raise without_style()
        styles.append(features.style.mean((2, 3)))
        contents.append(features.content.mean((2, 3)))
    records = [samples.records[place] for place in places]
    return Codes(
        records=records,
        kinds=[kinds.of(record) for record in records],
        z=torch.cat(styles).double().numpy(),
        content=torch.cat(contents).double().numpy(),
    )


def fit(x: Float[np.ndarray, "n e"], kinds: Sequence[str]) -> Pipeline:
    """Logistic regression on standardised inputs."""
    return make_pipeline(StandardScaler(), LogisticRegression(max_iter=1_000)).fit(x, kinds)


def without_style() -> BadInput:
    """Why a model cannot be asked, and what it can be asked."""
    return BadInput(
        "The model has no style that could name the modality; ask it segment, retrieve, outliers "
        "or detect, which need features alone."
    )


def _inputs(learn: Codes, asked: Codes) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """What a classifier is fitted to, and what it is asked about, by name."""
    single = {
        f"z{k}": (learn.z[:, k : k + 1], asked.z[:, k : k + 1]) for k in range(learn.z.shape[1])
    }
    return {"all": (learn.z, asked.z), **single, "content": (learn.content, asked.content)}


def _metrics(said: Mapping[str, np.ndarray], asked: Codes, seed: int) -> dict[str, Metric]:
    truth, subjects = np.array(asked.kinds), [record.subject for record in asked.records]
    metrics = {
        f"accuracy/{name}": mean_by_subject(
            (found == truth).astype(np.float64), subjects, unit="", seed=seed
        )
        for name, found in said.items()
    }
    classes, index = np.unique(truth, return_inverse=True)
    weight = weights(Factor(name="kind", values=index.astype(np.float64), classes=classes.tolist()))
    wrong = weight * (said["all"] != truth)
    metrics["balanced_accuracy/all"] = told_by_subject(wrong, weight, subjects, seed=seed)
    return metrics


def _plane(z: Float[np.ndarray, "n s"]) -> Float[np.ndarray, "n 2"]:
    """Along the two principal directions; 0 along what a single dimension does not have."""
    centred = z - z.mean(0)
    axes = np.linalg.svd(centred, full_matrices=False)[2][:2]
    return np.pad(centred @ axes.T, ((0, 0), (0, 2 - len(axes))))


def _rows(said: Mapping[str, np.ndarray], asked: Codes, label: str) -> list[dict[str, Label]]:
    """What every image is, what it was taken for, and its z."""
    rows: list[dict[str, Label]] = []
    for i, record in enumerate(asked.records):
        row: dict[str, Label] = {"id": record.id, "subject": record.subject, label: asked.kinds[i]}
        row |= {f"said/{name}": str(said[name][i]) for name in ("all", "best", "content")}
        rows.append(row | {f"z{k}": float(value) for k, value in enumerate(asked.z[i])})
    return rows
