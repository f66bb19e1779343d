import threading
import time
from dataclasses import dataclass, field
from itertools import chain, islice
from pathlib import Path

import pytest
import torch

from septum.contract import BadInput, Batch, Record
from septum.data.loader import batches


@dataclass
class Numbers:
    """Samples whose images are their own numbers."""

    count: int
    pause_s: float = 0.0
    name: str = "numbers"
    split: str = "train"
    classes: tuple = ("background",)
    threads: set = field(default_factory=set)

    @property
    def records(self):
        return [Record(id=str(i), subject=str(i), image=Path()) for i in range(self.count)]

    def batch(self, indices):
        time.sleep(self.pause_s)
        self.threads.add(threading.current_thread().name)
        image = torch.tensor(indices, dtype=torch.float32).reshape(-1, 1, 1, 1)
        return Batch(image=image, ids=[str(i) for i in indices])


def draw(count, number, **options):
    stream = batches(Numbers(count), **options)
    return [[int(i) for i in batch.ids] for batch in islice(stream, number)]


def test_an_epoch_shows_every_image_once_across_straddling_batches():
    rows = [i for batch in draw(10, 15, batch_size=4, seed=0) for i in batch]
    epochs = [rows[at : at + 10] for at in range(0, 60, 10)]
    assert all(sorted(epoch) == list(range(10)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == 6


def test_a_resumed_stream_goes_on_exactly():
    whole = draw(10, 30, batch_size=4, seed=3)
    for start in (1, 7, 23):
        assert draw(10, 30 - start, batch_size=4, seed=3, start=start) == whole[start:]


def test_another_seed_is_another_order():
    assert draw(50, 3, batch_size=16, seed=0) != draw(50, 3, batch_size=16, seed=1)
    assert draw(50, 3, batch_size=16, seed=0) == draw(50, 3, batch_size=16, seed=0)


@pytest.mark.parametrize("ranks", [1, 2, 3, 6])
def test_any_number_of_ranks_sees_the_same_batches(ranks):
    parts = [draw(10, 5, batch_size=6, seed=1, rank=r, ranks=ranks) for r in range(ranks)]
    together = [list(chain.from_iterable(rows)) for rows in zip(*parts, strict=True)]
    assert together == draw(10, 5, batch_size=6, seed=1)


def test_a_batch_may_be_larger_than_the_data():
    (rows,) = draw(3, 1, batch_size=7, seed=0)
    assert sorted(rows[:3]) == sorted(rows[3:6]) == [0, 1, 2]


def test_batches_are_read_ahead_in_one_other_thread():
    samples = Numbers(10, pause_s=0.02)
    stream = batches(samples, batch_size=2, seed=0)
    next(stream)
    first_s = stream.waited_s
    assert first_s > 0.002  # the reader may have begun before the clock does
    for _ in range(4):
        time.sleep(0.05)  # the model computes
        next(stream)
    assert stream.waited_s - first_s < 0.02
    assert len(samples.threads) == 1
    assert threading.current_thread().name not in samples.threads


def test_an_error_of_the_reader_arrives():
    with pytest.raises(ValueError, match="sleep length"):
        next(batches(Numbers(4, pause_s=-1), batch_size=2, seed=0))


def test_uneven_batches_and_negative_seeds_are_refused():
    with pytest.raises(BadInput, match="evenly"):
        batches(Numbers(4), batch_size=6, seed=0, ranks=4)
    with pytest.raises(BadInput, match="evenly"):
        batches(Numbers(4), batch_size=0, seed=0)
    with pytest.raises(BadInput, match="negative"):
        batches(Numbers(4), batch_size=2, seed=-1)
