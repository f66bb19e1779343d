"""The number of concepts a model needs, on models whose every concept is a grey."""

from itertools import chain, combinations

import numpy as np
import pytest
import torch
from torch import nn

from septum.contract import BadInput, Features
from septum.tasks import usage

PRICE = 0.01


class Greys(nn.Module):
    """Concept c is the grey `greys[c]`; a cell has the concept of the nearest grey."""

    def __init__(self, greys):
        super().__init__()
        self.greys = nn.Parameter(torch.tensor(greys), requires_grad=False)

    def phases(self):
        return ()

    def after_step(self, progress: float) -> None:
        pass

    def encode(self, image) -> Features:
        far = (image - self.greys[:, None, None]) ** 2
        p = (-100 * far).softmax(dim=1)
        return Features(content=p, style=image, pooled=p.mean((2, 3)))

    def discretise(self, content):
        return nn.functional.one_hot(content.argmax(1), content.shape[1]).movedim(-1, 1).float()

    def decode(self, content, style):
        assert (style == 0).all()
        return torch.einsum("bchw,c->bhw", content, self.greys)[:, None]

    def restyle(self, image, concepts):
        raise NotImplementedError

    def plain(self, image):
        return image


@pytest.fixture
def painted(toys):
    """A function from greys to twelve 8 x 8 images of them, with a little noise."""

    def paint(greys, noise=0.02):
        rng = torch.Generator().manual_seed(0)
        of = torch.randint(len(greys), (12, 1, 8, 8), generator=rng)
        image = torch.tensor(greys)[of] + noise * torch.randn(of.shape, generator=rng)
        records = [toys.record(f"i{k}", f"s{k // 2}") for k in range(12)]
        return toys.stills(image=image, mask=None, records=records, classes=("background",))

    return paint


def ask(model, samples, **options):
    report = usage.run(model, samples, samples, 0, **options)
    kept = {int(row["concept"]) for row in report.rows if row["needed"] == "yes"}
    return report, kept


def test_concepts_that_say_the_same_are_counted_once(painted):
    greys = (0.1, 0.1, 0.5, 0.9, 0.5, 0.9, 0.5)
    report, kept = ask(Greys(greys), painted((0.1, 0.5, 0.9)))
    assert sorted(greys[c] for c in kept) == [0.1, 0.5, 0.9]
    found = report.metrics["concepts/needed"]
    assert (found.value, found.low, found.high, found.n) == (3, 3, 3, 12)
    assert report.metrics["concepts/offered"].value == 7
    assert report.metrics["error_rise_percent"].value < 5


def test_concepts_that_nothing_shows_are_not_needed(painted):
    report, kept = ask(Greys((0.0, 0.3, 0.6, 5.0, -4.0)), painted((0.0, 0.3, 0.6)))
    assert kept == {0, 1, 2}
    assert report.metrics["concepts/seen"].value == 3
    assert report.metrics["error_rise_percent"].value == pytest.approx(0)


def test_concepts_that_all_say_something_else_all_stay(painted):
    greys = tuple(np.linspace(0, 1, 6).tolist())
    _, kept = ask(Greys(greys), painted(greys))
    assert kept == set(range(6))


def test_a_dearer_concept_must_say_more(painted):
    greys = (0.0, 0.5, 0.52, 1.0)  # of the middle two, one saves some of the error
    samples = painted(greys, noise=0.01)
    number = [len(ask(Greys(greys), samples, price=price)[1]) for price in (0.01, 1.0, 3.0, 50.0)]
    assert number == [4, 3, 3, 1]


def test_the_number_is_that_of_the_best_of_all_subsets(painted):
    greys = (0.0, 0.02, 0.3, 0.34, 0.7, 0.69, 1.0)
    samples = painted((0.0, 0.32, 0.7, 1.0), noise=0.03)
    image = samples.image.double().numpy()

    def penalised(kept, price):
        palette = np.array([greys[c] for c in kept])
        nearest = palette[np.abs(image[..., None] - palette).argmin(-1)]
        return np.log(((nearest - image) ** 2).mean()) + price * len(kept)

    subsets = chain.from_iterable(combinations(range(7), k) for k in range(1, 8))
    everything = list(subsets)
    for price in (0.01, 0.1, 0.5):
        best = min(everything, key=lambda kept, price=price: penalised(kept, price))
        _, kept = ask(Greys(greys), samples, price=price)
        assert penalised(sorted(kept), price) == pytest.approx(penalised(best, price), abs=1e-3)


def test_elimination_asks_again_only_when_it_must():
    rng = np.random.default_rng(0)
    far = np.abs(rng.random(400)[:, None] - rng.random(9))  # points and centres
    asked = []

    def loss(kept):
        asked.append(kept)
        return far[:, sorted(kept)].min(axis=1).sum()

    order = usage.elimination(loss, range(9))
    lazily = len(asked)
    kept, expected = set(range(9)), []
    while len(kept) > 1:
        cheapest = min(kept, key=lambda c: loss(frozenset(kept - {c})))
        kept = kept - {cheapest}
        expected.append(cheapest)
    assert order == [*expected, *kept]
    assert lazily < len(asked) - lazily


def test_the_interval_is_over_subjects(painted, toys):
    greys = (0.0, 0.5, 1.0)
    samples = painted(greys)
    image = samples.image.clone()
    image[2:] = image[2:].clamp(max=0.5)  # only the first subject shows white
    samples = toys.stills(image=image, mask=None, records=samples.records, classes=("background",))
    found = ask(Greys(greys), samples)[0].metrics["concepts/needed"]
    assert (found.value, found.low, found.high) == (3, 2, 3)


def test_rows_tell_every_concept_once_and_the_error_falls(painted):
    report, _ = ask(Greys((0.0, 0.3, 0.6, 1.0)), painted((0.0, 0.3, 0.6, 1.0)))
    assert sorted(row["concept"] for row in report.rows) == [0, 1, 2, 3]
    errors = [row["error"] for row in report.rows]
    assert errors == sorted(errors, reverse=True)
    assert sum(row["share"] for row in report.rows) == pytest.approx(1)
    assert set(report.figures) == {"needed"}


def test_a_model_without_discrete_concepts_is_told_so(painted, toys):
    samples = painted((0.0, 1.0))
    with pytest.raises(BadInput, match="no discrete concepts"):
        usage.run(toys.says(content=lambda image: image), samples, samples, 0)
