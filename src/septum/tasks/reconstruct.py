"""How much of an image its code keeps (Attri-SSC-VAE, section 4.1, Tables 1 and 2, appendix A.3).

    image --code--> code --render--> image again    alike pixel by pixel, to a network, as a set?

The paper's perceptual and Fréchet distances are those of networks that know photographs. Here they
are those of a network taught on the masks of the training split (`septum.tasks.witness`), which
knows this modality, unless others are handed in: none of the values can be compared with printed
ones. Without masks to learn from they are left out.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from jaxtyping import Bool, Float
from matplotlib.figure import Figure
from torch import Tensor

from septum.contract import (
    BadInput,
    Codes,
    Discretises,
    Label,
    Metric,
    Model,
    Record,
    Report,
    Samples,
)
from septum.metrics import fidelity
from septum.metrics.distributions import distance_by_subject, frechet, mmd_linear, mmd_rbf
from septum.metrics.interval import mean_by_subject
from septum.metrics.resample import grouped, jackknifed
from septum.nn.device import device_of
from septum.tasks import drawing_codes, witness
from septum.tasks.augmentations import Painter, drawn
from septum.tasks.drawing_codes import Comparison, middle
from septum.tasks.frozen import BATCH, encoded, still
from septum.tasks.segmenter import Schedule

PIXELS = 32 * 224**2
"""Of a batch of images or volumes, at most."""
LEAST = 1e-6
"""Size of a coefficient below which it is none."""

Maps = Callable[[Float[Tensor, "b 1 h w"]], Sequence[Float[Tensor, "b _ _ _"]]]
"""Feature maps of images in [0, 1], one per level of a network, the deepest last."""


@dataclass(frozen=True, kw_only=True)
class Redrawn:
    """A split, and what a model makes of it.

    Attributes:
        again: The reconstructions.
        used: Whether an image uses an atom anywhere; None where codes are on no grid.
        active: Share of the coefficients of an image that are not 0; None like `used`.
    """

    image: Float[Tensor, "n 1 *d h w"]
    again: Float[Tensor, "n 1 *d h w"]
    used: Bool[Tensor, "n k"] | None
    active: Float[Tensor, " n"] | None


@dataclass(frozen=True, kw_only=True)
class Looks:
    """What a network says of images and their reconstructions.

    Attributes:
        apart: Perceptual distance of the two, mean over the slices of a volume.
        image: Mean of the deepest map.
        again: That of the reconstruction.
    """

    apart: Float[Tensor, " n"]
    image: Float[Tensor, "n c"]
    again: Float[Tensor, "n c"]


def run(
    model: Model,
    train: Samples,
    test: Samples,
    seed: int,
    *,
    features: Maps | None = None,
    schedule: Schedule | None = None,
) -> Report:
    """Likeness of images and reconstructions; a row per image.

    `psnr_db`, `ssim`, `nmi` and `perceptual` are means over images (`septum.metrics.fidelity`),
    `mmd_rbf`, `mmd_linear` and `frechet` distances of all images and all reconstructions
    (`septum.metrics.distributions`). Of codes on a grid, `dead_atom_share` is the share of atoms
    that no image of the split uses, `active_share` that of the coefficients that are not 0.

    Args:
        model: One that has codes, or draws images from content and style.
        train: Its masks teach the network that perceptual distances are of.
        test: The images.
        seed: Of that network and of the intervals.
        features: A network to take its place, such as `septum.nn.vgg.load(file)`.
        schedule: Of its training, but for what it shrinks images by.

    Raises:
        BadInput: If the model draws no images.
    """
    seen = redrawn(model, test)
    maps = features or _own(model, train, schedule, seed)
    looks = None if maps is None else looked_at(seen, maps)
    columns = _columns(seen, looks)
    subjects = [record.subject for record in test.records]
    metrics = {
        name: mean_by_subject(
            column.double().numpy(), subjects, unit="dB" if name == "psnr_db" else "", seed=seed
        )
        for name, column in columns.items()
    }
    metrics |= _of_sets(seen, looks, subjects, seed)
    figures = {"reconstructions": _figure(seen, columns)}
    return Report(metrics=metrics, rows=_rows(columns, test.records), figures=figures)


@torch.no_grad()
def coded(model: Codes, image: Float[Tensor, "b 1 *d h w"]) -> Float[Tensor, "b k *m"]:
    """The codes in fp32, on the CPU; the model is left in the mode it came in."""
    with still(model):
        return model.code(image.to(device_of(model))).float().cpu()


@torch.no_grad()
def rendered(model: Codes, code: Float[Tensor, "b k *m"]) -> Float[Tensor, "b 1 *d h w"]:
    """The images of codes, likewise."""
    with still(model):
        return model.render(code.to(device_of(model))).float().cpu()


def redrawn(model: Model, samples: Samples) -> Redrawn:
    """The images of a split and their reconstructions.

    Raises:
        BadInput: If the model draws no images, or has no style to draw them in.
    """
    parts = list(_parts(model, samples))
    used = [part.used for part in parts if part.used is not None]
    active = [part.active for part in parts if part.active is not None]
    return Redrawn(
        image=torch.cat([part.image for part in parts]),
        again=torch.cat([part.again for part in parts]),
        used=torch.cat(used) if used else None,
        active=torch.cat(active) if active else None,
    )


@torch.no_grad()
def looked_at(seen: Redrawn, maps: Maps) -> Looks:
    """What a network says of both, slice by slice."""
    images, agains = (fidelity.slices(of).split(BATCH) for of in (seen.image, seen.again))
    parts: list[tuple[Tensor, Tensor, Tensor]] = []
    for image, again in zip(images, agains, strict=True):
        one, other = maps(image), maps(again)
        apart = fidelity.perceptual(one, other)
        parts.append((apart, one[-1].mean((2, 3)), other[-1].mean((2, 3))))
    apart, image, again = (
        torch.cat(column).unflatten(0, (len(seen.image), -1)).mean(1)
        for column in zip(*parts, strict=True)
    )
    return Looks(apart=apart, image=image, again=again)


def _parts(model: Model, samples: Samples) -> Iterator[Redrawn]:
    """A split, a batch at a time."""
    if isinstance(model, Codes):
        return _from_codes(model, samples)
    if isinstance(model, Painter):
        return _from_style(model, samples)
    raise BadInput(
        "The model draws no images, so that there is nothing to compare; choose one that keeps "
        "codes or a style, such as attri_ssc_vae or sdnet, or ask it segment or retrieve."
    )


def _from_codes(model: Codes, samples: Samples) -> Iterator[Redrawn]:
    count = len(samples.records)
    size = max(1, min(BATCH, PIXELS // samples.batch([0]).image.numel()))
    for start in range(0, count, size):
        image = samples.batch(range(start, min(start + size, count))).image
        code = coded(model, image)
        used = code.flatten(2).abs() > LEAST if code.ndim > 2 else None
        yield Redrawn(
            image=image,
            again=rendered(model, code),
            used=None if used is None else used.any(2),
            active=None if used is None else used.float().mean((1, 2)),
        )


def _from_style(model: Painter, samples: Samples) -> Iterator[Redrawn]:
    for batch, said in encoded(model, samples, range(len(samples.records))):
        if said.style is None:
            raise BadInput(
                "The model has no style to draw its content in; choose one that has, such as "
                "sdnet, or ask it segment or retrieve, which need features alone."
            )
        discrete = isinstance(model, Discretises)
        content = model.discretise(said.content) if discrete else said.content
        again = drawn(model, content, said.style).cpu()
        yield Redrawn(image=batch.image, again=again, used=None, active=None)


def _own(model: Model, train: Samples, schedule: Schedule | None, seed: int) -> Maps | None:
    found = witness.taught(train, schedule=schedule, device=device_of(model), seed=seed)
    return None if found is None else found.maps


def _columns(seen: Redrawn, looks: Looks | None) -> dict[str, Float[Tensor, " n"]]:
    """One number per image."""
    columns = {
        "psnr_db": fidelity.psnr_db(seen.image, seen.again),
        "ssim": fidelity.ssim(seen.image, seen.again),
        "nmi": fidelity.nmi(seen.image, seen.again),
    }
    if looks is not None:
        columns["perceptual"] = looks.apart
    if seen.active is not None:
        columns["active_share"] = seen.active
    return columns


def _of_sets(
    seen: Redrawn, looks: Looks | None, subjects: Sequence[str], seed: int
) -> dict[str, Metric]:
    """One number per split; distances of sets need two images."""
    metrics: dict[str, Metric] = {}
    if len(subjects) > 1:
        pixels = seen.image.flatten(1), seen.again.flatten(1)
        apart = partial(distance_by_subject, subjects=subjects, seed=seed)
        metrics["mmd_rbf"] = apart(mmd_rbf, *pixels)
        metrics["mmd_linear"] = apart(mmd_linear, *pixels, least=-math.inf)
        if looks is not None:
            metrics["frechet"] = apart(frechet, looks.image, looks.again)
    if seen.used is not None:
        metrics["dead_atom_share"] = _dead(seen.used.numpy(), subjects, seed)
    return metrics


def _dead(used: Bool[np.ndarray, "n k"], subjects: Sequence[str], seed: int) -> Metric:
    """Share of the atoms that no image uses; `n` counts atoms."""
    group = grouped(subjects, seed=seed)
    kept = [used[group != g] for g in range(group.max() + 1)]
    without = [1 - float(rest.any(0).mean()) for rest in kept if len(rest)]
    return jackknifed(1 - float(used.any(0).mean()), without, n=used.shape[1])


def _rows(
    columns: Mapping[str, Float[Tensor, " n"]], records: Sequence[Record]
) -> list[dict[str, Label]]:
    values = {name: column.tolist() for name, column in columns.items()}
    return [
        {"id": record.id, "subject": record.subject, **{name: of[i] for name, of in values.items()}}
        for i, record in enumerate(records)
    ]


def _figure(seen: Redrawn, columns: Mapping[str, Float[Tensor, " n"]]) -> Figure:
    """The images with the best, the median and the worst PSNR."""
    order = columns["psnr_db"].argsort(descending=True).tolist()
    places = {"best": order[0], "median": order[len(order) // 2], "worst": order[-1]}
    return drawing_codes.reconstructions(
        [
            Comparison(
                image=middle(seen.image[place]),
                again=middle(seen.again[place]),
                name=f"{name}\n{columns['psnr_db'][place]:.1f} dB, "
                f"SSIM {columns['ssim'][place]:.2f}",
            )
            for name, place in places.items()
        ]
    )
