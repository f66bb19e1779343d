"""Weighted bilinear samples of maps, as a processor finds them fast.

`torch.nn.functional.grid_sample` visits maps channel by channel, which wants a number here and a
number there. Here cells have their channels side by side, and a sample is a sum of four such rows,
which torch knows as a bag of embeddings. Its own gradients of bags are slow on processors; those
here are bags again (of what points to a cell, in the order of cells) and one product of matrices.
"""

from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F


def corners(
    places: Float[Tensor, "b p k 2"], grid: tuple[int, int]
) -> tuple[Int[Tensor, "b p k 4"], Float[Tensor, "b p k 4"]]:
    """The four cells round every place, row by row, and the share of each; 0 of those outside.

    Args:
        places: (row, column), cell centres at integers.
        grid: Rows and columns of cells.

    >>> cells, shares = corners(torch.tensor([[[[0.25, 1.0]]]]), (2, 3))
    >>> cells.flatten().tolist(), shares.flatten().tolist()
    ([1, 2, 4, 5], [0.75, 0.0, 0.25, 0.0])
    """
    (rows, down), (columns, right) = (
        _neighbours(places[..., axis], count) for axis, count in enumerate(grid)
    )
    index = rows[..., :, None] * grid[1] + columns[..., None, :]
    return index.flatten(-2), (down[..., :, None] * right[..., None, :]).flatten(-2)


def _neighbours(
    place: Float[Tensor, "b p k"], count: int
) -> tuple[Int[Tensor, "b p k 2"], Float[Tensor, "b p k 2"]]:
    """The two cells beside places on one axis, and the share of each."""
    place = place.contiguous()
    low = place.detach().floor()
    part = place - low
    near = torch.stack([low, low + 1], dim=-1)
    share = torch.stack([1 - part, part], dim=-1) * ((near >= 0) & (near < count))
    return near.clamp(0, count - 1).long(), share


def gathered(
    cells: Float[Tensor, "b q d"],
    weight: Float[Tensor, "k d"],
    index: Int[Tensor, "b p k c"],
    share: Float[Tensor, "b p k c"],
) -> Float[Tensor, "b p d"]:
    """sum_k w_k sum_c share x(index): differentiable by all but the index, once."""
    # autograd's apply is untyped
    return _Gathered.apply(cells, weight, index, share)  # pyright: ignore[reportReturnType]


class _Gathered(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, index: Tensor, share: Tensor) -> Tensor:
        ctx.save_for_backward(x, weight, index, share)
        p, k, c = index.shape[1:]
        weighted = x[:, :, None] * weight
        taps = torch.arange(k, device=x.device)[:, None]
        rows = _over_images(index, x.shape[1]) * k + taps
        y = _bags(weighted.flatten(0, 2), rows.view(-1, k * c), share.reshape(-1, k * c))
        return y.unflatten(0, (-1, p))

    @staticmethod
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride] - the decorator's names
        ctx: Any, *grad_outputs: Tensor
    ) -> tuple[Tensor | None, ...]:
        x, weight, index, share = ctx.saved_tensors
        grad = grad_outputs[0][:, :, None]
        of_samples = (grad * weight).flatten(1, 2)
        rows = _over_images(index, x.shape[1])
        samples = _bags(x.flatten(0, 1), rows.flatten(0, 2), share.flatten(0, 2))
        return (
            _scattered(of_samples.flatten(0, 1), rows, share, x.shape),
            (samples.view(*index.shape[:3], -1) * grad).sum((0, 1)),
            None,
            (of_samples @ x.mT).gather(2, index.flatten(1, 2)).view(share.shape).to(share),
        )


def _over_images(index: Tensor, cells: int) -> Tensor:
    """Cells counted on from image to image."""
    return index + cells * torch.arange(len(index), device=index.device)[:, None, None, None]


def _bags(table: Tensor, rows: Tensor, share: Tensor) -> Tensor:
    return F.embedding_bag(rows, table, per_sample_weights=share.to(table), mode="sum")


def _scattered(table: Tensor, rows: Tensor, share: Tensor, shape: torch.Size) -> Tensor:
    """To every cell, the rows of the table that have a share in it."""
    order = rows.flatten().int().argsort()
    ends = rows.flatten().bincount(minlength=shape[0] * shape[1]).cumsum(0)
    starts = F.pad(ends[:-1], (1, 0))
    found = F.embedding_bag(
        order // rows.shape[-1], table, starts,
        per_sample_weights=share.flatten()[order].to(table), mode="sum",
    )  # fmt: skip
    return found.view(shape)
