"""ResNet trunk of bottleneck layers (He et al., 2016, arXiv:1512.03385).

    image -> 7x7 / 2 -> max-pool / 2 -> stage 1 to 4 -> features at strides 4, 8, 16, 32

A stage halves height and width in the 3x3 convolution of its first layer, not in the 1x1 before it:
the form of every published ResNet-50 weight, which sees all places of the finer map.
"""

from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor, nn

EXPANSION = 4
"""Channels that leave a bottleneck, per channel inside it."""


def normed(c_in: int, c_out: int, side: int, *, stride: int = 1) -> nn.Sequential:
    """Convolution of `side` x `side` without bias, and batch norm."""
    conv = nn.Conv2d(c_in, c_out, side, stride=stride, padding=side // 2, bias=False)
    nn.init.kaiming_normal_(conv.weight, mode="fan_out", nonlinearity="relu")
    return nn.Sequential(conv, nn.BatchNorm2d(c_out))


class Bottleneck(nn.Module):
    """1x1 to `width` channels, 3x3, 1x1 to four times as many, added to the input."""

    def __init__(self, c_in: int, width: int, *, stride: int) -> None:
        super().__init__()
        c_out = EXPANSION * width
        self.body = nn.Sequential(
            normed(c_in, width, 1),
            nn.ReLU(inplace=True),
            normed(width, width, 3, stride=stride),
            nn.ReLU(inplace=True),
            normed(width, c_out, 1),
        )
        same = c_in == c_out and stride == 1
        self.shortcut = nn.Identity() if same else normed(c_in, c_out, 1, stride=stride)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d h2 w2"]:
        """The features after one layer; none is negative."""
        return self.relu(self.body(x) + self.shortcut(x))


class ResNet(nn.Module):
    """Four stages of bottlenecks; 64 wide with (3, 4, 6, 3) layers it is ResNet-50."""

    def __init__(
        self, *, channels: int = 1, width: int = 64, layers: Sequence[int] = (3, 4, 6, 3)
    ) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            normed(channels, width, 7, stride=2),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(3, stride=2, padding=1),
        )
        widths = [width * 2**i for i in range(len(layers))]
        before = [width, *(EXPANSION * w for w in widths)]
        self.stages = nn.ModuleList(
            _stage(c_in, w, depth, stride=1 if i == 0 else 2)
            for i, (c_in, w, depth) in enumerate(zip(before, widths, layers, strict=False))
        )

    def forward(self, image: Float[Tensor, "b c h w"]) -> Sequence[Float[Tensor, "b _ _ _"]]:
        """The features after every stage, finest first; the last has 32 x `width` channels."""
        x, found = self.stem(image), []
        for stage in self.stages:
            x = stage(x)
            found.append(x)
        return found


def _stage(c_in: int, width: int, depth: int, *, stride: int) -> nn.Sequential:
    first = Bottleneck(c_in, width, stride=stride)
    rest = (Bottleneck(EXPANSION * width, width, stride=1) for _ in range(depth - 1))
    return nn.Sequential(first, *rest)
