import numpy as np
import pytest
import torch
from torch import Tensor

from septum.nn import search
from septum.nn.search import nearest_rows, pool


def rand(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def brute(queries: Tensor, rows: Tensor, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Places and squared distances by numpy, one query after another, ties by place."""
    squared = np.stack(
        [((q - rows.double().numpy()) ** 2).sum(1) for q in queries.double().numpy()]
    )
    place = squared.argsort(axis=1, kind="stable")[:, :k]
    return place, np.take_along_axis(squared, place, axis=1)


def check(queries: Tensor, rows: Tensor, k: int, *, pieces: int | None = None) -> None:
    parts = [rows] if pieces is None else rows.split(pieces)
    found = nearest_rows(queries, map(pool, parts), k=k)
    place, squared = brute(queries, rows, k)
    assert np.array_equal(found.place, place)
    np.testing.assert_allclose(found.squared, squared, rtol=1e-12)


@pytest.fixture(params=["oneDNN", "plain"])
def _product(request, monkeypatch):
    """With torch's two ways to multiply matrices."""
    if request.param == "plain":
        monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: False)


@pytest.mark.usefixtures("_product")
@pytest.mark.parametrize("k", [1, 5, 40])
@pytest.mark.parametrize("n", [1, 3, 32, 33, 500])
@pytest.mark.parametrize("q", [1, 7])
def test_equals_brute_force(q, n, k):
    check(rand(q, 20, seed=1), rand(n, 20), k)


@pytest.mark.parametrize("pieces", [1, 3, 64, 100])
@pytest.mark.parametrize("scores", [1, 32 * 7, 32 * 7 * 3])
def test_however_the_rows_are_cut(pieces, scores, monkeypatch):
    monkeypatch.setattr(search, "SCORES", scores)
    monkeypatch.setattr(search, "PAIRS", 10)
    check(rand(7, 20, seed=1), rand(150, 20), 5, pieces=pieces)


@pytest.mark.parametrize("k", [1, 5, 60])
def test_ties_go_to_the_first_row(k):
    """One-hot cells: distances are small whole numbers, and nearly all of them are shared."""
    cells = torch.randint(4, (250, 6), generator=torch.Generator().manual_seed(0))
    rows = torch.nn.functional.one_hot(cells, 4).flatten(1).float()
    check(rows[::9], rows, k, pieces=70)
    assert len(np.unique(brute(rows[::9], rows, 250)[1])) == 7


def test_a_duplicate_comes_after_its_original(monkeypatch):
    """Also in another part, in a part of its own, and where sums round."""
    monkeypatch.setattr(search, "SCORES", 1)
    rows = rand(129, 403)
    rows[[40, 100, 128]] = rows[7].clone()

    found = nearest_rows(rand(3, 403, seed=1) * 0.01 + rows[7], [pool(rows)], k=5)

    assert found.place[:, :4].tolist() == [[7, 40, 100, 128]] * 3
    assert (found.squared[:, :4] == found.squared[:, :1]).all()


def test_neighbours_that_fp32_cannot_tell_apart():
    base = 1 + rand(1, 400)
    rows = base + 2e-6 * rand(600, 400, seed=1)
    queries = base + 1e-4 * rand(9, 400, seed=2)

    fp32 = (rows.square().sum(1) - 2 * queries @ rows.T).argsort(dim=1, stable=True)[:, :5]

    assert (fp32.numpy() != brute(queries, rows, 5)[0]).mean() > 0.5
    check(queries, rows, 5)
    check(queries, rows, 5, pieces=37)


@pytest.mark.parametrize("scale", [1e-30, 1e-22, 1e-21, 1e-18, 1e18, 1e25, 1e37])
def test_where_fp32_squares_vanish_or_overflow(scale):
    check(scale * rand(20, 30, seed=1), scale * rand(900, 30), 4, pieces=400)


def test_a_query_or_row_that_is_not_finite_harms_no_other():
    queries, rows = rand(4, 30, seed=1), rand(200, 30)
    expected = brute(queries, rows, 4)[0]
    rows = torch.cat([rows, torch.full((1, 30), torch.nan), torch.full((1, 30), torch.inf)])
    queries[2, 3] = torch.nan

    found = nearest_rows(queries, map(pool, rows.split(90)), k=4).place

    assert np.array_equal(found[[0, 1, 3]], expected[[0, 1, 3]])
    assert found[2].tolist() == [0, 1, 2, 3]


@pytest.mark.usefixtures("_product")
@pytest.mark.parametrize("e", [1, 3, 400, 2048])
@pytest.mark.parametrize("offset", [0, 100])
def test_rounding_stays_within_half_the_slack(e, offset):
    """Cancellation included: lengths are large against distances."""
    queries, part = offset + rand(40, e, seed=1), pool(offset + rand(300, e))
    exact = (queries.double()[:, None] - part.rows.double()).square().sum(2)
    exact -= queries.double().square().sum(1)[:, None]

    error = (search._scores(queries, part) - exact).abs()

    assert (error <= search._slack(queries, part)[:, None] / 2).all()


def test_few_rows_are_looked_at_twice(monkeypatch):
    """Of 20,000: about k (1 + ln 10) in ten parts, if the slack is no more than it must be."""
    looked: list[int] = []
    monkeypatch.setattr(search, "SCORES", 50 * 2_000)
    monkeypatch.setattr(
        search,
        "_squared",
        lambda *pair, of=search._squared: looked.append(len(pair[2])) or of(*pair),
    )

    check(rand(50, 100, seed=1), rand(20_000, 100), 5)

    assert 5 * 50 <= sum(looked) <= 25 * 50


def test_no_query_finds_nothing():
    assert nearest_rows(torch.empty(0, 3), [pool(rand(9, 3))], k=2).place.numel() == 0
