"""Batches in which every value of a label is drawn equally often."""

from collections import Counter
from dataclasses import dataclass, field
from itertools import chain, islice
from pathlib import Path

import pytest
import torch

from septum.contract import BadInput, Batch, Clip, Record
from septum.data.loader import batches

COUNTS = {"heart": 50, "breast": 7, "hip": 1}


@dataclass
class Organs:
    """Samples of so many images of every organ; of an empty organ nobody says it."""

    counts: dict = field(default_factory=lambda: COUNTS)
    name: str = "organs"
    split: str = "train"
    classes: tuple = ("background",)

    def __post_init__(self):
        self.organs = list(chain.from_iterable([organ] * n for organ, n in self.counts.items()))
        self.records = [
            Record(
                id=f"{i}", subject=f"{i}", image=Path(), labels={"organ": organ} if organ else {}
            )
            for i, organ in enumerate(self.organs)
        ]

    def batch(self, indices):
        return Batch(image=torch.zeros(len(indices), 1, 1, 1), ids=[str(i) for i in indices])


class Filmed(Organs):
    clip = Clip(frames=1)

    def lengths(self):
        return [1] * len(self.records)

    def clips(self, indices, starts):  # noqa: ARG002 - what films promise
        return self.batch(indices)


def draw(number, *, samples=None, batch_size=8, **options):
    stream = batches(
        samples or Organs(), batch_size=batch_size, balanced="organ", seed=2, **options
    )
    return [[int(i) for i in batch.ids] for batch in islice(stream, number)]


@pytest.mark.parametrize("size", [2, 3, 8, 9, 16])
def test_every_batch_has_as_many_of_each_up_to_one(size):
    organs = Organs().organs
    for rows in draw(40, batch_size=size):
        seen = Counter(organs[i] for i in rows)
        counts = [seen[organ] for organ in COUNTS]
        assert sum(counts) == size
        assert max(counts) - min(counts) <= 1


def test_over_three_batches_counts_are_equal():
    together = Counter(Organs().organs[i] for i in chain.from_iterable(draw(6)))
    assert together == dict.fromkeys(COUNTS, 16)


def test_every_value_has_epochs_of_its_own():
    rows = list(chain.from_iterable(sorted(rows) for rows in draw(30)))
    of = {organ: [i for i in rows if Organs().organs[i] == organ] for organ in COUNTS}
    assert Counter(of["hip"]) == {57: 80}
    assert sorted(Counter(of["breast"]).values()) == [11, 11, 11, 11, 12, 12, 12]
    assert sorted(Counter(of["heart"]).values()) == [1] * 20 + [2] * 30


def test_a_resumed_stream_goes_on_exactly():
    whole = draw(30)
    for start in (1, 7, 23):
        assert draw(30 - start, start=start) == whole[start:]


@pytest.mark.parametrize("ranks", [2, 4, 8])
def test_any_number_of_ranks_sees_the_same_batches_and_every_organ(ranks):
    parts = [draw(12, rank=rank, ranks=ranks) for rank in range(ranks)]
    together = [list(chain.from_iterable(rows)) for rows in zip(*parts, strict=True)]
    assert together == draw(12)
    for part in parts:
        assert {Organs().organs[i] for i in chain.from_iterable(part)} == {*COUNTS}


def test_another_seed_is_another_order():
    samples = Organs()
    one, other = (batches(samples, batch_size=9, balanced="organ", seed=s) for s in (0, 1))
    assert next(one).ids != next(other).ids


def test_images_without_the_label_are_one_value_more():
    samples = Organs({"heart": 30, "": 3, "hip": 4})
    seen = Counter(samples.organs[i] for i in chain.from_iterable(draw(3, samples=samples)))
    assert seen == {"heart": 8, "": 8, "hip": 8}


def test_a_label_that_no_image_has_is_refused():
    with pytest.raises(BadInput, match=r"organs \(train\) has the label 'organ'"):
        draw(1, samples=Organs({"": 5}))
    with pytest.raises(BadInput, match="the label 'site'"):
        batches(Organs(), batch_size=2, balanced="site", seed=0)


def test_films_and_images_chosen_for_their_masks_are_not_balanced():
    with pytest.raises(BadInput, match="stills"):
        draw(1, samples=Filmed())
    with pytest.raises(BadInput, match="masks"):
        draw(1, labelled=2)
