"""Speed of SDNet: an iteration against the plain way of writing it, and the memory of a training.

Both sides do the five steps of the small size in training, on four slices of phantom hearts with a
mask and four without, and update the weights after every step. The plain side computes in fp32 and
contiguous layout, with AdamW one parameter after another, and every step finds the anatomy and the
masks that it needs anew. It spares gradients that no optimiser asks for, as ours does.
"""

import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from septum import runs
from septum.bench import timing
from septum.bench.table import Row, Setting
from septum.contract import Batch, Recipe, Terms
from septum.data import classes, phantom
from septum.data.loader import batches
from septum.data.prepare import prepare_many
from septum.data.prepared import Prepared
from septum.losses import anatomy as losses
from septum.models import MODELS
from septum.models.sdnet import SDNet
from septum.nn import quantise, supervised
from septum.train import Updates, learning_rate

ROUNDS, STEPS, WARM = 4, 8, 3
"""Turns of either side; iterations of a turn that are timed, and before that are not."""
HEARTS = 8
IMAGES = "phantom_stacks"
STRUCTURES = ("left_ventricle", "myocardium", "right_ventricle")
"""Those that ACDC outlines."""


def rows(setting: Setting) -> Sequence[Row]:
    """What an iteration takes on either side, and a whole training in memory.

    A row has `name`, `value`, `low`, `high` (95 % of the resampled medians), `unit`, `n`.
    """
    del setting
    threads = torch.get_num_threads()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        study = phantom.Study(subjects=HEARTS, phases=("ED",))
        phantom.write_stacks(root / IMAGES, study, seed=0)
        given = (root, threads, STEPS)
        peaks = [timing.alone(training_mb, *given) for _ in range(ROUNDS)]
        return [
            *timing.side_by_side("training iteration", turn, *given, WARM, rounds=ROUNDS),
            timing.row("peak memory of a training", np.median, np.array(peaks), unit="MB"),
        ]


def plain_losses(model: SDNet, batch: Batch) -> Iterator[Terms]:
    """Losses of the five steps in turn; the weights may change before the next one is asked for."""
    c, known = (
        model.config,
        supervised.turned(supervised.annotated(batch), model.config.rotation_deg),
    )
    assert known.mask is not None
    assert batch.unpaired is not None
    x = 2 * known.image - 1
    s, terms = _rebuilt(model, x)
    truth = supervised.structures(known.mask, c.structures)
    yield {"dice": c.segmentation * losses.dice(model.masks(s), truth), **terms}
    yield _zrec(model, x)
    x = 2 * supervised.turned(supervised.others(batch), c.rotation_deg).image - 1
    s, terms = _rebuilt(model, x)
    fooled = losses.towards(model.critic(_masks(model, s)), 1.0)
    yield {"adversarial": c.adversarial * fooled, **terms}
    yield _zrec(model, x)
    with torch.no_grad():
        model.pool.remember(_masks(model, model.anatomy(x)))
    mask = supervised.turned_mask(batch.unpaired, c.rotation_deg)
    real = supervised.structures(mask, c.structures)
    yield {
        "real": losses.towards(model.critic(real), 1.0),
        "fake": losses.towards(model.critic(model.pool.sample(len(real))), 0.0),
    }


def plain_iteration(model: SDNet, recipe: Recipe, batch: Batch) -> Callable[[], object]:
    """The iteration to be timed, written down without care."""
    phases, rate = model.phases(), learning_rate(recipe, 0)
    optimisers = [
        torch.optim.AdamW(
            phase.parameters, lr=phase.rate * rate, betas=phase.betas,
            weight_decay=recipe.weight_decay, foreach=False,
        )
        for phase in phases
    ]  # fmt: skip

    def iteration() -> None:
        steps = zip(phases, optimisers, plain_losses(model, batch), strict=True)
        for phase, optimiser, terms in steps:
            optimiser.zero_grad()
            torch.stack([*terms.values()]).sum().backward(inputs=[*phase.parameters])
            optimiser.step()

    return iteration


def our_iteration(model: SDNet, recipe: Recipe, batch: Batch) -> Callable[[], object]:
    """The iteration to be timed, as every training does it."""
    updates = Updates(model, recipe, seed=0)
    return lambda: updates(0, batch)


def turn(side: str, root: Path, threads: int, steps: int, warm: int) -> list[float]:
    """Seconds of every iteration of one turn, in this process."""
    torch.set_num_threads(threads)
    model, recipe, batch = ready(root)
    side_of = plain_iteration if side == "plain" else our_iteration
    iteration = side_of(model, recipe, batch)
    return [timing.seconds(iteration) for _ in range(warm + steps)][warm:]


def ready(root: Path) -> tuple[SDNet, Recipe, Batch]:
    """An untrained model, its recipe, and the first batch of its training."""
    paper, samples = MODELS["sdnet"], _images(root).split("train")
    small = paper.sizes["small"]
    recipe = small.recipe
    drawn = batches(samples, batch_size=recipe.batch_size, labelled=recipe.labelled, seed=0)
    return SDNet(paper.adapt(small.config, samples)), recipe, next(drawn)


def training_mb(root: Path, threads: int, steps: int) -> float:
    """Peak memory of this process after a short training, with all that it reads and writes."""
    torch.set_num_threads(threads)
    with tempfile.TemporaryDirectory() as folder:
        runs.train("sdnet", _images(root), Path(folder) / "run", steps=steps)
    return timing.peak_mb()


def _images(root: Path) -> Prepared:
    size = runs.sized("sdnet", "small").recipe.image_size
    return prepare_many(
        (IMAGES,), root, size=size, cache=root / "cache", groups=classes.parse(STRUCTURES)
    )


def _rebuilt(model: SDNet, x: Float[Tensor, "b 1 h w"]) -> tuple[Float[Tensor, "b C h w"], Terms]:
    """The anatomy, and what it and z lack to be the image."""
    s = model.anatomy(x)
    mean, log_variance = model.f_modality(x, s)
    z = mean + (log_variance / 2).exp() * torch.randn(mean.shape)
    return s, {
        "reconstruction": model.config.reconstruction * losses.absolute(x, model.g(s, z)),
        "kl": model.config.kl * losses.kl_to_unit(mean, log_variance),
    }


def _zrec(model: SDNet, x: Float[Tensor, "b 1 h w"]) -> Terms:
    """A drawn z, found again in the image that it makes of the anatomy."""
    with torch.no_grad():
        s = model.anatomy(x)
    z = torch.randn(len(x), model.config.modality)
    mean, _ = model.f_modality(model.g(s, z), s)
    return {"zrec": model.config.zrec * losses.absolute(z, mean)}


def _masks(model: SDNet, s: Float[Tensor, "b C h w"]) -> Float[Tensor, "b l h w"]:
    """The likeliest structure of every pixel, with the gradient of the probabilities."""
    return quantise.straight_through(model.drawn(s))[:, 1:]
