"""Convolution blocks."""

from jaxtyping import Float
from torch import Tensor, nn

from septum.nn.instance_norm import InstanceNorm

SLOPE = 0.1
"""Of every leaky ReLU."""


def relu() -> nn.LeakyReLU:
    """The one non-linearity."""
    return nn.LeakyReLU(SLOPE)


def double(c_in: int, c_out: int) -> nn.ConvTranspose2d:
    """Transposed 3x3 convolution that doubles height and width exactly."""
    return nn.ConvTranspose2d(c_in, c_out, 3, stride=2, padding=1, output_padding=1)


class Residual(nn.Module):
    """Pre-activated residual layer: norm, leaky ReLU, 3x3, norm, leaky ReLU, 1x1."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            InstanceNorm(),
            relu(),
            nn.Conv2d(channels, channels, 3, padding=1),
            InstanceNorm(),
            relu(),
            nn.Conv2d(channels, channels, 1),
        )

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        """Add what the body finds to `x`; sees 3x3."""
        return x + self.body(x)
