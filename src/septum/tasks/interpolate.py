"""From the heart of one subject to that of another (Attri-SSC-VAE, appendix A.4, Eq. 16, Fig. 2).

    code of A --(1 - α) A + α B--> nine codes --render--> nine images: even? straight? a heart all
    code of B --^                                         the way from the one size to the other?

The paper looks at the images. Here the way is measured, and so is that of the pixels themselves,
which fade from the one image into the other: evenly, straight, and through images of no heart.

* `evenness/codes`: the longest step over the mean one, in the L2 distance of images; 1 is even.
* `straightness/codes`: length of the way over the distance of its ends; 1 is straight.
* `monotone_share/codes`: share of the ways on which the area of the left ventricle, measured again
  by a network of our own, goes from the one to the other without turning back by over a pixel.

`/pixels` in place of `/codes` is said of the pixels. Without masks to teach a network on, or
without a left ventricle among them, nothing is said of areas.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from matplotlib.figure import Figure
from torch import Tensor

from septum.contract import BadInput, Codes, Label, Metric, Model, Record, Report, Samples
from septum.metrics.interval import mean_by_subject
from septum.metrics.labels import number
from septum.nn.device import device_of
from septum.tasks import drawing_codes, witness
from septum.tasks.drawing_codes import Way, middle
from septum.tasks.reconstruct import coded, rendered
from septum.tasks.segmenter import Schedule
from septum.tasks.volumes import volumes
from septum.tasks.witness import Witness

SHARES = tuple(i / 8 for i in range(9))
"""Of the code at the end of a way, in that of every image on it: the alpha of Eq. 16."""
STRUCTURE = "left_ventricle"
AREA = "left_ventricle_area_"
"""Begins the name of the label, whatever its unit."""
SLACK_PX = 1
EXAMPLES = 3


@dataclass(frozen=True, kw_only=True)
class Path:
    """The images of one way.

    Attributes:
        kind: `codes` or `pixels`.
        start: Place of the image it comes from.
        end: Place of the image it goes to.
        areas_px: Of the left ventricle in every image; None where they are not known.
    """

    kind: str
    start: int
    end: int
    images: Float[Tensor, "steps 1 *d h w"]
    areas_px: Int[Tensor, " steps"] | None


def run(
    model: Model, train: Samples, test: Samples, seed: int, *, schedule: Schedule | None = None
) -> Report:
    """Evenness, straightness and share of monotone ways between subjects; a row per pair of them.

    Every subject is in one pair, so that `n` counts independent cases; one is left over where their
    number is odd. Its image is the one with the largest left ventricle among those that know its
    area, else the middle of its slices. A way whose ends are the same image has no straightness.

    Args:
        model: One that has codes.
        train: Its masks teach the network that measures areas.
        test: Whose subjects are paired.
        seed: Pairs them, and teaches the network.
        schedule: Of its training, but for what it shrinks images by.

    Raises:
        BadInput: If the model has no codes, or there are no two subjects.
    """
    if not isinstance(model, Codes):
        raise BadInput(
            "The model keeps no codes that images are rendered from, so there is nothing to "
            "interpolate; choose one that does, such as attri_ssc_vae or beta_vae."
        )
    pairs = paired(test, seed)
    seen = witness.taught(train, schedule=schedule, device=device_of(model), seed=seed)
    index = train.classes.index(STRUCTURE) if STRUCTURE in train.classes else None
    asked = None if seen is None or index is None else (seen, index)
    rows: list[dict[str, Label]] = []
    shown: list[Path] = []
    for place, (start, end) in enumerate(pairs):
        paths = list(_paths(model, test, start, end, asked))
        rows.append(_row(test.records, paths))
        shown += paths if place < EXAMPLES else []
    figure = _figure(shown)
    return Report(metrics=_metrics(rows, seed), rows=rows, figures={"interpolations": figure})


def paired(samples: Samples, seed: int) -> list[tuple[int, int]]:
    """Places of the images of two subjects each, at random; no subject is in two pairs.

    Raises:
        BadInput: If there is one subject only.
    """
    places = telling(samples.records)
    if len(places) < 2:
        raise BadInput(
            f"{samples.name} ({samples.split}) has one subject, and the way is from one to "
            "another; choose a split with two or more."
        )
    order = np.random.default_rng(seed).permutation(places).tolist()
    return list(zip(order[::2], order[1::2], strict=False))


def telling(records: Sequence[Record]) -> list[int]:
    """One place per subject: its largest left ventricle, else the middle of its first volume."""
    of: dict[str, list[int]] = {}
    for volume in volumes(records):
        of.setdefault(volume.subject, [volume.rows[len(volume.rows) // 2]])
    areas: dict[str, float] = {}
    for place, record in enumerate(records):
        known = (number(record, label) for label in record.labels if label.startswith(AREA))
        area = next((value for value in known if value is not None), 0.0)
        if area > areas.get(record.subject, 0.0):
            areas[record.subject], of[record.subject] = area, [place]
    return [place for (place,) in of.values()]


def evenness(images: Float[Tensor, "steps ..."]) -> float:
    """Longest step over the mean one; 1 if all are the same, NaN if nothing moves.

    >>> evenness(torch.tensor([[0.0], [1.0], [4.0]]))
    1.5
    """
    lengths = _lengths(images)
    return float(lengths.max() / lengths.mean())


def straightness(images: Float[Tensor, "steps ..."]) -> float:
    """Length of the way over the distance of its ends, 1 or more; NaN if these are one.

    >>> straightness(torch.tensor([[0.0, 0.0], [3.0, 0.0], [3.0, 4.0]]))
    1.4
    """
    direct = _lengths(images[[0, -1]])
    return float(_lengths(images).sum() / direct) if direct > 0 else math.nan


def is_monotone(areas_px: Int[Tensor, " steps"]) -> bool:
    """Whether areas go from the first to the last, never more than a pixel back.

    >>> is_monotone(torch.tensor([9, 7, 8, 4])), is_monotone(torch.tensor([9, 7, 9, 4]))
    (True, False)
    """
    rising = areas_px if areas_px[-1] >= areas_px[0] else -areas_px
    return bool((rising.cummax(0).values - rising).max() <= SLACK_PX)


def _lengths(images: Tensor) -> Float[Tensor, " n"]:
    return images.double().flatten(1).diff(dim=0).norm(dim=1)


def _paths(
    model: Codes, samples: Samples, start: int, end: int, asked: tuple[Witness, int] | None
) -> Iterator[Path]:
    """The way of the codes and that of the pixels."""
    image = samples.batch([start, end]).image
    made = {"codes": rendered(model, between(coded(model, image))), "pixels": between(image)}
    for kind, images in made.items():
        yield Path(
            kind=kind,
            start=start,
            end=end,
            images=images,
            areas_px=None if asked is None else _areas(images, *asked),
        )


def between(ends: Float[Tensor, "2 ..."]) -> Float[Tensor, "steps ..."]:
    """(1 - α) of the first and α of the second (Eq. 16)."""
    share = torch.tensor(SHARES).view(-1, *[1] * (ends.ndim - 1))
    return (1 - share) * ends[0] + share * ends[1]


def _areas(images: Tensor, seen: Witness, index: int) -> Int[Tensor, " steps"]:
    return (seen.classes(images) == index).sum((1, 2))


def _row(records: Sequence[Record], paths: Sequence[Path]) -> dict[str, Label]:
    """What is known of the ways of a pair."""
    start, end = records[paths[0].start], records[paths[0].end]
    row: dict[str, Label] = {"id": start.id, "subject": start.subject, "to": end.id}
    for path in paths:
        found = {"evenness": evenness(path.images), "straightness": straightness(path.images)}
        areas = path.areas_px
        if areas is not None and areas[[0, -1]].any():
            found["area_start_px"], found["area_end_px"] = areas[[0, -1]].tolist()
            found["monotone"] = float(is_monotone(areas))
        row |= {
            f"{name}/{path.kind}": value for name, value in found.items() if not math.isnan(value)
        }
    return row


def _metrics(rows: Sequence[Mapping[str, Label]], seed: int) -> dict[str, Metric]:
    """Means over the pairs of which a number is known."""
    metrics: dict[str, Metric] = {}
    names = {"evenness": "evenness", "straightness": "straightness", "monotone_share": "monotone"}
    for name, column in names.items():
        for kind in ("codes", "pixels"):
            known = [row for row in rows if f"{column}/{kind}" in row]
            if known:
                values = np.array([row[f"{column}/{kind}"] for row in known], float)
                subjects = [str(row["subject"]) for row in known]
                metrics[f"{name}/{kind}"] = mean_by_subject(values, subjects, unit="", seed=seed)
    return metrics


def _figure(paths: Sequence[Path]) -> Figure:
    """The first pairs: the way of the codes, and under it that of the pixels (Fig. 2)."""
    rows = [
        Way(
            images=torch.stack([middle(image) for image in path.images]),
            name=path.kind,
            notes=[""] * len(SHARES) if path.areas_px is None else _notes(path.areas_px),
        )
        for path in paths
    ]
    return drawing_codes.interpolations(rows, shares=SHARES)


def _notes(areas_px: Int[Tensor, " steps"]) -> list[str]:
    return [f"{area} px" for area in areas_px.tolist()]
