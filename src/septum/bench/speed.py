"""Speed: the training step against the plain way of writing it, and the way from disk to it."""

import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from septum.bench import timing
from septum.bench.table import Row, Setting
from septum.contract import Batch
from septum.data import phantom
from septum.data.loader import batches
from septum.data.prepare import prepare
from septum.losses import concepts as losses
from septum.models import MODELS
from septum.models.concept_vae import STRIDE, ConceptVAE, grid_sector
from septum.nn import augment
from septum.nn.quantise import gumbel, sample_one_hot
from septum.train import Updates

ROUNDS, STEPS, WARM = 4, 8, 3
"""Turns of either side; steps of a turn that are timed, and before that are not."""
READS = 200
"""Random batches of 64 that are read."""


def rows(setting: Setting) -> Sequence[Row]:
    """What the step, the cache and the loader take, on phantom hearts.

    A row has `name`, `value`, `low`, `high` (95 % of the resampled medians), `unit`, `n`.
    """
    del setting
    size, threads = "small", torch.get_num_threads()
    with tempfile.TemporaryDirectory() as folder:
        phantom.write(Path(folder) / "phantom", subjects=32, seed=0)
        height, width = MODELS["concept_vae"].sizes[size].recipe.image_size
        given = (Path(folder), size, threads, STEPS, WARM)
        return [
            *timing.side_by_side("training step", _time_steps, *given, rounds=ROUNDS),
            _reading(Path(folder), (height, width)),
            _waiting(Path(folder), size),
        ]


def plain_loss(model: ConceptVAE, batch: Batch) -> Tensor:
    """Eq. 3 written down without care: every pass alone, as many as the formula has."""
    c, image, inside = model.config, batch.image, grid_sector(batch)
    assert model.image_decoder
    assert model.ema_image_decoder
    assert model.ema_stem
    seen = augment.sample(inside, c.augmentation)
    with torch.no_grad():
        wanted = model.ema_stem(2 * image - 1)
        wanted_plain = model.ema_stem(2 * model.plain(image) - 1)
        other = model.ema_stem(2 * augment.apply(image, seen, stride=STRIDE) - 1)
        log_p_ema = model.log_concepts(model.ema_middle(other), model.ema_head)
        p_ema = F.softmax(log_p_ema / c.teacher_temperature, dim=1)
    stem = model.stem(2 * image - 1)
    middle = model.middle(stem.detach())
    log_p = model.log_concepts(middle, model.head)
    y = sample_one_hot(log_p, gumbel(torch.rand(log_p.shape)), temperature=c.temperature)
    concept = model.embed(y)
    style = model.style(middle, concept)
    full = model.feature_decoder(model.latent(concept, style))
    bare = model.feature_decoder(model.latent(concept, torch.zeros_like(style)))
    terms = [
        F.mse_loss(model.image_decoder(stem), 2 * image - 1),
        F.mse_loss(model.ema_image_decoder(full), 2 * image - 1),
        F.mse_loss(model.ema_image_decoder(bare), 2 * model.plain(image) - 1),
        F.mse_loss(full, wanted),
        F.mse_loss(bare, wanted_plain),
        losses.whitening(style),
        model.consistency(log_p, p_ema, seen, inside),
        model.prior(log_p, inside),
        losses.transitions(y, inside),
    ]
    alone = model.style(middle.detach(), concept.detach())
    apart = c.beta_independence * losses.cross_covariance(alone, log_p.exp(), window=5)
    return torch.stack([b * t for b, t in zip(c.beta, terms, strict=True)]).sum() + apart


def _time_steps(
    side: str, root: Path, size: str, threads: int, steps: int, warm: int
) -> list[float]:
    """Seconds of every step of one turn, in this process."""
    torch.set_num_threads(threads)
    system = MODELS["concept_vae"].sizes[size]
    samples = prepare("phantom", root, size=system.recipe.image_size, cache=root).split("all")
    batch = samples.batch(range(system.recipe.batch_size))
    model = ConceptVAE(system.config)
    step = _plain_step(model, batch) if side == "plain" else _our_step(model, batch, size)
    return [timing.seconds(step) for _ in range(warm + steps)][warm:]


def _plain_step(model: ConceptVAE, batch: Batch) -> Callable[[], None]:
    own = model.phases()[0].parameters
    optimiser = torch.optim.AdamW(own, lr=1e-4, foreach=False)

    def step() -> None:
        optimiser.zero_grad()
        plain_loss(model, batch).backward()
        optimiser.step()
        model.after_step(0.0)

    return step


def _our_step(model: ConceptVAE, batch: Batch, size: str) -> Callable[[], object]:
    updates = Updates(model, MODELS["concept_vae"].sizes[size].recipe, seed=0)
    return lambda: updates(0, batch)


def _reading(root: Path, image_size: tuple[int, int]) -> Row:
    samples = prepare("phantom", root, size=image_size, cache=root).split("all")
    rng = np.random.default_rng(0)
    picks = [rng.choice(len(samples.records), 64).tolist() for _ in range(READS)]
    ms = np.array([1e3 * timing.seconds(lambda pick=pick: samples.batch(pick)) for pick in picks])
    return timing.row("random batch of 64 from the cache", np.median, ms, unit="ms")


def _waiting(root: Path, size: str) -> Row:
    """Share of the step time that the step waits for its batch."""
    system = MODELS["concept_vae"].sizes[size]
    samples = prepare("phantom", root, size=system.recipe.image_size, cache=root).split("all")
    found = batches(samples, batch_size=system.recipe.batch_size, seed=0)
    updates = Updates(ConceptVAE(system.config), replace(system.recipe, steps=100), seed=0)
    shares: list[float] = []
    for step in range(WARM + STEPS):
        began = time.perf_counter()
        batch = next(found)
        waited = time.perf_counter() - began
        updates(step, batch)
        shares.append(100 * waited / (time.perf_counter() - began))
    return timing.row("waiting for data", np.mean, np.array(shares[WARM:]), unit="%")
