"""A toy model, and what the tests of training run in processes of their own.

train_worker.py fit RUN STEPS      train the toy; as one of several where RANK is set
train_worker.py concepts RUN STEPS the same with a small ConceptVAE
train_worker.py kill DIR TRIALS    train in children that are killed, resume, compare
"""

import json
import os
import random
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import replace
from functools import partial
from itertools import count as count_from
from itertools import product
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from septum import train
from septum.contract import Batch, Features, Phase, Recipe, Terms
from septum.models.concept_vae import ConceptVAE, ConceptVAEConfig
from septum.nn.ranks import count, draw, global_sum

RECIPE = Recipe(
    data="toy",
    steps=40,
    batch_size=8,
    image_size=(8, 8),
    lr=3e-2,
    weight_decay=0.01,
    warmup_steps=5,
    final_lr=0.1,
    clip_norm=1.0,
    precision="fp32",
)
EVERY = train.Every(log=2, monitor=4, save=4)
HEADER = {"model": "toy", "size": "small", "config": {"width": 4, "shape": (8, 8)}, "data": ["toy"]}


class Toy(nn.Module):
    """Two phases that pull against each other, noise, a batch statistic, a moving average."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Conv2d(1, 4, 3, padding=1)
        self.critic = nn.Linear(4, 1)
        self.teacher = deepcopy(self.encoder).requires_grad_(requires_grad=False)
        self.register_buffer("updates", torch.zeros((), dtype=torch.long))

    def phases(self) -> Sequence[Phase]:
        encoder, critic = [*self.encoder.parameters()], [*self.critic.parameters()]
        return (
            Phase(name="encoder", parameters=encoder, loss=self.encoder_loss),
            Phase(name="critic", parameters=critic, loss=self.critic_loss, betas=(0.5, 0.9)),
        )

    def code(self, image: Float[Tensor, "b 1 h w"]) -> Float[Tensor, "b 4"]:
        noise = draw(torch.randn, image.shape, device=image.device)
        return self.encoder(image + 0.3 * noise).square().mean((2, 3))

    def encoder_loss(self, batch: Batch, progress: float) -> Terms:
        z = self.code(batch.image)
        n = len(z) * count()
        z_centred = z - global_sum(z.sum(0)) / n
        covariance = global_sum(z_centred.T @ z_centred) / n
        target = self.teacher(batch.image).square().mean((2, 3))
        return {
            "whiten": (100 * covariance - torch.eye(4, device=z.device)).square().mean(),
            "mirror": (1 + progress) * (z - target).square().mean(),
            "fool": 0.1 * self.critic(z).square().mean(),
        }

    def critic_loss(self, batch: Batch, progress: float) -> Terms:
        z = self.code(batch.image)
        return {"real": (self.critic(z) - 1 + 0.1 * progress).square().mean()}

    def after_step(self, progress: float) -> None:  # noqa: ARG002
        self.updates += 1
        for mean, p in zip(self.teacher.parameters(), self.encoder.parameters(), strict=True):
            mean.lerp_(p.detach(), 0.1)

    @torch.no_grad()
    def encode(self, image: Float[Tensor, "b 1 h w"]) -> Features:
        content = self.encoder(image)
        return Features(content=content, style=None, pooled=content.mean((2, 3)))

    @torch.no_grad()
    def monitors(self, batch: Batch) -> Mapping[str, float]:
        return {"spread": self.code(batch.image).std().item(), "nothing": float("nan")}


def toy() -> Toy:
    torch.manual_seed(0)
    return Toy()


def concept_vae() -> ConceptVAE:
    torch.manual_seed(0)
    return ConceptVAE(ConceptVAEConfig(stem=4, middle=(4, 4, 8), alpha=(0.1, 1.0, 1.0, 0.5)))


def batches(start: int, *, side: int = 8) -> Iterator[Batch]:
    """The rows of this process; batch i depends on i alone."""
    rank, world = int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))
    rows = RECIPE.batch_size // world
    for i in range(start, 10**9):
        image = np.random.default_rng(i).random((RECIPE.batch_size, 1, side, side), np.float32)
        mine = slice(rank * rows, (rank + 1) * rows)
        ids = [f"image-{i}-{row}" for row in range(RECIPE.batch_size)][mine]
        yield Batch(image=torch.from_numpy(image)[mine], ids=ids)


def fit(run: Path, **options) -> Toy:
    """Train the toy; the options replace those of `train.fit`."""
    settings = {"run": run, "header": HEADER, "every": EVERY, "load": batches, "recipe": RECIPE}
    model = options.pop("model", None) or toy()
    train.fit(model, **settings | options)
    return model


def in_child(work: Callable[[], object], *, kill_after_s: float | None = None) -> int:
    """Do the work in a fork of this process; its exit status, negative for a signal."""
    child = os.fork()
    if child == 0:
        work()
        os._exit(0)
    if kill_after_s is not None:
        time.sleep(kill_after_s)
        os.kill(child, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def dying_at_rename(run: Path, number: int, *, after: bool) -> None:
    """Resume a run, and be killed just before or after its `number`-th file is put in place."""
    put, numbers = Path.replace, count_from(0)

    def rename(self: Path, target: Path) -> None:
        last = next(numbers) == number
        if after or not last:
            put(self, target)
        if last:
            os.kill(os.getpid(), signal.SIGKILL)

    Path.replace = rename
    fit(run, resume=True)


def kill(folder: Path, trials: int) -> None:
    """Kill at random moments and at renames, resume, and print how the first children ended."""
    in_child(lambda: fit(folder / "whole"))
    began = time.perf_counter()
    in_child(lambda: fit(folder / "again"))
    whole_s, rng = time.perf_counter() - began, random.Random(0)
    ends: dict[str, int] = {}
    for trial in range(trials):
        run = folder / f"random-{trial}"
        start = partial(fit, run, resume=True)
        ends[run.name] = in_child(start, kill_after_s=rng.uniform(0, whole_s))
        in_child(start)
    for number, after in product(range(14), (False, True)):
        run = folder / f"rename-{number}-{after}"
        ends[run.name] = in_child(partial(dying_at_rename, run, number, after=after))
        in_child(partial(fit, run, resume=True))
    print(json.dumps(ends))  # noqa: T201 - the answer to the test


if __name__ == "__main__":
    torch.set_num_threads(1)
    what, where, number = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    each = {"recipe": replace(RECIPE, steps=number), "every": train.Every(log=1, monitor=1, save=1)}
    if what == "fit":
        fit(where, **each)
    elif what == "concepts":
        # at a high rate a sampled concept may flip by rounding, and the runs part
        each["recipe"] = replace(each["recipe"], lr=1e-4)
        fit(where, model=concept_vae(), load=partial(batches, side=64), **each)
    else:
        kill(where, number)
