"""Features as colours: what a model holds to be alike has one colour (ARL, Fig. 1b).

    images --model--> content --three principal components of the training split--> red, green, blue

Anatomy-aware Representation Learning for Medical Ultrasound, ICLR 2026,
https://openreview.net/forum?id=5ThIWuDkEf, shows that features of networks for photographs are
cluttered on ultrasound. How the figure was made is not said. Here one set of components serves all
images, and cells that lie mostly outside the sector neither count nor have a colour.

* `explained_variance_percent/c1`, ...: share of the variance of the tested cells along it.
* `eta_squared/c1`, ..., and `eta_squared/all`: share of the variance of a component, and of all of
  them together, that lies between the classes of the masks, a cell being of the class that fills
  most of it; 0 where colours tell nothing of the structures, 1 where they tell all.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from sklearn.decomposition import PCA
from torch import Tensor
from torch.nn import functional as F

from septum.contract import Batch, Label, Metric, Model, Record, Report, Samples
from septum.metrics.agreement import of_sums
from septum.metrics.effect import EQUAL, eta_squared
from septum.tasks import drawing_organs
from septum.tasks.drawing_organs import Coloured
from septum.tasks.frozen import area_downsampled, encoded

COMPONENTS = 3
CELLS = 20_000
"""Cells of the training split that the components are fitted to, drawn at random."""
IMAGES = 1_000
"""Training images that they are drawn from, at most."""
LIMITS = (1, 99)
"""Percentiles of a component over these cells that are the dark and the bright end of a colour."""
KINDS = ("organ", "data", "view")
"""What the rows of the figure are: the first of these labels that has two values."""
EXAMPLES = 3
"""Images of each."""
RESAMPLES = 2_000


@dataclass(frozen=True, kw_only=True)
class Palette:
    """Principal components, and the span of each that is shown."""

    mean: Float[Tensor, " d"]
    axes: Float[Tensor, "k d"]
    low: Float[Tensor, " k"]
    high: Float[Tensor, " k"]

    def components(self, content: Float[Tensor, "b d h w"]) -> Float[Tensor, "b k h w"]:
        """Of every cell."""
        centred = content - self.mean[:, None, None]
        return torch.einsum("bdhw,kd->bkhw", centred, self.axes)

    def rgb(self, content: Float[Tensor, "b d h w"]) -> Float[Tensor, "b 3 h w"]:
        """In [0, 1]; a colour that no component is left for is 0.5."""
        low, high = self.low[:, None, None], self.high[:, None, None]
        shares = (self.components(content) - low) / (high - low).clamp(min=1e-12)
        missing = 3 - shares.shape[1]
        return F.pad(shares.clamp(0, 1), (0, 0, 0, 0, 0, missing), value=0.5)


@dataclass(frozen=True, kw_only=True)
class Cells:
    """The tested cells inside the sector.

    Attributes:
        image: That each is of, counted from 0.
        components: Of each.
        classes: The one that fills most of each; -1 where that is not known.
        sums: By image, of ones, of the squared length of centred features, and of these features.
    """

    records: Sequence[Record]
    image: Int[np.ndarray, " n"]
    components: Float[np.ndarray, "n k"]
    classes: Int[np.ndarray, " n"]
    sums: Float[np.ndarray, "i _"]


def run(model: Model, train: Samples, test: Samples, seed: int) -> Report:
    """Explained variance, and how far colours tell structures apart; a row is a tested image.

    `eta_squared` is left out where the cells with masks are of one class.

    Raises:
        BadInput: If the model encodes clips only.
    """
    palette = fitted(model, train, seed)
    cells = seen(model, test, palette)
    metrics = explained(cells, seed) | separated(cells, seed)
    figures = {"colours": drawing_organs.colours(_examples(model, test, palette))}
    return Report(metrics=metrics, rows=_rows(cells), figures=figures)


def fitted(model: Model, samples: Samples, seed: int) -> Palette:
    """Components of cells inside the sector, drawn at random from images drawn at random."""
    draw = np.random.default_rng(seed)
    places = draw.permutation(len(samples.records))[:IMAGES]
    parts: list[Float[np.ndarray, "n d"]] = []
    for batch, features in encoded(model, samples, places.tolist()):
        cells = features.content.movedim(1, -1)[inside(batch, features.content)].numpy()
        few = -(-CELLS * len(batch.image) // len(places))
        parts.append(cells[draw.permutation(len(cells))[:few]])
    drawn = np.concatenate(parts).astype(np.float64)[:CELLS]
    pca = PCA(min(COMPONENTS, *drawn.shape), svd_solver="covariance_eigh")
    with np.errstate(invalid="ignore"):  # its shares of no variance, which nobody asks for
        pca.fit(drawn)
    low, high = np.percentile(pca.transform(drawn), LIMITS, axis=0)
    of = [torch.from_numpy(x).float() for x in (pca.mean_, pca.components_, low, high)]
    return Palette(mean=of[0], axes=of[1], low=of[2], high=of[3])


def inside(batch: Batch, content: Float[Tensor, "b d h w"]) -> Bool[Tensor, "b h w"]:
    """Which cells lie at least half in the sector."""
    if batch.sector is None:
        return torch.ones_like(content[:, 0], dtype=torch.bool)
    h, w = content.shape[-2:]
    return F.adaptive_avg_pool2d(batch.sector.float(), (h, w))[:, 0] >= 0.5


def seen(model: Model, samples: Samples, palette: Palette) -> Cells:
    """Components and classes of all cells of a split."""
    images: list[Tensor] = []
    components: list[Tensor] = []
    classes: list[Tensor] = []
    sums: list[Tensor] = []
    for batch, features in encoded(model, samples, range(len(samples.records))):
        counted = inside(batch, features.content)
        image = torch.arange(len(counted))[:, None, None].expand_as(counted)
        images.append(image[counted] + sum(map(len, sums)))
        components.append(palette.components(features.content).movedim(1, -1)[counted])
        classes.append(_classes(batch, len(samples.classes), counted)[counted])
        sums.append(_sums(features.content - palette.mean[:, None, None], counted))
    return Cells(
        records=samples.records,
        image=torch.cat(images).numpy(),
        components=torch.cat(components).double().numpy(),
        classes=torch.cat(classes).numpy(),
        sums=torch.cat(sums).numpy(),
    )


def explained(cells: Cells, seed: int) -> dict[str, Metric]:
    """Percent of the variance of the tested cells along every component."""
    subjects = [record.subject for record in cells.records]
    found: dict[str, Metric] = {}
    for k, values in enumerate(cells.components.T):
        of_image = [
            np.bincount(cells.image, weights=part, minlength=len(subjects))
            for part in (values, values**2)
        ]
        columns = [*of_image, *cells.sums.T]
        found[f"explained_variance_percent/c{k + 1}"] = of_sums(
            columns, _explained, subjects, unit="%", seed=seed, resamples=RESAMPLES
        )
    return found


def separated(cells: Cells, seed: int) -> dict[str, Metric]:
    """η² of every component, and of all, between the classes; none if there are no two."""
    known = cells.classes >= 0
    kinds = cells.classes[known]
    if len(np.unique(kinds)) < 2:
        return {}
    subjects = [cells.records[i].subject for i in cells.image[known]]
    x = cells.components[known]
    columns = {f"c{k + 1}": x[:, k : k + 1] for k in range(x.shape[1])}
    return {
        f"eta_squared/{name}": eta_squared(values, kinds, subjects, seed=seed)
        for name, values in {**columns, "all": x}.items()
    }


def _explained(sums: Float[np.ndarray, "r _"]) -> Float[np.ndarray, " r"]:
    """From the sums of a component and its square, of ones, of |x|² and of x."""
    values, squares, n, lengths = sums.T[:4]
    n = np.maximum(n, 1)
    total = lengths - np.square(sums[:, 4:]).sum(1) / n
    along = squares - values**2 / n
    some = total > EQUAL * lengths
    return np.where(some, np.clip(100 * along / np.where(some, total, 1), 0, 100), 0.0)


def _classes(batch: Batch, classes: int, counted: Bool[Tensor, "b h w"]) -> Int[Tensor, "b h w"]:
    if batch.mask is None:
        return torch.full(counted.shape, -1)
    h, w = counted.shape[1:]
    share, index = area_downsampled(batch.mask, classes, (h, w)).max(1)
    return index.where(share > 0, -1)


def _sums(x: Float[Tensor, "b d h w"], counted: Bool[Tensor, "b h w"]) -> Float[Tensor, "b _"]:
    """By image, over these cells: of ones, of |x|², and of x."""
    x = (x * counted[:, None]).double()
    ones = counted.double().sum((1, 2))[:, None]
    return torch.cat([ones, x.square().sum((1, 2, 3))[:, None], x.sum((2, 3))], dim=1)


def _examples(model: Model, samples: Samples, palette: Palette) -> list[list[Coloured]]:
    """A few images of every kind, evenly from its images."""
    rows: list[list[Coloured]] = []
    for name, places in _kinds(samples.records).items():
        count = min(EXAMPLES, len(places))
        chosen = [places[(2 * k + 1) * len(places) // (2 * count)] for k in range(count)]
        rows += [[*_coloured(model, samples, palette, chosen, name)]]
    return rows


def _coloured(
    model: Model, samples: Samples, palette: Palette, places: Sequence[int], name: str
) -> Iterator[Coloured]:
    for batch, features in encoded(model, samples, places):
        shown = palette.rgb(features.content)
        shown = torch.cat([shown, inside(batch, features.content)[:, None].float()], dim=1)
        for image, rgba in zip(batch.image, shown, strict=True):
            yield Coloured(image=image[0], rgba=rgba.movedim(0, -1), name=name)


def _kinds(records: Sequence[Record]) -> dict[str, list[int]]:
    """Places by kind; all under one empty name where none is known."""
    for label in KINDS:
        places: dict[str, list[int]] = {}
        for place, record in enumerate(records):
            if label in record.labels:
                places.setdefault(str(record.labels[label]), []).append(place)
        if len(places) > 1:
            return dict(sorted(places.items()))
    return {"": list(range(len(records)))}


def _rows(cells: Cells) -> list[dict[str, Label]]:
    """The mean of every component over an image; an image outside of its sector is left out."""
    rows: list[dict[str, Label]] = []
    for i, record in enumerate(cells.records):
        values = cells.components[cells.image == i]
        if len(values):
            row: dict[str, Label] = {"id": record.id, "subject": record.subject}
            rows.append(row | {f"c{k + 1}": float(c) for k, c in enumerate(values.mean(0))})
    return rows
