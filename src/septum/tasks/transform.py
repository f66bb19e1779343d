"""The anatomy of one image in the modality of another (SDNet, sections 5.3.2 and 5.5, Fig. 6).

    image of A --encode--> content --+
                                     +--decode--> transformed --segment--> the same masks?
    image of B --encode--> style ----+                        --encode---> is its z one of B?

A picture that looks like B is worth nothing if the heart in it is another. So the transformed image
is segmented again, and its masks compared with those that the model drew on the image it was made
from. A model that draws the same masks on every image keeps them as well; the true masks, asked
beside, tell. Nor is a picture worth anything if it looks as before; so the logistic regression of
the task `modality`, which knows the styles of real images, is asked what it takes it for.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Bool, Float
from matplotlib.figure import Figure
from sklearn.pipeline import Pipeline
from torch import Tensor
from torch.nn import functional as F

from septum.contract import (
    BadInput,
    Decodes,
    Label,
    Metric,
    Model,
    Record,
    Report,
    Samples,
    Segments,
)
from septum.metrics.interval import mean_by_subject
from septum.metrics.overlap import dice
from septum.nn.device import device_of
from septum.tasks import augmentations, drawing_anatomy, modality
from septum.tasks.drawing_anatomy import Picture
from septum.tasks.frozen import encoded, still

EXAMPLES = 2
"""Images per direction in the figure."""

Masks = Bool[Tensor, "b classes H W"]


@runtime_checkable
class Redraws(Model, Decodes, Segments, Protocol):
    """A model that draws both images and masks."""


@dataclass(frozen=True, kw_only=True)
class Direction:
    """Images of one kind, and for each the image of another kind that lends it its style.

    Attributes:
        places: Where the images are in the tested split.
        lenders: As many places, drawn at random.
    """

    source: str
    target: str
    places: Sequence[int]
    lenders: Sequence[int]

    @property
    def name(self) -> str:
        """As in the paths of metrics."""
        return f"{path(self.source)}_to_{path(self.target)}"


@dataclass(frozen=True, kw_only=True)
class Transformed:
    """Some images, what was made of them, and the masks that the model draws on both.

    Attributes:
        own: Drawn in the style of the image itself: the reconstruction.
        drawn: In the style of another image.
        truth: All False where an image has no mask; None where the split has none in these classes.
        z: Mean style of `drawn`, once encoded again.
    """

    image: Float[Tensor, "b 1 H W"]
    own: Float[Tensor, "b 1 H W"]
    drawn: Float[Tensor, "b 1 H W"]
    before: Masks
    after: Masks
    truth: Masks | None
    z: Float[Tensor, "b s"]


def run(
    model: Model, train: Samples, test: Samples, seed: int, *, images: int = modality.IMAGES
) -> Report:
    """Dice and modality of transformed images, in every direction; a row per image and direction.

    `dice_kept/A_to_B` is against the model's masks of the image of A, over the structures they
    have. `dice_truth/A_to_B` is against its true mask, and `dice_truth/A` that of the image as it
    is. `accuracy_fooled/A_to_B` is the share that is taken for B. A metric is left out where no
    image has what it needs.

    Raises:
        BadInput: If there are no two kinds of images, or the model does not draw images and masks.
    """
    if not isinstance(model, Redraws):
        raise BadInput(
            "The model does not draw both images and masks, so that no image can be transformed "
            "and looked at again; ask it modality, which needs a style, or segment and retrieve."
        )
    kinds = modality.told_apart(train, test)
    learn = modality.codes(model, train, kinds, modality.drawn(train, kinds, seed, images))
    tell = modality.fit(learn.z, learn.kinds)
    ways = directions(test, kinds, seed)
    rows = {way.name: _rows(model, test, way, tell) for way in ways}
    figure = _figure(model, test, ways, rows)
    every = [row for found in rows.values() for row in found]
    return Report(metrics=_metrics(rows, seed), rows=every, figures={"transformed": figure})


def directions(samples: Samples, kinds: modality.Kinds, seed: int) -> list[Direction]:
    """Every kind to every other, with lenders drawn at random."""
    draw = np.random.default_rng(seed)
    of: dict[str, list[int]] = {name: [] for name in kinds.names}
    for place in kinds.places(samples):
        of[kinds.of(samples.records[place])].append(place)
    return [
        Direction(source=a, target=b, places=of[a], lenders=draw.choice(of[b], len(of[a])).tolist())
        for a, b in permutations(kinds.names, 2)
    ]


def transformed(
    model: Redraws, samples: Samples, places: Sequence[int], lenders: Sequence[int]
) -> Iterator[Transformed]:
    """The images at these places in the styles of the lenders, a batch at a time."""
    pairs = zip(encoded(model, samples, places), encoded(model, samples, lenders), strict=True)
    for (batch, said), (_, lent) in pairs:
        if said.style is None or lent.style is None:
            raise modality.without_style()
        own, drawn = (
            augmentations.drawn(model, said.content, style).cpu()
            for style in (said.style, lent.style)
        )
        before = segmented(model, batch.image)
        yield Transformed(
            image=batch.image,
            own=own,
            drawn=drawn,
            before=before,
            after=segmented(model, drawn),
            truth=_truth(batch.mask, before.shape[1], len(samples.classes)),
            z=_z(model, drawn),
        )


@torch.no_grad()
def segmented(model: Redraws, image: Float[Tensor, "b 1 H W"]) -> Masks:
    """The likeliest class of every pixel, on the CPU."""
    with still(model):
        shares = model.segment(image.to(device_of(model)))
    index = shares.argmax(1).cpu()
    return F.one_hot(index, shares.shape[1]).bool().permute(0, 3, 1, 2)


def structures(samples: Samples, classes: int) -> list[str]:
    """Names of the classes of a model but the background; numbered where the images have others."""
    if classes == len(samples.classes):
        return [*samples.classes[1:]]
    return [f"structure_{i}" for i in range(1, classes)]


def overlap(found: Masks, wanted: Masks) -> Float[Tensor, " b"]:
    """Mean Dice over the structures that are wanted; NaN where there are none.

    >>> ones, none = torch.ones(1, 1, 1, 4).bool(), torch.zeros(1, 1, 1, 4).bool()
    >>> half = torch.tensor([[[[True, True, False, False]]]])
    >>> overlap(torch.cat([~half, half, none], 1), torch.cat([none, ones, none], 1))  # 2 · 2 / 6
    tensor([0.6667])
    """
    return dice(found, wanted).where(wanted.flatten(2).any(2), torch.nan)[:, 1:].nanmean(1)


def averages(
    rows: Sequence[Mapping[str, Label]], columns: Mapping[str, str], seed: int
) -> dict[str, Metric]:
    """Mean of some columns by the path of its metric, where a row knows the column.

    Every row has its `subject`; the intervals are over subjects.
    """
    metrics: dict[str, Metric] = {}
    for path_of, column in columns.items():
        known = [row for row in rows if column in row]
        if known:
            values = np.array([float(row[column]) for row in known])
            subjects = [str(row["subject"]) for row in known]
            metrics[path_of] = mean_by_subject(values, subjects, unit="", seed=seed)
    return metrics


def path(name: str) -> str:
    """A name as a part of the path of a metric.

    >>> path("late gadolinium/LGE")
    'late_gadolinium_LGE'
    """
    return name.replace("/", "_").replace(" ", "_")


def _truth(mask: Tensor | None, classes: int, named: int) -> Masks | None:
    """The true masks, if their classes are those of the model."""
    if mask is None or classes != named:
        return None
    return torch.stack([mask == c for c in range(classes)], dim=1)


@torch.no_grad()
def _z(model: Redraws, image: Float[Tensor, "b 1 H W"]) -> Float[Tensor, "b s"]:
    with still(model):
        style = model.encode(image.to(device_of(model))).style
    if style is None:
        raise modality.without_style()
    return style.mean((2, 3)).float().cpu()


def _rows(
    model: Redraws, samples: Samples, way: Direction, tell: Pipeline
) -> list[dict[str, Label]]:
    """What is known of every image that goes this way; NaN is left out."""
    columns: dict[str, list[float]] = {}
    for made in transformed(model, samples, way.places, way.lenders):
        for name, values in _measured(made, tell, way.target).items():
            columns.setdefault(name, []).extend(values.tolist())
    records = [samples.records[place] for place in way.places]
    return [
        _about(record, way, samples.records[lender])
        | {name: column[i] for name, column in columns.items() if not np.isnan(column[i])}
        for i, (record, lender) in enumerate(zip(records, way.lenders, strict=True))
    ]


def _about(record: Record, way: Direction, lender: Record) -> dict[str, Label]:
    known: dict[str, Label] = {"id": record.id, "subject": record.subject}
    return known | {"from": way.source, "to": way.target, "style_of": lender.id}


def _measured(made: Transformed, tell: Pipeline, target: str) -> dict[str, Tensor]:
    """By column, one value per image."""
    taken = torch.from_numpy(tell.predict(made.z.double().numpy()) == target)
    columns = {
        "mae_reconstruction": (made.own - made.image).abs().mean((1, 2, 3)),
        "dice_kept": overlap(made.after, made.before),
        "accuracy_fooled": taken.double(),
    }
    if made.truth is not None:
        columns["dice_truth_before"] = overlap(made.before, made.truth)
        columns["dice_truth"] = overlap(made.after, made.truth)
    return columns


def _metrics(rows: Mapping[str, Sequence[Mapping[str, Label]]], seed: int) -> dict[str, Metric]:
    metrics: dict[str, Metric] = {}
    once: dict[str, dict[Label, Mapping[str, Label]]] = {}
    for way, found in rows.items():
        columns = ("dice_kept", "dice_truth", "accuracy_fooled")
        metrics |= averages(found, {f"{name}/{way}": name for name in columns}, seed)
        for row in found:
            once.setdefault(path(str(row["from"])), {})[row["id"]] = row
    for kind, found in once.items():
        columns = {f"dice_truth/{kind}": "dice_truth_before"}
        metrics |= averages([*found.values()], columns, seed)
    images = [row for found in once.values() for row in found.values()]
    return metrics | averages(images, {"mae_reconstruction": "mae_reconstruction"}, seed)


def _figure(
    model: Redraws,
    samples: Samples,
    ways: Sequence[Direction],
    rows: Mapping[str, Sequence[Mapping[str, Label]]],
) -> Figure:
    """A few images of every direction, what became of them, and the masks before and after."""
    pictures: list[list[Picture]] = []
    names: list[str] = []
    for way in ways:
        with_heart = [i for i, row in enumerate(rows[way.name]) if "dice_kept" in row]
        chosen = _spread(with_heart or range(len(way.places)))
        places, lenders = ([of[i] for i in chosen] for of in (way.places, way.lenders))
        lent = samples.batch(lenders).image[:, 0]
        for made in transformed(model, samples, places, lenders):
            pictures += [_pictures(made, lent[i], i) for i in range(len(places))]
        names += [f"{way.source} to {way.target}"] * len(chosen)
    masks = pictures[0][-1].mask
    named = [] if masks is None else structures(samples, len(masks))
    return drawing_anatomy.sheet(pictures, names=names, structures=named)


def _pictures(made: Transformed, lent: Float[Tensor, "H W"], i: int) -> list[Picture]:
    image, own, drawn = made.image[i, 0], made.own[i, 0], made.drawn[i, 0]
    kept = overlap(made.after[i : i + 1], made.before[i : i + 1]).item()
    return [
        Picture(image=image, title="image"),
        Picture(image=image, title="its masks", mask=made.before[i]),
        Picture(image=own, title="reconstruction"),
        Picture(image=lent, title="style of"),
        Picture(image=drawn, title="transformed"),
        Picture(image=drawn, title="masks again", note=f"Dice {kept:.2f}", mask=made.after[i]),
    ]


def _spread(places: Sequence[int]) -> list[int]:
    """A few of them, evenly, not the first and last."""
    count = min(EXAMPLES, len(places))
    return [places[(2 * k + 1) * len(places) // (2 * count)] for k in range(count)]
