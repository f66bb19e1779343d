"""Augmentation that keeps track of one point: chance is drawn in `sample`, applied in `apply`.

All geometry happens relative to a tracked point p: rotation, shear and zoom leave p where it is,
and only the translation t moves it, so that it lands exactly on p + t. With p a cell centre of a
grid and t a whole number of cells, the pair has no sub-cell error.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional as F

from septum.nn.blur import gaussian_blur
from septum.nn.ranks import draw


@dataclass(frozen=True, kw_only=True)
class Ranges:
    """Half-widths and bounds of the uniform distributions that `sample` draws from."""

    rotation_deg: float = 15.0
    shear: float = 0.1
    zoom: tuple[float, float] = (0.85, 1.2)
    translation_cells: int = 2
    gamma: tuple[float, float] = (0.7, 1.4)
    blur_px: float = 1.5
    blur_share: float = 0.5


@dataclass(frozen=True, kw_only=True)
class Tracked:
    """One drawn augmentation per image.

    Attributes:
        linear: Maps an offset from the tracked point in the input to the output, (x, y) order.
        cell: Grid cell (row, column) of the tracked point in the input.
        moved: Grid cell it lands on in the output.
        gamma: Exponent of the intensities.
        blur_px: Standard deviation of the blur; 0 for none.
    """

    linear: Float[Tensor, "b 2 2"]
    cell: Int[Tensor, "b 2"]
    moved: Int[Tensor, "b 2"]
    gamma: Float[Tensor, " b"]
    blur_px: Float[Tensor, " b"]


def sample(inside: Bool[Tensor, "b 1 h w"], ranges: Ranges) -> Tracked:
    """Draw a tracked cell uniformly from those `inside` (all, if none is) and a transform."""
    b, _, h, w = inside.shape
    u = draw(torch.rand, (b, 8), device=inside.device)
    cell = _pick(inside, u[:, 0])
    t = ranges.translation_cells
    shift = (u[:, 1:3] * (2 * t + 1)).long().clamp(max=2 * t) - t
    size = torch.tensor([h, w], device=inside.device)
    moved = (cell + shift).clamp(min=torch.zeros_like(size), max=size - 1)
    return Tracked(
        linear=_linear(u[:, 3:6], ranges),
        cell=cell,
        moved=moved,
        gamma=_between(u[:, 6], ranges.gamma),
        blur_px=F.relu(u[:, 7] - (1 - ranges.blur_share)) * ranges.blur_px / ranges.blur_share,
    )


def apply(image: Float[Tensor, "b 1 H W"], tracked: Tracked, *, stride: int) -> Tensor:
    """The augmented images, in [0, 1] like `image`; black comes in from outside."""
    height, width = image.shape[-2:]
    inverse = torch.linalg.inv(tracked.linear)
    size = torch.tensor([width, height], device=image.device)
    centre = (tracked.cell.flip(1) + 0.5) * stride
    landed = (tracked.moved.flip(1) + 0.5) * stride
    # grid_sample's coordinates: u = 2 (x + .5) / size - 1 at pixel x; x + .5 is used throughout
    scaled = inverse * size[None, None, :] / size[None, :, None]
    origin = centre - torch.einsum("bij,bj->bi", inverse, landed - size / 2)
    theta = torch.cat([scaled, (2 * origin / size - 1)[..., None]], dim=2)
    grid = F.affine_grid(theta, list(image.shape), align_corners=False)
    warped = F.grid_sample(image, grid.to(image.dtype), align_corners=False)
    bright = warped.clamp(0, 1) ** tracked.gamma[:, None, None, None]
    return gaussian_blur(bright, tracked.blur_px)


def landing(tracked: Tracked, grid: tuple[int, int]) -> Float[Tensor, "b h w 2"]:
    """Where the centre of every grid cell lands in the output: (x, y) in [-1, 1] between edges."""
    h, w = grid
    device = tracked.linear.device
    y, x = torch.meshgrid(
        torch.arange(h, device=device), torch.arange(w, device=device), indexing="ij"
    )
    offset = torch.stack([x, y], dim=2) - tracked.cell.flip(1)[:, None, None]
    turned = torch.einsum("bij,bhwj->bhwi", tracked.linear, offset.to(tracked.linear.dtype))
    landed = turned + tracked.moved.flip(1)[:, None, None] + 0.5
    return 2 * landed / torch.tensor([w, h], device=device) - 1


def carried(
    seen: Float[Tensor, "b c h w"], place: Float[Tensor, "b h w 2"]
) -> tuple[Float[Tensor, "b c h w"], Bool[Tensor, "b h w"]]:
    """A map of the output, read bilinearly where the cells of the input landed; and which did.

    At the tracked cell there is nothing to interpolate.
    """
    held = (place.abs() <= 1).all(dim=3)
    return F.grid_sample(seen, place, padding_mode="border", align_corners=False), held


def at_tracked(tracked: Tracked, grid: tuple[int, int]) -> Bool[Tensor, "b h w"]:
    """True at the tracked cell of every image."""
    place = tracked.cell[:, 0] * grid[1] + tracked.cell[:, 1]
    return F.one_hot(place, grid[0] * grid[1]).bool().unflatten(1, grid)


def _pick(inside: Bool[Tensor, "b 1 h w"], u: Float[Tensor, " b"]) -> Int[Tensor, "b 2"]:
    flat = inside.flatten(1)
    flat = flat | ~flat.any(dim=1, keepdim=True)
    rank = (u * flat.sum(dim=1)).long()
    place = (flat.cumsum(dim=1) <= rank[:, None]).sum(dim=1).clamp(max=flat.shape[1] - 1)
    return torch.stack([place // inside.shape[-1], place % inside.shape[-1]], dim=1)


def _linear(u: Float[Tensor, "b 3"], ranges: Ranges) -> Float[Tensor, "b 2 2"]:
    angle = torch.deg2rad((2 * u[:, 0] - 1) * ranges.rotation_deg)
    shear = (2 * u[:, 1] - 1) * ranges.shear
    zoom = _between(u[:, 2], ranges.zoom)
    cos, sin = angle.cos(), angle.sin()
    rotate = torch.stack([torch.stack([cos, -sin], 1), torch.stack([sin, cos], 1)], 1)
    one, zero = torch.ones_like(shear), torch.zeros_like(shear)
    slant = torch.stack([torch.stack([one, shear], 1), torch.stack([zero, one], 1)], 1)
    return zoom[:, None, None] * (rotate @ slant)


def _between(u: Float[Tensor, " b"], bounds: tuple[float, float]) -> Float[Tensor, " b"]:
    return bounds[0] + u * (bounds[1] - bounds[0])
