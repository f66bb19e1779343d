"""Exact nearest neighbours: fp32 scores decide who may be near, fp64 distances who is.

    queries, rows -> scores (fp32) -> those within reach of the k-th best -> distances (fp64) -> k

|q - r|² is the score |r|² - 2 q·r plus |q|², which is the same for all rows. In any order of
summation the fp32 score of vectors of length e is off by at most (e + 4) u (|q| + |r|)² to first
order, u = 2^-24 (Higham, Accuracy and Stability of Numerical Algorithms, 2002, section 3.1).
`_slack` is more than twice that. A row whose score exceeds the k-th best by more than the slack of
both is therefore no neighbour; the others are compared by their differences in fp64.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from jaxtyping import Float32, Float64, Int
from torch import Tensor
from torch.nn import functional as F

SCORES = 1_500_000
"""How many scores are held at a time."""
BLOCK = 32
"""How many scores are passed over together."""
PAIRS = 8_192
"""How many pairs are compared in fp64 at a time."""


@dataclass(frozen=True, kw_only=True)
class Pool:
    """Rows to search among.

    Attributes:
        squares: Squared length of every row.
    """

    rows: Float32[Tensor, "n e"]
    squares: Float32[Tensor, " n"]


@dataclass(frozen=True, kw_only=True)
class Nearest:
    """Places of the rows nearest to every query and their squared distances, nearest first."""

    place: Int[Tensor, "q k"]
    squared: Float64[Tensor, "q k"]


def pool(rows: Float32[Tensor, "n e"]) -> Pool:
    """Rows made ready; they are not copied."""
    return Pool(rows=rows, squares=torch.linalg.vector_norm(rows, dim=1).square())


def nearest_rows(queries: Float32[Tensor, "q e"], pools: Iterable[Pool], *, k: int) -> Nearest:
    """The k rows nearest to every query; all rows if there are fewer than k.

    Distances are Euclidean and exact to fp64. Of rows at the same distance the first comes first.
    Rows are numbered through all pools, which are held one at a time, on the CPU. Values far from
    the origin for their spread, many ties, or overflow in fp32 cost time, not exactness.

    >>> rows = torch.tensor([[3.0], [1.0], [2.0], [1.0]])
    >>> nearest_rows(torch.zeros(1, 1), [pool(rows)], k=3).place
    tensor([[1, 3, 2]])
    """
    q = len(queries)
    found = Nearest(
        place=torch.empty(q, 0, dtype=torch.int64), squared=torch.empty(q, 0, dtype=torch.float64)
    )
    start = 0
    for part in _parts(pools, BLOCK * max(1, SCORES // (BLOCK * max(1, q)))):
        query, row = _candidates(queries, part, found.squared, k)
        squared = _squared(queries, part.rows, query, row)
        found = _merged(found, query, row + start, squared, k=min(k, start + len(part.rows)))
        start += len(part.rows)
    return found


def _parts(pools: Iterable[Pool], size: int) -> Iterable[Pool]:
    for whole in pools:
        for rows, squares in zip(whole.rows.split(size), whole.squares.split(size), strict=True):
            yield Pool(rows=rows, squares=squares)


def _candidates(
    queries: Float32[Tensor, "q e"], part: Pool, squared: Float64[Tensor, "q seen"], k: int
) -> tuple[Int[Tensor, " c"], Int[Tensor, " c"]]:
    """Query and row of all pairs that may be among the k best, query by query.

    Written so that NaN, which overflow leaves, keeps a pair.
    """
    scores, slack = _scores(queries, part), _slack(queries, part)
    if squared.shape[1] >= k:
        limit = (squared[:, k - 1] - queries.double().square().sum(1)).float() + slack
    elif len(part.rows) >= k:
        limit = scores.topk(k, largest=False).values.amax(1) + 2 * slack
    else:
        limit = torch.full_like(slack, torch.inf)
    return _within(scores, limit)


def _within(
    scores: Float32[Tensor, "q n"], limit: Float32[Tensor, " q"]
) -> tuple[Int[Tensor, " c"], Int[Tensor, " c"]]:
    """Query and row of all scores that are not above the limit, query by query.

    Only the blocks whose least score is within the limit are looked into.
    """
    n = scores.shape[1]
    if n % BLOCK:
        scores = F.pad(scores, (0, -n % BLOCK), value=torch.inf)
    blocks = scores.unflatten(1, (-1, BLOCK))
    query, block = (~(blocks.amin(2) > limit[:, None])).nonzero().unbind(1)
    which, offset = (~(blocks[query, block] > limit[query, None])).nonzero().unbind(1)
    query, row = query[which], block[which] * BLOCK + offset
    return query[row < n], row[row < n]


def _scores(queries: Float32[Tensor, "q e"], part: Pool) -> Float32[Tensor, "q n"]:
    """|r|² - 2 q·r, by oneDNN where there is more than one query.

    torch's own matrix product goes to MKL, which is half as fast on processors by AMD.
    """
    if len(queries) < 2 or not torch.backends.mkldnn.is_available():
        return torch.addmm(part.squares, queries, part.rows.T, alpha=-2)
    twice, rows, squares = -2 * queries, part.rows, part.squares
    return F.linear(twice.to_mkldnn(), rows.to_mkldnn(), squares.to_mkldnn()).to_dense()


def _slack(queries: Float32[Tensor, "q e"], part: Pool) -> Float32[Tensor, " q"]:
    """More than rounding can move the score of any row; infinite where fp32 overflows."""
    fp32, terms = torch.finfo(torch.float32), queries.shape[1] + 8
    reach = torch.linalg.vector_norm(queries, dim=1) + part.squares.max().sqrt()
    return terms * (fp32.eps * reach.square() + 4 * fp32.tiny)


def _squared(
    queries: Float32[Tensor, "q e"],
    rows: Float32[Tensor, "n e"],
    query: Int[Tensor, " c"],
    row: Int[Tensor, " c"],
) -> Float64[Tensor, " c"]:
    pairs = zip(query.split(PAIRS), row.split(PAIRS), strict=True)
    exact = queries.double()
    return torch.cat([(exact[i] - rows[j]).square_().sum(1) for i, j in pairs])


def _merged(
    found: Nearest,
    query: Int[Tensor, " c"],
    place: Int[Tensor, " c"],
    squared: Float64[Tensor, " c"],
    *,
    k: int,
) -> Nearest:
    """The k best of what was found and later candidates, of which every query has enough."""
    if len(query) == 0:
        return found
    slot = torch.arange(len(query)) - torch.searchsorted(query, query)
    shape = (len(found.place), int(slot.max()) + 1)
    places = torch.zeros(shape, dtype=torch.int64).index_put((query, slot), place)
    distances = torch.full(shape, torch.nan, dtype=torch.float64)  # NaN comes last
    distances[query, slot] = squared
    merged, order = torch.cat([found.squared, distances], dim=1).sort(dim=1, stable=True)
    places = torch.cat([found.place, places], dim=1).gather(1, order)
    return Nearest(place=places[:, :k], squared=merged[:, :k])
