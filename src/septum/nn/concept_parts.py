"""The five convolutional networks of ConceptVAE (arXiv:2502.01335, section 3.1).

Layer order follows from the fields of view that the paper states; no norm has an affine part.
"""

from torch import nn

from septum.nn.blocks import Residual, double, relu
from septum.nn.instance_norm import InstanceNorm


def stem(width: int) -> nn.Sequential:
    """Encoder stem, stride 4, 17 px field of view."""
    return nn.Sequential(
        nn.Conv2d(1, width // 2, 3, stride=2, padding=1),
        InstanceNorm(),
        relu(),
        nn.Conv2d(width // 2, width, 3, padding=1),
        InstanceNorm(),
        relu(),
        nn.MaxPool2d(2),
        nn.Conv2d(width, width, 3, padding=1),
        InstanceNorm(),
    )


def image_decoder(width: int) -> nn.Sequential:
    """Stride 4 to pixels in about [-1, 1]."""
    return nn.Sequential(
        relu(),
        double(width, width),
        InstanceNorm(),
        relu(),
        nn.Conv2d(width, width, 1),
        InstanceNorm(),
        relu(),
        double(width, width // 2),
        InstanceNorm(),
        relu(),
        nn.Conv2d(width // 2, 1, 1),
    )


def middle(stem: int, widths: tuple[int, int, int]) -> nn.Sequential:
    """Encoder middle, stride 4 to 16, 293 px field of view."""
    a, b, c = widths
    return nn.Sequential(
        relu(),
        nn.Conv2d(stem, a, 1),
        *(Residual(a) for _ in range(3)),
        nn.MaxPool2d(2),
        InstanceNorm(),
        nn.Conv2d(a, b, 1),
        *(Residual(b) for _ in range(5)),
        nn.MaxPool2d(2),
        InstanceNorm(),
        nn.Conv2d(b, c, 1),
        *(Residual(c) for _ in range(5)),
        InstanceNorm(),
    )


def stylizer(c_in: int, width: int, styles: int) -> nn.Sequential:
    """Three 1x1 convolutions."""
    return nn.Sequential(
        nn.Conv2d(c_in, width, 1), relu(), nn.Conv2d(width, width // 2, 1), relu(),
        nn.Conv2d(width // 2, styles, 1),
    )  # fmt: skip


def feature_decoder(latent: int, width: int, stem: int) -> nn.Sequential:
    """Stride 16 to 4; every location sees 5x5 of the latent grid before it is doubled."""
    return nn.Sequential(
        nn.Conv2d(latent, width, 1),
        Residual(width),
        Residual(width),
        InstanceNorm(),
        relu(),
        double(width, width // 2),
        InstanceNorm(),
        relu(),
        double(width // 2, stem),
        InstanceNorm(),
    )
