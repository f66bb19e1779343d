"""R(2+1)D-18: a residual network whose convolutions see space first, then time.

Tran, Wang, Torresani, Ray, LeCun, Paluri: A Closer Look at Spatiotemporal Convolutions for Action
Recognition, CVPR 2018, arXiv:1711.11248; in the form that torchvision has it.

    clip --1x7x7 / (1, 2, 2), 3x1x1--> stage 1 (two blocks) --> 2 --> 3 --> 4, each at half the
    frames, height and width and twice the channels --> map

To be trained in float32 on a processor: of a kernel whose ends reach past the few frames of the
last stage, torch 2.13 leaves parts of the bf16 gradient as they were found in memory.
"""

from itertools import pairwise

from jaxtyping import Float
from torch import Tensor, nn


class R2Plus1D(nn.Module):
    """Clips to maps of 8 x `width` channels, whose mean is the embedding.

    Args:
        channels: Of the images.
        width: Channels of the first stage.
    """

    def __init__(self, *, channels: int = 3, width: int = 64) -> None:
        super().__init__()
        middle = 45 * width // 64
        self.stem = nn.Sequential(
            nn.Conv3d(channels, middle, (1, 7, 7), (1, 2, 2), (0, 3, 3), bias=False),
            nn.BatchNorm3d(middle), nn.ReLU(inplace=True),
            nn.Conv3d(middle, width, (3, 1, 1), padding=(1, 0, 0), bias=False),
            nn.BatchNorm3d(width), nn.ReLU(inplace=True),
        )  # fmt: skip
        widths = [width, width, 2 * width, 4 * width, 8 * width]
        self.stages = nn.Sequential(
            *(
                nn.Sequential(Block(a, b, stride=1 if a == b else 2), Block(b, b, stride=1))
                for a, b in pairwise(widths)
            )
        )
        self.apply(_draw)

    def forward(self, image: Float[Tensor, "b c t h w"]) -> Float[Tensor, "b d t2 h2 w2"]:
        """The last map: an eighth of the frames, a 16th of height and width."""
        return self.stages(self.stem(image))


class Block(nn.Module):
    """Two convolutions of 3 x 3 x 3, each in two parts, added to the input.

    Between the parts are as many channels as give both together the parameters of the whole.
    """

    def __init__(self, c_in: int, c_out: int, *, stride: int) -> None:
        super().__init__()
        middle = 27 * c_in * c_out // (9 * c_in + 3 * c_out)
        self.body = nn.Sequential(
            *_parted(c_in, middle, c_out, stride=stride),
            nn.ReLU(inplace=True),
            *_parted(c_out, middle, c_out, stride=1),
        )
        self.shortcut = nn.Identity()
        if stride > 1:
            self.shortcut = nn.Sequential(
                nn.Conv3d(c_in, c_out, 1, stride, bias=False), nn.BatchNorm3d(c_out)
            )
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Float[Tensor, "b c t h w"]) -> Float[Tensor, "b d t2 h2 w2"]:
        """The features after one block; none is negative."""
        return self.relu(self.body(x) + self.shortcut(x))


def _parted(c_in: int, middle: int, c_out: int, *, stride: int) -> list[nn.Module]:
    """A convolution in space, one in time, each normed."""
    return [
        nn.Conv3d(c_in, middle, (1, 3, 3), (1, stride, stride), (0, 1, 1), bias=False),
        nn.BatchNorm3d(middle), nn.ReLU(inplace=True),
        nn.Conv3d(middle, c_out, (3, 1, 1), (stride, 1, 1), (1, 0, 0), bias=False),
        nn.BatchNorm3d(c_out),
    ]  # fmt: skip


def _draw(module: nn.Module) -> None:
    if isinstance(module, nn.Conv3d):
        nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
