"""Views of clips: what a network is shown of them, and in which numbers.

Chance is drawn in `sample`, applied in `apply`: one draw per clip, the same in all of its frames.

    clip --turn, scale, shift--> --black margin--> --crop--> view --normalised--> three channels

The margin is black before the colours are normed, as in CoReEcho (Maani et al., 2024,
arXiv:2403.10164, supplement, Table 1); EchoNet-Dynamic norms first and pads with mean grey.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from septum.nn.ranks import draw

MEAN = (0.12741163, 0.1279413, 0.12912785)
STD = (0.19557191, 0.19562256, 0.1965878)
"""Of the three channels of the films of EchoNet-Dynamic, in [0, 1]."""


@dataclass(frozen=True, kw_only=True)
class Ranges:
    """What `sample` draws from, uniformly. Those of CoReEcho on EchoNet-Dynamic by default.

    Attributes:
        pad_px: Margin on every side, out of which a crop of the former size is taken.
        rotation_deg: Largest angle either way.
        scale: Least and greatest magnification.
        translation: Largest shift either way, as a share of height and of width.
    """

    pad_px: int = 6
    rotation_deg: float = 0.0
    scale: tuple[float, float] = (1.0, 1.0)
    translation: float = 0.0


STILL = Ranges(pad_px=0)
"""Clips as they are."""
CAMUS = Ranges(pad_px=0, rotation_deg=20.0, scale=(0.8, 1.1), translation=0.1)
"""Those of CoReEcho on CAMUS and HMC-QU."""


@dataclass(frozen=True, kw_only=True)
class Views:
    """One drawn view per clip.

    Attributes:
        pad_px: Margin on every side.
        corner: Row and column of the crop, in the clip with its margin.
        linear: Maps an offset (x, y) from the middle of the view to that in the clip, before the
            shift; None where everything stays in its place.
        shift: Of the view against the clip, (x, y) in halves of its width and height.
    """

    pad_px: int
    corner: Int[Tensor, "b 2"]
    linear: Float[Tensor, "b 2 2"] | None
    shift: Float[Tensor, "b 2"]


def sample(count: int, ranges: Ranges, device: torch.device) -> Views:
    """Draw a view of every clip."""
    u = draw(torch.rand, (count, 6), device=device)
    places = 2 * ranges.pad_px + 1
    moves = ranges.rotation_deg or ranges.translation or ranges.scale != (1.0, 1.0)
    return Views(
        pad_px=ranges.pad_px,
        corner=(u[:, :2] * places).long().clamp(max=places - 1),
        linear=_linear(u[:, 2], u[:, 3], ranges) if moves else None,
        shift=2 * ranges.translation * (2 * u[:, 4:] - 1),
    )


def apply(image: Float[Tensor, "b 1 t h w"], views: Views) -> Float[Tensor, "b 1 t h w"]:
    """The views, of the size of the clips; black comes in from outside."""
    if views.linear is not None:
        image = _moved(image, views.linear, views.shift)
    if not views.pad_px:
        return image
    h, w = image.shape[3:]
    crops = F.pad(image, [views.pad_px] * 4).unfold(3, h, 1).unfold(4, w, 1)
    clips = torch.arange(len(image), device=image.device)
    return crops[clips, :, :, views.corner[:, 0], views.corner[:, 1]]


def normalised(image: Float[Tensor, "b 1 t h w"]) -> Float[Tensor, "b 3 t h w"]:
    """Grey in [0, 1] as three channels, each with the mean and deviation of the published films.

    >>> round(normalised(torch.zeros(1, 1, 1, 1, 1))[0, 0].item(), 4)
    -0.6515
    """
    mean, std = (torch.tensor(of, device=image.device)[:, None, None, None] for of in (MEAN, STD))
    return (image - mean) / std


def _linear(
    turn: Float[Tensor, " b"], size: Float[Tensor, " b"], ranges: Ranges
) -> Float[Tensor, "b 2 2"]:
    """Turned the other way and made smaller: from a place of the view back to the clip."""
    low, high = ranges.scale
    angle = torch.deg2rad((2 * turn - 1) * ranges.rotation_deg)
    cos, sin = angle.cos(), angle.sin()
    back = torch.stack([torch.stack([cos, sin], 1), torch.stack([-sin, cos], 1)], 1)
    return back / (low + (high - low) * size)[:, None, None]


def _moved(
    image: Float[Tensor, "b 1 t h w"], linear: Float[Tensor, "b 2 2"], shift: Float[Tensor, "b 2"]
) -> Float[Tensor, "b 1 t h w"]:
    """Sampled where the map leads; pixels stay square in frames that are not."""
    frames = image[:, 0]
    h, w = frames.shape[2:]
    back = linear * torch.tensor([[1, h / w], [w / h, 1]], device=image.device)
    affine = torch.cat([back, -(back @ shift[:, :, None])], 2)
    grid = F.affine_grid(affine, list(frames.shape), align_corners=False)
    return F.grid_sample(frames, grid.to(frames.dtype), align_corners=False)[:, None]
