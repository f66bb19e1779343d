"""Regions of a content map as vectors, and the exact search among them (ConceptVAE, section 5.1).

A key point is a cell of the map with a 5 x 5 window round it; its descriptor is the content there.
The paper counts 14 x 18 key points on a 16 x 20 map and calls their windows complete, which only
12 x 16 are. `padded_descriptors` gives its count, `complete_descriptors` the other reading.
"""

from collections.abc import Callable

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from septum.contract import Discretises, Model
from septum.nn.search import nearest_rows, pool

WINDOW = 5
MAPS = 32
"""How many maps of a pool are held as descriptors at a time."""

Descriptors = Callable[[Float[Tensor, "n d h w"]], Float[Tensor, "n y x e"]]


def complete_descriptors(content: Float[Tensor, "n d h w"]) -> Float[Tensor, "n y x e"]:
    """Descriptors of the cells whose window lies inside the map: (h - 4) x (w - 4) of them.

    A descriptor lists the 25 cells of its window row by row, the d channels of each together.
    """
    windows = content.unfold(2, WINDOW, 1).unfold(3, WINDOW, 1)
    return windows.permute(0, 2, 3, 4, 5, 1).flatten(3)


def padded_descriptors(content: Float[Tensor, "n d h w"]) -> Float[Tensor, "n y x e"]:
    """The same after one ring of background (channel 0 is 1) round the map: (h - 2) x (w - 2)."""
    padded = F.pad(content, (1, 1, 1, 1))
    padded[:, 0] = F.pad(content[:, 0], (1, 1, 1, 1), value=1.0)
    return complete_descriptors(padded)


def cell_descriptors(content: Float[Tensor, "n d h w"]) -> Float[Tensor, "n y x d"]:
    """The cell alone, at the key points of `padded_descriptors`: (h - 2) x (w - 2) of them."""
    return content[:, :, 1:-1, 1:-1].movedim(1, 3)


def of_model(model: Model) -> Descriptors:
    """How the paper describes a region: by its concepts, or by the features of its one cell."""
    return padded_descriptors if isinstance(model, Discretises) else cell_descriptors


def nearest(
    queries: Float[Tensor, "q e"],
    content: Float[Tensor, "n d h w"],
    descriptors: Descriptors,
    *,
    results: int,
) -> Int[Tensor, "q results 3"]:
    """Map, row and column of the key points nearest to the queries in all maps, nearest first.

    Distances are Euclidean and exact to fp64. Of equally near key points the first comes first;
    if there are fewer than `results`, all are found.
    """
    rows, columns = descriptors(content[:1]).shape[1:3]
    pools = (pool(descriptors(maps).flatten(0, 2)) for maps in content.split(MAPS))
    place = nearest_rows(queries, pools, k=results).place
    keys = rows * columns
    return torch.stack([place // keys, place % keys // columns, place % columns], dim=2)
