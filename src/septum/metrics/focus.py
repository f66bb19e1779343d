"""How much of what is spread over a film lies in a place."""

from jaxtyping import Bool, Float
from torch import Tensor


def share_inside(
    heat: Float[Tensor, "b t h w"], inside: Bool[Tensor, "b h w"], shown: Bool[Tensor, "b t"]
) -> Float[Tensor, " b"]:
    """Share in [0, 1] of the absolute heat of the shown frames that is inside; NaN where none is.

    >>> import torch
    >>> heat = torch.tensor([[[[1.0, -3.0]], [[5.0, 5.0]]]])
    >>> share_inside(heat, torch.tensor([[[False, True]]]), torch.tensor([[True, False]]))
    tensor([0.7500], dtype=torch.float64)
    """
    size = heat.double().abs() * shown[:, :, None, None]
    return (size * inside[:, None]).sum((1, 2, 3)) / size.sum((1, 2, 3))
