"""Segment from frozen features with one linear k x k kernel (ConceptVAE, section 5.2).

    frozen model -> content | style | both -> conv k x k -> softmax -> Dice loss (Eq. 5)

What a linear kernel can read off a representation is what the representation states plainly. Asked
of content, of style and of both, it shows which of them carries the anatomy. The kernel is fitted
on the features of the training split, to every class and the background; the loss on the tested
split is averaged over the structures present in an image, and then over images.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from matplotlib.figure import Figure
from torch import Tensor

from septum.contract import BadInput, Batch, Label, Metric, Model, Record, Report, Samples
from septum.metrics.interval import mean_by_subject
from septum.metrics.overlap import dice_loss_soft
from septum.tasks import drawing
from septum.tasks.frozen import area_downsampled, encoded
from septum.tasks.probe import Probe, predicted

DETAILED = 5
"""The side k that is reported class by class, and drawn: that of the paper's own decoder; or the
largest below it that was fitted."""
EXAMPLES = 5


@dataclass(frozen=True, kw_only=True)
class Annotated:
    """The images of a split that have a mask, as a frozen model sees them.

    Attributes:
        places: Where they are in the split.
        inputs: Features by name: `content`, and where the model has a style `style` and `both`.
        target: Share of every class in every grid cell.
    """

    places: Sequence[int]
    inputs: Mapping[str, Float[Tensor, "n _ h w"]]
    target: Float[Tensor, "n classes h w"]


def run(
    model: Model, train: Samples, test: Samples, seed: int, *, probe: Probe | None = None
) -> Report:
    """Dice loss of every input and size of kernel, fitted on `train` and measured on `test`.

    Raises:
        BadInput: If no mask of a split shows a structure, or the model encodes clips only.
    """
    probe = probe or Probe()
    drawn = np.random.default_rng(seed).permutation(len(train.records))[: probe.images]
    known = annotated(model, train, drawn.tolist())
    asked = annotated(model, test, range(len(test.records)))
    shares = {
        f"dice_loss/{name}/k{side}": found
        for name, x in known.inputs.items()
        for side, found in predicted(x, known.target, asked.inputs[name], probe=probe, seed=seed)
    }
    losses = {path: _loss_by_structure(found, asked.target) for path, found in shares.items()}
    records = [test.records[place] for place in asked.places]
    metrics = _metrics(losses, records, test.classes, seed)
    figures = {
        "dice_loss": drawing.curves(metrics, name="dice_loss"),
        "segmentation": _examples(test, asked, shares),
    }
    return Report(metrics=metrics, rows=_rows(losses, records), figures=figures)


def annotated(model: Model, samples: Samples, places: Sequence[int]) -> Annotated:
    """Encode these images, and keep those that have a mask.

    Raises:
        BadInput: If no mask shows a structure, or the model encodes clips only.
    """
    contents: list[Tensor] = []
    styles: list[Tensor] = []
    targets: list[Tensor] = []
    for batch, features in encoded(model, samples, places):
        contents.append(features.content)
        styles += [] if features.style is None else [features.style]
        targets.append(_target(batch, len(samples.classes), features.content.shape[-2:]))
    target = torch.cat(targets)
    if not target[:, 1:].any():
        raise BadInput(
            f"No image of {samples.name} ({samples.split}) has a mask; choose a data set or split "
            "that has, or another task."
        )
    kept = target.flatten(1).any(1)
    inputs = {"content": torch.cat(contents)[kept]}
    if styles:
        inputs["style"] = torch.cat(styles)[kept]
        inputs["both"] = torch.cat([inputs["content"], inputs["style"]], dim=1)
    kept_places = [places[i] for i in kept.nonzero().flatten().tolist()]
    return Annotated(places=kept_places, inputs=inputs, target=target[kept])


def _target(batch: Batch, classes: int, grid: Sequence[int]) -> Float[Tensor, "b classes h w"]:
    """Shares of the classes, all 0 where an image has no mask."""
    h, w = grid
    if batch.mask is None:
        return torch.zeros(len(batch.image), classes, h, w)
    return area_downsampled(batch.mask, classes, (h, w))


def _loss_by_structure(
    shares: Float[Tensor, "n classes h w"], target: Float[Tensor, "n classes h w"]
) -> Float[Tensor, "n structures"]:
    """Dice loss of every class but the background; NaN where the image has none of it."""
    present = target.flatten(2).any(2)
    return dice_loss_soft(shares, target).where(present, torch.nan)[:, 1:]


def _metrics(
    losses: Mapping[str, Tensor], records: Sequence[Record], classes: Sequence[str], seed: int
) -> dict[str, Metric]:
    columns = {path: loss.nanmean(1) for path, loss in losses.items()}
    for path, loss in losses.items():
        if path.endswith(_detailed(losses)):
            columns |= {f"{path}/{name}": loss[:, i] for i, name in enumerate(classes[1:])}
    subjects = [record.subject for record in records]
    return {
        path: mean_by_subject(column.double().numpy(), subjects, unit="", seed=seed)
        for path, column in columns.items()
        if not column.isnan().all()
    }


def _rows(losses: Mapping[str, Tensor], records: Sequence[Record]) -> list[dict[str, Label]]:
    columns = {path: loss.nanmean(1).tolist() for path, loss in losses.items()}
    return [
        {"id": record.id, "subject": record.subject} | {p: c[i] for p, c in columns.items()}
        for i, record in enumerate(records)
    ]


def _examples(test: Samples, asked: Annotated, shares: Mapping[str, Tensor]) -> Figure:
    """Truth and predictions on a few images spread evenly over the split."""
    count = min(EXAMPLES, len(asked.places))
    chosen = np.linspace(0, len(asked.places) - 1, count).round().astype(int).tolist()
    images = test.batch([asked.places[i] for i in chosen]).image[:, 0]
    drawn = {name: shares[f"dice_loss/{name}{_detailed(shares)}"] for name in asked.inputs}
    rows = {f"from {name}": found[chosen] for name, found in drawn.items()}
    return drawing.overlays(images, {"truth": asked.target[chosen], **rows}, test.classes)


def _detailed(paths: Mapping[str, Tensor]) -> str:
    """How the paths of the detailed side end."""
    sides = {int(path.rpartition("/k")[2]) for path in paths}
    return f"/k{max((k for k in sides if k <= DETAILED), default=min(sides))}"
