"""Moving-average mirrors of modules (mean teachers)."""

import copy
import math
from collections.abc import Iterable
from typing import TypeVar

import torch
from torch import nn

M = TypeVar("M", bound=nn.Module)


def mirror(module: M) -> M:
    """A copy that no optimiser moves. Gradients still flow *through* it to its input."""
    return copy.deepcopy(module).requires_grad_(requires_grad=False)


@torch.no_grad()
def follow(mirrors: Iterable[nn.Module], modules: Iterable[nn.Module], momentum: float) -> None:
    """Move every mirror towards its module: `m <- momentum m + (1 - momentum) p`."""
    for still, moving in zip(mirrors, modules, strict=True):
        for kept, seen in zip(still.parameters(), moving.parameters(), strict=True):
            kept.lerp_(seen, 1 - momentum)
        for kept, seen in zip(still.buffers(), moving.buffers(), strict=True):
            kept.copy_(seen)


def cosine_momentum(start: float, progress: float) -> float:
    """From `start` at progress 0 to 1 at progress 1, along half a cosine.

    >>> cosine_momentum(0.99, 0.0), cosine_momentum(0.99, 0.5), cosine_momentum(0.99, 1.0)
    (0.99, 0.995, 1.0)
    """
    return 1 - (1 - start) * (1 + math.cos(math.pi * progress)) / 2
