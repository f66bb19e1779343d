"""Estimate how much of an image a structure covers, and so its volume (SDNet, section 5.2).

    slice --model--> pixels of the structure --sum over a volume, x voxel--> mL --> paired t-test

The truth is the label that the model estimates where an image has it, else it is counted in the
mask. What the masks cover that the model draws, if it draws any, stands beside it.

* `mae/LABEL`, `pearson/LABEL`: over slices.
* `volume_ml/STRUCTURE/{true,estimated,drawn}`: mean over volumes, which sum the slices whose truth
  is known; `volume_px/...` unless all of them know their spacing in three directions.
* `difference_ml/STRUCTURE/{estimated,drawn}`: mean over subjects of what is said minus the truth,
  with the interval of a paired t-test; `p_value/STRUCTURE/...` is that test's, its interval is
  none. Two subjects at least.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor, nn

from septum.contract import (
    BadInput,
    Batch,
    Label,
    Metric,
    Model,
    Record,
    Regresses,
    Report,
    Samples,
    Segments,
)
from septum.metrics.interval import mean_by_subject
from septum.metrics.labels import number
from septum.metrics.paired import pearson_by_subject, t_test
from septum.nn.device import device_of
from septum.nn.mode import evaluating
from septum.tasks.delineate import able, segmented
from septum.tasks.drawing import COLOURS
from septum.tasks.frozen import BATCH
from septum.tasks.volumes import Volume, volumes

ENDING = "_px"
POINTS = ("_x_px", "_y_px")
LIMITS = 1.96
"""Standard deviations round the mean between which 95 % of normal differences lie."""


@dataclass(frozen=True, kw_only=True)
class Areas:
    """Pixels that a structure covers, of the images whose truth is known.

    Attributes:
        records: Of these images.
        true: The truth.
        said: By whom: `estimated`, and `drawn` where the model draws the structure.
    """

    structure: str
    records: Sequence[Record]
    true: Float[np.ndarray, " n"]
    said: Mapping[str, Float[np.ndarray, " n"]]

    @property
    def label(self) -> str:
        """What the model calls the area."""
        return self.structure + ENDING


@dataclass(frozen=True, kw_only=True)
class Contents:
    """The areas summed over volumes, in mL or, where voxels are of unknown size, in pixels."""

    cases: Sequence[Volume]
    unit: str
    true: Float[np.ndarray, " v"]
    said: Mapping[str, Float[np.ndarray, " v"]]


def run(model: Model, train: Samples, test: Samples, seed: int) -> Report:
    """Errors of the areas that a model estimates on `test`, and of their volumes; a row is one.

    Raises:
        BadInput: If the model estimates no area, or no truth is known; or as
            `septum.tasks.delineate.segmented`.
    """
    del train
    asked = [measured(model, test, label) for label in _labels(model, test)]
    found = [(areas, summed(areas)) for areas in asked]
    metrics: dict[str, Metric] = {}
    rows: list[dict[str, Label]] = []
    for areas, contents in found:
        metrics |= _of_slices(areas, seed) | _of_volumes(areas.structure, contents, seed)
        rows += _rows(areas.structure, contents)
    return Report(metrics=metrics, rows=rows, figures={"area": _figure(found)})


def measured(model: Model, samples: Samples, label: str) -> Areas:
    """Ask the model about all images whose truth is known, 32 at a time.

    Raises:
        BadInput: If there is none, or the model draws masks of other classes.
    """
    structure, records = label.removesuffix(ENDING), list[Record]()
    parts: list[dict[str, Tensor]] = []
    for start in range(0, len(samples.records), BATCH):
        asked = range(start, min(start + BATCH, len(samples.records)))
        batch, known = samples.batch(asked), [samples.records[place] for place in asked]
        truth = _truth(batch, known, structure, samples.classes)
        if len(kept := (~truth.isnan()).nonzero().flatten()):
            said = _said(model, batch.image[kept], structure, samples)
            parts.append({"true": truth[kept], **said})
            records += [known[row] for row in kept.tolist()]
    if not parts:
        raise BadInput(
            f"No image of {samples.name} ({samples.split}) knows its {label}; choose a data set "
            f"or split that states it or has masks of {structure}."
        )
    columns = {name: torch.cat([part[name] for part in parts]) for name in parts[0]}
    said = {name: column.double().numpy() for name, column in columns.items()}
    return Areas(structure=structure, records=records, true=said.pop("true"), said=said)


def summed(areas: Areas) -> Contents:
    """The areas volume by volume."""
    cases = volumes(areas.records)
    voxel = np.array([case.voxel_ml for case in cases])
    is_known = not np.isnan(voxel).any()
    each = voxel if is_known else np.ones(len(cases))
    sums = {
        name: each * [column[case.rows].sum() for case in cases]
        for name, column in {"true": areas.true, **areas.said}.items()
    }
    return Contents(cases=cases, unit="ml" if is_known else "px", true=sums.pop("true"), said=sums)


def _labels(model: Model, samples: Samples) -> list[str]:
    """The areas that a model estimates."""
    if not isinstance(model, Regresses):
        raise BadInput(
            f"The model does not regress, it {able(model)}; choose one that estimates an area, "
            "such as sdnet with an area head."
        )
    said = list(_regressed(model, samples.batch([0]).image))
    found = [label for label in said if label.endswith(ENDING) and not label.endswith(POINTS)]
    if not found:
        raise BadInput(
            f"The model estimates {', '.join(said) or 'nothing'}, and no area of a structure; "
            "train one that does, such as sdnet with an area head."
        )
    return found


def _truth(
    batch: Batch, records: Sequence[Record], structure: str, classes: Sequence[str]
) -> Float[Tensor, " b"]:
    """As stated, else as counted; NaN where neither is possible."""
    counted = torch.full((len(records),), torch.nan)
    if batch.mask is not None and structure in classes:
        has_mask = (batch.mask >= 0).flatten(1).any(1)
        pixels = (batch.mask == classes.index(structure)).sum((1, 2)).float()
        counted = pixels.where(has_mask, torch.nan)
    stated = [number(record, structure + ENDING) for record in records]
    return torch.tensor([c if s is None else s for s, c in zip(stated, counted, strict=True)])


def _said(
    model: Model, image: Float[Tensor, "b 1 h w"], structure: str, samples: Samples
) -> dict[str, Float[Tensor, " b"]]:
    said = {"estimated": _regressed(model, image)[structure + ENDING]}
    if isinstance(model, Segments) and structure in samples.classes:
        guess = segmented(model, image, samples).argmax(1)
        said["drawn"] = (guess == samples.classes.index(structure)).sum((1, 2)).float()
    return said


@torch.no_grad()
def _regressed(model: Model, image: Float[Tensor, "b 1 h w"]) -> dict[str, Float[Tensor, " b"]]:
    assert isinstance(model, Regresses)
    if not isinstance(model, nn.Module):
        return dict(model.regress(image))
    with evaluating(model):
        said = model.regress(image.to(device_of(model)))
    return {label: value.float().cpu() for label, value in said.items()}


def _of_slices(areas: Areas, seed: int) -> dict[str, Metric]:
    estimated, subjects = areas.said["estimated"], [record.subject for record in areas.records]
    error = np.abs(estimated - areas.true)
    metrics = {f"mae/{areas.label}": mean_by_subject(error, subjects, unit="px", seed=seed)}
    if np.ptp(estimated) and np.ptp(areas.true):
        found = pearson_by_subject(estimated, areas.true, subjects, seed=seed)
        metrics[f"pearson/{areas.label}"] = found
    return metrics


def _of_volumes(structure: str, contents: Contents, seed: int) -> dict[str, Metric]:
    unit, subjects = contents.unit, [case.subject for case in contents.cases]
    metrics = {
        f"volume_{unit}/{structure}/{name}": mean_by_subject(column, subjects, unit=unit, seed=seed)
        for name, column in {"true": contents.true, **contents.said}.items()
    }
    if len(set(subjects)) < 2:
        return metrics
    for name, column in contents.said.items():
        found = t_test(column, contents.true, subjects)
        value, p = found.difference, found.p_value
        metrics[f"difference_{unit}/{structure}/{name}"] = Metric(
            value=value, low=found.low, high=found.high, unit=unit, n=found.n
        )
        metrics[f"p_value/{structure}/{name}"] = Metric(value=p, low=p, high=p, unit="", n=found.n)
    return metrics


def _rows(structure: str, contents: Contents) -> list[dict[str, Label]]:
    columns = {"true": contents.true, **contents.said}
    return [
        {"id": case.name, "subject": case.subject, "structure": structure}
        | {"slices": float(len(case.rows))}
        | {f"{name}_{contents.unit}": float(column[i]) for name, column in columns.items()}
        for i, case in enumerate(contents.cases)
    ]


def _figure(found: Sequence[tuple[Areas, Contents]]) -> Figure:
    """A structure per row: its slices, and its volumes as Bland and Altman draw them.

    Bland, Altman: Statistical methods for assessing agreement between two methods of clinical
    measurement, The Lancet 327(8476), 1986.
    """
    figure = Figure(figsize=(8.4, 3.9 * len(found)), layout="constrained")
    grid: Any = figure.subplots(len(found), 2, squeeze=False)
    for (slices, differences), (areas, contents) in zip(grid, found, strict=True):
        _scatter(slices, areas)
        _bland_altman(differences, contents, areas.structure.replace("_", " "))
    return figure


def _scatter(axes: Axes, areas: Areas) -> None:
    most = max(areas.true.max(), *(column.max() for column in areas.said.values()))
    axes.plot([0, most], [0, most], ":", color="grey")
    for colour, (name, column) in zip(COLOURS, areas.said.items(), strict=False):
        axes.plot(areas.true, column, ".", color=colour, alpha=0.6, label=name)
    axes.set_title(f"slices: {areas.structure.replace('_', ' ')}")
    axes.set_xlabel("truth (pixels)")
    axes.set_ylabel("prediction (pixels)")
    axes.set_aspect("equal")
    axes.grid(visible=True, alpha=0.3)
    axes.legend(frameon=False, loc="upper left")


def _bland_altman(axes: Axes, contents: Contents, name: str) -> None:
    """Lines at the mean difference, and where 95 % of normal differences would end."""
    unit = {"ml": "mL", "px": "pixels"}[contents.unit]
    axes.axhline(0, color="grey", linestyle=":")
    for colour, (who, column) in zip(COLOURS, contents.said.items(), strict=False):
        apart = column - contents.true
        axes.plot((column + contents.true) / 2, apart, "o", color=colour, alpha=0.7, label=who)
        axes.axhline(apart.mean(), color=colour)
        half = LIMITS * apart.std(ddof=1) if len(apart) > 1 else 0.0
        for end in (-half, half):
            axes.axhline(apart.mean() + end, color=colour, linestyle="--")
    axes.set_title(f"volumes: {name}")
    axes.set_xlabel(f"mean of truth and prediction ({unit})")
    axes.set_ylabel(f"prediction - truth ({unit})")
    axes.grid(visible=True, alpha=0.3)
    axes.legend(frameon=False)
