"""LARS: a learning rate per layer, for large batches (You et al., 2017, arXiv:1708.03888)."""

from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.optim.optimizer import ParamsT


class LARS(torch.optim.Optimizer):
    """Momentum SGD whose step of a layer is `trust` times the size of its weights.

        g = gradient + weight_decay w
        m = momentum m + g trust |w| / |g|
        w = w - lr m

    The gradient in the denominator has its decay, and the learning rate multiplies the momentum,
    as in the code of later users (the paper's Algorithm 1 adds the two norms and puts the rate
    inside). A layer of zeros, or without gradient, takes `trust |w| / |g|` as 1. So do biases and
    norm parameters, those of one dimension, which do not decay either.

    The momentum exists from the start, so that a checkpoint has the same tensors at any step.
    """

    def __init__(
        self,
        parameters: ParamsT,
        *,
        lr: float,
        weight_decay: float = 0.0,
        momentum: float = 0.9,
        trust: float = 1e-3,
    ) -> None:
        settings = {"lr": lr, "weight_decay": weight_decay, "momentum": momentum, "trust": trust}
        super().__init__(parameters, settings)
        for group in self.param_groups:
            for p in group["params"]:
                self.state[p]["momentum"] = torch.zeros_like(p, requires_grad=False)

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> None:  # type: ignore[override]
        """One update of every parameter that has a gradient."""
        assert closure is None
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    change = p.grad if p.ndim <= 1 else _adapted(p, p.grad, group)
                    moving = self.state[p]["momentum"]
                    moving.mul_(group["momentum"]).add_(change)
                    p.sub_(group["lr"] * moving)


def _adapted(p: nn.Parameter, gradient: torch.Tensor, group: dict[str, Any]) -> torch.Tensor:
    change = gradient + group["weight_decay"] * p
    size, length = p.norm(), change.norm()
    share = torch.where((size > 0) & (length > 0), group["trust"] * size / length, 1.0)
    return change * share
