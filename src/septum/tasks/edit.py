"""Does an edit move its attribute, that one alone, and in the right place (Attri-SSC-VAE, A.5)?

    image --model--> code --edited by alpha in [-1, 1]--> codes --model--> pictures
    pictures --segmenter of our own--> masks --> every attribute, measured again

What the model says of its own edits proves nothing, so a small network that learns from the real
images and masks of the training split, and never sees the model, is the ruler.

* `monotone/ATTR`: share of images along whose nine edits the measured attribute never falls by more
  than the ruler's tolerance, and ends at least two of these higher. `proxy_monotone/ATTR` is that
  of the model's own proxy, within rounding.
* `moved/ATTR`: median change of the attribute from alpha = -1 to 1, relative to the picture that is
  not edited; `moved/ATTR/OTHER` that of the others. `leak/ATTR/OTHER` is the median size of the
  second over that of the first, and `leak/ATTR` the mean over the others.
* `within/ATTR`: share of the edited pictures in which the attribute is between the least and the
  most of the training labels.
* `focus/ATTR`: share of |d picture / d alpha| at 0 that lies inside the structure that the
  attribute is about, or within two pixels of it: the cavity, or else the whole wall, in which
  infarcts grow. `focus_chance/ATTR` is the share of the picture that this is.
* `ruler/ATTR`: rank correlation of what the ruler measures in the images themselves with their
  labels; `ruler_rendered/ATTR` in the pictures that are not edited. No number above can be trusted
  further than these.

A picture that is not edited but lacks the attribute (no wall, no infarct) has no relative change
and is left out; an attribute that is lost on the way is not monotone.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from matplotlib.figure import Figure
from torch import Tensor
from torch.autograd.functional import jvp
from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel

from septum.contract import BadInput, Label, Metric, Model, Record, Report, Samples
from septum.metrics.focus import share_inside
from septum.metrics.interpretability import of_medians, rises
from septum.metrics.interval import mean_by_subject
from septum.nn.device import device_of
from septum.tasks import drawing_edit
from septum.tasks.attributes import Editor, coded, editor
from septum.tasks.drawing_edit import Trail
from septum.tasks.frozen import still
from septum.tasks.ruler import Ruler, agreement, ruler
from septum.tasks.segmenter import Schedule

ALPHAS = tuple(k / 4 for k in range(-4, 5))
MIDDLE = len(ALPHAS) // 2
IMAGES = 100
"""Most tested images that are edited, spread over subjects."""
STEPS = 600
"""Of the training of the ruler: its Dice of the wall in EMIDEC is .67 after 300, .75 after 600."""
BATCH = 8
"""Images that are edited at a time, nine times each."""
ASIDE = 1e-3
"""How far from alpha its derivative is taken, on both sides: an edit may have a kink at 0."""
RIM_PX = 2
CAVITY = ("left_ventricle",)
WALL = ("myocardium", "infarction", "no_reflow")
OF_CAVITY = ("left_ventricle", "eccentricity")
"""First words of the attributes of the cavity; the others are of the wall."""

Columns = dict[str, Float[np.ndarray, " n"]]


@dataclass(frozen=True, kw_only=True)
class Along:
    """Images along the edits of one attribute.

    Attributes:
        values: What is measured, of all attributes that are.
        proxies: What the model says of this one.
        focus, chance: Share of the attention, and of the picture, inside the structure.
    """

    values: Float[np.ndarray, "n steps a"]
    proxies: Float[np.ndarray, "n steps"]
    focus: Float[np.ndarray, " n"]
    chance: Float[np.ndarray, " n"]


def run(
    model: Model,
    train: Samples,
    test: Samples,
    seed: int,
    *,
    images: int = IMAGES,
    schedule: Schedule | None = None,
) -> Report:
    """What edits of every attribute do to at most so many images; a row per image and attribute.

    Images without a structure in their mask are not edited.

    Raises:
        BadInput: If the codes of the model stand for no attributes, `test` has no masks, or as
            `septum.tasks.ruler.ruler`.
    """
    painter = editor(model)
    places = spread(test.records, _with_structure(test), images, seed)
    device, how = device_of(painter), schedule or Schedule(steps=STEPS)
    measure = ruler(painter.attributes(), train, schedule=how, device=device, seed=seed)
    found, true = edited(painter, measure, test, places)
    records, names = [test.records[place] for place in places], measure.names
    metrics = agreement(names, true, records, path="ruler", seed=seed)
    rendered = found[names[0]].values[:, MIDDLE]
    metrics |= agreement(names, rendered, records, path="ruler_rendered", seed=seed)
    rows: list[dict[str, Label]] = []
    for name, along in found.items():
        columns = _columns(measure, name, along, records)
        metrics |= _metrics(columns, name, records, seed)
        rows += _rows(name, along.values[:, :, names.index(name)], columns, records)
    changes = {name: relative(along.values, since=MIDDLE) for name, along in found.items()}
    figures = {
        "edits": _figure(painter, names, test, _telling(places, rendered)),
        "along": drawing_edit.along(changes, names, alphas=ALPHAS),
    }
    return Report(metrics=metrics, rows=rows, figures=figures)


def edited(
    model: Editor, measure: Ruler, samples: Samples, places: Sequence[int]
) -> tuple[dict[str, Along], Float[np.ndarray, "n a"]]:
    """Images edited along every attribute that is measured; and what is measured in them first."""
    parts: dict[str, list[dict[str, np.ndarray]]] = {name: [] for name in measure.names}
    true: list[np.ndarray] = []
    records = iter([samples.records[place] for place in places])
    for batch, code in coded(model, samples, places, size=BATCH):
        few = [next(records) for _ in code]
        true.append(measure.measured(batch.image, few))
        for name in measure.names:
            assert batch.mask is not None
            inside = structure(name, batch.mask, samples.classes)
            parts[name].append(_along(model, measure, name, code, few, inside))
    joined = {
        name: Along(**{key: np.concatenate([part[key] for part in found]) for key in found[0]})
        for name, found in parts.items()
    }
    return joined, np.concatenate(true)


@torch.no_grad()
def pictures(
    model: Editor, code: Float[Tensor, "b k *m"], attribute: str
) -> tuple[Float[Tensor, "b steps H W"], Float[Tensor, "b steps"]]:
    """Images along the edits of an attribute, and its proxy; where the model works."""
    many = code.repeat_interleave(len(ALPHAS), dim=0)
    amount = code.new_tensor(ALPHAS).repeat(len(code))
    with still(model):
        changed = model.edited(many, attribute, amount)
        image, proxies = model.render(changed).float(), model.proxies(changed).float()
    said = proxies[:, list(model.attributes()).index(attribute)]
    return image[:, 0].unflatten(0, (-1, len(ALPHAS))), said.unflatten(0, (-1, len(ALPHAS)))


def attention(
    model: Editor, code: Float[Tensor, "b k *m"], attribute: str, alpha: float
) -> Float[Tensor, "b H W"]:
    """|d picture / d alpha|, the mean of both sides of alpha."""

    def drawn(amount: Float[Tensor, " b"]) -> Float[Tensor, "b 1 H W"]:
        return model.render(model.edited(code, attribute, amount))

    heat: list[Tensor] = []
    for aside in (-ASIDE, ASIDE):
        amount = code.new_full((len(code),), max(-1.0, min(1.0, alpha + aside)))
        # of the faster kernels of attention layers no second derivative is known, which jvp needs
        with still(model), sdpa_kernel(SDPBackend.MATH):
            found: Any = jvp(drawn, amount, torch.ones_like(amount))
        heat.append(found[1].abs())
    return torch.stack(heat).mean(0)[:, 0].float()


def structure(
    attribute: str, mask: Int[Tensor, "b H W"], classes: Sequence[str]
) -> Bool[Tensor, "b H W"]:
    """Where an attribute is to be seen: what it is of, and two pixels round it."""
    wanted = CAVITY if attribute.startswith(OF_CAVITY) else WALL
    index = torch.tensor([i for i, name in enumerate(classes) if name in wanted])
    found = torch.isin(mask, index)[:, None].float()
    return F.max_pool2d(found, 2 * RIM_PX + 1, stride=1, padding=RIM_PX)[:, 0] > 0


def relative(
    values: Float[np.ndarray, "n steps a"], *, since: int
) -> Float[np.ndarray, "n steps a"]:
    """Change since a step, as a share of the step in the middle; NaN where that is 0."""
    middle = values[:, [MIDDLE]]
    return (values - values[:, [since]]) / np.where(middle == 0, np.nan, middle)


def spread(records: Sequence[Record], places: Sequence[int], most: int, seed: int) -> list[int]:
    """At most so many of these places, drawn at random: one of every subject, then a second...

    >>> from pathlib import Path
    >>> stills = [Record(id=f"{i}", subject="aaab"[i], image=Path("a")) for i in range(4)]
    >>> 3 in spread(stills, range(4), 2, seed=0)
    True
    """
    turns: dict[str, int] = {}
    turn: dict[int, int] = {}
    for place in np.random.default_rng(seed).permutation(places).tolist():
        subject = records[place].subject
        turn[place] = turns.get(subject, 0)
        turns[subject] = turn[place] + 1
    return sorted(sorted(turn, key=turn.__getitem__)[:most])


def _with_structure(samples: Samples) -> list[int]:
    """Places of the images in whose mask there is one."""
    count, found = len(samples.records), list[int]()
    for start in range(0, count, BATCH):
        asked = range(start, min(start + BATCH, count))
        mask = samples.batch(asked).mask
        if mask is not None:
            shown = (mask > 0).flatten(1).any(1).tolist()
            found += [place for place, shows in zip(asked, shown, strict=True) if shows]
    if not found:
        raise BadInput(
            f"No image of {samples.name} ({samples.split}) has a mask that says where its "
            "structures are; choose a data set or split that has, such as emidec or phantom."
        )
    return found


def _along(
    model: Editor,
    measure: Ruler,
    name: str,
    code: Float[Tensor, "b k *m"],
    records: Sequence[Record],
    inside: Bool[Tensor, "b H W"],
) -> dict[str, np.ndarray]:
    """The fields of `Along` of some images."""
    image, proxies = pictures(model, code, name)
    each = [record for record in records for _ in ALPHAS]
    values = measure.measured(image.flatten(0, 1)[:, None], each)
    heat = attention(model, code, name, 0.0).cpu()
    every = torch.ones(len(heat), 1, dtype=torch.bool)
    return {
        "values": values.reshape(len(records), len(ALPHAS), -1),
        "proxies": proxies.double().cpu().numpy(),
        "focus": share_inside(heat[:, None], inside, every).numpy(),
        "chance": inside.double().mean((1, 2)).numpy(),
    }


def _columns(measure: Ruler, name: str, along: Along, records: Sequence[Record]) -> Columns:
    """By path, one number per image; NaN where it has none."""
    own = measure.names.index(name)
    values = along.values[:, :, own]
    rising = rises(values, tolerance=measure.tolerance(name, records))
    rounding = 1e-6 * float(np.abs(along.proxies).max())
    usual = (values >= measure.low[own]) & (values <= measure.high[own])
    columns = {
        f"monotone/{name}": np.where(np.isnan(values[:, MIDDLE]), np.nan, rising),
        f"proxy_monotone/{name}": rises(along.proxies, tolerance=rounding).astype(np.float64),
        f"within/{name}": np.delete(usual, MIDDLE, axis=1).mean(1),
        f"focus/{name}": along.focus,
        f"focus_chance/{name}": np.where(np.isnan(along.focus), np.nan, along.chance),
    }
    for other, moved in zip(measure.names, relative(along.values, since=0)[:, -1].T, strict=True):
        columns[f"moved/{name}" if other == name else f"moved/{name}/{other}"] = moved
    return columns


def _metrics(
    columns: Columns, name: str, records: Sequence[Record], seed: int
) -> dict[str, Metric]:
    """Means of the columns, medians of those that moved."""
    subjects = [record.subject for record in records]
    metrics: dict[str, Metric] = {}
    for path, column in columns.items():
        if np.isnan(column).all():
            continue
        if path.startswith("moved/"):
            metrics[path] = of_medians(column[:, None], _first, subjects, unit="", seed=seed)
        else:
            metrics[path] = mean_by_subject(column, subjects, unit="", seed=seed)
    return metrics | _leaks(columns, name, subjects, seed)


def _leaks(columns: Columns, name: str, subjects: Sequence[str], seed: int) -> dict[str, Metric]:
    """What moved beside an attribute, over what that moved; none if it did not."""
    moved = {
        path.replace("moved", "leak", 1): np.abs(column)
        for path, column in columns.items()
        if path.startswith("moved/") and not np.isnan(column).all()
    }
    own = moved.pop(f"leak/{name}", None)
    if own is None or not moved or np.nanmedian(own) == 0:
        return {}
    sets = {f"leak/{name}": [*moved.values()]} | {path: [other] for path, other in moved.items()}
    return {
        path: of_medians(np.stack([own, *others], axis=1), _ratio, subjects, unit="", seed=seed)
        for path, others in sets.items()
    }


def _first(medians: Float[np.ndarray, "r c"]) -> Float[np.ndarray, " r"]:
    return medians[:, 0]


def _ratio(medians: Float[np.ndarray, "r c"]) -> Float[np.ndarray, " r"]:
    """Mean of the others over the first; NaN where that is 0."""
    return medians[:, 1:].mean(1) / np.where(medians[:, 0] > 0, medians[:, 0], np.nan)


def _rows(
    name: str, values: Float[np.ndarray, "n steps"], columns: Columns, records: Sequence[Record]
) -> Iterator[dict[str, Label]]:
    """What is measured at every alpha, and what it comes to; no NaN."""
    cells = {f"at/{alpha:g}": column for alpha, column in zip(ALPHAS, values.T, strict=True)}
    cells |= {path.replace(f"/{name}", "", 1): column for path, column in columns.items()}
    for i, record in enumerate(records):
        known = {path: float(column[i]) for path, column in cells.items() if column[i] == column[i]}
        yield {"id": record.id, "subject": record.subject, "attribute": name, **known}


def _telling(places: Sequence[int], values: Float[np.ndarray, "n a"]) -> int:
    """One of the places that show the most attributes."""
    shows = (np.nan_to_num(values) > 0).sum(1)
    most = np.flatnonzero(shows == shows.max())
    return places[int(most[len(most) // 2])]


def _figure(model: Editor, names: Sequence[str], samples: Samples, place: int) -> Figure:
    """One image along every attribute, and beneath where it changes (Fig. 3)."""
    ((batch, code),) = coded(model, samples, [place])
    trails: list[Trail] = []
    for name in names:
        assert batch.mask is not None
        heat = [attention(model, code, name, alpha)[0].cpu() for alpha in ALPHAS]
        inside = structure(name, batch.mask, samples.classes)[0]
        shown = pictures(model, code, name)[0][0].cpu()
        trails.append(Trail(name=name, pictures=shown, heat=torch.stack(heat), inside=inside))
    return drawing_edit.edits(batch.image[0, 0], trails, alphas=ALPHAS)
