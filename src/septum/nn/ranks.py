"""Many processes, one batch: sums and noise that do not depend on how the batch is divided.

Process r of n holds rows `r * b` to `(r + 1) * b` of the global batch. Data parallel training
averages gradients over processes. A loss that is a mean over images needs no more than that; a
loss made of batch statistics does: built from `global_sum`s, it has the same value and, after the
averaging, the same gradient as one process would find for the whole batch. Without a process
group both functions are their one-process meaning.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch import distributed as dist


class _AllReduce(torch.autograd.Function):
    """The sum over processes; its adjoint is again a sum over processes."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:  # noqa: ARG004 - the signature of autograd
        total = x.clone(memory_format=torch.contiguous_format)
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Any) -> Tensor:  # noqa: ARG004
        return _AllReduce.forward(None, grad_outputs[0])


def count() -> int:
    """Number of processes that train together."""
    return dist.get_world_size() if _together() else 1


def global_sum(x: Float[Tensor, "*s"]) -> Float[Tensor, "*s"]:
    """Sum of `x` over all processes, differentiable; every process must call it.

    Sums are what adds up: a global mean is `global_sum(x.sum(0)) / global_sum(n)`.

    >>> global_sum(torch.tensor([1.0, 2.0]))
    tensor([1., 2.])
    """
    # autograd's apply is untyped
    return _AllReduce.apply(x) if _together() else x  # pyright: ignore[reportReturnType]


def draw(sampler: Callable[..., Tensor], shape: Sequence[int], **options: Any) -> Tensor:
    """Random numbers for the global batch, of which this process gets its rows.

    Args:
        sampler: `torch.rand`, `torch.randn`, or any function of a shape; every process must
            call it with its generator in the same state (`train.fit` sees to that).
        shape: Wanted shape; the first axis runs over the images of this process.
        options: For the sampler: `device`, `dtype`, `generator`.

    >>> draw(torch.rand, (2, 1, 8, 8)).shape
    torch.Size([2, 1, 8, 8])
    """
    everybody = sampler((shape[0] * count(), *shape[1:]), **options)
    return everybody.narrow(0, _rank() * shape[0], shape[0])


def _rank() -> int:
    return dist.get_rank() if _together() else 0


def _together() -> bool:
    return dist.is_available() and dist.is_initialized()
