"""Regions: the exact nearest regions of many maps without descriptors, against all of them.

    1,800 maps x 144 key points = 259,200 regions of 400 numbers; 100 queries, 20 results

The sides take turns at every query, in one process: `nearest_regions`, and `tasks.regions.nearest`,
which makes all descriptors anew, 32 maps at a time: kept, they would be 415 MB. The maps are made
up, as in `septum bench search`, and as many and as large as ConceptVAE's of all frames of CAMUS.
"""

import time
from collections.abc import Callable, Sequence

import numpy as np
import torch
from jaxtyping import Float, Float64, Int
from torch import Tensor
from torch.nn import functional as F

from septum.bench import timing
from septum.bench.table import Row, Setting
from septum.nn.region_search import Maps, descriptors, maps, nearest_regions
from septum.tasks.regions import nearest, padded_descriptors

MAPS, QUERIES, RESULTS = 1_800, 100, 20
SIDES = ("descriptors", "septum")


def rows(setting: Setting) -> Sequence[Row]:
    """Milliseconds of one query of either side, how many times faster ours is, the peak memory.

    A row has `name`, `value`, `low`, `high` (95 % of the resampled statistic), `unit`, `n`.
    """
    del setting
    threads = sorted({1, torch.get_num_threads()})
    return [*(row for t in threads for row in _latency(t)), *_memory()]


def content(count: int) -> Float[Tensor, "count 16 14 14"]:
    """Smooth concept probabilities."""
    coarse = 4 * torch.randn(count, 16, 4, 4, generator=torch.Generator().manual_seed(0))
    return F.interpolate(coarse, size=(14, 14), mode="bilinear").softmax(1)


def ready(count: int) -> Maps:
    """As the explorer searches them."""
    return maps(content(count), origin=torch.eye(16)[0], window=5, ring=1)


def asked(found: Maps, queries: int) -> Float[Tensor, "queries 400"]:
    """Regions of the maps themselves, drawn."""
    generator = torch.Generator().manual_seed(1)
    drawn = [torch.randint(size, (queries,), generator=generator) for size in found.squares.shape]
    return descriptors(found, torch.stack(drawn, 1))


def places(side: str, query: Float[Tensor, " 400"], found: Maps) -> Int[Tensor, "k 3"]:
    """The nearest regions, by one of the sides."""
    if side == "septum":
        return nearest_regions(query, found, k=RESULTS).place
    return nearest(query[None], found.content, padded_descriptors, results=RESULTS)[0]


def taken(threads: int, count: int, queries: int) -> list[list[tuple[float, float]]]:
    """Of every query and side: milliseconds on the clock and of the processor, in this process.

    The clock counts what else runs, the processor does not.
    """
    torch.set_num_threads(threads)
    found = ready(count)
    return [
        [_ms(lambda side=side, query=query: places(side, query, found)) for side in SIDES]
        for query in asked(found, queries + 1)
    ][1:]


def peak_mb(side: str, count: int) -> float:
    """Peak memory of this process after one query."""
    found = ready(count)
    places(side, asked(found, 1)[0], found)
    return timing.peak_mb()


def _ms(act: Callable[[], object]) -> tuple[float, float]:
    began, began_cpu = time.perf_counter(), time.process_time()
    act()
    return 1e3 * (time.perf_counter() - began), 1e3 * (time.process_time() - began_cpu)


def _latency(threads: int) -> list[Row]:
    wall, cpu = np.array(timing.alone(taken, threads, MAPS, QUERIES)).transpose(2, 1, 0)
    name = f"one query, threads: {threads}"
    return [
        *_percentiles(name, wall[1]),
        *_percentiles(f"{name}, processor time", cpu[1]),
        *_percentiles(f"{name}, by descriptors", wall[0]),
        timing.row(f"{name}, by descriptors / ours", np.median, wall[0] / wall[1], unit="ratio"),
    ]


def _percentiles(name: str, sample: Float64[np.ndarray, " n"]) -> list[Row]:
    return [
        timing.row(name, np.median, sample, unit="ms"),
        timing.row(f"{name}, 95th percentile", _p95, sample, unit="ms"),
    ]


def _p95(sample: Float64[np.ndarray, " n"]) -> np.floating:
    return np.percentile(sample, 95)


def _memory() -> list[Row]:
    """Of the process, torch and the maps in it."""
    return [
        timing.row(
            f"peak memory, {side}", np.median, np.array([timing.alone(peak_mb, side, MAPS)]),
            unit="MB",
        )
        for side in SIDES
    ]  # fmt: skip
