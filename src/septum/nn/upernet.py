"""UPerNet: a head that draws masks from maps of several scales.

Xiao, Liu, Zhou, Jiang, Sun: Unified Perceptual Parsing for Scene Understanding, ECCV 2018,
arXiv:1807.10221, section 3.1 and Figure 4. A ViT has one scale, so its maps are first brought to
four, as by BEiT (Bao et al., ICLR 2022, arXiv:2106.08254).

    levels of a ViT --x 4, x 2, x 1, x 1/2--> C2, C3, C4, C5
    C5 --means over 1, 2, 3 and 6 squared regions, beside it--> P5
    P5, C4, C3, C2 --enlarged and added, from the top down--> P4, P3, P2
    P2 ... P5 --enlarged to P2, side by side, 3 x 3--> fused --1 x 1, enlarged--> logits
    C4 --3 x 3, 1 x 1, enlarged--> logits of the auxiliary head, for the loss alone

Group norm (Wu and He, ECCV 2018, arXiv:1803.08494) takes the place of batch norm: batches of fine
images are small, and a region of 1 x 1 has nothing else to be normed by.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

REGIONS = (1, 2, 3, 6)
GROUP = 16
"""Channels that are normed together; widths are multiples of it."""


def spread(depth: int) -> tuple[int, int, int, int]:
    """Blocks of a ViT whose maps are taken: at a third, a half, two thirds and the end.

    >>> spread(12), spread(6)
    ((3, 5, 7, 11), (1, 2, 3, 5))
    """
    a, b, c, d = (max(depth * k // 12 - 1, 0) for k in (4, 6, 8, 12))
    return a, b, c, d


class Scales(nn.Module):
    """Four maps of one size at 4, 2, 1 and 1/2 times that size."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.four = nn.Sequential(_doubled(width), _norm(width), nn.GELU(), _doubled(width))
        self.two = _doubled(width)

    def forward(self, levels: Sequence[Float[Tensor, "b d h w"]]) -> list[Tensor]:
        """The finest first; an odd side is halved to the larger half."""
        a, b, c, d = levels
        return [self.four(a), self.two(b), c, F.max_pool2d(d, 2, ceil_mode=True)]


class Regions(nn.Module):
    """Every cell is told what the region around it holds, at several sizes of region (PPM).

    Zhao et al.: Pyramid Scene Parsing Network, CVPR 2017, arXiv:1612.01105, section 3.2.
    """

    def __init__(self, c_in: int, width: int) -> None:
        super().__init__()
        self.means = nn.ModuleList(
            nn.Sequential(nn.AdaptiveAvgPool2d(n), _convolved(c_in, width, 1)) for n in REGIONS
        )
        self.joined = _convolved(c_in + len(REGIONS) * width, width, 3)

    def forward(self, x: Float[Tensor, "b d h w"]) -> Float[Tensor, "b width h w"]:
        """A map of the same size."""
        beside = [_resized(mean(x), x.shape[2:]) for mean in self.means]
        return self.joined(torch.cat([x, *beside], dim=1))


class UPerNet(nn.Module):
    """Logits of classes from four maps of a ViT.

    Args:
        c_in: Channels of the maps.
        width: Channels of the head.
        classes: With the background, which is the first.
        dropout: Share of the channels that the last layers do not see in training.
        auxiliary_width: Channels of the auxiliary head.
    """

    def __init__(
        self, *, c_in: int, width: int, classes: int, dropout: float, auxiliary_width: int
    ) -> None:
        super().__init__()
        self.scales = Scales(c_in)
        self.regions = Regions(c_in, width)
        self.beside = nn.ModuleList(_convolved(c_in, width, 1) for _ in range(3))
        self.smooth = nn.ModuleList(_convolved(width, width, 3) for _ in range(3))
        self.fusion = _convolved(4 * width, width, 3)
        self.last = nn.Sequential(nn.Dropout2d(dropout), nn.Conv2d(width, classes, 1))
        self.auxiliary = nn.Sequential(
            _convolved(c_in, auxiliary_width, 3), nn.Dropout2d(dropout),
            nn.Conv2d(auxiliary_width, classes, 1),
        )  # fmt: skip

    def forward(
        self, levels: Sequence[Float[Tensor, "b d h w"]], size: Sequence[int]
    ) -> Float[Tensor, "b classes H W"]:
        """Logits at the size of the image."""
        return _resized(self.last(self.fused(levels)).float(), size)

    def aside(
        self, levels: Sequence[Float[Tensor, "b d h w"]], size: Sequence[int]
    ) -> Float[Tensor, "b classes H W"]:
        """Logits of the auxiliary head, from the third map."""
        return _resized(self.auxiliary(levels[2]).float(), size)

    def fused(self, levels: Sequence[Float[Tensor, "b d h w"]]) -> Float[Tensor, "b width h4 w4"]:
        """What the last layer sees: four times the sides of the maps."""
        *finer, coarsest = self.scales(levels)
        tops = [self.regions(coarsest)]
        for beside, c in zip(reversed(self.beside), reversed(finer), strict=True):
            tops.insert(0, beside(c) + _resized(tops[0], c.shape[2:]))
        maps = [smooth(p) for smooth, p in zip(self.smooth, tops[:-1], strict=True)]
        size = maps[0].shape[2:]
        return self.fusion(torch.cat([_resized(p, size) for p in [*maps, tops[-1]]], dim=1))


def _convolved(c_in: int, c_out: int, side: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(c_in, c_out, side, padding=side // 2, bias=False), _norm(c_out), nn.ReLU()
    )


def _doubled(width: int) -> nn.ConvTranspose2d:
    return nn.ConvTranspose2d(width, width, 2, stride=2)


def _norm(width: int) -> nn.GroupNorm:
    return nn.GroupNorm(width // GROUP, width)


def _resized(x: Float[Tensor, "b c h w"], size: Sequence[int]) -> Float[Tensor, "b c h2 w2"]:
    if tuple(x.shape[2:]) == tuple(size):
        return x
    return F.interpolate(x, [*size], mode="bilinear", align_corners=False)
