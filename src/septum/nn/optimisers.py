"""The optimiser that a recipe asks for."""

from itertools import repeat
from typing import Any

import torch
from torch import nn

from septum.contract import BadInput, Phase, Recipe
from septum.nn.lars import LARS
from septum.nn.madgrad import MADGRAD


def of_phase(phase: Phase, recipe: Recipe) -> torch.optim.Optimizer:
    """An optimiser of the parameters of a phase, in a group for every one of its rates.

    Groups have their rate under `rate`: a factor of the learning rate of the phase.

    Raises:
        BadInput: There is none of that name.
    """
    decay, groups = recipe.weight_decay, _groups(phase)
    match recipe.optimiser:
        case "adamw":
            return torch.optim.AdamW(
                groups, lr=recipe.lr, betas=phase.betas, weight_decay=decay, fused=True
            )
        case "lars":
            return LARS(groups, lr=recipe.lr, weight_decay=decay)
        case "madgrad":
            return MADGRAD(groups, lr=recipe.lr, weight_decay=decay)
        case other:
            raise BadInput(
                f"The recipe asks for the optimiser {other}; use adamw, lars or madgrad."
            )


def _groups(phase: Phase) -> list[dict[str, Any]]:
    """Parameters of one rate together, from the highest rate on.

    Raises:
        ValueError: There are rates, but not one for every parameter.
    """
    of: dict[float, list[nn.Parameter]] = {}
    rates = phase.rates or repeat(1.0, len(phase.parameters))
    for parameter, rate in zip(phase.parameters, rates, strict=True):
        of.setdefault(rate, []).append(parameter)
    return [{"params": of[rate], "rate": rate} for rate in sorted(of, reverse=True)]
