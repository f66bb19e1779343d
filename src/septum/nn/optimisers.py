"""The optimiser that a recipe asks for."""

import torch

from septum.contract import BadInput, Phase, Recipe
from septum.nn.lars import LARS
from septum.nn.madgrad import MADGRAD


def of_phase(phase: Phase, recipe: Recipe) -> torch.optim.Optimizer:
    """An optimiser of the parameters of a phase.

    Raises:
        BadInput: There is none of that name.
    """
    decay = recipe.weight_decay
    match recipe.optimiser:
        case "adamw":
            return torch.optim.AdamW(
                phase.parameters, lr=recipe.lr, betas=phase.betas, weight_decay=decay, fused=True
            )
        case "lars":
            return LARS(phase.parameters, lr=recipe.lr, weight_decay=decay)
        case "madgrad":
            return MADGRAD(phase.parameters, lr=recipe.lr, weight_decay=decay)
        case other:
            raise BadInput(
                f"The recipe asks for the optimiser {other}; use adamw, lars or madgrad."
            )
