"""The search among regions finds what a search among all descriptors finds."""

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from septum.nn import region_search
from septum.nn.region_search import descriptors, maps, nearest_regions
from septum.tasks.regions import cell_descriptors, nearest, padded_descriptors

BACKGROUND = torch.tensor([1.0, 0, 0, 0])
KINDS = ["smooth", "nearly all background", "one-hot"]


def content(kind: str = "smooth", *, n: int = 40) -> Tensor:
    """Concept probabilities."""
    logits = torch.randn(n, 4, 8, 9, generator=torch.Generator().manual_seed(0))
    if kind == "nearly all background":
        logits[:, 0] += 14
    found = logits.softmax(1)
    if kind == "one-hot":
        return F.one_hot(found.argmax(1) * (found.amax(1) > 0.75), 4).movedim(3, 1).float()
    return found


def windows(content: Tensor) -> region_search.Maps:
    return maps(content, origin=BACKGROUND, window=5, ring=1)


def asked(ready: region_search.Maps, count: int = 12) -> Tensor:
    """Descriptors of some regions."""
    n, y, x = ready.squares.shape
    rng = torch.Generator().manual_seed(1)
    return descriptors(
        ready, torch.stack([torch.randint(m, (count,), generator=rng) for m in (n, y, x)], 1)
    )


def best_of_each(query: Tensor, keys: Tensor) -> tuple[Tensor, Tensor]:
    """Map, row and column of the nearest region of every map, nearest map first, by numpy."""
    squared = ((query.double() - keys.double()) ** 2).sum(-1).flatten(1).numpy()
    best = squared.argmin(1)
    order = squared.min(1).argsort(kind="stable")
    row, column = np.unravel_index(best, keys.shape[1:3])
    return np.stack([order, row[order], column[order]], 1), squared.min(1)[order]


def test_the_descriptors_are_those_of_the_regions_task():
    some = content()
    ready = windows(some)
    keys = padded_descriptors(some)
    places = torch.stack(torch.meshgrid(*map(torch.arange, keys.shape[:3]), indexing="ij"), 3)

    assert torch.equal(descriptors(ready, places.flatten(0, 2)), keys.flatten(0, 2))
    torch.testing.assert_close(
        ready.squares, (keys.unflatten(3, (25, 4)) - BACKGROUND).square().sum((3, 4))
    )


@pytest.mark.parametrize("k", [1, 7, 40])
@pytest.mark.parametrize("kind", KINDS)
def test_it_finds_what_a_search_among_all_descriptors_finds(kind, k):
    some = content(kind)
    ready = windows(some)
    queries = asked(ready)

    found = [nearest_regions(query, ready, k=k) for query in queries]

    expected = nearest(queries, some, padded_descriptors, results=k)
    assert torch.equal(torch.stack([f.place for f in found]), expected)
    keys = padded_descriptors(some).double()
    exact = (queries[3].double() - keys[tuple(expected[3].T)]).square().sum(1)
    torch.testing.assert_close(found[3].squared, exact, rtol=1e-12, atol=0)


@pytest.mark.parametrize("k", [1, 6])
def test_single_cells_at_the_same_key_points(k):
    """Features far from the origin, as those that are no probabilities may be."""
    some = 30 + torch.randn(20, 6, 8, 9, generator=torch.Generator().manual_seed(0))
    ready = maps(some[:, :, 1:-1, 1:-1], origin=some.mean((0, 2, 3)))
    queries = asked(ready)

    found = torch.stack([nearest_regions(query, ready, k=k).place for query in queries])

    assert torch.equal(found, nearest(queries, some, cell_descriptors, results=k))


@pytest.mark.parametrize("kind", KINDS)
def test_one_per_map_is_the_best_of_every_map(kind):
    some = content(kind)
    ready = windows(some)
    for query in asked(ready):
        place, squared = best_of_each(query, padded_descriptors(some))

        found = nearest_regions(query, ready, k=9, one_per_map=True)

        assert np.array_equal(found.place, place[:9])
        np.testing.assert_allclose(found.squared, squared[:9], rtol=1e-12)


def test_only_some_maps():
    some = content()
    ready = windows(some)
    query = asked(ready)[0]
    among = torch.tensor([3, 4, 11, 30])

    found = nearest_regions(query, ready, k=8, among=among).place
    none = nearest_regions(query, ready, k=8, among=among[:0])

    expected = nearest(query[None], some[among], padded_descriptors, results=8)[0]
    expected[:, 0] = among[expected[:, 0]]
    assert torch.equal(found, expected)
    assert (len(none.place), len(none.squared)) == (0, 0)


@pytest.mark.parametrize("one_per_map", [False, True])
def test_all_are_found_if_there_are_fewer_than_k(one_per_map):
    ready = windows(content(n=3))

    found = nearest_regions(asked(ready)[0], ready, k=1000, one_per_map=one_per_map)

    assert len(found.place) == (3 if one_per_map else 3 * 6 * 7)


def test_however_the_maps_are_cut(monkeypatch):
    some = content("one-hot")
    ready = windows(some)
    query = asked(ready)[5]
    whole = nearest_regions(query, ready, k=20)
    monkeypatch.setattr(region_search, "FLOATS", 1)

    assert torch.equal(nearest_regions(query, windows(some), k=20).place, whole.place)


def test_overflow_costs_time_and_not_exactness():
    some = 1e30 * content()
    ready = windows(some)
    query = asked(ready)[2]

    found = nearest_regions(query, ready, k=5)

    assert torch.equal(found.place[None], nearest(query[None], some, padded_descriptors, results=5))


def test_few_descriptors_are_made_where_all_is_nearly_background(monkeypatch):
    """Without an origin, rounding would leave most regions within reach."""
    made: list[int] = []
    really = region_search.descriptors
    monkeypatch.setattr(
        region_search,
        "descriptors",
        lambda m, places: made.append(len(places)) or really(m, places),
    )
    ready = windows(content("nearly all background", n=200))
    queries = asked(ready)
    made.clear()

    for query in queries:
        nearest_regions(query, ready, k=5)

    assert sum(made) < 20 * len(queries)
