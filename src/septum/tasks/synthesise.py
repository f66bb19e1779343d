"""Is noise on the styles a data augmentation (ConceptVAE, section 5.5)? The paper did not test it.

    labelled images -> none | classical | style noise | both -> small U-Net -> Dice

The same network is trained with each augmentation on 5, 20 and 100 % of the subjects: from the same
weights, in the same order of images, for as many steps, and "both" draws the transforms of
"classical". What style noise gains is its difference to none on the same test images, and that of
both to classical. The intervals are over the tested subjects. They do not hold what another seed
would change in the training: ask with several before a small gain is believed.

Style noise changes half of the images: a reconstruction is smoother than what a network is asked
about afterwards.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor

from septum.contract import Label, Metric, Model, Record, Report, Samples
from septum.metrics.interval import mean_by_subject
from septum.nn.device import device_of
from septum.nn.style_noise import noisy
from septum.tasks import augmentations, drawing_styles, segmenter
from septum.tasks.augmentations import Noise, Painter
from septum.tasks.segmenter import Augmentation, Labelled, Schedule

PERCENT = (5, 20, 100)
"""Shares of the training subjects that have labels."""
GAINS = {"classical": "none", "style": "none", "both": "classical"}
"""What every augmentation is compared with."""
LEVELS = (0.2, 0.4, 0.6)
"""beta of Fig. 7."""
DRAW_LEVEL = 0.3
"""beta of Fig. 8."""
DRAWS = 3
EXAMPLES = 3


def run(
    model: Model,
    train: Samples,
    test: Samples,
    seed: int,
    *,
    schedule: Schedule | None = None,
    noise: Noise | None = None,
) -> Report:
    """Dice with every augmentation and share of the labels, and what the augmentation gains.

    Raises:
        BadInput: If the model draws nothing from content and style, or a split has no mask.
    """
    if not isinstance(model, Painter):
        raise augmentations.without_style()
    schedule, noise = schedule or Schedule(), noise or Noise()
    known, asked = (
        segmenter.labelled(samples, shrink=schedule.shrink, device=device_of(model))
        for samples in (train, test)
    )
    latent = augmentations.latent(model, train, known.places)
    chains = partial(augmentations.chains, model, latent, shrink=schedule.shrink, seed=seed)
    dice = {
        f"{name}/{percent}_percent": segmenter.overlap(
            segmenter.fit(known, rows, chain, schedule=schedule, seed=seed), asked
        ).nanmean(1)
        for percent, rows in nested([train.records[i] for i in known.places], seed).items()
        for name, chain in chains(noise).items()
    }
    records = [test.records[place] for place in asked.places]
    metrics = _metrics(dice, records, seed)
    shown = _augmented(known, chains(replace(noise, share=1.0)), seed)
    figures = {
        "dice": drawing_styles.curves(metrics),
        "augmentations": drawing_styles.strips(shown),
        **_noisy(model, test, asked.places, seed),
    }
    return Report(metrics=metrics, rows=_rows(dice, records), figures=figures)


def nested(records: Sequence[Record], seed: int) -> dict[int, list[int]]:
    """Places of the records of the first subjects of one random order, by percentage.

    A larger share holds the smaller ones; every share holds a subject.
    """
    subjects = sorted({record.subject for record in records})
    order = np.random.default_rng(seed).permutation(len(subjects))
    rank = {subjects[k]: i for i, k in enumerate(order)}
    count = {percent: max(1, round(percent / 100 * len(subjects))) for percent in PERCENT}
    return {
        percent: [i for i, record in enumerate(records) if rank[record.subject] < count[percent]]
        for percent in PERCENT
    }


def _metrics(dice: Mapping[str, Tensor], records: Sequence[Record], seed: int) -> dict[str, Metric]:
    columns = {f"dice/{path}": scores for path, scores in dice.items()}
    for path, scores in dice.items():
        name, share = path.split("/")
        if name in GAINS:
            columns[f"dice_gain/{path}"] = scores - dice[f"{GAINS[name]}/{share}"]
    subjects = [record.subject for record in records]
    return {
        path: mean_by_subject(column.double().numpy(), subjects, unit="", seed=seed)
        for path, column in columns.items()
    }


def _rows(dice: Mapping[str, Tensor], records: Sequence[Record]) -> list[dict[str, Label]]:
    columns = {f"dice/{path}": scores.tolist() for path, scores in dice.items()}
    return [
        {"id": record.id, "subject": record.subject} | {p: c[i] for p, c in columns.items()}
        for i, record in enumerate(records)
    ]


def _augmented(
    known: Labelled, chains: Mapping[str, Sequence[Augmentation]], seed: int
) -> dict[str, Tensor]:
    """A few labelled images as every augmentation shows them."""
    shown = segmenter.shown(known, torch.tensor(_spread(len(known.places))))
    images: dict[str, Tensor] = {}
    for name, chain in chains.items():
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            images[name] = segmenter.augmented(shown, chain).image[:, 0].cpu()
    return images


def _noisy(model: Painter, test: Samples, places: Sequence[int], seed: int) -> dict[str, Figure]:
    """Reconstructions with more and more of one noise (Fig. 7), and with several (Fig. 8)."""
    chosen = [places[i] for i in _spread(len(places))]
    latent = augmentations.latent(model, test, chosen)
    shape, draw = latent.style.shape, torch.Generator().manual_seed(seed)
    first, *others = [torch.randn(shape, generator=draw) for _ in range(1 + DRAWS)]

    def drawn(noise: Tensor, beta: float) -> Tensor:
        style = noisy(latent.style, noise, beta)
        return augmentations.drawn(model, latent.content, style)[:, 0].cpu()

    levels = {"image": test.batch(chosen).image[:, 0]}
    levels |= {f"β = {beta:g}": drawn(first, beta) for beta in (0.0, *LEVELS)}
    draws = {"β = 0": levels["β = 0"]}
    draws |= {
        f"β = {DRAW_LEVEL:g}, draw {i}": drawn(n, DRAW_LEVEL) for i, n in enumerate(others, 1)
    }
    return {
        "style_levels": drawing_styles.strips(levels),
        "style_draws": drawing_styles.strips(draws),
    }


def _spread(count: int) -> list[int]:
    """A few places, evenly."""
    return np.linspace(0, count - 1, min(EXAMPLES, count)).round().astype(int).tolist()
