"""U-Net (Ronneberger et al., MICCAI 2015, arXiv:1505.04597) with batch norm.

    image --[block, halve] x depth--> deepest map --[double, put beside, block] x depth--> map

It gives features as wide as its first level; a 1 x 1 convolution of the caller makes of them what
it needs. Heights and widths are multiples of 2 to the power of the depth.
"""

from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from septum.contract import Features
from septum.nn.mode import evaluating


def block(c_in: int, c_out: int) -> nn.Sequential:
    """Two 3 x 3 convolutions, each with batch norm, which has the bias, and ReLU; sees 5 x 5."""
    return nn.Sequential(
        nn.Conv2d(c_in, c_out, 3, padding=1), nn.BatchNorm2d(c_out), nn.ReLU(inplace=True),
        nn.Conv2d(c_out, c_out, 3, padding=1), nn.BatchNorm2d(c_out), nn.ReLU(inplace=True),
    )  # fmt: skip


def narrow(c_in: int, c_out: int) -> nn.Sequential:
    """Brings an enlarged map to the width of the map beside it; linear."""
    return nn.Sequential(nn.Conv2d(c_in, c_out, 3, padding=1), nn.BatchNorm2d(c_out))


class UNet(nn.Module):
    """Features at the size of the image.

    Args:
        width: Channels of the first level and of the features; every level has twice as many.
        depth: How often the map is halved.
    """

    def __init__(self, *, width: int, depth: int = 4) -> None:
        super().__init__()
        widths = [width * 2**level for level in range(depth + 1)]
        self.first = block(1, width)
        self.down = nn.ModuleList(block(a, b) for a, b in pairwise(widths))
        wider = list(reversed([*pairwise(widths)]))
        self.narrow = nn.ModuleList(narrow(b, a) for a, b in wider)
        self.up = nn.ModuleList(block(2 * a, a) for a, _ in wider)

    def forward(self, image: Float[Tensor, "b 1 h w"]) -> Float[Tensor, "b width h w"]:
        """Down to small maps and up again."""
        x = self.first(image)
        beside: list[Tensor] = []
        for down in self.down:
            beside.append(x)
            x = down(F.max_pool2d(x, 2))
        for narrower, up in zip(self.narrow, self.up, strict=True):
            enlarged = narrower(F.interpolate(x, scale_factor=2.0))
            x = up(torch.cat([beside.pop(), enlarged], dim=1))
        return x


class Segmentor(nn.Module):
    """U-Net, 1 x 1 convolution, softmax: the network of every method that masks are drawn by.

    Args:
        width: Channels of the first level.
        classes: With the background, which is the first.
        sharpness: Factor of the logits.
    """

    def __init__(self, *, width: int, classes: int, sharpness: float) -> None:
        super().__init__()
        self.body = UNet(width=width)
        self.head = nn.Conv2d(width, classes, 1)
        self.sharpness = sharpness

    def forward(self, x: Float[Tensor, "b 1 h w"]) -> Float[Tensor, "b classes h w"]:
        """Probability of every class, for an image in [-1, 1]."""
        return (self.sharpness * self.head(self.body(x)).float()).softmax(1)

    @torch.no_grad()
    def segment(self, image: Float[Tensor, "b 1 h w"]) -> Float[Tensor, "b classes h w"]:
        """The same in evaluation mode, for an image in [0, 1]."""
        with evaluating(self):
            return self(2 * image - 1)

    @torch.no_grad()
    def encode(self, image: Float[Tensor, "b 1 h w"]) -> Features:
        """The map before the last layer, and its mean; there is no style."""
        with evaluating(self):
            content = self.body(2 * image - 1)
        return Features(content=content, style=None, pooled=content.mean(dim=(2, 3)))
