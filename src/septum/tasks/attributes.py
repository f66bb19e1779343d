"""What codes say of the attributes that they are tied to (Attri-SSC-VAE, section 3.2 and Table 3).

    image --model--> code --model--> proxies, one per attribute      beside: the labels

* `spearman/ATTR`: rank correlation of proxy and label over images; `spearman_subject/ATTR` of their
  means over the images of every subject, where a subject has several.
* `ar_loss/ATTR`: mean over all ordered pairs of images of |tanh(10 (â_p - â_q)) - sgn(a_p - a_q)|
  (eq. 10), of the proxies as they are; `ar_loss` is their sum (eq. 11). `ar_loss_sum` is the sum
  over pairs instead of the mean, which is what a published value near a thousand must be.
* `interpretability/ATTR`: R² of the attribute on the one dimension of the code that knows most of
  it (`septum.metrics.interpretability`), of the images it is fitted to, as is the custom.
* `sap`, `modularity`: as `septum.metrics.disentangle` has them, the attributes as factors.
* `correlation_data/A/B`, `correlation_said/A/B`: Pearson's r of two attributes, of their labels and
  of their proxies, over means of subjects. `p_correlation_.../A/B` is its p-value.

Dimensions of a code on a grid are the shares of its atoms: mean |Z| over the grid, summing to 1
(eq. 7); those of a code that is a vector are its own. Attributes whose labels do not vary in the
tested split are left out, and so is every metric that a proxy without variation has not.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float
from matplotlib.figure import Figure
from scipy import stats
from torch import Tensor

from septum.contract import BadInput, Batch, Edits, Label, Metric, Model, Record, Report, Samples
from septum.metrics.continuity import spearman_by_subject
from septum.metrics.disentangle import gap, modularity, separability
from septum.metrics.factor import Factor
from septum.metrics.information import information
from septum.metrics.interpretability import interpretability, order_loss
from septum.metrics.labels import number
from septum.metrics.paired import pearson_by_subject
from septum.metrics.resample import grouped, jackknifed
from septum.nn.device import device_of
from septum.tasks import drawing_edit
from septum.tasks.frozen import BATCH, still

FEWEST = 3
"""Subjects of whom a correlation is told."""

Column = Float[np.ndarray, " n"]


@runtime_checkable
class Editor(Model, Edits, Protocol):
    """A model whose codes stand for named attributes."""


@dataclass(frozen=True, kw_only=True)
class Told:
    """What is known of the attributes of every image of a split, and what its code says of them.

    Attributes:
        names: Of the attributes, with their units.
        labels: NaN where unknown.
        codes: One number per dimension.
    """

    records: Sequence[Record]
    names: Sequence[str]
    labels: Float[np.ndarray, "n a"]
    proxies: Float[np.ndarray, "n a"]
    codes: Float[np.ndarray, "n d"]

    @property
    def subjects(self) -> list[str]:
        """Of every image."""
        return [record.subject for record in self.records]

    def of(self, name: str) -> tuple[Column, Column, list[str]]:
        """Proxies, labels and subjects of the images whose attribute is known."""
        column = self.names.index(name)
        labels, subjects = self.labels[:, column], np.array(self.subjects)
        known = ~np.isnan(labels)
        return self.proxies[known, column], labels[known], subjects[known].tolist()


def run(model: Model, train: Samples, test: Samples, seed: int) -> Report:
    """How well the codes of `test` keep its attributes apart and in order; a row is an image.

    Raises:
        BadInput: If the codes of the model stand for no attributes, or the images of `test` do not
            differ in the label of any.
    """
    del train
    found = told(editor(model), test)
    metrics = {
        **_orders(found, seed),
        **_dimensions(found, seed),
        **_correlations(found, seed),
    }
    return Report(metrics=metrics, rows=_rows(found), figures={"attributes": _figure(found)})


def editor(model: Model) -> Editor:
    """The model as one whose codes stand for attributes.

    Raises:
        BadInput: If it is none.
    """
    if not isinstance(model, Editor) or not model.attributes():
        raise BadInput(
            "The codes of the model stand for no attributes, so that none can be read off or "
            "edited; choose a model trained with attributes, such as attri_ssc_vae."
        )
    return model


def told(model: Editor, samples: Samples) -> Told:
    """Ask the model about all images of a split; attributes that vary there are kept.

    Raises:
        BadInput: If there is none.
    """
    names = list(model.attributes())
    labels = np.array([[_label(r, name) for name in names] for r in samples.records])
    varies = [len(np.unique(column[~np.isnan(column)])) > 1 for column in labels.T]
    if not any(varies):
        raise BadInput(
            f"The images of {samples.name} ({samples.split}) have no label {', '.join(names)} in "
            "which they differ; choose a data set or split that has."
        )
    proxies, codes = zip(*_asked(model, samples), strict=True)
    return Told(
        records=samples.records,
        names=[name for name, keep in zip(names, varies, strict=True) if keep],
        labels=labels[:, varies],
        proxies=torch.cat(proxies).double().numpy()[:, varies],
        codes=torch.cat(codes).double().numpy(),
    )


def coded(
    model: Editor, samples: Samples, places: Sequence[int], *, size: int = BATCH
) -> Iterator[tuple[Batch, Float[Tensor, "b k *m"]]]:
    """The images at these places and their codes, where the model works, some at a time."""
    for start in range(0, len(places), size):
        batch = samples.batch(list(places[start : start + size]))
        with torch.no_grad(), still(model):
            # a code made in inference mode can take part in no gradient; its copy can
            code = model.code(batch.image.to(device_of(model))).float().clone()
        yield batch, code


def dimensions(code: Float[Tensor, "b k *m"]) -> Float[Tensor, "b k"]:
    """Shares of the atoms of a code on a grid, 0 of one that is 0; a vector as it is.

    >>> dimensions(torch.tensor([[[1.0, -2.0], [1.0, 0.0]]]))
    tensor([[0.7500, 0.2500]])
    """
    if code.ndim == 2:
        return code
    usage = code.abs().flatten(2).mean(2)
    total = usage.sum(1, keepdim=True)
    return usage / torch.where(total > 0, total, 1)


@torch.no_grad()
def _asked(
    model: Editor, samples: Samples
) -> Iterator[tuple[Float[Tensor, "b a"], Float[Tensor, "b d"]]]:
    """Proxies and dimensions of the codes of all images."""
    for _, code in coded(model, samples, range(len(samples.records))):
        with still(model):
            proxies = model.proxies(code)
        yield proxies.float().cpu(), dimensions(code).cpu()


def _label(record: Record, name: str) -> float:
    known = number(record, name)
    return np.nan if known is None else known


def _orders(found: Told, seed: int) -> dict[str, Metric]:
    """How well proxies keep the order of labels."""
    metrics: dict[str, Metric] = {}
    for name in found.names:
        said, true, subjects = found.of(name)
        metrics[f"ar_loss/{name}"] = order_loss(said[:, None], true[:, None], subjects, seed=seed)
        if np.ptp(said):
            metrics[f"spearman/{name}"] = spearman_by_subject(said, true, subjects, seed=seed)
        who, said, true = _means(said, true, subjects)
        if len(who) < len(subjects) and np.ptp(said) and np.ptp(true):
            metrics[f"spearman_subject/{name}"] = spearman_by_subject(said, true, who, seed=seed)
    losses = [metrics[f"ar_loss/{name}"] for name in found.names]
    total = order_loss(found.proxies, found.labels, found.subjects, seed=seed)
    pairs = sum(loss.value * loss.n**2 for loss in losses)
    scale = pairs / total.value if total.value else 0.0
    low, high = total.low * scale, total.high * scale
    whole = replace(total, value=pairs, low=low, high=high)
    return {**metrics, "ar_loss": total, "ar_loss_sum": whole}


def _dimensions(found: Told, seed: int) -> dict[str, Metric]:
    """What single dimensions of the codes tell."""
    metrics: dict[str, Metric] = {}
    for name, column in zip(found.names, found.labels.T, strict=True):
        known = ~np.isnan(column)
        subjects = np.array(found.subjects)[known].tolist()
        codes = found.codes[known]
        metrics[f"interpretability/{name}"] = interpretability(
            codes, column[known], subjects, seed=seed
        )
    if min(len(found.names), found.codes.shape[1], len(set(found.subjects))) < 2:
        return metrics
    return metrics | _scores(found, seed)


def _scores(found: Told, seed: int) -> dict[str, Metric]:
    """SAP and modularity, with intervals from leaving groups of subjects out in turn."""
    group = grouped(found.subjects, seed=seed)
    everyone = np.ones(len(group), dtype=bool)
    kept = [everyone, *(group != left for left in range(group.max() + 1))]
    whole, *without = [_gap_and_modularity(found, rows, seed) for rows in kept]
    return {
        path: jackknifed(value, [other[path] for other in without], n=len(group))
        for path, value in whole.items()
    }


def _gap_and_modularity(found: Told, rows: np.ndarray, seed: int) -> dict[str, float]:
    codes, subjects = found.codes[rows], np.array(found.subjects)[rows].tolist()
    factors = [
        Factor(name=name, values=column[rows])
        for name, column in zip(found.names, found.labels.T, strict=True)
    ]
    apart = np.stack([separability(codes, factor) for factor in factors], axis=1)
    strength = information(codes, factors, subjects, seed=seed)
    return {"sap": gap(apart), "modularity": modularity(strength)}


def _correlations(found: Told, seed: int) -> dict[str, Metric]:
    """Of every two attributes, over means of the subjects that know both (Table 3)."""
    metrics: dict[str, Metric] = {}
    for kind, columns in (("data", found.labels), ("said", found.proxies)):
        for a, b in combinations(range(len(found.names)), 2):
            known = ~np.isnan(found.labels[:, [a, b]]).any(1)
            subjects = np.array(found.subjects)[known].tolist()
            who, x, y = _means(columns[known, a], columns[known, b], subjects)
            if len(who) < FEWEST or not (np.ptp(x) and np.ptp(y)):
                continue
            path = f"correlation_{kind}/{found.names[a]}/{found.names[b]}"
            tested: Any = stats.pearsonr(x, y)
            p = float(tested.pvalue)
            metrics[path] = pearson_by_subject(x, y, who, seed=seed)
            metrics[f"p_{path}"] = Metric(value=p, low=p, high=p, unit="", n=len(who))
    return metrics


def _means(
    a: Column, b: Column, subjects: Sequence[str]
) -> tuple[list[str], Float[np.ndarray, " s"], Float[np.ndarray, " s"]]:
    """Subjects, and the mean of both columns of each."""
    who, subject = np.unique(np.asarray(subjects), return_inverse=True)
    if len(who) == 0:
        return [], a, b
    count = np.bincount(subject)
    x, y = (np.bincount(subject, weights=column) / count for column in (a, b))
    return who.tolist(), x, y


def _rows(found: Told) -> list[Mapping[str, Label]]:
    """Labels, where they are known, and beside them what is said."""
    rows: list[Mapping[str, Label]] = []
    for record, true, said in zip(found.records, found.labels, found.proxies, strict=True):
        row: dict[str, Label] = {"id": record.id, "subject": record.subject}
        for name, label, proxy in zip(found.names, true, said, strict=True):
            row |= {} if np.isnan(label) else {name: float(label)}
            row[f"{name}/said"] = float(proxy)
        rows.append(row)
    return rows


def _figure(found: Told) -> Figure:
    """Proxy against label, a panel per attribute."""
    return drawing_edit.scatter({name: found.of(name)[:2] for name in found.names})
