"""The networks of SDNet, but for its U-Net and its critic (arXiv:1903.09467, Fig. 2)."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from septum.nn import quantise

CELLS = 13
"""Side of the map that the modality encoder flattens: that of an image of 224 x 224 pixels."""
BLOCKS = 4
"""FiLM layers of the decoder."""


def slope() -> nn.LeakyReLU:
    """The non-linearity, with Keras's default slope."""
    return nn.LeakyReLU(0.3, inplace=True)


class ModalityEncoder(nn.Module):
    """f_modality (section 3.1.2): mean and log-variance of z, given the image and its anatomy.

    Args:
        channels: C, maps of the anatomy.
        length: nz, length of z.
        width: Of the four convolutions.
    """

    def __init__(self, *, channels: int, length: int, width: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for c_in in (1 + channels, width, width, width):
            layers += [nn.Conv2d(c_in, width, 3, stride=2), nn.BatchNorm2d(width), slope()]
        self.body = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(CELLS), nn.Flatten())
        self.dense = nn.Sequential(
            nn.Linear(CELLS**2 * width, 32), nn.BatchNorm1d(32), slope()
        )  # fmt: skip
        self.mean = nn.Linear(32, length)
        self.log_variance = nn.Linear(32, length)

    def forward(
        self, x: Float[Tensor, "b 1 h w"], s: Float[Tensor, "b C h w"]
    ) -> tuple[Float[Tensor, "b z"], Float[Tensor, "b z"]]:
        """Mean and log-variance."""
        found = self.dense(self.body(torch.cat([s, x], dim=1)))
        return self.mean(found).float(), self.log_variance(found).float()


def segmentor(*, channels: int, width: int, classes: int) -> nn.Sequential:
    """H (section 3.2): logits of the background and the structures, from the anatomy alone."""
    return nn.Sequential(
        nn.Conv2d(channels, width, 3, padding=1), nn.BatchNorm2d(width), slope(),
        nn.Conv2d(width, width, 3, padding=1), nn.BatchNorm2d(width), slope(),
        nn.Conv2d(width, classes, 1),
    )  # fmt: skip


def film(
    maps: Float[Tensor, "b c h w"], gamma: Float[Tensor, "b c"], beta: Float[Tensor, "b c"]
) -> Float[Tensor, "b c h w"]:
    """Gamma F + beta, one pair per map (Perez et al., 2018, arXiv:1709.07871)."""
    return gamma[:, :, None, None] * maps + beta[:, :, None, None]


class FiLMBlock(nn.Module):
    """Residual block whose second convolution z scales and shifts."""

    def __init__(self, *, channels: int, length: int) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(channels, channels, 3, padding=1), slope())
        self.second = nn.Conv2d(channels, channels, 3, padding=1)
        pair = nn.Linear(2 * channels, 2 * channels)
        self.pair = nn.Sequential(nn.Linear(length, 2 * channels), slope(), pair)
        self.slope = slope()
        with torch.no_grad():
            pair.bias[:channels] = 1.0  # gamma: a map that z does not touch yet passes

    def forward(
        self, maps: Float[Tensor, "b c h w"], z: Float[Tensor, "b z"]
    ) -> Float[Tensor, "b c h w"]:
        """The maps, blurred and shaded anew."""
        gamma, beta = self.pair(z).chunk(2, dim=1)
        first = self.first(maps)
        return first + self.slope(film(self.second(first), gamma, beta))


class Decoder(nn.Module):
    """g (section 3.3): no norm, so that intensities come from z alone.

    Args:
        channels: C, maps of the anatomy, and width of every layer.
        length: nz, length of z.
    """

    def __init__(self, *, channels: int, length: int) -> None:
        super().__init__()
        blocks = (FiLMBlock(channels=channels, length=length) for _ in range(BLOCKS))
        self.blocks = nn.ModuleList(blocks)
        self.last = nn.Conv2d(channels, 1, 3, padding=1)

    def forward(
        self, s: Float[Tensor, "b c h w"], z: Float[Tensor, "b z"]
    ) -> Float[Tensor, "b 1 h w"]:
        """The image in [-1, 1]."""
        for block in self.blocks:
            s = block(s, z)
        return self.last(s).tanh()


class AreaHead(nn.Module):
    """The share of the image that a structure covers (section 5.2), from the anatomy alone."""

    def __init__(self, *, channels: int) -> None:
        super().__init__()
        self.maps = nn.Sequential(
            nn.Conv2d(channels, 16, 3, padding=1), nn.ReLU(inplace=True),
            nn.Conv2d(16, 16, 3, padding=1), nn.ReLU(inplace=True),
        )  # fmt: skip
        self.share = nn.Sequential(nn.Linear(16, 16), nn.ReLU(), nn.Linear(16, 1), nn.Softplus())

    def forward(self, s: Float[Tensor, "b C h w"]) -> Float[Tensor, " b"]:
        """Shares, above 0."""
        return self.share(self.maps(s).mean(dim=(2, 3)))[:, 0]


class Drawer(nn.Module):
    """Logits of the masks, from the image through its anatomy."""

    def __init__(self, f_anatomy: nn.Module, h: nn.Module) -> None:
        super().__init__()
        self.f_anatomy, self.h = f_anatomy, h

    def forward(self, x: Float[Tensor, "b 1 h w"]) -> Float[Tensor, "b classes h w"]:
        """For an image in [-1, 1]."""
        return self.h(quantise.one_hot(self.f_anatomy(x)))
