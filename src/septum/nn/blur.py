"""Gaussian blur with one width per image."""

import math

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F


def gaussian_blur(
    image: Float[Tensor, "b 1 h w"], sigma_px: Float[Tensor, " b"] | float
) -> Float[Tensor, "b 1 h w"]:
    """Blur every image by its own standard deviation in pixels; 0 leaves it as it is.

    Edges are mirrored, the kernel is cut at three standard deviations.

    >>> gaussian_blur(torch.ones(2, 1, 8, 8), torch.tensor([0.0, 1.0])).min().item() > 0.999
    True
    """
    sigma = torch.as_tensor(sigma_px, dtype=torch.float32, device=image.device).expand(len(image))
    radius = min(math.ceil(3 * float(sigma.max())), *(side - 1 for side in image.shape[-2:]))
    offsets = torch.arange(-radius, radius + 1, device=image.device)
    kernel = torch.exp(-0.5 * (offsets / sigma.clamp(min=1e-3)[:, None]) ** 2)
    kernel = (kernel / kernel.sum(dim=1, keepdim=True)).to(image.dtype)[:, None]
    planes = F.pad(image, (radius, radius, radius, radius), mode="reflect").movedim(1, 0)
    planes = F.conv2d(planes, kernel[:, :, :, None], groups=len(image))
    return F.conv2d(planes, kernel[:, :, None, :], groups=len(image)).movedim(1, 0)
