"""A picture drawn once and then changed: every pixel comes from a place near it, and is lifted.

A field has three maps: how far down and how far to the right of itself a pixel comes from, in
pixels, and what is added to it, in intensities. A field of zeros changes nothing.
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional as F

from septum.nn.sparse_parts import NonLocal, Residual, convolution, up

FIELD = 3
LIFT = 100.0
"""Squared pixels that count as much as a squared intensity: a tenth of it as much as a pixel."""
INSIDE = 4.0
"""How often a pixel of the heart counts."""
REACH_PX = 4.0
"""What an output of 1 of the last convolution moves a pixel by."""


def changed(
    image: Float[Tensor, "b 1 h w"], field: Float[Tensor, "b 3 h w"]
) -> Float[Tensor, "b 1 h w"]:
    """Images in [0, 1] after their fields, bilinear; beyond an edge its nearest pixel.

    Second derivatives are known, which those of `grid_sample` are not.

    >>> row, zero = torch.tensor([[[[0.0, 0.5, 1.0]]]]), torch.zeros(1, 1, 1, 3)
    >>> changed(row, torch.cat([zero, zero + 0.5, zero], 1))
    tensor([[[[0.2500, 0.7500, 1.0000]]]])
    """
    height, width = image.shape[-2:]
    rows = torch.arange(height, device=image.device)[:, None] + field[:, 0]
    columns = torch.arange(width, device=image.device) + field[:, 1]
    rows, columns = rows.clamp(0, height - 1), columns.clamp(0, width - 1)
    top, left = rows.detach().floor(), columns.detach().floor()
    found = torch.zeros_like(rows)
    for down in (0, 1):
        for right in (0, 1):
            weight = _share(rows - top, down) * _share(columns - left, right)
            at = (top + down).clamp(max=height - 1) * width + (left + right).clamp(max=width - 1)
            taken = image.flatten(1).gather(1, at.long().flatten(1)).view_as(rows)
            found = found + weight * taken
    return (found[:, None] + field[:, 2:]).clamp(0, 1)


def _share(rest: Tensor, side: int) -> Tensor:
    return rest if side else 1 - rest


def missed(
    said: Float[Tensor, "b 3 h w"], true: Float[Tensor, "b 3 h w"]
) -> Float[Tensor, "b 1 h w"]:
    """Squared distance of both sources in pixels, and squared intensity by `LIFT`; by pixel."""
    off = (said - true).square()
    return off[:, :2].sum(1, keepdim=True) + LIFT * off[:, 2:]


def weighted(off: Float[Tensor, "b 1 h w"], inside: Bool[Tensor, "b 1 h w"]) -> Float[Tensor, ""]:
    """Mean over pixels, those inside counted `INSIDE` times; not divided by the weights."""
    return (off * (1 + (INSIDE - 1) * inside)).mean()


class Reshaper(nn.Module):
    """The field of a code: how what the decoder draws for it is to be changed.

    It works at half the height and width of the image, as fields are smooth, and says zeros until
    it is taught.

    Args:
        channels: C', of D Z.
        widths: On larger maps, and on those of the size of the code.
    """

    def __init__(self, channels: int, *, widths: tuple[int, int]) -> None:
        super().__init__()
        few, many = widths
        self.body = nn.Sequential(
            convolution(channels, many, dims=2), Residual(many, dims=2), NonLocal(many, dims=2),
            Residual(many, dims=2), Residual(many, dims=2), up(many, few, dims=2),
            Residual(few, dims=2), up(few, few, dims=2), Residual(few, dims=2),
        )  # fmt: skip
        self.last = convolution(few, FIELD, dims=2)
        nn.init.zeros_(self.last.weight)
        assert self.last.bias is not None
        nn.init.zeros_(self.last.bias)

    def forward(self, dz: Float[Tensor, "b channels h w"]) -> Float[Tensor, "b 3 H W"]:
        """At the size of the image, eight times that of the code."""
        small = self.last(self.body(dz)).float()
        field = F.interpolate(small, scale_factor=2, mode="bilinear")
        return torch.cat([REACH_PX * field[:, :2], field[:, 2:]], dim=1)
