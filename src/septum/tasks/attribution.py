"""Where in its films does an estimate come from (CoReEcho, section 4.1 and Figure 3)?

    clip --model--> last feature map --model--> estimate        heat: what of the clip speaks for it

Maani et al., CoReEcho, MICCAI 2024, arXiv:2403.10164, shows Grad-CAM. Here the heat is measured
too, against the left ventricle that is traced at end-diastole, when it is largest:

* `focus/HEAT`: share of the absolute heat of all frames that lies inside the ventricle;
  `focus/chance` is the share of the sector that the ventricle covers, what heat would have that is
  even there; `above_chance/HEAT` is the first less the second, film by film.
* `in_sector/HEAT`: share inside the sector; the rest is on what no ultrasound came from.

HEAT is one of two:

* `gradcam` (Selvaraju et al., ICCV 2017, arXiv:1610.02391): Σ_d α_d A_d of the last feature map A,
  with α_d the mean over time and place of ∂ estimate / ∂ A_d, interpolated to frames and pixels. Of
  a class only what speaks for it counts; an estimate of a quantity may as well be lowered as
  raised, so that both signs are kept here. The map is taken to span the frame. UniFormer has 3 x 3
  cells of 112 pixels and leaves out the last sixteen, so that these are drawn up to 13 pixels too
  far out. A map with one cell, as UniFormer has of 48 pixels, has no place to tell: no `gradcam`.
* `saliency` (Simonyan, Vedaldi, Zisserman, 2013, arXiv:1312.6034): |∂ estimate / ∂ pixel|, at full
  resolution. Integrated gradients from a black clip would give nothing to blood, which is black.
"""

import importlib
import importlib.util
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float
from matplotlib.figure import Figure
from torch import Tensor, nn

from septum.contract import BadInput, Explains, Films, Label, Metric, Model, Record, Report, Samples
from septum.metrics.focus import share_inside
from septum.metrics.interval import mean_by_subject
from septum.metrics.labels import number
from septum.nn.device import device_of
from septum.nn.mode import evaluating
from septum.tasks.drawing_films import Strip, heated
from septum.tasks.filmed import clip_starts, films_in

FILMS = 200
"""Most films that are asked about, drawn at random among those with a traced ventricle."""
BATCH = 4
"""Clips whose gradients are held at a time."""
EXAMPLES, FRAMES = 5, 6
"""Films, and frames of each, that are drawn."""
VENTRICLE = 1
"""Class of the traced left ventricle of a film."""
NAMES = {"gradcam": "Grad-CAM", "saliency": "saliency"}


class Estimate(nn.Module):
    """One estimate of a model, and as a layer the map it is made from."""

    def __init__(self, model: nn.Module, label: str) -> None:
        super().__init__()
        self.model, self.label = model, label
        self.maps = nn.Identity()

    def forward(self, image: Float[Tensor, "b 1 t h w"]) -> Float[Tensor, " b"]:
        """The estimate; the map passes by `maps`, where captum looks for it."""
        assert isinstance(self.model, Explains)
        maps, said = self.model.explained(image)
        self.maps(maps)
        return said[self.label]


@dataclass(frozen=True, kw_only=True)
class Explained:
    """A clip of a film whose ventricle is traced.

    Attributes:
        place: Of the film.
        said: The estimate, or its logit.
        shown: Frames that are not black.
        heat: By its name.
    """

    place: int
    record: Record
    said: float
    clip: Float[Tensor, "t h w"]
    shown: Bool[Tensor, " t"]
    ventricle: Bool[Tensor, "h w"]
    sector: Bool[Tensor, "h w"]
    heat: Mapping[str, Float[Tensor, "t h w"]]


def run(model: Model, train: Samples, test: Samples, seed: int) -> Report:
    """Focus of one clip of every film of `test` that has a traced ventricle; a row is a film.

    Asked about is the first label that the model estimates.

    Raises:
        BadInput: If they are still images or have no traced ventricle, captum is not installed,
            or the model does not show what its estimates are made from.
    """
    del train
    films = films_in(test)
    estimate = _estimate(model, films)
    drawn = np.random.default_rng(seed).permutation(len(films.records)).tolist()
    rows: list[dict[str, Label]] = []
    shares: list[dict[str, float]] = []
    places: list[int] = []
    for film in explained(estimate, films, drawn, seed):
        shares.append(found := _shares(film))
        rows.append(_row(film, found, estimate.label))
        places.append(film.place)
        if len(places) == FILMS:
            break
    if not places:
        raise BadInput(
            f"No film of {films.name} ({films.split}) has a traced left ventricle; choose a data "
            "set or split that has."
        )
    examples = list(explained(estimate, films, places[:EXAMPLES], seed))
    subjects = [films.records[place].subject for place in places]
    return Report(
        metrics=_metrics(shares, subjects, seed),
        rows=rows,
        figures={name: _figure(examples, name, estimate.label) for name in examples[0].heat},
    )


def explained(
    estimate: Estimate, films: Films, places: Sequence[int], seed: int
) -> Iterator[Explained]:
    """The first of the drawn clips of every one of these films that has a traced ventricle."""
    for at in range(0, len(places), BATCH):
        few = places[at : at + BATCH]
        batch = films.clips(few, [clip_starts(films, place, "one", seed)[0] for place in few])
        if batch.mask is None:
            continue
        is_traced = (batch.mask == VENTRICLE).flatten(1).any(1)
        kept: list[int] = is_traced.nonzero().flatten().tolist()
        if not kept:
            continue
        image, ventricle = batch.image[kept], batch.mask[kept] == VENTRICLE
        sector = torch.ones_like(ventricle) if batch.sector is None else batch.sector[kept, 0]
        said, heat = heats(estimate, image)
        for i, row in enumerate(kept):
            yield Explained(
                place=few[row],
                record=films.records[few[row]],
                said=float(said[i]),
                clip=image[i, 0],
                shown=image[i, 0].flatten(1).any(1),
                ventricle=ventricle[i],
                sector=sector[i],
                heat={name: values[i] for name, values in heat.items()},
            )


def heats(
    estimate: Estimate, image: Float[Tensor, "b 1 t h w"]
) -> tuple[Float[Tensor, " b"], dict[str, Float[Tensor, "b t h w"]]]:
    """Estimates of clips, and by name where they come from; on the CPU.

    There is no Grad-CAM of a map that has one cell in space.

    The model works where its parameters lie, in evaluation mode and without autocast.
    """
    captum: Any = importlib.import_module("captum.attr")
    image = image.to(device_of(estimate)).detach().requires_grad_()
    with evaluating(estimate.model), torch.enable_grad():
        coarse = captum.LayerGradCam(estimate, estimate.maps).attribute(image).detach()
        salient = captum.Saliency(estimate).attribute(image).detach()
        with torch.no_grad():
            said = estimate(image)
    found = {"saliency": salient[:, 0]}
    if coarse[0, 0, 0].numel() > 1:
        smooth = captum.LayerAttribution.interpolate(coarse, image.shape[2:], "trilinear")
        found = {"gradcam": smooth[:, 0], **found}
    return said.float().cpu(), {name: heat.float().cpu() for name, heat in found.items()}


def _estimate(model: Model, films: Films) -> Estimate:
    """Of the first label."""
    if not isinstance(model, Explains) or not isinstance(model, nn.Module):
        raise BadInput(
            "The model does not show the feature map that its estimates are made from; choose one "
            "that does, such as coreecho."
        )
    if importlib.util.find_spec("captum") is None:
        raise BadInput("Attribution needs captum: pip install captum.")
    with evaluating(model), torch.no_grad():
        _, said = model.explained(films.batch([0]).image.to(device_of(model)))
    return Estimate(model, next(iter(said)))


def _shares(film: Explained) -> dict[str, float]:
    """By metric; NaN where a clip has no heat."""
    chance = float((film.ventricle & film.sector).sum() / film.sector.sum())
    found = {"focus/chance": chance}
    for name, heat in film.heat.items():
        within = [
            float(share_inside(heat[None], place[None], film.shown[None]))
            for place in (film.ventricle, film.sector)
        ]
        found[f"focus/{name}"], found[f"in_sector/{name}"] = within
        found[f"above_chance/{name}"] = within[0] - chance
    return found


def _metrics(
    shares: Sequence[Mapping[str, float]], subjects: Sequence[str], seed: int
) -> dict[str, Metric]:
    columns = {path: np.array([share[path] for share in shares]) for path in shares[0]}
    return {
        path: mean_by_subject(column, subjects, unit="", seed=seed)
        for path, column in columns.items()
        if not np.isnan(column).all()
    }


def _row(film: Explained, shares: Mapping[str, float], label: str) -> dict[str, Label]:
    truth = number(film.record, label)
    return (
        {"id": film.record.id, "subject": film.record.subject}
        | ({} if truth is None else {label: truth})
        | {"said": film.said}
        | {path: share for path, share in shares.items() if not np.isnan(share)}
    )


def _figure(films: Sequence[Explained], name: str, label: str) -> Figure:
    """Frames of the films, evenly spread over what all of them show."""
    last = min(int(film.shown.sum()) for film in films) - 1
    frames = np.unique(np.linspace(0, max(0, last), FRAMES).round().astype(int)).tolist()
    strips = [
        Strip(
            name=_said(film, label),
            frames=film.clip[frames],
            heat=film.heat[name][frames],
            inside=film.ventricle,
        )
        for film in films
    ]
    return heated(strips, frames=frames, name=NAMES[name])


def _said(film: Explained, label: str) -> str:
    truth = number(film.record, label)
    return f"said {film.said:.3g}" + ("" if truth is None else f"\ntrue {truth:.3g}")
