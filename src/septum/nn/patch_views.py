"""Views of an image for learning without labels: a part of it, as large as the whole, toned.

Chance is drawn in `sample`, applied in `apply`; `varied` does both.

    image --part, perhaps mirrored--> view --contrast, brightness, gamma--> --blur, rarely-->

A part is never enlarged by less than 1, so that nothing has to be smoothed before it is sampled;
and sampling is bicubic, for the grain is to stay: a bilinear sample is a mean of pixels. No colours
are swapped, none turned to their opposite.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional as F

from septum.nn.blur import gaussian_blur
from septum.nn.ranks import draw


@dataclass(frozen=True, kw_only=True)
class Ranges:
    """What `sample` draws from.

    Attributes:
        scale: Share of the area that is seen, uniform; at most 1.
        aspect: How many times wider, against its height, than the image the part is that is seen;
            its logarithm is uniform over what fits into the image.
        flip: Share of the views in which left and right change places; 0 where sides matter.
        brightness: Greatest change of the factor of all intensities, either way.
        contrast: Greatest change of the factor of their distances to the mean, either way.
        gamma: Exponent of the intensities; its logarithm is uniform.
        blur_share: Of the views that are blurred.
        blur_px: Greatest standard deviation of that.
    """

    scale: tuple[float, float] = (0.4, 1.0)
    aspect: tuple[float, float] = (3 / 4, 4 / 3)
    flip: float = 0.5
    brightness: float = 0.2
    contrast: float = 0.2
    gamma: tuple[float, float] = (0.8, 1.25)
    blur_share: float = 0.1
    blur_px: float = 1.0


STILL = Ranges(
    scale=(1.0, 1.0), aspect=(1.0, 1.0), flip=0.0, brightness=0.0, contrast=0.0, gamma=(1.0, 1.0),
    blur_share=0.0,
)  # fmt: skip
"""Images as they are."""


@dataclass(frozen=True, kw_only=True)
class Views:
    """One drawn view per image.

    Attributes:
        corner: Upper left of what is seen, (x, y) as shares of width and height.
        size: Width and height of what is seen, as shares.
        flipped: Left and right change places.
        brightness: Factor of all intensities.
        contrast: Factor of their distances to the mean.
        gamma: Exponent of the intensities.
        blur_px: Standard deviation of the blur; 0 for none.
    """

    corner: Float[Tensor, "b 2"]
    size: Float[Tensor, "b 2"]
    flipped: Bool[Tensor, " b"]
    brightness: Float[Tensor, " b"]
    contrast: Float[Tensor, " b"]
    gamma: Float[Tensor, " b"]
    blur_px: Float[Tensor, " b"]


def varied(image: Float[Tensor, "b 1 H W"], ranges: Ranges) -> Float[Tensor, "b 1 H W"]:
    """A view of every image in [0, 1]."""
    return apply(image, sample(len(image), ranges, image.device))


def sample(count: int, ranges: Ranges, device: torch.device) -> Views:
    """Draw a view of every image."""
    u = draw(torch.rand, (count, 10), device=device)
    size = _size(u[:, 0], u[:, 1], ranges)
    blurred = u[:, 8] < ranges.blur_share
    return Views(
        corner=u[:, 2:4] * (1 - size),
        size=size,
        flipped=u[:, 4] < ranges.flip,
        brightness=1 + (2 * u[:, 5] - 1) * ranges.brightness,
        contrast=1 + (2 * u[:, 6] - 1) * ranges.contrast,
        gamma=_log_uniform(u[:, 7], *(torch.tensor(end, device=device) for end in ranges.gamma)),
        blur_px=torch.where(blurred, u[:, 9] * ranges.blur_px, 0.0),
    )


def apply(image: Float[Tensor, "b 1 H W"], views: Views) -> Float[Tensor, "b 1 H W"]:
    """The views, in [0, 1] and of the size of the images."""
    view = _cut(image, views)
    mean = view.mean((1, 2, 3), keepdim=True)
    view = mean + (view - mean) * _each(views.contrast)
    view = (view * _each(views.brightness)).clamp(0, 1) ** _each(views.gamma)
    return gaussian_blur(view, views.blur_px).clamp(0, 1)


def _cut(image: Float[Tensor, "b 1 H W"], views: Views) -> Float[Tensor, "b 1 H W"]:
    """Between -1 and 1 from edge to edge, a place u of the view lies at size u + middle."""
    mirror = torch.where(views.flipped, -1.0, 1.0)
    across, down = (views.size * torch.stack([mirror, torch.ones_like(mirror)], 1)).unbind(1)
    x, y = (2 * views.corner + views.size - 1).unbind(1)
    zero = torch.zeros_like(x)
    affine = torch.stack([across, zero, x, zero, down, y], 1).unflatten(1, (2, 3))
    grid = F.affine_grid(affine, list(image.shape), align_corners=False).to(image.dtype)
    view = F.grid_sample(image, grid, mode="bicubic", padding_mode="border", align_corners=False)
    return view.clamp(0, 1)


def _size(
    area: Float[Tensor, " b"], shape: Float[Tensor, " b"], ranges: Ranges
) -> Float[Tensor, "b 2"]:
    """Width and height as shares, neither above 1."""
    low, high = ranges.scale
    scale = low + (high - low) * area
    narrow, wide = (torch.clamp(torch.full_like(scale, a), scale, 1 / scale) for a in ranges.aspect)
    aspect = _log_uniform(shape, narrow, wide)
    return torch.stack([scale * aspect, scale / aspect], 1).sqrt().clamp(max=1)


def _log_uniform(u: Tensor, low: Tensor, high: Tensor) -> Tensor:
    return low * (high / low) ** u


def _each(value: Float[Tensor, " b"]) -> Float[Tensor, "b 1 1 1"]:
    return value[:, None, None, None]
