"""The convolutional networks of SSC-VAE and Attri-SSC-VAE, for images and volumes.

Layers and widths as in Table 6 of Attri-SSC-VAE; blocks as in VQGAN (arXiv:2012.09841) and
VQ-VAE (arXiv:1711.00937), from which they come. Grids have `dims` axes, 2 or 3, and shrink to an
eighth along each.
"""

import math

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from septum.nn.cbam import CONVOLUTIONS, Cbam

NORMS = {2: nn.BatchNorm2d, 3: nn.BatchNorm3d}
POOLS = {2: nn.MaxPool2d, 3: nn.MaxPool3d}
START = 0.08
"""Thresholds before anything is learnt."""


def convolution(
    c_in: int, c_out: int, *, dims: int, kernel: int = 3, bias: bool = True
) -> nn.Conv2d | nn.Conv3d:
    """A convolution that keeps the grid."""
    return CONVOLUTIONS[dims](c_in, c_out, kernel, padding=kernel // 2, bias=bias)


class Residual(nn.Module):
    """Pre-activated residual block with half the width inside."""

    def __init__(self, channels: int, *, dims: int) -> None:
        super().__init__()
        half = channels // 2
        self.body = nn.Sequential(
            nn.ReLU(),  # not in place: the skip needs what it clips
            convolution(channels, half, dims=dims, bias=False), nn.ReLU(inplace=True),
            convolution(half, channels, dims=dims, kernel=1, bias=False),
        )  # fmt: skip

    def forward(self, x: Float[Tensor, "b c *n"]) -> Float[Tensor, "b c *n"]:
        """Add what the body finds."""
        return x + self.body(x)


class NonLocal(nn.Module):
    """Every place adds what it attends to (Wang et al., 2018, arXiv:1711.07971, eq. 2, 6).

    The softmax runs over the places attended to, without the usual scale.
    """

    def __init__(self, channels: int, *, dims: int) -> None:
        super().__init__()
        inner = 3 * (channels // 2)
        self.triple = convolution(channels, inner, dims=dims, kernel=1, bias=False)
        self.last = convolution(channels // 2, channels, dims=dims, kernel=1, bias=False)

    def forward(self, x: Float[Tensor, "b c *n"]) -> Float[Tensor, "b c *n"]:
        """Add softmax(theta phi^T) g, projected."""
        theta, phi, g = self.triple(x).flatten(2).transpose(1, 2)[:, None].chunk(3, dim=-1)
        seen = F.scaled_dot_product_attention(theta, phi, g, scale=1.0)[:, 0].transpose(1, 2)
        return x + self.last(seen.unflatten(2, x.shape[2:]))


class Doubling(nn.Module):
    """Transposed convolution of kernel and stride 2: each place becomes a cell of 2 x 2 (x 2).

    As one matrix product, on a CPU three times as fast as torch's own. No bias: the norm after
    the next convolution would take it out again.
    """

    def __init__(self, c_in: int, c_out: int, *, dims: int) -> None:
        super().__init__()
        self.cell = nn.Linear(c_in, 2**dims * c_out, bias=False)

    def forward(self, x: Float[Tensor, "b c *n"]) -> Float[Tensor, "b d *m"]:
        """Twice as long along every axis."""
        b, _, *sides = x.shape
        dims = len(sides)
        cells = self.cell(x.movedim(1, -1)).view(b, *sides, *[2] * dims, -1)
        pairs = [axis for k in range(1, dims + 1) for axis in (k, k + dims)]
        grid = cells.permute(0, *pairs, 2 * dims + 1)
        return grid.reshape(b, *[2 * side for side in sides], -1).movedim(-1, 1)


def down(c_in: int, c_out: int, *, dims: int) -> nn.Sequential:
    """To half the grid; the largest of a cell is picked before the ReLU, which is the same."""
    return nn.Sequential(
        convolution(c_in, c_out, dims=dims, bias=False), NORMS[dims](c_out), POOLS[dims](2),
        nn.ReLU(inplace=True),
    )  # fmt: skip


def up(c_in: int, c_out: int, *, dims: int) -> nn.Sequential:
    """To twice the grid."""
    return nn.Sequential(
        Doubling(c_in, c_out, dims=dims), convolution(c_out, c_out, dims=dims, bias=False),
        NORMS[dims](c_out), nn.ReLU(inplace=True),
    )  # fmt: skip


class Last(nn.Module):
    """Group norm, swish, convolution."""

    def __init__(self, c_in: int, c_out: int, *, dims: int, groups: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(groups, c_in)
        self.convolution = convolution(c_in, c_out, dims=dims)

    def forward(self, x: Float[Tensor, "b c *n"]) -> Float[Tensor, "b d *n"]:
        """The norm is float32 in any precision: on a CPU its gradient is slow in bf16."""
        return self.convolution(F.silu(self.norm(x.float()).to(x.dtype)))


class Encoder(nn.Module):
    """E of an image.

    Args:
        widths: Before and after the first halving of the grid.
        channels: C', of E.
        dims: Axes of the grid, 2 or 3.
        groups: Of the group norm; they divide both widths.
    """

    def __init__(
        self, *, widths: tuple[int, int], channels: int, dims: int = 2, groups: int = 16
    ) -> None:
        super().__init__()
        few, many = widths
        layers: list[nn.Module] = [convolution(1, few, dims=dims)]
        for width in (few, many, many):
            layers += [Residual(width, dims=dims), down(width, many, dims=dims)]
        layers += [Residual(many, dims=dims), NonLocal(many, dims=dims), Residual(many, dims=dims)]
        self.body = nn.Sequential(*layers, Last(many, channels, dims=dims, groups=groups))

    def forward(self, x: Float[Tensor, "b 1 *m"]) -> Float[Tensor, "b channels *n"]:
        """Sides are multiples of 8."""
        return self.body(x)


class Decoder(nn.Module):
    """The image of D Z, in [0, 1]; arguments as of `Encoder`."""

    def __init__(
        self, *, widths: tuple[int, int], channels: int, dims: int = 2, groups: int = 16
    ) -> None:
        super().__init__()
        few, many = widths
        layers: list[nn.Module] = [convolution(channels, many, dims=dims)]
        layers += [Residual(many, dims=dims), NonLocal(many, dims=dims), Residual(many, dims=dims)]
        for width in (many, few, few):
            layers += [Residual(width, dims=dims), up(width, few, dims=dims)]
        self.body = nn.Sequential(*layers, Last(few, 1, dims=dims, groups=groups))

    def forward(self, x: Float[Tensor, "b channels *n"]) -> Float[Tensor, "b 1 *m"]:
        """Always in float32, where it has levels enough near 1."""
        return self.body(x).float().sigmoid()


class Thresholds(nn.Module):
    """alpha^+ of E: how much a code must be worth, per atom and place.

    Softplus, so that none is below 0, of maps shifted so that an untaught network, whose maps are
    near 0, says about `START`.

    Args:
        channels: C', of E.
        atoms: K.
        dims: Axes of the grid, 2 or 3.
        reduction: As of `septum.nn.cbam.Cbam`.
    """

    def __init__(self, channels: int, atoms: int, *, dims: int = 2, reduction: int = 16) -> None:
        super().__init__()
        self.body = nn.Sequential(
            convolution(channels, atoms, dims=dims),
            Residual(atoms, dims=dims), Residual(atoms, dims=dims),
            Cbam(atoms, dims=dims, reduction=reduction),
        )  # fmt: skip
        self.shift = math.log(math.expm1(START))

    def forward(self, e: Float[Tensor, "b channels *n"]) -> Float[Tensor, "b atoms *n"]:
        """At least 0, in float32."""
        return F.softplus(self.body(e).float() + self.shift)


def unit_power(e: Float[Tensor, "b c *n"]) -> Float[Tensor, "b c *n"]:
    """Every map scaled to a mean square of 1.

    >>> import torch
    >>> unit_power(torch.tensor([[[3.0, 4.0], [0.0, 0.0]]])).square().mean().item()
    1.0
    """
    power = e.square().flatten(1).mean(1).clamp(min=1e-8)
    return e / power.sqrt().view(-1, *[1] * (e.dim() - 1))
