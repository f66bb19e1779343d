"""New styles near known ones."""

import torch
from jaxtyping import Float
from torch import Tensor


def noisy(
    style: Float[Tensor, "b s h w"],
    noise: Float[Tensor, "b s h w"],
    beta: Float[Tensor, " b"] | float,
) -> Float[Tensor, "b s h w"]:
    """(style + beta noise) / √(1 + beta²) (ConceptVAE, section 5.5, Eq. 7).

    If style and noise are independent and of unit variance, so is the mixture. `beta` is one
    strength, or one per image; at 0 the style stays as it is.

    >>> noisy(torch.full((1, 1, 1, 1), 0.5), torch.ones(1, 1, 1, 1), 0.75).item()
    1.0
    """
    strength = torch.as_tensor(beta, dtype=style.dtype, device=style.device).reshape(-1, 1, 1, 1)
    return (style + strength * noise) / (1 + strength**2).sqrt()
