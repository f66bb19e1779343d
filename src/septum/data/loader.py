"""Endless batches for training: batch i depends on (seed, i) and on nothing else.

Epoch e is the permutation drawn from (seed, e); epochs follow one another without a seam, so a
batch may straddle two. A run resumes at any step, and any number of ranks sees the same batches.

Where some images are to have masks, three such orders run side by side: of the images with a mask,
of all images, and of all masks, also those that are kept from their images.

Where the values of a label are to be balanced, they take turns, each in an order of its own: every
batch has as many images of one as of another, up to one.

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
from septum.data.limits import written

AHEAD = 2
"""Batches that are read while the model computes."""

_LABELLED, _OTHERS, _UNPAIRED, _STARTS, _VALUES, _ROWS = range(1, 7)
"""Tell what is drawn with one seed apart."""


def batches(
    samples: Samples,
    *,
    batch_size: int,
    labelled: int = 0,
    balanced: str = "",
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
        balanced: A label whose values are drawn equally often: within any batch over all ranks, and
            within any row of batches, the counts of two values differ by one at most. Images
            without the label count as one value more. Empty for every image as often as another.
        seed: Chooses the order.
        start: Number of the first batch.
        rank: This process of `ranks`: it gets its run of rows of every batch.
        ranks: Number of processes.

    Raises:
        BadInput: The batch cannot be dealt out evenly, the seed is negative, or no image has the
            mask or the label that is asked for; films are never chosen for theirs, and not for
            both.
    """
    if batch_size < 1 or batch_size % ranks or labelled % ranks:
        raise BadInput(f"A batch of {batch_size} cannot be dealt out to {ranks} processes evenly.")
    if not 0 <= labelled <= batch_size:
        raise BadInput(f"A batch of {batch_size} cannot have {labelled} images with a mask.")
    if seed < 0:
        raise BadInput(f"The seed {seed} is negative; use 0 or more.")
    if balanced:
        values = _values(samples, balanced, labelled=labelled)
        turns = _Turns(values, batch_size, seed, rank, ranks)
        return Batches(lambda number: samples.batch(turns.rows(number)), start=start)
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


def _values(samples: Samples, label: str, *, labelled: int) -> list[list[int]]:
    """Places of the images that have each value of a label, and of those that have none."""
    if labelled or isinstance(samples, Films):
        raise BadInput(
            f"Images are balanced by {label!r} only where they are stills and not chosen for their "
            "masks; choose a recipe that asks for one of these, or other images."
        )
    places: dict[str, list[int]] = {}
    for place, record in enumerate(samples.records):
        places.setdefault(written(record.labels.get(label)), []).append(place)
    if not any(places):
        raise BadInput(
            f"No image of {samples.name} ({samples.split}) has the label {label!r} to balance by; "
            "add it as a column of the table; an organ may also stand in dataset.json."
        )
    return [places[value] for value in sorted(places)]


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


class _Turns:
    """Which places stand in batch i where groups of places take turns.

    The rows of a batch are mixed, so that every rank meets every group.
    """

    def __init__(
        self, groups: Sequence[Sequence[int]], size: int, seed: int, rank: int, ranks: int
    ) -> None:
        self._orders = [_Order(g, 1, (seed, _VALUES, k), 0, 1) for k, g in enumerate(groups)]
        self._all = _Order(range(size), size, (seed, _ROWS), rank, ranks)

    def rows(self, number: int) -> list[int]:
        """The places of batch `number` that are this rank's."""
        count = len(self._orders)
        turns = [number * self._all.size + row for row in self._all.rows(number)]
        return [self._orders[t % count].rows(t // count)[0] for t in turns]
