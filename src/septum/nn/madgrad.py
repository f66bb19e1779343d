"""MADGRAD: dual averaging with momentum and steps per coordinate (arXiv:2101.11075, Algorithm 1).

Defazio, Jelassi: Adaptivity without Compromise: A Momentumized, Adaptive, Dual Averaged Gradient
Method for Stochastic Optimization, JMLR 23(144), 2022.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.optim.optimizer import ParamsT

EPSILON = 1e-6


class MADGRAD(torch.optim.Optimizer):
    """Averages of all gradients so far pull a parameter from where it began.

        λ = lr √(k + 1)                       step k counts from 0
        g = gradient + weight_decay x
        s = s + λ g,   ν = ν + λ g²
        z = x₀ - s / (∛ν + 1e-6)
        x = momentum x + (1 - momentum) z

    The state exists from the start, so that a checkpoint has the same tensors at any step; x₀ is
    what a parameter is when the optimiser is made.
    """

    def __init__(
        self,
        parameters: ParamsT,
        *,
        lr: float,
        weight_decay: float = 0.0,
        momentum: float = 0.9,
    ) -> None:
        super().__init__(parameters, {"lr": lr, "weight_decay": weight_decay, "momentum": momentum})
        for group in self.param_groups:
            for p in group["params"]:
                self.state[p] = {
                    "step": torch.zeros((), device=p.device),
                    "start": p.detach().clone(),
                    "sum": torch.zeros_like(p, requires_grad=False),
                    "squares": torch.zeros_like(p, requires_grad=False),
                }

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> None:  # type: ignore[override]
        """One update of every parameter that has a gradient."""
        assert closure is None
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    _update(p, p.grad + group["weight_decay"] * p, self.state[p], group)


def _update(
    p: nn.Parameter, g: torch.Tensor, state: dict[str, torch.Tensor], group: dict[str, Any]
) -> None:
    state["step"] += 1
    rate = group["lr"] * state["step"].sqrt()
    state["sum"].add_(rate * g)
    state["squares"].add_(rate * g * g)
    z = state["start"] - state["sum"] / (state["squares"].pow(1 / 3) + EPSILON)
    p.lerp_(z, 1 - group["momentum"])
