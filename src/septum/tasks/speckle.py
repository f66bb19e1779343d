"""Is what a model fills in as grainy as the image round it (ARL: the aim of its critic)?

    image, white fields hidden --model--> those, drawn  |
    image, black fields hidden --model--> those, drawn  | put together: no pixel of it is real

Patches are hidden like the fields of a chessboard: every one is drawn once, next to real ones. A
squared error is least where speckle is averaged away, and the spectrum shows what is missing then.
It also shows the borders of patches that do not fit together.

Errors and spectra are those of whole pictures, the statistics of grain those of the sector
(`septum.metrics.speckle`). Nothing is learnt here, so that the training split is not looked at.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite

import numpy as np
import torch
from jaxtyping import Bool, Float
from matplotlib.figure import Figure
from torch import Tensor

from septum.contract import BadInput, Inpaints, Label, Metric, Model, Record, Report, Samples
from septum.metrics import fidelity, speckle
from septum.metrics.agreement import of_sums
from septum.metrics.interval import mean_by_subject
from septum.nn.device import device_of
from septum.tasks import drawing_speckle
from septum.tasks.drawing_speckle import Example, Spectrum
from septum.tasks.frozen import BATCH, still

ORGAN = "organ"
"""Label whose values are looked at one by one, too."""


@dataclass(frozen=True, kw_only=True)
class Measured:
    """Images and what is drawn of them, in numbers.

    Attributes:
        columns: One number per image by name; NaN where it has none.
        real_db: Power of the images by frequency, in decibels.
        drawn_db: That of what is drawn.
    """

    records: Sequence[Record]
    columns: Mapping[str, Float[np.ndarray, " n"]]
    real_db: Float[np.ndarray, "n rings"]
    drawn_db: Float[np.ndarray, "n rings"]

    def organs(self) -> dict[str, list[int]]:
        """Places of the images of every organ that is stated."""
        said = [record.labels.get(ORGAN) for record in self.records]
        names = sorted({name for name in said if isinstance(name, str) and name})
        return {name: [i for i, organ in enumerate(said) if organ == name] for name in names}


def run(model: Model, train: Samples, test: Samples, seed: int) -> Report:
    """How like the images, and how grainy, the drawn patches are; a row per image.

    * `spectral_distance_db`: as `septum.metrics.speckle.spectral_distance_db`.
    * `mae`, `psnr_db`: of the pixels, in [0, 1].
    * `real_speckle_snr`, `drawn_speckle_snr` and so on: `septum.metrics.speckle.statistics` of the
      images, and of what is drawn; left out where no image has a window of speckle.
    * `high_share_ratio`: mean `high_share` of what is drawn over that of the images.

    All but the last are means over images. Of every organ that is stated they have a path of their
    own: `mae/heart`.

    Raises:
        BadInput: If the model fills in no patches, or the images are clips or do not fall into
            patches.
    """
    del train
    if not isinstance(model, Inpaints):
        raise BadInput(
            "The model fills in no hidden patches, so that there is nothing to compare; choose one "
            "that does, such as anatomy_vit."
        )
    seen = measured(model, test)
    metrics = _metrics(seen, [*range(len(seen.records))], seed)
    for organ, places in seen.organs().items():
        metrics |= {f"{name}/{organ}": m for name, m in _metrics(seen, places, seed).items()}
    return Report(metrics=metrics, rows=_rows(seen), figures=_figures(model, test, seen))


def chessboard(height: int, width: int) -> Bool[Tensor, "h w"]:
    """True on the white fields.

    >>> chessboard(2, 3).int().tolist()
    [[1, 0, 1], [0, 1, 0]]
    """
    return (torch.arange(height)[:, None] + torch.arange(width)) % 2 == 0


def redrawn(model: Inpaints, image: Float[Tensor, "b 1 H W"]) -> Float[Tensor, "b 1 H W"]:
    """The image with every patch as the model draws it between the real ones beside it; in [0, 1].

    Raises:
        BadInput: If the images do not fall into patches.
    """
    white = _fields(image, model.patch_px())
    halves = (_filled(model, image, hidden) for hidden in (white, ~white))
    return torch.where(_pixels(white, model.patch_px()), *halves).clamp(0, 1)


def measured(model: Inpaints, samples: Samples) -> Measured:
    """Look at a split, 32 images at a time.

    Raises:
        BadInput: If the images are clips or do not fall into patches.
    """
    parts: list[dict[str, Tensor]] = []
    for start in range(0, len(samples.records), BATCH):
        batch = samples.batch(range(start, min(start + BATCH, len(samples.records))))
        if batch.image.ndim != 4:
            raise BadInput(
                f"{samples.name} ({samples.split}) holds clips, and patches of still images are "
                "filled in here; choose a data set of still images."
            )
        parts.append(_compared(batch.image, redrawn(model, batch.image), batch.sector))
    joined = {name: torch.cat([part[name] for part in parts]).numpy() for name in parts[0]}
    return Measured(
        records=samples.records,
        real_db=joined.pop("real_db"),
        drawn_db=joined.pop("drawn_db"),
        columns=joined,
    )


def _fields(image: Float[Tensor, "b 1 H W"], patch_px: int) -> Bool[Tensor, "b h w"]:
    """White fields of every image."""
    height, width = image.shape[2:]
    if height % patch_px or width % patch_px:
        raise BadInput(
            f"Images of {height} x {width} pixels do not fall into patches of {patch_px} x "
            f"{patch_px}; prepare them at multiples of {patch_px}."
        )
    return chessboard(height // patch_px, width // patch_px).expand(len(image), -1, -1)


def _pixels(cells: Bool[Tensor, "b h w"], patch_px: int) -> Bool[Tensor, "b 1 H W"]:
    return cells.repeat_interleave(patch_px, 1).repeat_interleave(patch_px, 2)[:, None]


@torch.no_grad()
def _filled(
    model: Inpaints, image: Float[Tensor, "b 1 H W"], hidden: Bool[Tensor, "b h w"]
) -> Float[Tensor, "b 1 H W"]:
    """In fp32, on the CPU; the model is left in the mode it came in."""
    where = device_of(model)
    with still(model):
        return model.inpaint(image.to(where), hidden.to(where)).float().cpu()


def _compared(image: Tensor, drawn: Tensor, sector: Tensor | None) -> dict[str, Tensor]:
    """One number per image by name, and both spectra."""
    grain = {
        f"{kind}_{name}": value
        for kind, of in (("real", image), ("drawn", drawn))
        for name, value in speckle.statistics(of, sector).items()
    }
    return {
        "spectral_distance_db": speckle.spectral_distance_db(image, drawn),
        "mae": (image - drawn).abs().double().mean((1, 2, 3)),
        "psnr_db": fidelity.psnr_db(image, drawn).double(),
        **grain,
        "real_db": _decibels(image),
        "drawn_db": _decibels(drawn),
    }


def _decibels(image: Float[Tensor, "b 1 h w"]) -> Float[Tensor, "b rings"]:
    return 10 * speckle.radial_power(image).clamp(min=speckle.FLOOR).log10()


def _metrics(seen: Measured, places: Sequence[int], seed: int) -> dict[str, Metric]:
    """Means over these images, of what is known of any of them."""
    subjects = np.array([seen.records[place].subject for place in places])
    columns = {name: column[list(places)] for name, column in seen.columns.items()}
    metrics = {
        name: mean_by_subject(column, subjects.tolist(), unit=_unit(name), seed=seed)
        for name, column in columns.items()
        if not np.isnan(column).all()
    }
    real, drawn = columns["real_high_share"], columns["drawn_high_share"]
    known = ~np.isnan(real + drawn)
    if known.any():
        shares = [drawn[known], real[known]]
        metrics["high_share_ratio"] = of_sums(
            shares, lambda s: s[:, 0] / s[:, 1], subjects[known].tolist(), unit="", seed=seed
        )
    return metrics


def _unit(name: str) -> str:
    return {"db": "dB", "px": "px"}.get(name.rsplit("_", 1)[-1], "")


def _rows(seen: Measured) -> list[dict[str, Label]]:
    """What is known of every image."""
    rows: list[dict[str, Label]] = []
    for i, record in enumerate(seen.records):
        row: dict[str, Label] = {"id": record.id, "subject": record.subject}
        numbers = {name: float(column[i]) for name, column in seen.columns.items()}
        rows.append(row | {name: value for name, value in numbers.items() if isfinite(value)})
    return rows


def _figures(model: Inpaints, test: Samples, seen: Measured) -> dict[str, Figure]:
    """The image of median spectral distance of every organ, and mean spectra."""
    groups = seen.organs() or {"": [*range(len(seen.records))]}
    distance = seen.columns["spectral_distance_db"]
    shown: list[Example] = []
    for organ, places in groups.items():
        place = sorted(places, key=lambda i: distance[i])[len(places) // 2]
        image = test.batch([place]).image
        hidden = _pixels(_fields(image, model.patch_px()), model.patch_px())
        drawn = redrawn(model, image)
        name = f"{organ.replace('_', ' ')}\n{distance[place]:.1f} dB".strip()
        shown.append(Example(image=image[0, 0], hidden=hidden[0, 0], drawn=drawn[0, 0], name=name))
    height, width = shown[0].image.shape
    spectra = [
        Spectrum(real=seen.real_db[places].mean(0), drawn=seen.drawn_db[places].mean(0), name=organ)
        for organ, places in groups.items()
    ]
    frequencies = speckle.frequencies(height, width).numpy()
    return {
        "drawn": drawing_speckle.examples(shown),
        "spectra": drawing_speckle.spectra(spectra, frequencies=frequencies),
    }
