"""Arithmetic on the two halves of the code (SDNet, sections 5.5 and 5.6, Fig. 3, 5, 7 and 8).

    z   one dimension from -3 to 3, the others and s as they are --decode--> what changes, where
    s   channels added, exchanged, shuffled, z as it is          --decode--> who colours what

z is normal, so that -3 to 3 is nearly all of it. The steps are z_i = -3 + (j - 1) for j = 1 to 7;
the printed formula, -3 + 6 (j - 1), is a misprint: it runs to 33. If appearance is all that z
knows, a heart segmented at -3 and at 3 is the same heart, which `anatomy_kept` asks.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float
from matplotlib.figure import Figure
from scipy.optimize import linear_sum_assignment
from torch import Tensor
from torch.nn import functional as F

from septum.contract import BadInput, Batch, Discretises, Label, Metric, Model, Report, Samples
from septum.metrics.interval import mean_by_subject
from septum.metrics.overlap import dice
from septum.metrics.resample import told_by_subject
from septum.tasks import drawing_anatomy, drawing_styles, modality
from septum.tasks.augmentations import Painter, drawn
from septum.tasks.drawing_anatomy import MOST, Picture, Walk
from septum.tasks.frozen import encoded
from septum.tasks.transform import Redraws, averages, segmented, structures

STEPS = tuple(float(j - 4) for j in range(1, 8))
"""Values of one dimension of z, in standard deviations of its prior."""
IMAGES = 32
"""Tested images that are varied, drawn at random."""
STILL = 1e-6
"""Range of intensities below which a pixel does not change: rounding has a correlation too."""
PAIR = ("myocardium", "left_ventricle")
"""Structures that are moved and exchanged, where there are such."""
EXAMPLES = 3


@dataclass(frozen=True, kw_only=True)
class Codes:
    """What a split looks like to a frozen model.

    Attributes:
        z: Mean of the style over the grid.
        both: Pixels in which a structure and a channel of the content overlap, by image.
        structure: Pixels of every structure.
        channel: Pixels of every channel.
        names: Of the structures.
    """

    z: Float[np.ndarray, "n s"]
    both: Float[np.ndarray, "n l d"]
    structure: Float[np.ndarray, "n l"]
    channel: Float[np.ndarray, "n d"]
    names: Sequence[str]

    @property
    def dice(self) -> Float[np.ndarray, "l d"]:
        """Of every structure and channel, over all pixels of the split; 0 where both are empty."""
        total = self.structure.sum(0)[:, None] + self.channel.sum(0)
        return 2 * self.both.sum(0) / np.maximum(total, 1)


def run(model: Model, train: Samples, test: Samples, seed: int, *, images: int = IMAGES) -> Report:
    """What every dimension of z changes, and which structure every channel of s holds.

    By dimension: `change` is the mean |difference| of intensities between -3 and 3, `correlation`
    the mean |r| with the step, `anatomy_kept` the Dice of the model's own masks at -3 and at 3,
    each over `images` images; `variance` is that of the dimension over the split. A dimension
    without any is dead: its posterior is the prior, of variance 1 in section 5.6. Structures are
    the model's own masks, or of a model that draws none the true ones; `channel_dice/STRUCTURE` is
    the Dice of a structure and the channel that is most like it.

    Raises:
        BadInput: If the model draws nothing from content and style.
    """
    del train
    if not isinstance(model, Painter):
        raise BadInput(
            "The model draws no image from content and style, so that neither can be varied; ask "
            "it modality, which needs a style, or segment and retrieve."
        )
    known = codes(model, test)
    order = np.random.default_rng(seed).permutation(len(test.records))[:images]
    rows = [_row(model, test, place) for place in sorted(order.tolist())]
    metrics = _metrics(rows, known, [record.subject for record in test.records], seed)
    chosen = _telling(known.structure.sum(1), EXAMPLES)
    figures = {
        "traversal": _traversal(model, test, chosen[len(chosen) // 2], metrics),
        "channels": _channels(model, test, chosen, known),
        **_arithmetic(model, test, chosen, known, seed),
    }
    return Report(metrics=metrics, rows=rows, figures=figures)


def codes(model: Painter, samples: Samples) -> Codes:
    """Encode a split, and count where structures and channels overlap.

    Raises:
        BadInput: If the model has no style, or encodes clips only.
    """
    parts: list[tuple[Tensor, ...]] = []
    for batch, content, style in _latent(model, samples, range(len(samples.records))):
        masks = _masks(model, batch, len(samples.classes))[:, 1:].flatten(2).float()
        # a coarser content is enlarged to the size of the image
        maps = F.interpolate(content, size=batch.image.shape[-2:])
        maps = (maps > 0.5).flatten(2).float()
        parts.append((style.mean((2, 3)), masks @ maps.mT, masks.sum(2), maps.sum(2)))
    z, both, structure, channel = (
        torch.cat(column).double().numpy() for column in zip(*parts, strict=True)
    )
    names = structures(samples, 1 + both.shape[1])
    return Codes(z=z, both=both, structure=structure, channel=channel, names=names)


def walk(
    model: Painter,
    content: Float[Tensor, "1 d h w"],
    style: Float[Tensor, "1 s h w"],
    dimension: int,
) -> Walk:
    """An image along one dimension of its style, all else as it is."""
    steps = torch.tensor(STEPS)
    styles = style.repeat(len(steps), 1, 1, 1)
    styles[:, dimension] = steps[:, None, None]
    images = drawn(model, content.expand(len(steps), -1, -1, -1), styles)[:, 0].cpu()
    return Walk(
        images=images, correlation=correlation(images, steps), difference=images[-1] - images[0]
    )


def correlation(
    images: Float[Tensor, "steps H W"], steps: Float[Tensor, " steps"]
) -> Float[Tensor, "H W"]:
    """Pearson's r of every pixel's intensity with the step; 0 where the pixel does not change.

    >>> images = torch.tensor([[[0.1, 0.5, 0.9]], [[0.2, 0.5, 0.5]], [[0.3, 0.5, 0.1]]])
    >>> correlation(images, torch.tensor([-1.0, 0.0, 1.0]))
    tensor([[ 1.,  0., -1.]])
    """
    x = (steps - steps.mean()).double()[:, None, None]
    y = images.double() - images.double().mean(0)
    moves = images.amax(0) - images.amin(0) > STILL
    spread = (x.square().sum() * y.square().sum(0)).sqrt()
    r = (x * y).sum(0) / torch.where(moves, spread, 1.0)
    return r.where(moves, 0.0).clamp(-1, 1).float()


def moved(content: Float[Tensor, "b d h w"], source: int, target: int) -> Float[Tensor, "b d h w"]:
    """One channel added to another, and then nulled."""
    changed = content.clone()
    changed[:, target] += content[:, source]
    changed[:, source] = 0
    return changed


def exchanged(content: Float[Tensor, "b d h w"], a: int, b: int) -> Float[Tensor, "b d h w"]:
    """Two channels in one another's place."""
    changed = content.clone()
    changed[:, a], changed[:, b] = content[:, b], content[:, a]
    return changed


def pair(known: Codes) -> tuple[tuple[str, int], tuple[str, int]] | None:
    """Two structures and the channel of each: myocardium and left ventricle, or the first two seen.

    The channel is that of the highest Dice; if that is the same for both, the two channels with the
    highest sum. None where there are no two structures or channels.
    """
    seen = [name for i, name in enumerate(known.names) if known.structure[:, i].any()]
    chosen = PAIR if set(PAIR) <= set(seen) else tuple(seen[:2])
    if len(chosen) < 2 or known.channel.shape[1] < 2:
        return None
    table = known.dice[[known.names.index(name) for name in chosen]]
    _, (a, b) = linear_sum_assignment(table, maximize=True)
    return (chosen[0], int(a)), (chosen[1], int(b))


def _latent(
    model: Painter, samples: Samples, places: Sequence[int]
) -> Iterator[tuple[Batch, Tensor, Tensor]]:
    """Images, what they are drawn from (one-hot where it is discrete), and their style."""
    for batch, features in encoded(model, samples, places):
        if features.style is None:
            raise modality.without_style()
        discrete = isinstance(model, Discretises)
        content = model.discretise(features.content) if discrete else features.content
        yield batch, content, features.style


def _masks(model: Painter, batch: Batch, classes: int) -> Bool[Tensor, "b classes H W"]:
    """Those of the model if it draws any, else the true ones; all False where there are none."""
    if isinstance(model, Redraws):
        return segmented(model, batch.image)
    mask = torch.full_like(batch.image[:, 0], -1).long() if batch.mask is None else batch.mask
    return torch.stack([mask == c for c in range(classes)], dim=1)


def _row(model: Painter, samples: Samples, place: int) -> dict[str, Label]:
    """What every dimension does to one image."""
    record = samples.records[place]
    row: dict[str, Label] = {"id": record.id, "subject": record.subject}
    ((_, content, style),) = _latent(model, samples, [place])
    for k in range(style.shape[1]):
        gone = walk(model, content, style, k)
        row[f"change/z{k}"] = gone.difference.abs().mean().item()
        row[f"correlation/z{k}"] = gone.correlation.abs().mean().item()
        kept = _kept(model, gone.images) if isinstance(model, Redraws) else np.nan
        row |= {} if np.isnan(kept) else {f"anatomy_kept/z{k}": kept}
    return row


def _kept(model: Redraws, images: Float[Tensor, "steps H W"]) -> float:
    """Mean Dice of the masks of the first and the last image; NaN where both have none."""
    first, last = segmented(model, images[[0, -1], None]).split(1)
    return dice(first, last)[:, 1:].nanmean().item()


def _metrics(
    rows: Sequence[Mapping[str, Label]], known: Codes, subjects: Sequence[str], seed: int
) -> dict[str, Metric]:
    dims = range(known.z.shape[1])
    kinds = ("change", "correlation", "anatomy_kept")
    metrics = averages(rows, {f"{kind}/z{k}": f"{kind}/z{k}" for kind in kinds for k in dims}, seed)
    off = (known.z - known.z.mean(0)) ** 2
    for k in dims:
        metrics[f"variance/z{k}"] = mean_by_subject(off[:, k], subjects, unit="", seed=seed)
    for i, channel in enumerate(known.dice.argmax(1)):
        total = known.structure[:, i] + known.channel[:, channel]
        if known.structure[:, i].any():
            missed = total - 2 * known.both[:, i, channel]
            metrics[f"channel_dice/{known.names[i]}"] = told_by_subject(
                missed, total, subjects, seed=seed
            )
    return metrics


def _telling(areas: Float[np.ndarray, " n"], count: int) -> list[int]:
    """A few places, spread evenly over the half of the images with the largest structures."""
    level = np.median(areas[areas > 0]) if areas.any() else 0.0
    places = np.flatnonzero(areas >= level)
    return places[
        np.linspace(0, len(places) - 1, min(count, len(places))).round().astype(int)
    ].tolist()


def _traversal(
    model: Painter, samples: Samples, place: int, metrics: Mapping[str, Metric]
) -> Figure:
    """One image along every dimension, or along those that change most (Fig. 8)."""
    ((_, content, style),) = _latent(model, samples, [place])
    dims = sorted(range(style.shape[1]), key=lambda k: -metrics[f"change/z{k}"].value)[:MOST]
    walks = {f"z{k}": walk(model, content, style, k) for k in sorted(dims)}
    return drawing_anatomy.traversal(walks, steps=STEPS)


def _channels(model: Painter, samples: Samples, places: Sequence[int], known: Codes) -> Figure:
    """A few images and the channels of their content; of many, those most in use (Fig. 3 and 5)."""
    used = sorted(np.argsort(-known.channel.sum(0), kind="stable")[:MOST].tolist())
    titles = [_title(known, channel) for channel in used]
    rows = [
        [Picture(image=batch.image[0, 0], title="image")]
        + [Picture(image=content[0, k], title=t) for k, t in zip(used, titles, strict=True)]
        for place in places
        for batch, content, _ in _latent(model, samples, [place])
    ]
    return drawing_anatomy.sheet(rows, names=[""] * len(rows), structures=[])


def _title(known: Codes, channel: int) -> str:
    """Number of a channel, the structure it overlaps most with, and their Dice."""
    if not known.names or not known.both[:, :, channel].any():
        return f"s{channel}"
    best = int(known.dice[:, channel].argmax())
    return f"s{channel}\n{known.names[best].replace('_', ' ')} {known.dice[best, channel]:.2f}"


def _arithmetic(
    model: Painter, samples: Samples, places: Sequence[int], known: Codes, seed: int
) -> dict[str, Figure]:
    """Images drawn from channels moved, exchanged and shuffled (Fig. 7), where there are two."""
    two = pair(known)
    if two is None:
        return {}
    (one, a), (other, b) = two
    one, other = one.replace("_", " "), other.replace("_", " ")
    shuffled = torch.randperm(known.channel.shape[1], generator=torch.Generator().manual_seed(seed))
    columns: dict[str, list[Tensor]] = {}
    for place in places:
        ((batch, content, style),) = _latent(model, samples, [place])
        changed = {
            "reconstruction": content,
            f"{one} (s{a})\nto {other} (s{b})": moved(content, a, b),
            f"{one} and\n{other} exchanged": exchanged(content, a, b),
            "channels shuffled": content[:, shuffled],
        }
        columns.setdefault("image", []).append(batch.image[:, 0])
        for name, s in changed.items():
            columns.setdefault(name, []).append(drawn(model, s, style)[:, 0].cpu())
    stacked = {name: torch.cat(images) for name, images in columns.items()}
    return {"arithmetic": drawing_styles.strips(stacked)}
