"""Seconds and memory of a piece of work, each in a process of its own, and their intervals."""

import multiprocessing
import platform
import re
import resource
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float64

from septum.bench.table import Row

Floats = Float64[np.ndarray, " n"]

SIDES = ("plain", "septum")
STATUS = Path("/proc/self/status")


def side_by_side(
    name: str, turn: Callable[..., Sequence[float]], *given: Any, rounds: int
) -> list[Row]:
    """Seconds of the plain way and of ours, which take turns, and how many times faster ours is.

    Args:
        name: Of what is done.
        turn: One turn of the side that is named first, in seconds; importable.
        given: What it is told besides.
        rounds: Turns of either side, each in a process of its own, so that neither leaves the other
            its memory or its kernels.
    """
    taken: dict[str, list[float]] = {side: [] for side in SIDES}
    for _ in range(rounds):
        for side, seconds_of in taken.items():
            seconds_of.extend(alone(turn, side, *given))
    plain, ours = (np.array(taken[side]) for side in SIDES)
    return [
        row(f"{name}, plain", np.median, plain, unit="s"),
        row(name, np.median, ours, unit="s"),
        row("plain / ours", _ratio, plain, ours, unit="ratio"),
    ]


def alone(work: Callable[..., Any], *given: Any) -> Any:
    """The same done in a fresh process."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as child:
        return child.submit(work, *given).result()


def seconds(act: Callable[[], object]) -> float:
    """How long it takes, on the clock."""
    began = time.perf_counter()
    act()
    return time.perf_counter() - began


def peak_mb() -> float:
    """Peak memory of this process.

    Linux counts into `ru_maxrss` of a new process what its parent held, so it is asked elsewhere.
    """
    if STATUS.exists() and (found := re.search(r"VmHWM:\s*(\d+) kB", STATUS.read_text())):
        return int(found[1]) * 1024 / 1e6
    unit = 1 if platform.system() == "Darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


def row(name: str, statistic: Callable[..., Any], *samples: Floats, unit: str) -> Row:
    """A statistic of some samples and its 95 % bootstrap interval; `n` is of the last of them."""
    rng = np.random.default_rng(0)
    drawn = [statistic(*(rng.choice(s, len(s)) for s in samples)) for _ in range(2000)]
    low, high = np.percentile(drawn, [2.5, 97.5])
    return {
        "name": name,
        "value": float(statistic(*samples)),
        "low": float(low),
        "high": float(high),
        "unit": unit,
        "n": len(samples[-1]),
    }


def machine() -> Mapping[str, str | int]:
    """Where the numbers were taken."""
    return {
        "machine": platform.machine(),
        "system": platform.system(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
    }


def _ratio(a: Floats, b: Floats) -> float:
    return float(np.median(a) / np.median(b))
