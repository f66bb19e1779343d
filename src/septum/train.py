"""The one training loop: every model, any number of phases, every device Fabric knows.

batch -> phase 1: terms, gradients, optimiser -> phase 2: ... -> after_step -> next batch

Batch `i`, the learning rate and the random numbers of step `i` are functions of (seed, i) alone, so
weights and optimiser states are all there is to save: a run that is killed at any moment and
resumed ends, on a CPU, with the very bytes of an uninterrupted one.

Processes started by `torchrun` train together; each loads its rows of every batch. The device is
Fabric's choice, which CUDA_VISIBLE_DEVICES and LT_ACCELERATOR limit.
"""

import math
import os
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from statistics import fmean
from typing import Any, Literal

import numpy as np
import torch
from lightning_fabric import Fabric
from lightning_fabric.strategies.ddp import DDPStrategy
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor, nn
from torch import distributed as dist

from septum import __version__, checkpoint
from septum.contract import BadInput, Batch, Model, Monitors, Phase, Recipe, Terms
from septum.nn.allocator import keep_freed_memory
from septum.nn.device import on
from septum.nn.optimisers import of_phase

Line = Mapping[str, Any]
Show = Callable[[Line], None]

_PRECISIONS: Mapping[str, Literal["bf16-mixed", "32-true"]] = {
    "bf16": "bf16-mixed",
    "fp32": "32-true",
}


@dataclass(frozen=True, kw_only=True)
class Every:
    """Steps between two lines of the log, two looks at the monitors, two checkpoints.

    The last two are multiples of the first. The last step always has all three.
    """

    log: int = 10
    monitor: int = 100
    save: int = 100

    def __post_init__(self) -> None:
        if self.log < 1 or self.monitor % self.log or self.save % self.log:
            raise BadInput(
                f"{self} does not fit; let the steps of monitor and save be multiples of log."
            )


EVERY = Every()


def fit(
    model: Model,
    load: Callable[[int], Iterator[Batch]],
    recipe: Recipe,
    *,
    run: Path,
    header: Mapping[str, Any],
    seed: int = 0,
    resume: bool = False,
    every: Every = EVERY,
) -> None:
    """Train a model by its recipe into a run folder.

    Writes `config.json` (the header, the recipe, the seed, the version of septum),
    `environment.json`, `metrics.jsonl`, `checkpoints/last.safetensors` and, at the end,
    `model.safetensors`. A line of `metrics.jsonl` has `step` (updates done), the means since
    the line before and over all processes of every loss term `PHASE/TERM` and of
    `grad_norm/PHASE`, then `lr`, `images_per_s`, `waiting_share` (of the step time, for data)
    and, now and then, `monitor/NAME`.

    Args:
        model: As built from `seed`, also when resuming.
        load: Batches from the given step on; where processes train together, each yields its
            rows of them.
        recipe: How to train.
        run: Folder of the run.
        header: What else makes the run: model, size, config, data; as JSON has it.
        seed: Of the noise of every step.
        resume: Continue the run in the folder; one that has not begun begins.
        every: How often to log and to save; no matter for the result.

    Raises:
        BadInput: The folder holds a run and `resume` is not set; its run has other settings;
            a loss term or gradient is not finite; the disk is full. The last checkpoint stands.
    """
    header = {**header, "recipe": asdict(recipe), "seed": seed, "septum": __version__}
    checkpoint.refuse_taken(run, header, resume=resume)
    with Updates(model, recipe, seed=seed) as updates:
        start = _open(run, header, updates)
        with _display(updates, start) as show:
            for line in _lines(updates, load(start), range(start, recipe.steps), run, every):
                if updates.leads:
                    checkpoint.append_metrics(run, line)
                show(line)
        if updates.leads:
            checkpoint.save_weights(run, updates.model)


def learning_rate(recipe: Recipe, step: int) -> float:
    """The learning rate of a step: linear warm-up, cosine to the last step, decay, drops.

    >>> recipe = Recipe(data="phantom", steps=11, lr=1.0, warmup_steps=2, final_lr=0.2)
    >>> [round(learning_rate(recipe, step), 2) for step in (0, 1, 2, 6, 10)]
    [0.5, 1.0, 1.0, 0.6, 0.2]
    """
    drops = step // recipe.lr_drop_steps if recipe.lr_drop_steps else 0
    lr = recipe.lr * 0.1**drops / (1 + recipe.lr_decay * step)
    if step < recipe.warmup_steps:
        return lr * (step + 1) / recipe.warmup_steps
    part = (step - recipe.warmup_steps) / max(1, recipe.steps - 1 - recipe.warmup_steps)
    return lr * (recipe.final_lr + (1 - recipe.final_lr) * (1 + math.cos(math.pi * part)) / 2)


class Updates:
    """One step of training after another: an update of every phase on the same batch.

    A context: on leaving it, processes that train together part.
    """

    def __init__(self, model: Model, recipe: Recipe, *, seed: int) -> None:
        assert isinstance(model, nn.Module)
        self.model = model
        self.phases = model.phases()
        self.recipe, self._seed = recipe, seed
        self._started_group = not dist.is_initialized()
        self.fabric = _fabric(recipe, several_phases=len(self.phases) > 1)
        self.fabric.launch()
        keep_freed_memory()
        self._inside = self.fabric.setup_module(_Inside(_channels_last(model))).train()
        self.optimisers = {phase.name: of_phase(phase, recipe) for phase in self.phases}

    def __enter__(self) -> "Updates":
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if self._started_group and dist.is_initialized():
            if kind is None:
                self.fabric.barrier()
            dist.destroy_process_group()

    @property
    def leads(self) -> bool:
        """Whether this is the process that writes."""
        return self.fabric.is_global_zero

    def __call__(self, step: int, batch: Batch) -> dict[str, float]:
        """Do a step; loss terms and gradient norms by name, means over processes.

        Raises:
            BadInput: One of them is not finite; its phase has not been updated.
        """
        torch.manual_seed(_noise_seed(self._seed, step))
        batch = _placed(self.fabric.device, batch)
        values: dict[str, float] = {}
        for phase in self.phases:
            values |= self._update(phase, step, batch)
        self.model.after_step(step / self.recipe.steps)
        return values

    def monitors(self, batch: Batch) -> dict[str, float | None]:
        """Health of the model on a batch, if it tells; None where it has no number."""
        if not isinstance(self.model, Monitors):
            return {}
        with self.fabric.autocast():
            found = self.model.monitors(_placed(self.fabric.device, batch))
        means = self._means(torch.tensor([*found.values()], device=self.fabric.device))
        return {
            f"monitor/{name}": value if math.isfinite(value) else None
            for name, value in zip(found, means, strict=True)
        }

    def save(self, run: Path, done: int) -> None:
        """Write the checkpoint after `done` steps."""
        if self.leads:
            checkpoint.save_training(run, done, self.model, self.optimisers)

    def _update(self, phase: Phase, step: int, batch: Batch) -> dict[str, float]:
        optimiser = self.optimisers[phase.name]
        optimiser.zero_grad()
        with _alone(phase, self.phases):
            terms = self._inside(partial(phase.loss, batch, step / self.recipe.steps))
            if not terms:
                return {}
            self.fabric.backward(torch.stack([*terms.values()]).sum())
        norm = nn.utils.get_total_norm([p.grad for p in phase.parameters if p.grad is not None])
        named = {f"{phase.name}/{name}": value for name, value in terms.items()}
        named[f"grad_norm/{phase.name}"] = norm
        means = self._means(torch.stack([value.detach() for value in named.values()]))
        values = dict(zip(named, means, strict=True))
        _refuse_diverged(values, step, batch)
        if self.recipe.clip_norm:
            nn.utils.clip_grads_with_norm_(phase.parameters, self.recipe.clip_norm, norm)
        for group in optimiser.param_groups:
            group["lr"] = group["rate"] * phase.rate * learning_rate(self.recipe, step)
        optimiser.step()
        return values

    def _means(self, values: Tensor) -> list[float]:
        """Means over processes, on the host: the one point where a step waits for its device."""
        means = self.fabric.all_reduce(values, reduce_op="mean")
        assert isinstance(means, Tensor)
        return means.tolist()


class _Inside(nn.Module):
    """Holds the model, so that a loss that is called inside has Fabric's precision and strategy."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, loss: Callable[[], Terms]) -> Terms:
        return loss()


def _lines(
    updates: Updates, batches: Iterator[Batch], steps: range, run: Path, every: Every
) -> Iterator[Line]:
    """Do the steps, save on the way, and yield the lines of the log."""
    window = _Window()
    for step in steps:
        done = step + 1
        batch = window.wait(batches)
        window.add(updates(step, batch), len(batch.image) * updates.fabric.world_size)
        if done % every.log == 0 or done == steps.stop:
            line = {"step": done, **window.means(), "lr": learning_rate(updates.recipe, step)}
            monitor = done % every.monitor == 0 or done == steps.stop
            yield line | (updates.monitors(batch) if monitor else {})
            window = _Window()
        if done % every.save == 0 or done == steps.stop:
            updates.save(run, done)


class _Window:
    """The steps since the last line of the log."""

    def __init__(self) -> None:
        self._values: list[dict[str, float]] = []
        self._images = 0
        self._seconds = self._waited = self._began = 0.0

    def wait(self, batches: Iterator[Batch]) -> Batch:
        """The next batch; its step begins now."""
        self._began = time.perf_counter()
        batch = next(batches)
        self._waited += time.perf_counter() - self._began
        return batch

    def add(self, values: dict[str, float], images: int) -> None:
        """Note what a step has found; the step ends now."""
        self._values.append(values)
        self._images += images
        self._seconds += time.perf_counter() - self._began

    def means(self) -> dict[str, float]:
        """Mean of every value over the steps that have it, and the speeds."""
        names = dict.fromkeys(name for values in self._values for name in values)
        means = {name: fmean(v[name] for v in self._values if name in v) for name in names}
        means["images_per_s"] = self._images / self._seconds
        means["waiting_share"] = self._waited / self._seconds
        return means


@contextmanager
def _display(updates: Updates, start: int) -> Generator[Show]:
    """Show lines of the log on standard error: under a bar on a terminal, else as text."""
    phases, steps = {phase.name for phase in updates.phases}, updates.recipe.steps
    console = Console(stderr=True, quiet=not updates.leads, highlight=False, soft_wrap=True)
    look = (
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[say]}"),
    )
    with Progress(*look, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task("", total=steps, completed=start, say="")

        def show(line: Line) -> None:
            terms = {name: line[name] for name in line if name.split("/")[0] in phases}
            loss = f"loss {sum(terms.values()):.4g}  {line['images_per_s']:.0f} images/s"
            bar.update(task, completed=line["step"], say=loss)
            if not console.is_terminal:
                said = "  ".join(f"{name} {value:.4g}" for name, value in terms.items())
                console.print(f"step {line['step']}/{steps}  {loss}  {said}")

        yield show


def _fabric(recipe: Recipe, *, several_phases: bool) -> Fabric:
    """Fabric for this process, alone or as one of those that torchrun has started."""
    if recipe.precision not in _PRECISIONS:
        known = " or ".join(_PRECISIONS)
        raise BadInput(f"The recipe asks for precision {recipe.precision}; use {known}.")
    world = int(os.environ.get("WORLD_SIZE", "1"))
    here = int(os.environ.get("LOCAL_WORLD_SIZE", world))
    return Fabric(
        devices=here,
        num_nodes=world // here,
        strategy=DDPStrategy(find_unused_parameters=several_phases) if world > 1 else "auto",
        precision=_PRECISIONS[recipe.precision] if _has_bf16() else "32-true",
    )


def _channels_last(model: nn.Module) -> nn.Module:
    """Lay out the kernels of 2-D convolutions as the fast kernels of CPUs and GPUs want them."""
    for parameter in model.parameters():
        if parameter.ndim == 4:
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
    return model


def _placed(device: torch.device, batch: Batch) -> Batch:
    """The batch on its device, its images in the layout of the kernels."""
    moved = on(batch, device)
    form = torch.channels_last if batch.image.ndim == 4 else torch.contiguous_format
    return replace(moved, image=moved.image.contiguous(memory_format=form))


@contextmanager
def _alone(phase: Phase, phases: Sequence[Phase]) -> Generator[None]:
    """Spare the gradients of parameters that other phases own alone."""
    own = {*phase.parameters}
    others = [p for other in phases for p in other.parameters if p not in own and p.requires_grad]
    for parameter in others:
        parameter.requires_grad = False
    try:
        yield
    finally:
        for parameter in others:
            parameter.requires_grad = True


def _noise_seed(seed: int, step: int) -> int:
    """A seed per step; mixed, because torch's CPU generator looks at 32 bits only."""
    return int(np.random.SeedSequence((seed, step)).generate_state(1)[0])


def _refuse_diverged(values: Mapping[str, float], step: int, batch: Batch) -> None:
    for name, value in values.items():
        if not math.isfinite(value):
            raise BadInput(
                f"{name} became {value} in step {step + 1} on images {', '.join(batch.ids)}; look "
                "at them, or train anew with a lower learning rate; the last checkpoint is kept."
            )


def _open(run: Path, header: Mapping[str, Any], updates: Updates) -> int:
    """Make the folder, or take up what lies there; the step to go on with."""
    fabric, precision = updates.fabric, updates.fabric.strategy.precision.precision
    fabric.barrier()
    if updates.leads:
        if not (run / checkpoint.CONFIG).exists():
            checkpoint.write_json(run / checkpoint.CONFIG, header)
        checkpoint.write_environment(
            run, device=fabric.device, processes=fabric.world_size, precision=precision
        )
    fabric.barrier()
    start = checkpoint.load_training(run, updates.model, updates.optimisers)
    if updates.leads:
        checkpoint.cut_metrics(run, start)
    return start


def _has_bf16() -> bool:
    """Whether the device computes in bf16 rather than imitating it, which is slower than fp32."""
    if torch.cuda.is_available():
        return torch.cuda.is_bf16_supported(including_emulation=False)
    processor = Path("/proc/cpuinfo")
    return processor.exists() and "bf16" in processor.read_text()
