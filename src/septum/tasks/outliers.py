"""Spot images of a kind the model was not trained on (ConceptVAE, section 5.3).

    images of known kinds -> descriptors inside the sector -> density  (fitted on `train`)
    image of `test` -> its descriptors -> mean of their scores -> ROC of known against unknown kinds

A descriptor is the 5 x 5 window of concept probabilities round a cell, or, for a model without
concepts, the features of one cell. No head ever sees an unknown kind:

* `flow`: the paper's linear flow, in closed form: a Gaussian. One class per cell is left out, as
  its probability follows from the others, and the covariance is shrunk: overlapping windows are
  nearly collinear, and a flow trained by gradients would creep towards infinite likelihood.
* `mixture`: Gaussians with weights on the first principal axes of the descriptors.
* `neighbours`: on the same axes, minus the distance to the nearest descriptor that was seen at the
  same place of the image or beside it. Distances to what was seen: Sun, Ming, Zhu, Li,
  Out-of-Distribution Detection with Deep Nearest Neighbors, ICML 2022, arXiv:2204.06507. Statistics
  by place: Defard et al., PaDiM, ICPR 2020, arXiv:2011.08785.
* `appearance`: the same where a model has styles, which then belong to the descriptor, scaled so
  that they vary as much as the content in total.

Only `flow` is in the paper. What the axes leave out is mostly the noise of the concepts: with its
likelihood added, all tell kinds apart less well.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add

import numpy as np
import torch
from jaxtyping import Bool, Float, Float64
from matplotlib.figure import Figure
from sklearn.metrics import roc_curve
from torch import Tensor
from torch.nn import functional as F

from septum.contract import (
    BadInput,
    Batch,
    Discretises,
    Features,
    Label,
    Model,
    Record,
    Report,
    Samples,
)  # fmt: skip
from septum.metrics import density
from septum.metrics.mixture import mixture
from septum.metrics.ranking import auroc_by_subject
from septum.tasks import drawing
from septum.tasks.frozen import encoded
from septum.tasks.regions import MAPS, complete_descriptors

KNOWN = {"yes": True, "no": False}
"""What the label `known` says."""
FLOATS = 50_000_000
"""About as many numbers of content are kept to fit the heads: 200 MB."""
AXES = 16
"""Principal axes of `mixture` and `neighbours`."""
COMPONENTS = 24
DRAWN = 20_000
"""Descriptors that the mixture is fitted to."""
NEAREST = 1
"""A descriptor is as far away as its nearest neighbour."""
REFERENCES = 1_000
"""Images whose descriptors are neighbours."""
EXAMPLES = 3

Score = Callable[[Float[Tensor, "n y x e"]], Float64[Tensor, "n y x"]]
"""How typical every descriptor is; a higher score is more typical."""


@dataclass(frozen=True, kw_only=True)
class Describe:
    """Makes descriptors: of windows without their first class, or of single cells.

    Attributes:
        windows: Whether the content is a distribution over concepts.
        weight: Of the styles beside it; 0 for a model without.
    """

    windows: bool
    weight: float = 0.0

    def seen(self, features: Features) -> Float[Tensor, "n e h w"]:
        """Content and weighted styles as one map."""
        if features.style is None or not self.weight:
            return features.content
        return torch.cat([features.content, self.weight * features.style], dim=1)

    def __call__(self, seen: Float[Tensor, "n e h w"]) -> Float[Tensor, "n y x f"]:
        """The descriptors of a map."""
        return _windows(seen) if self.windows else _cells(seen)


@dataclass(frozen=True, kw_only=True)
class Inliers:
    """Images of known kinds: all that the heads are fitted to.

    Attributes:
        seen: Content and weighted styles.
        channels: Of the content among them.
        inside: Which descriptors lie in the ultrasound sector.
    """

    seen: Float[Tensor, "n e h w"]
    channels: int
    inside: Bool[Tensor, "n y x"]
    describe: Describe

    def descriptors(self) -> Iterator[Float[Tensor, "m y x f"]]:
        """Those of some images at a time."""
        return (self.describe(part) for part in self.seen.split(MAPS))

    def of_content(self, x: Float[Tensor, "*n f"]) -> Float[Tensor, "*n g"]:
        """The part of descriptors that is content."""
        first = 1 if self.describe.windows else 0
        cells = x.unflatten(-1, (-1, self.seen.shape[1] - first))
        return cells[..., : self.channels - first].flatten(-2)


def run(model: Model, train: Samples, test: Samples, seed: int, *, images: int = 5_000) -> Report:
    """Area under the ROC curve of every head: how often a known kind scores above an unknown one.

    Args:
        model: Frozen.
        train: The heads are fitted to its images of known kinds.
        test: Asked; images without the label `known` are left out.
        seed: Draws training images and resamples.
        images: Most training images that are used, drawn at random (5,000 in the paper).

    Raises:
        BadInput: If the split asked does not have both kinds, the training split has no known
            one, or the model encodes clips only.
    """
    places, known = kinds(test)
    learnt = inliers(model, train, seed, images)
    scores = scored(model, test, places, learnt.describe, fitted(learnt, seed))
    means = {name: score.flatten(1).nanmean(1).numpy() for name, score in scores.items()}
    records = [test.records[place] for place in places]
    subjects = [record.subject for record in records]
    metrics = {
        f"auroc/{name}": auroc_by_subject(mean, known, subjects, seed=seed)
        for name, mean in means.items()
    }
    curves = {name: roc_curve(known, mean)[:2] for name, mean in means.items()}
    figures = {
        "roc": drawing.roc(curves, metrics),
        "typicality": _examples(test, places, scores, np.argsort(-means["neighbours"]).tolist()),
    }
    return Report(metrics=metrics, rows=_rows(records, means), figures=figures)


def kinds(test: Samples) -> tuple[list[int], Bool[np.ndarray, " n"]]:
    """Places of the images that have the label `known`, and whether it says `yes`.

    Raises:
        BadInput: If none has it, or all those that have it are of one kind.
    """
    places = [i for i, record in enumerate(test.records) if record.labels.get("known") in KNOWN]
    known = np.array([KNOWN[str(test.records[i].labels["known"])] for i in places], dtype=bool)
    where = f"{test.name} ({test.split})"
    if not places:
        raise BadInput(
            f"No image of {where} has the label known; write yes or no in a column of that name, "
            "or ask through `septum evaluate`, which knows what a run was trained on."
        )
    if known.all():
        raise BadInput(
            f"All images of {where} are of a kind the model was trained on; evaluate on data "
            "beside those, as in `--data camus busi`, or train on a part, with `--only view=4CH`."
        )
    if not known.any():
        raise BadInput(
            f"No image of {where} is of a kind the model was trained on; evaluate on the data it "
            "was trained on and others together, as in `--data camus busi`."
        )
    return places, known


def inliers(model: Model, train: Samples, seed: int, images: int) -> Inliers:
    """Encode training images of known kinds, in random order, until they are enough.

    Raises:
        BadInput: If there is none, or the model encodes clips only.
    """
    known = [i for i, r in enumerate(train.records) if KNOWN.get(str(r.labels.get("known")))]
    if not known:
        raise BadInput(
            f"No image of {train.name} ({train.split}) is of a kind the model was trained on; name "
            "the data it was trained on as well, and let their label known say yes."
        )
    drawn = np.random.default_rng(seed).permutation(known)[:images].tolist()
    windows = isinstance(model, Discretises)
    contents: list[Tensor] = []
    styles: list[Tensor] = []
    insides: list[Tensor] = []
    for batch, features in encoded(model, train, drawn):
        contents.append(features.content)
        styles += [] if features.style is None else [features.style]
        insides.append(_inside(batch, features.content, Describe(windows=windows)(contents[-1])))
        if sum(content.numel() for content in contents) >= FLOATS:
            break
    content = torch.cat(contents)
    style = torch.cat(styles) if styles else None
    describe = Describe(windows=windows, weight=_weight(content, style))
    whole = Features(content=content, style=style, pooled=content.mean((2, 3)))
    return Inliers(
        seen=describe.seen(whole),
        channels=content.shape[1],
        inside=torch.cat(insides),
        describe=describe,
    )


def _weight(content: Float[Tensor, "n d h w"], style: Float[Tensor, "n s h w"] | None) -> float:
    """What makes styles vary as much as the content, all channels together."""
    if style is None:
        return 0.0
    spread = [float(part.var((0, 2, 3)).sum()) for part in (content, style)]
    return (spread[0] / max(spread[1], 1e-12)) ** 0.5


def fitted(learnt: Inliers, seed: int) -> Mapping[str, Score]:
    """The heads by name."""
    drawn = np.random.default_rng(seed).permutation(int(learnt.inside.sum()))[:DRAWN]
    moments = _moments(learnt, learnt.of_content)
    flow = density.shrunk_flow(moments)
    axes = density.principal_axes(moments, axes=AXES)
    points = torch.cat([axes(learnt.of_content(x)) for x in learnt.descriptors()])[learnt.inside]
    gaussians = mixture(points[drawn], components=COMPONENTS, seed=seed)
    wide = density.principal_axes(_moments(learnt, lambda x: x), axes=AXES)
    near = _neighbours(learnt, lambda x: axes(learnt.of_content(x)))
    heads: dict[str, Score] = {
        "flow": lambda x: _each(flow.log_density, learnt.of_content(x)),
        "mixture": lambda x: _each(gaussians.log_density, axes(learnt.of_content(x))),
        "neighbours": near,
    }
    return heads | ({"appearance": _neighbours(learnt, wide)} if learnt.describe.weight else {})


def _each(log_density: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    return log_density(x.flatten(0, 2)).view(x.shape[:3])


def _neighbours(learnt: Inliers, axes: Callable[[Tensor], Tensor]) -> Score:
    maps = torch.cat([axes(x) for x in learnt.descriptors()])[:REFERENCES]
    near = density.Neighbours(maps=maps, inside=learnt.inside[:REFERENCES], k=NEAREST)
    return lambda x: -near.distance(axes(x))


def _moments(learnt: Inliers, part: Callable[[Tensor], Tensor]) -> density.Moments:
    """Of a part of the descriptors inside the sector."""
    pieces = zip(learnt.descriptors(), learnt.inside.split(MAPS), strict=True)
    return reduce(add, (density.moments(part(x)[inside]) for x, inside in pieces))


def scored(
    model: Model,
    test: Samples,
    places: Sequence[int],
    describe: Describe,
    heads: Mapping[str, Score],
) -> dict[str, Float64[Tensor, "n h w"]]:
    """Score of every cell by head; NaN outside the sector, and where no window fits."""
    found: dict[str, list[Tensor]] = {name: [] for name in heads}
    for batch, features in encoded(model, test, places):
        x = describe(describe.seen(features))
        inside = _inside(batch, features.content, x)
        margin = (features.content.shape[2] - x.shape[1]) // 2
        for name, score in heads.items():
            cells = score(x).where(inside, torch.nan)
            found[name].append(F.pad(cells, (margin,) * 4, value=torch.nan))
    return {name: torch.cat(cells) for name, cells in found.items()}


def _windows(content: Float[Tensor, "n d h w"]) -> Float[Tensor, "n y x e"]:
    """5 x 5 windows of all classes but the first, after one ring of background round the map."""
    return complete_descriptors(F.pad(content[:, 1:], (1, 1, 1, 1)))


def _cells(content: Float[Tensor, "n d h w"]) -> Float[Tensor, "n h w d"]:
    return content.permute(0, 2, 3, 1)


def _inside(
    batch: Batch, content: Float[Tensor, "n d h w"], x: Float[Tensor, "n y x e"]
) -> Bool[Tensor, "n y x"]:
    """Which cells lie at least half in the sector; all of an image that has none."""
    margin, (h, w) = (content.shape[2] - x.shape[1]) // 2, content.shape[2:]
    if batch.sector is None:
        return torch.ones(x.shape[:3], dtype=torch.bool)
    share = F.adaptive_avg_pool2d(batch.sector.float(), (h, w))[:, 0]
    inside = share[:, margin : h - margin, margin : w - margin] >= 0.5
    return inside | ~inside.any((1, 2), keepdim=True)


def _rows(records: Sequence[Record], means: Mapping[str, np.ndarray]) -> list[dict[str, Label]]:
    return [
        {"id": record.id, "subject": record.subject, "known": record.labels["known"]}
        | {name: float(mean[i]) for name, mean in means.items()}
        for i, record in enumerate(records)
    ]


def _examples(
    test: Samples, places: Sequence[int], scores: Mapping[str, Tensor], order: Sequence[int]
) -> Figure:
    """The most typical and the least typical images, and where they are so."""
    chosen = [*dict.fromkeys([*order[:EXAMPLES], *order[-EXAMPLES:]])]
    records = [test.records[places[i]] for i in chosen]
    return drawing.scores(
        test.batch([places[i] for i in chosen]).image[:, 0],
        {name: score[chosen] for name, score in scores.items()},
        titles=[_shown(record) for record in records],
    )


def _shown(record: Record) -> str:
    """Data set and view, as far as they are stated, and whether the kind is known."""
    words = [str(record.labels[name]) for name in ("data", "view") if name in record.labels]
    kind = "known" if record.labels["known"] == "yes" else "unknown"
    return " ".join([*words, f"({kind})"])
