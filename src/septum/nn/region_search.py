"""The regions of many maps that are nearest to one: exact, with no descriptor for most of them.

    maps, region -> scores (fp32) -> those within reach of the k-th best -> descriptors (fp64) -> k

The descriptor of a region lists the vectors of the cells in its window. |q - r|² is the score
|r|² - 2 q·r plus |q|², which is the same for all regions. q·r at every place of a map is the
correlation of the map with q, and |r|² a sum over a box. Both are taken of the differences from one
vector, the origin: that moves no distance, and where a region is hardly more than background it
makes q, r and the rounding of the score small.

With e numbers in a descriptor a score is off by at most (e + 8) u (|q| + |r|)² to first order,
u = 2^-24, in any order of summation (see `septum.nn.search`); `_slack` is twice that.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float32, Float64, Int
from torch import Tensor

FLOATS = 800_000
"""How many numbers of a step are held at a time: 3 MB, which a cache holds."""


@dataclass(frozen=True, kw_only=True)
class Maps:
    """Maps to search among; `maps` makes them ready.

    Attributes:
        content: Is not copied.
        origin: The vector of the cells outside of a map.
        window: Cells of a region in height and width.
        ring: How many cells a region may reach out of its map.
        squares: Squared length of every region, from the origin.
    """

    content: Float32[Tensor, "n d h w"]
    origin: Float32[Tensor, " d"]
    window: int
    ring: int
    squares: Float32[Tensor, "n y x"]


@dataclass(frozen=True, kw_only=True)
class Found:
    """Map, row and column of regions and their squared distances, nearest first."""

    place: Int[Tensor, "k 3"]
    squared: Float64[Tensor, " k"]


def maps(
    content: Float32[Tensor, "n d h w"],
    *,
    origin: Float32[Tensor, " d"],
    window: int = 1,
    ring: int = 0,
) -> Maps:
    """Maps made ready: what is kept beside them is one number per region."""
    part = content.split(_at_a_time(content, window))
    squares = torch.cat(
        [_boxes(_from(some, origin).square().sum(1), window, ring) for some in part]
    )
    return Maps(content=content, origin=origin, window=window, ring=ring, squares=squares)


def descriptors(maps: Maps, places: Int[Tensor, "c 3"]) -> Float32[Tensor, "c e"]:
    """The cells of some regions row by row, the d channels of each together."""
    h, w = maps.content.shape[2:]
    number, row, column = places[:, :, None, None].unbind(1)
    reach = torch.arange(maps.window) - maps.ring
    rows, columns = torch.broadcast_tensors(row + reach[:, None], column + reach)
    inside = (rows >= 0) & (rows < h) & (columns >= 0) & (columns < w)
    cells = maps.content[number, :, rows.clamp(0, h - 1), columns.clamp(0, w - 1)]
    return torch.where(inside[..., None], cells, maps.origin).flatten(1)


def nearest_regions(
    query: Float32[Tensor, " e"],
    maps: Maps,
    *,
    k: int,
    among: Int[Tensor, " m"] | None = None,
    one_per_map: bool = False,
) -> Found:
    """The k regions nearest to a descriptor; all if there are fewer.

    Distances are Euclidean and exact to fp64. Of equally near regions the first comes first. Many
    regions that are equally near, or overflow in fp32, cost time, not exactness.

    Args:
        query: As `descriptors` lists it.
        maps: Where to search.
        k: How many are wanted.
        among: Numbers of the maps that count, in their order; all by default.
        one_per_map: Whether only the nearest of every map is found.

    >>> ready = maps(torch.tensor([[[[5.0, 1.0]]], [[[2.0, 1.0]]]]), origin=torch.zeros(1))
    >>> nearest_regions(torch.zeros(1), ready, k=3).place.tolist()
    [[0, 0, 1], [1, 0, 1], [1, 0, 0]]
    >>> nearest_regions(torch.zeros(1), ready, k=3, one_per_map=True).place.tolist()
    [[0, 0, 1], [1, 0, 1]]
    """
    numbers = torch.arange(len(maps.content)) if among is None else among
    if len(numbers) == 0:
        return Found(place=torch.empty(0, 3, dtype=torch.int64), squared=torch.empty(0).double())
    places = _candidates(query, maps, numbers, k, one_per_map=one_per_map)
    squared, rank = _squared(query, maps, places).sort(stable=True)
    if one_per_map:
        first = _first(places[rank, 0], len(maps.content))
        squared, rank = squared[first], rank[first]
    return Found(place=places[rank[:k]], squared=squared[:k])


def _candidates(
    query: Float32[Tensor, " e"],
    maps: Maps,
    numbers: Int[Tensor, " m"],
    k: int,
    *,
    one_per_map: bool,
) -> Int[Tensor, "c 3"]:
    """All regions that may be among the k best, in their order.

    Written so that NaN, which overflow leaves, keeps a region.
    """
    scores = (maps.squares - 2 * _products(query, maps))[numbers]
    slack = _slack(query, maps)[numbers]
    most = (scores + slack).flatten(1)
    best = most.amin(1) if one_per_map else most.flatten()
    limit = best.topk(min(k, len(best)), largest=False).values.max()
    number, row, column = (~(scores - slack > limit)).nonzero().unbind(1)
    return torch.stack([numbers[number], row, column], dim=1)


def _squared(
    query: Float32[Tensor, " e"], maps: Maps, places: Int[Tensor, "c 3"]
) -> Float64[Tensor, " c"]:
    """Exact, of a few descriptors at a time."""
    parts, exact = places.split(max(1, FLOATS // len(query))), query.double()
    return torch.cat([(exact - descriptors(maps, some)).square_().sum(1) for some in parts])


def _products(query: Float32[Tensor, " e"], maps: Maps) -> Float32[Tensor, "n y x"]:
    """q·r, from the origin: every cell of the window by all cells, added up in place."""
    kernel = query.view(maps.window**2, -1) - maps.origin
    return torch.cat(
        [
            _shifted(
                (kernel @ _from(some, maps.origin).flatten(2)).unflatten(2, some.shape[2:]),
                maps.window,
                maps.ring,
            )
            for some in maps.content.split(_at_a_time(maps.content, maps.window))
        ]
    )


def _from(
    content: Float32[Tensor, "b d h w"], origin: Float32[Tensor, " d"]
) -> Float32[Tensor, "b d h w"]:
    return content - origin[:, None, None]


def _boxes(cells: Float32[Tensor, "b h w"], window: int, ring: int) -> Float32[Tensor, "b y x"]:
    """The sum over every window."""
    return _shifted(cells[:, None].expand(-1, window**2, -1, -1), window, ring)


def _shifted(
    cells: Float32[Tensor, "b cells h w"], window: int, ring: int
) -> Float32[Tensor, "b y x"]:
    """The sum over every window of channel 0 at its first cell, channel 1 at its second, ...

    Rows first, then columns: the numbers of a row lie side by side.
    """
    (h, w), outside = cells.shape[2:], 2 * ring - window + 1
    rows = cells.new_zeros(len(cells), window, h + outside, w)
    total = cells.new_zeros(len(cells), h + outside, w + outside)
    for i in range(window):
        to, of = _overlap(h, h + outside, i - ring)
        rows[:, :, to] += cells[:, i * window : (i + 1) * window, of]
    for j in range(window):
        to, of = _overlap(w, w + outside, j - ring)
        total[:, :, to] += rows[:, j, :, of]
    return total


def _overlap(cells: int, places: int, shift: int) -> tuple[slice, slice]:
    """Places of windows that have a cell at this shift, and those cells."""
    first, stop = max(0, -shift), min(places, cells - shift)
    return slice(first, stop), slice(first + shift, stop + shift)


def _slack(query: Float32[Tensor, " e"], maps: Maps) -> Float32[Tensor, "n y x"]:
    """More than rounding can move a score; infinite where fp32 overflows."""
    fp32, terms = torch.finfo(torch.float32), len(query) + 8
    length = torch.linalg.vector_norm(query.view(maps.window**2, -1) - maps.origin)
    return terms * (fp32.eps * (length + maps.squares.sqrt()).square() + 4 * fp32.tiny)


def _first(numbers: Int[Tensor, " c"], n: int) -> Int[Tensor, " m"]:
    """Where every number below n comes first, in that order."""
    c = len(numbers)
    rank = torch.full((n,), c).scatter_reduce(0, numbers, torch.arange(c), "amin")
    return rank[rank < c].sort().values


def _at_a_time(content: Float32[Tensor, "n d h w"], window: int) -> int:
    """How many maps are worked on together."""
    d, h, w = content.shape[1:]
    return max(1, FLOATS // (max(d, window**2) * h * w))
