import numpy as np
import pytest
import torch
from torch import nn

from septum.contract import BadInput, Clip, Features, Films
from septum.tasks.filmed import clip_starts, embedded, films_in, regressed

CLIP = Clip(frames=4, stride=3)
"""Spans 10 frames of a film, and takes up 12."""


class Net(nn.Module):
    """Says when a clip begins, and remembers how it was called."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1))
        self.calls = []

    phases = after_step = lambda *_: None

    def encode(self, image):
        self.calls.append((len(image), self.training, torch.is_grad_enabled()))
        first = image[:, 0, 0].flatten(1)
        return Features(content=image, style=None, pooled=self.weight * first)

    def regress(self, image):
        return {"ef_percent": self.encode(image).pooled.mean(1)}


@pytest.mark.parametrize("length", [1, 9, 10, 11, 12, 13, 40])
def test_clips_begin_where_they_may(toys, length):
    films = toys.films([length], clip=CLIP)
    most = max(length, 12) - 9  # by the definition of a clip: starts are 0 ... most - 1

    drawn = {s for seed in range(60) for s in clip_starts(films, 0, "three", seed)}
    everywhere = clip_starts(films, 0, "all")

    assert drawn <= set(range(most))
    assert {0, most - 1} <= drawn | {*everywhere}
    assert (everywhere[0], everywhere[-1]) == (0, most - 1)
    assert everywhere == sorted(set(everywhere))


def test_all_clips_begin_at_most_half_a_clip_apart_and_are_as_few_as_that_takes(toys):
    films = toys.films([100, 13, 12], clip=CLIP)

    # the last start is 90, which takes 18 steps of at most 10 // 2 frames
    assert clip_starts(films, 0, "all") == list(range(0, 91, 5))
    assert clip_starts(films, 1, "all") == [0, 3]
    assert clip_starts(films, 2, "all") == [0, 2]


def test_drawn_starts_are_uniform(toys):
    films = toys.films([30], clip=CLIP)

    drawn = [s for seed in range(1000) for s in clip_starts(films, 0, "three", seed)]

    count = np.bincount(drawn, minlength=21)
    assert len(count) == 21
    # chi squared of 21 equal shares of 3,000; the 99.9 % quantile for 20 degrees is 45.3
    assert ((count - 3000 / 21) ** 2 / (3000 / 21)).sum() < 45.3


def test_starts_follow_from_seed_and_id_alone(toys):
    films = toys.films([200, 200], clip=CLIP)
    alone = toys.films([200], clip=CLIP)

    assert clip_starts(films, 0, "three", 7) == clip_starts(alone, 0, "three", 7)
    assert clip_starts(films, 0, "three", 7) != clip_starts(films, 1, "three", 7)
    assert clip_starts(films, 0, "three", 7) != clip_starts(films, 0, "three", 8)
    assert clip_starts(films, 0, "one", 7) == clip_starts(films, 0, "three", 7)[:1]


@pytest.mark.parametrize("how", ["one", "three", "all"])
def test_a_clip_that_shows_the_whole_film_is_the_only_one(toys, how):
    assert clip_starts(toys.films([200], clip=Clip(frames=16, stride=0)), 0, how) == [0]


def test_answers_come_in_order_a_few_clips_at_a_time(toys):
    films, net = toys.films([30] * 5, clip=CLIP), Net()
    places, starts = [4, 0, 2] * 4, list(range(12))

    said = regressed(net, films, places, starts)
    features = embedded(net, films, places, starts)

    # a pixel of these films tells the film and the frame
    expected = [place + start / 256 for place, start in zip(places, starts, strict=True)]
    np.testing.assert_allclose(said, expected, atol=1e-6)
    np.testing.assert_allclose(features, np.repeat(np.array(expected)[:, None], 4, 1), atol=1e-6)
    assert net.calls[:2] == [(8, False, False), (4, False, False)]
    assert net.training


def test_a_model_need_not_be_a_network(toys):
    films = toys.films([30], clip=CLIP)

    model = toys.estimates(lambda place, start: 10.0 * place + start)
    assert regressed(model, films, [0, 0], [6, 7]).tolist() == [6, 7]


def test_films_are_told_from_stills(toys):
    films = toys.films([30], clip=CLIP)
    stills = toys.stills(image=torch.zeros(1, 1, 2, 2), mask=None, records=[], classes=())

    assert isinstance(films, Films)
    assert films_in(films) is films
    with pytest.raises(BadInput, match=r"^stills \(val\) holds still images, .*choose a data set"):
        films_in(stills)


def test_a_model_that_does_not_estimate_is_refused(toys):
    films = toys.films([30], clip=CLIP)

    with pytest.raises(BadInput, match="estimates nothing, and so no ef_percent; choose"):
        regressed(toys.says(content=lambda image: image), films, [0], [0])
    with pytest.raises(BadInput, match="estimates ef_percent, and no infarct; choose"):
        regressed(toys.estimates(lambda place, _: place), films, [0], [0], label="infarct")
