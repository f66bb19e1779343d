"""Draw the masks of unseen images, and measure them volume by volume (SDNet, section 5.1).

    images --model--> probabilities --arg-max--> classes --slices of a volume--> Dice, HD95

A case is a volume: the slices of a subject in one state of the heart that have a true mask.

* `dice/CLASS`: 2 |p ∩ t| / (|p| + |t|) over all voxels of the volume; a class that is in neither
  mask of a volume has none. `dice/mean` averages over the classes of a volume.
* `hd95_mm/CLASS`: 95th percentile Hausdorff distance, in 3-D where the slices are contiguous and
  their distance is known, else the mean of the slices in 2-D; `hd95_px/CLASS` where pixels have no
  known size. Where a mask lacks the class there is no distance, so one has to look at `n` too: a
  model that draws nothing is not wrong by any distance.
* `dice_slice/...`: as the authors' code has it, and so what the published tables are compared to:
  (2 |p ∩ t| + 0.1) / (|p| + |t| + 0.1) of every slice, 1 where both are empty, averaged over the
  slices of a volume. `dice_slice/joint`, their average column, takes the probabilities of all
  structures as one map; `dice_slice/mean` is the mean over the classes, of drawn masks.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, Int8
from matplotlib.figure import Figure
from torch import Tensor, nn
from torch.nn import functional as F

from septum.contract import (
    BadInput,
    Batch,
    Decodes,
    Discretises,
    Label,
    Metric,
    Model,
    Monitors,
    Regresses,
    Report,
    Samples,
    Segments,
)
from septum.metrics.interval import mean_by_subject
from septum.metrics.surface import hausdorff95_mm
from septum.nn.device import device_of
from septum.nn.mode import evaluating
from septum.tasks import drawing
from septum.tasks.frozen import BATCH
from septum.tasks.volumes import Volume, volumes

ABILITIES: Mapping[str, type] = {
    "encodes": Model,
    "decodes": Decodes,
    "discretises": Discretises,
    "segments": Segments,
    "regresses": Regresses,
    "monitors": Monitors,
}
SMOOTH = 0.1
EXAMPLES = 5

Columns = dict[str, Float[np.ndarray, " volumes"]]


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """The images of a split that have a mask, and what the model draws on them.

    Attributes:
        places: Where they are in the split.
        truth, guess: Class index per pixel.
        joint: Dice of all structures as one map, between probabilities and truth, smoothed.
    """

    places: Sequence[int]
    truth: Int8[np.ndarray, "n h w"]
    guess: Int8[np.ndarray, "n h w"]
    joint: Float[np.ndarray, " n"]


def run(model: Model, train: Samples, test: Samples, seed: int) -> Report:
    """Overlap and distance of the masks a model draws on `test`; a row is a volume.

    Raises:
        BadInput: If the model draws no masks or those of other classes, or `test` has no masks.
    """
    del train
    found = drawn(model, test)
    cases = volumes([test.records[place] for place in found.places])
    columns = {
        **_overlaps(found, cases, test.classes[1:]),
        **_distances(found, cases, test.classes[1:]),
    }
    return Report(
        metrics=_metrics(columns, cases, seed),
        rows=_rows(columns, cases),
        figures={
            "examples": _examples(found, test),
            "worst": _worst(found, test, cases, columns["dice/mean"]),
        },
    )


def drawn(model: Model, samples: Samples) -> Drawn:
    """Ask the model for the masks of all images that have one, 32 at a time.

    Raises:
        BadInput: If there is none, the model draws no masks, or those of other classes.
    """
    places: list[int] = []
    parts: list[tuple[Tensor, Tensor, Tensor]] = []
    for start in range(0, len(samples.records), BATCH):
        asked = range(start, min(start + BATCH, len(samples.records)))
        kept, batch = _annotated(samples.batch(asked))
        if kept:
            assert batch.mask is not None
            p = segmented(model, batch.image, samples)
            parts.append((batch.mask, p.argmax(1), _joint(p, batch.mask)))
            places += [asked[row] for row in kept]
    if not any((truth > 0).any() for truth, _, _ in parts):
        raise BadInput(
            f"No image of {samples.name} ({samples.split}) has a mask to compare with; choose a "
            "data set or split that has, such as acdc, emidec, camus or phantom."
        )
    truth, guess, joint = (torch.cat(column).numpy() for column in zip(*parts, strict=True))
    return Drawn(
        places=places,
        truth=truth.astype(np.int8),
        guess=guess.astype(np.int8),
        joint=joint.astype(float),
    )


@torch.no_grad()
def segmented(
    model: Model, image: Float[Tensor, "b 1 h w"], samples: Samples
) -> Float[Tensor, "b classes h w"]:
    """Probabilities of the classes of these samples, on the CPU.

    Raises:
        BadInput: If the model draws no masks, or those of other classes.
    """
    if not isinstance(model, Segments):
        raise BadInput(
            f"The model does not segment, it {able(model)}; choose one that does, such as sdnet."
        )
    if isinstance(model, nn.Module):
        with evaluating(model):
            p = model.segment(image.to(device_of(model))).float().cpu()
    else:
        p = model.segment(image)
    if p.shape[1] != len(samples.classes):
        raise BadInput(
            f"The model draws {p.shape[1] - 1} structures, but {samples.name} has "
            f"{len(samples.classes) - 1} ({', '.join(samples.classes[1:])}); choose the data set "
            "it was trained on, or one with the same classes."
        )
    return p


def able(model: Model) -> str:
    """What a model can do, in words."""
    return ", ".join(word for word, kind in ABILITIES.items() if isinstance(model, kind))


def _rows(columns: Columns, cases: Sequence[Volume]) -> list[dict[str, Label]]:
    """One per volume; what is NaN is left out."""
    return [
        {"id": case.name, "subject": case.subject, "slices": float(len(case.rows))}
        | {path: float(c[i]) for path, c in columns.items() if not np.isnan(c[i])}
        for i, case in enumerate(cases)
    ]


def _annotated(batch: Batch) -> tuple[list[int], Batch]:
    """Rows of the images that come with a mask, and a batch of them alone."""
    if batch.mask is None:
        return [], batch
    kept = (batch.mask >= 0).flatten(1).any(1)
    known = Batch(image=batch.image[kept], mask=batch.mask[kept])
    return kept.nonzero().flatten().tolist(), known


def _joint(p: Float[Tensor, "b classes h w"], mask: Int[Tensor, "b h w"]) -> Float[Tensor, " b"]:
    """Smoothed Dice between probabilities and truth, summed over structures as over pixels."""
    p, t = (maps[:, 1:].flatten(1) for maps in (p, _one_hot(mask, p.shape[1])))
    return (2 * (p * t).sum(1) + SMOOTH) / (p.sum(1) + t.sum(1) + SMOOTH)


def _overlaps(found: Drawn, cases: Sequence[Volume], names: Sequence[str]) -> Columns:
    counts = [_counts(found.guess == k, found.truth == k) for k in range(1, len(names) + 1)]
    both, size = np.stack(counts, axis=2)
    whole = np.stack([_dice(both[case.rows].sum(0), size[case.rows].sum(0)) for case in cases])
    smooth = (2 * both + SMOOTH) / (size + SMOOTH)
    sliced = np.stack([smooth[case.rows].mean(0) for case in cases])
    return {
        "dice/mean": _known_mean(whole),
        **{f"dice/{name}": whole[:, k] for k, name in enumerate(names)},
        "dice_slice/mean": sliced.mean(1),
        "dice_slice/joint": np.array([found.joint[case.rows].mean() for case in cases]),
        **{f"dice_slice/{name}": sliced[:, k] for k, name in enumerate(names)},
    }


def _counts(p: Bool[np.ndarray, "n h w"], t: Bool[np.ndarray, "n h w"]) -> Int[np.ndarray, "2 n"]:
    """Pixels of the intersection, and of both masks together, of every slice."""
    return np.stack([(p & t).sum((1, 2)), p.sum((1, 2)) + t.sum((1, 2))])


def _dice(both: Int[np.ndarray, " c"], size: Int[np.ndarray, " c"]) -> Float[np.ndarray, " c"]:
    return np.where(size > 0, 2 * both / np.maximum(size, 1), np.nan)


def _distances(found: Drawn, cases: Sequence[Volume], names: Sequence[str]) -> Columns:
    columns: Columns = {}
    is_known = np.array([case.pixel_mm is not None for case in cases])
    for k, name in enumerate(names, start=1):
        p, t = found.guess == k, found.truth == k
        far = np.array([_distance(p[case.rows], t[case.rows], case) for case in cases])
        columns[f"hd95_mm/{name}"] = np.where(is_known, far, np.nan)
        columns[f"hd95_px/{name}"] = np.where(is_known, np.nan, far)
    return columns


def _distance(p: Bool[np.ndarray, "z h w"], t: Bool[np.ndarray, "z h w"], case: Volume) -> float:
    """Of one class in one volume, in mm or else in pixels; NaN where it is nowhere in both."""
    if case.grid_mm:
        return hausdorff95_mm(p, t, spacing_mm=case.grid_mm)
    spacing = case.pixel_mm or (1.0, 1.0)
    each = [hausdorff95_mm(a, b, spacing_mm=spacing) for a, b in zip(p, t, strict=True)]
    return float(_known_mean(np.array([each]))[0])


def _known_mean(values: Float[np.ndarray, "n k"]) -> Float[np.ndarray, " n"]:
    """Mean of what is not NaN in every row; NaN where nothing is left."""
    count = (~np.isnan(values)).sum(1)
    return np.where(count > 0, np.nansum(values, 1) / np.maximum(count, 1), np.nan)


def _metrics(columns: Columns, cases: Sequence[Volume], seed: int) -> dict[str, Metric]:
    units = {"hd95_mm": "mm", "hd95_px": "px"}
    subjects = [case.subject for case in cases]
    return {
        path: mean_by_subject(c, subjects, unit=units.get(path.partition("/")[0], ""), seed=seed)
        for path, c in columns.items()
        if not np.isnan(c).all()
    }


def _examples(found: Drawn, test: Samples) -> Figure:
    """A few slices with a structure, spread evenly over the split."""
    filled = np.flatnonzero((found.truth > 0).any((1, 2)))
    spread = np.linspace(0, len(filled) - 1, min(EXAMPLES, len(filled))).round().astype(int)
    chosen = filled[spread].tolist()
    return _shown(found, test, chosen, [test.records[found.places[row]].id for row in chosen])


def _worst(
    found: Drawn, test: Samples, cases: Sequence[Volume], dice: Float[np.ndarray, " volumes"]
) -> Figure:
    """The slice in the middle of the volumes with the lowest mean Dice, the lowest first."""
    ranked = [i for i in np.argsort(dice, kind="stable") if not np.isnan(dice[i])][:EXAMPLES]
    chosen = [cases[i].rows[len(cases[i].rows) // 2] for i in ranked]
    return _shown(found, test, chosen, [f"{cases[i].name}\nDice {dice[i]:.2f}" for i in ranked])


def _shown(found: Drawn, test: Samples, chosen: Sequence[int], titles: Sequence[str]) -> Figure:
    images = test.batch([found.places[row] for row in chosen]).image[:, 0]
    masks = {"truth": found.truth[chosen], "prediction": found.guess[chosen]}
    maps = {name: _one_hot(torch.from_numpy(m), len(test.classes)) for name, m in masks.items()}
    figure = drawing.overlays(images, maps, test.classes)
    for axes, title in zip(figure.axes, titles, strict=False):
        axes.set_title(title, fontsize="x-small")
    return figure


def _one_hot(mask: Int[Tensor, "n h w"], classes: int) -> Float[Tensor, "n classes h w"]:
    """Maps of 0 and 1; where nothing is known, background."""
    return F.one_hot(mask.clamp(min=0).long(), classes).movedim(3, 1).float()
