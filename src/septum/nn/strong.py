"""Strong views of images: boxes of other images, and other intensities; shapes stay where they are.

Chance is drawn in `sample`, applied in `mixed` and `shaded`.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from septum.nn.blur import gaussian_blur
from septum.nn.ranks import draw

BOX = (0.3, 0.7)
"""Shortest and longest side of a box, as shares of those of the image."""
GAMMA = (0.5, 2.0)
CONTRAST = (0.6, 1.4)
BRIGHTNESS = 0.2
BLUR_PX = 1.5


@dataclass(frozen=True, kw_only=True)
class Strong:
    """One drawn view per image.

    Attributes:
        box: True where the next image of the batch is put in.
        gamma, contrast, brightness: Of the intensities.
        blur_px: Standard deviation of the blur.
    """

    box: Bool[Tensor, "b 1 h w"]
    gamma: Float[Tensor, "b 1 1 1"]
    contrast: Float[Tensor, "b 1 1 1"]
    brightness: Float[Tensor, "b 1 1 1"]
    blur_px: Float[Tensor, " b"]


def sample(count: int, size: tuple[int, int], device: torch.device) -> Strong:
    """Draw a view for every image of this height and width."""
    u = draw(torch.rand, (count, 8), device=device)
    one = u[..., None, None]
    return Strong(
        box=_inside(u[:, 0], u[:, 1], size[0])[:, None, :, None]
        & _inside(u[:, 2], u[:, 3], size[1])[:, None, None, :],
        gamma=GAMMA[0] * (GAMMA[1] / GAMMA[0]) ** one[:, 4:5],
        contrast=CONTRAST[0] + (CONTRAST[1] - CONTRAST[0]) * one[:, 5:6],
        brightness=BRIGHTNESS * (2 * one[:, 6:7] - 1),
        blur_px=BLUR_PX * u[:, 7],
    )


def mixed(values: Float[Tensor, "b c h w"], view: Strong) -> Float[Tensor, "b c h w"]:
    """Every map with the box of the next one in it (CutMix, Yun et al., 2019, arXiv:1905.04899)."""
    return torch.where(view.box, values.roll(-1, 0), values)


def shaded(image: Float[Tensor, "b 1 h w"], view: Strong) -> Float[Tensor, "b 1 h w"]:
    """Intensities in [0, 1], changed from black to white by one curve per image, and blurred."""
    curved = (image.clamp(0, 1) ** view.gamma - 0.5) * view.contrast + 0.5 + view.brightness
    return gaussian_blur(curved.clamp(0, 1), view.blur_px)


def _inside(size: Tensor, place: Tensor, pixels: int) -> Bool[Tensor, "b n"]:
    """Whether a pixel lies in an interval of a drawn length at a drawn place."""
    length = pixels * (BOX[0] + (BOX[1] - BOX[0]) * size)
    start = place * (pixels - length)
    at = torch.arange(pixels, device=size.device)[None] + 0.5
    return (at >= start[:, None]) & (at < (start + length)[:, None])
