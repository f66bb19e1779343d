"""Endless batches for training: batch i depends on (seed, i) and on nothing else.

Epoch e is the permutation drawn from (seed, e); epochs follow one another without a seam, so a
batch may straddle two. A run resumes at any step, and any number of ranks sees the same batches.
"""

import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import lru_cache

import numpy as np
from jaxtyping import Int

from septum.contract import BadInput, Batch, Samples

AHEAD = 2
"""Batches that are read while the model computes."""


def batches(
    samples: Samples, *, batch_size: int, seed: int, start: int = 0, rank: int = 0, ranks: int = 1
) -> "Batches":
    """The batches from number `start` on, without end, read ahead by one thread.

    Args:
        samples: What is drawn from; may be fewer than one batch.
        batch_size: Images over all ranks.
        seed: Chooses the order.
        start: Number of the first batch.
        rank: This process of `ranks`: it gets its run of rows of every batch.
        ranks: Number of processes.

    Raises:
        BadInput: The batch cannot be dealt out evenly, or the seed is negative.
    """
    if batch_size < 1 or batch_size % ranks:
        raise BadInput(f"A batch of {batch_size} cannot be dealt out to {ranks} processes evenly.")
    if seed < 0:
        raise BadInput(f"The seed {seed} is negative; use 0 or more.")
    return Batches(
        samples, _Order(len(samples.records), batch_size, seed, rank, ranks), start=start
    )


class Batches(Iterator[Batch]):
    """An endless iterator that reads ahead.

    Attributes:
        waited_s: Seconds for which `next` has kept its caller waiting, in total.
    """

    def __init__(self, samples: Samples, order: "_Order", *, start: int) -> None:
        self.waited_s = 0.0
        self._samples, self._order, self._next = samples, order, start
        self._reader = ThreadPoolExecutor(max_workers=1, thread_name_prefix="batches")
        self._ahead: deque[Future[Batch]] = deque()

    def __iter__(self) -> "Batches":
        return self

    def __next__(self) -> Batch:
        while len(self._ahead) <= AHEAD:
            rows = self._order.rows(self._next)
            self._ahead.append(self._reader.submit(self._samples.batch, rows))
            self._next += 1
        began = time.perf_counter()
        batch = self._ahead.popleft().result()
        self.waited_s += time.perf_counter() - began
        return batch


class _Order:
    """Which images stand in batch i."""

    def __init__(self, count: int, batch_size: int, seed: int, rank: int, ranks: int) -> None:
        self._count, self._seed, self._batch_size = count, seed, batch_size
        self._mine = slice(rank * batch_size // ranks, (rank + 1) * batch_size // ranks)
        self._epoch = lru_cache(maxsize=4)(self._draw_epoch)

    def rows(self, number: int) -> list[int]:
        """The rows of batch `number` that are this rank's."""
        places = np.arange(number * self._batch_size, (number + 1) * self._batch_size)[self._mine]
        return [int(self._epoch(int(p) // self._count)[p % self._count]) for p in places]

    def _draw_epoch(self, epoch: int) -> Int[np.ndarray, " n"]:
        return np.random.default_rng((self._seed, epoch)).permutation(self._count)
