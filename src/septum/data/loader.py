"""Endless batches for training: batch i depends on (seed, i) and on nothing else.

Epoch e is the permutation drawn from (seed, e); epochs follow one another without a seam, so a
batch may straddle two. A run resumes at any step, and any number of ranks sees the same batches.

Where some images are to have masks, three such orders run side by side: of the images with a mask,
of all images, and of all masks, also those that are kept from their images.

Of films, clips are drawn: where those of batch i begin depends on (seed, i), too.
"""

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from functools import lru_cache

import numpy as np
from jaxtyping import Int

from septum.contract import BadInput, Batch, Films, Outlined, Samples
from septum.data import clips

AHEAD = 2
"""Batches that are read while the model computes."""

_LABELLED, _OTHERS, _UNPAIRED, _STARTS = 1, 2, 3, 4
"""Tell what is drawn with one seed apart."""


def batches(
    samples: Samples,
    *,
    batch_size: int,
    labelled: int = 0,
    seed: int,
    start: int = 0,
    rank: int = 0,
    ranks: int = 1,
) -> "Batches":
    """The batches from number `start` on, without end, read ahead by one thread.

    Args:
        samples: What is drawn from; may be fewer than one batch.
        batch_size: Images or films over all ranks. Of a film `Clip.per_film` clips are drawn: the
            first clips of all films of a rank, then the second ones, and so on.
        labelled: How many of them have a mask; the others then come without, and as many unpaired
            masks with them. At 0 all are drawn from all, as they are.
        seed: Chooses the order.
        start: Number of the first batch.
        rank: This process of `ranks`: it gets its run of rows of every batch.
        ranks: Number of processes.

    Raises:
        BadInput: The batch cannot be dealt out evenly, the seed is negative, or no image has the
            mask that is asked for; films are never chosen for theirs.
    """
    if batch_size < 1 or batch_size % ranks or labelled % ranks:
        raise BadInput(f"A batch of {batch_size} cannot be dealt out to {ranks} processes evenly.")
    if not 0 <= labelled <= batch_size:
        raise BadInput(f"A batch of {batch_size} cannot have {labelled} images with a mask.")
    if seed < 0:
        raise BadInput(f"The seed {seed} is negative; use 0 or more.")
    everything = range(len(samples.records))
    if not labelled:
        order = _Order(everything, batch_size, (seed,), rank, ranks)
        if isinstance(samples, Films):
            return Batches(lambda number: _filmed(samples, order, seed, number), start=start)
        return Batches(lambda number: samples.batch(order.rows(number)), start=start)
    if not isinstance(samples, Outlined) or not (known := samples.annotated()):
        raise BadInput(
            f"No image of {samples.name} ({samples.split}) has a mask to learn from; choose a data "
            "set that has, such as acdc, camus or phantom."
        )
    others = batch_size - labelled
    orders = (
        _Order(known, labelled, (seed, _LABELLED), rank, ranks),
        _Order(everything, others, (seed, _OTHERS), rank, ranks),
        _Order(samples.outlined(), others, (seed, _UNPAIRED), rank, ranks),
    )
    return Batches(lambda number: _mixed(samples, *(o.rows(number) for o in orders)), start=start)


def _filmed(films: Films, order: "_Order", seed: int, number: int) -> Batch:
    """Clips of the films of batch `number`, that begin anywhere."""
    rows, views = order.rows(number), films.clip.per_film
    rng = np.random.default_rng((seed, _STARTS, number))
    share = rng.random((views, order.size))[:, order.mine]  # drawn alike on every rank
    lengths = films.lengths()
    most = [clips.starts(lengths[row], films.clip) for row in rows]
    return films.clips(views * rows, (share * most).astype(int).ravel().tolist())


def _mixed(
    samples: Outlined, known: Sequence[int], others: Sequence[int], unpaired: Sequence[int]
) -> Batch:
    """Images with their masks, then images without."""
    batch = samples.batch([*known, *others])
    assert batch.mask is not None
    mask = batch.mask.clone()
    mask[len(known) :] = -1
    return replace(batch, mask=mask, unpaired=samples.shapes(unpaired) if unpaired else None)


class Batches(Iterator[Batch]):
    """An endless iterator that reads ahead.

    Attributes:
        waited_s: Seconds for which `next` has kept its caller waiting, in total.
    """

    def __init__(self, read: Callable[[int], Batch], *, start: int) -> None:
        self.waited_s = 0.0
        self._read, self._next = read, start
        self._reader = ThreadPoolExecutor(max_workers=1, thread_name_prefix="batches")
        self._ahead: deque[Future[Batch]] = deque()

    def __iter__(self) -> "Batches":
        return self

    def __next__(self) -> Batch:
        while len(self._ahead) <= AHEAD:
            self._ahead.append(self._reader.submit(self._read, self._next))
            self._next += 1
        began = time.perf_counter()
        batch = self._ahead.popleft().result()
        self.waited_s += time.perf_counter() - began
        return batch


class _Order:
    """Which of some places stand in batch i.

    Attributes:
        size: Rows of a batch over all ranks.
        mine: Those of this rank.
    """

    def __init__(
        self, places: Sequence[int], size: int, key: tuple[int, ...], rank: int, ranks: int
    ) -> None:
        self._places, self.size, self._key = places, size, key
        self.mine = slice(rank * size // ranks, (rank + 1) * size // ranks)
        self._epoch = lru_cache(maxsize=4)(self._draw_epoch)

    def rows(self, number: int) -> list[int]:
        """The places of batch `number` that are this rank's."""
        turns = range(number * self.size, (number + 1) * self.size)[self.mine]
        count = len(self._places)
        return [self._places[int(self._epoch(t // count)[t % count])] for t in turns]

    def _draw_epoch(self, epoch: int) -> Int[np.ndarray, " n"]:
        return np.random.default_rng((*self._key, epoch)).permutation(len(self._places))
