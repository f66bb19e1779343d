"""Turns in the plane: chance is drawn in `sample`, applied in `turned` and `turned_mask`."""

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from septum.nn.ranks import draw


def sample(count: int, degrees: float, device: torch.device) -> Float[Tensor, "b 2 3"]:
    """Rotations about the middle by uniform angles up to `degrees` either way."""
    angle = torch.deg2rad((2 * draw(torch.rand, (count, 1), device=device)[:, 0] - 1) * degrees)
    cos, sin, zero = angle.cos(), angle.sin(), torch.zeros_like(angle)
    return torch.stack([torch.stack([cos, -sin, zero], 1), torch.stack([sin, cos, zero], 1)], 1)


def turned(
    image: Float[Tensor, "b c h w"], rotation: Float[Tensor, "b 2 3"]
) -> Float[Tensor, "b c h w"]:
    """Turned images, bilinear; the nearest pixel of the edge comes in from outside."""
    return _sampled(image, rotation, "bilinear")


def turned_mask(
    mask: Int[Tensor, "b h w"], rotation: Float[Tensor, "b 2 3"]
) -> Int[Tensor, "b h w"]:
    """Turned class indices, each from the nearest pixel."""
    return _sampled(mask[:, None].float(), rotation, "nearest")[:, 0].to(mask.dtype)


def _sampled(values: Tensor, rotation: Tensor, how: str) -> Tensor:
    """Sampled where the rotation leads; pixels stay square in frames that are not."""
    h, w = values.shape[-2:]
    stretch = torch.tensor([[1, h / w, 1], [w / h, 1, 1]], device=values.device)
    grid = F.affine_grid(rotation * stretch, list(values.shape), align_corners=False)
    return F.grid_sample(values, grid, mode=how, padding_mode="border", align_corners=False)
