"""Convolution blocks."""

from jaxtyping import Float
from torch import Tensor, nn

SLOPE = 0.1
"""Of every leaky ReLU."""


def norm(channels: int) -> nn.InstanceNorm2d:
    """Instance norm without affine part or running statistics: the same in training and use."""
    return nn.InstanceNorm2d(channels)


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
            norm(channels),
            relu(),
            nn.Conv2d(channels, channels, 3, padding=1),
            norm(channels),
            relu(),
            nn.Conv2d(channels, channels, 1),
        )

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        """Add what the body finds to `x`; sees 3x3."""
        return x + self.body(x)
