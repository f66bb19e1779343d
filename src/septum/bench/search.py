"""Search: the exact nearest key points against a flat faiss index, at the size of the paper.

    450 maps x 252 key points = 113,400 descriptors of 400 numbers; 750 queries, five results

The sides run in turn, each in a process of its own, with the same number of threads, and get ready
(index, squared lengths) before the clock starts. The content is made up: soft-max of smooth noise,
so that key points beside one another are nearly equal, as they are on a heart.
"""

import importlib
import importlib.util
import multiprocessing
import platform
import resource
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Float64, Int
from torch import Tensor
from torch.nn import functional as F

from septum.bench.table import Row, Setting
from septum.contract import BadInput
from septum.nn.search import nearest_rows, pool
from septum.tasks.regions import nearest, padded_descriptors

Floats = Float64[np.ndarray, " n"]
Search = Callable[[Float[Tensor, "q e"]], Int[np.ndarray, "q k"]]

MAPS, QUERIES, RESULTS = 450, 750, 5
ROUNDS, TURNS = 10, 3
"""Turns of either side; searches of a turn that are timed, after one that is not."""
SINGLE = 200
"""Queries that are asked one by one."""


def rows(setting: Setting) -> Sequence[Row]:
    """Seconds of either side, the speed-up, the latency of one query and the peak memory.

    A row has `name`, `value`, `low`, `high` (95 % of the resampled statistic), `unit`, `n`.

    Raises:
        BadInput: If faiss is not installed.
    """
    del setting
    if importlib.util.find_spec("faiss") is None:
        raise BadInput("The table search compares with faiss: pip install faiss-cpu.")
    threads = sorted({1, torch.get_num_threads()})
    return [*(row for t in threads for row in _throughput(t)), *_latency(), _memory()]


def content(maps: int, *, seed: int) -> Float[Tensor, "maps 16 16 20"]:
    """Smooth concept probabilities on the grid of the paper."""
    coarse = 4 * torch.randn(maps, 16, 4, 5, generator=torch.Generator().manual_seed(seed))
    return F.interpolate(coarse, size=(16, 20), mode="bilinear").softmax(1)


def asked(queries: int) -> Float[Tensor, "queries 400"]:
    """Key points of other maps, five of each."""
    keys = padded_descriptors(content(-(-queries // 5), seed=1)).flatten(1, 2)
    chosen = torch.randint(keys.shape[1], (5,), generator=torch.Generator().manual_seed(2))
    return keys[:, chosen].flatten(0, 1)[:queries]


def ours(key_points: Float[Tensor, "n e"]) -> Search:
    """Ready to search among these rows."""
    ready = [pool(key_points)]
    return lambda queries: nearest_rows(queries, ready, k=RESULTS).place.numpy()


def flat_faiss(key_points: Float[Tensor, "n e"]) -> Search:
    """The same with faiss."""
    faiss = importlib.import_module("faiss")
    faiss.omp_set_num_threads(torch.get_num_threads())
    index = faiss.IndexFlatL2(key_points.shape[1])
    index.add(key_points.numpy())
    return lambda queries: index.search(queries.numpy(), RESULTS)[1]


SIDES: Mapping[str, Callable[[Float[Tensor, "n e"]], Search]] = {
    "faiss": flat_faiss,
    "septum": ours,
}


def seconds(side: str, *, maps: int, queries: int, turns: int, threads: int) -> list[float]:
    """How long every search of one turn takes, in this process."""
    torch.set_num_threads(threads)
    search = SIDES[side](padded_descriptors(content(maps, seed=0)).flatten(0, 2))
    return [wall for wall, _ in _timed(search, [asked(queries)] * (turns + 1))[1:]]


def single_seconds(*, maps: int, queries: int) -> list[tuple[float, float]]:
    """How long every query takes if they come one by one, on one core, in this process."""
    torch.set_num_threads(1)
    search = ours(padded_descriptors(content(maps, seed=0)).flatten(0, 2))
    return _timed(search, asked(queries + 1).split(1))[1:]


def peak_mb(*, maps: int, queries: int) -> float:
    """Peak memory of this process after a search through maps, as retrieval does it."""
    nearest(asked(queries), content(maps, seed=0), padded_descriptors, results=RESULTS)
    unit = 1 if platform.system() == "Darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


def _timed(search: Search, queries: Sequence[Tensor]) -> list[tuple[float, float]]:
    """Seconds on the clock and of the processor."""
    taken: list[tuple[float, float]] = []
    for some in queries:
        began, began_cpu = time.perf_counter(), time.process_time()
        search(some)
        taken.append((time.perf_counter() - began, time.process_time() - began_cpu))
    return taken


def _throughput(threads: int) -> list[Row]:
    """Both sides in turn, `ROUNDS` times; the ratio is that of turns that follow one another."""
    size = {"maps": MAPS, "queries": QUERIES, "turns": TURNS, "threads": threads}
    turns = [[_alone(seconds, side, **size) for side in SIDES] for _ in range(ROUNDS)]
    faiss, septum = np.median(turns, axis=2).T
    name = f"{QUERIES} queries, threads: {threads}"
    return [
        _row(f"{name}, faiss", np.median, faiss, "s"),
        _row(name, np.median, septum, "s"),
        _row(f"{name}, faiss / ours", np.median, faiss / septum, "ratio"),
    ]


def _latency() -> list[Row]:
    """On the clock, and of the processor: the clock where nothing else runs."""
    wall, cpu = 1e3 * np.array(_alone(single_seconds, maps=MAPS, queries=SINGLE)).T
    name = "one query on one core"
    return [
        _row(name, np.median, wall, "ms"),
        _row(f"{name}, 95th percentile", _p95, wall, "ms"),
        _row(f"{name}, processor time", np.median, cpu, "ms"),
        _row(f"{name}, processor time, 95th percentile", _p95, cpu, "ms"),
    ]


def _p95(sample: Floats) -> np.floating:
    return np.percentile(sample, 95)


def _memory() -> Row:
    peak = np.array([_alone(peak_mb, maps=MAPS, queries=QUERIES)])
    return _row(f"peak memory of {QUERIES} queries", np.median, peak, "MB")


def _alone(work: Callable[..., Any], *args: str, **options: int) -> Any:
    """The same done in a fresh process."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as child:
        return child.submit(work, *args, **options).result()


def _row(name: str, statistic: Callable[[Floats], np.floating], sample: Floats, unit: str) -> Row:
    """A statistic with its 95 % bootstrap interval."""
    rng = np.random.default_rng(0)
    drawn = [statistic(rng.choice(sample, len(sample))) for _ in range(2000)]
    low, high = np.percentile(drawn, [2.5, 97.5])
    return {
        "name": name,
        "value": float(statistic(sample)),
        "low": float(low),
        "high": float(high),
        "unit": unit,
        "n": len(sample),
    }
