"""A critic of masks, and the memory of masks that it learns from (SDNet, section 3.2)."""

import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from septum.nn.ranks import draw

POOLED = 50
"""Predicted masks that are remembered."""
LEVELS = 255
"""Remembered probabilities are rounded to 1 / LEVELS."""


class MaskCritic(nn.Module):
    """Scores masks: 1 for real ones, 0 for predicted ones.

    As the discriminator of DCGAN (Radford et al., 2016) without batch norm: five 4 x 4
    convolutions, all but the last of stride 2, and one linear layer on what is left.

    Args:
        structures: Channels of a mask, without the background.
        width: Channels after the first convolution; then 2, 4, 8 and 16 times as many.
        image_size: Height and width of a mask; multiples of 16.
    """

    def __init__(self, *, structures: int, width: int, image_size: tuple[int, int]) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Conv2d(structures, width, 4, stride=2, padding=1)]
        for k in (1, 2, 4):
            layers += [_slope(), _normed(k * width, 2 * k * width, stride=2)]
        layers += [_slope(), nn.ZeroPad2d((1, 2, 1, 2)), _normed(8 * width, 16 * width, stride=1)]
        cells = (image_size[0] // 16) * (image_size[1] // 16)
        self.body = nn.Sequential(*layers, _slope(), nn.Flatten())
        self.score = nn.Linear(16 * width * cells, 1)

    def forward(self, mask: Float[Tensor, "b l h w"]) -> Float[Tensor, "b 1"]:
        """One score per mask, unbounded."""
        return self.score(self.body(mask))


def _slope() -> nn.LeakyReLU:
    return nn.LeakyReLU(0.2, inplace=True)


def _normed(c_in: int, c_out: int, *, stride: int) -> nn.Module:
    padding = 1 if stride == 2 else 0
    return spectral_norm(nn.Conv2d(c_in, c_out, 4, stride=stride, padding=padding))


class Pool(nn.Module):
    """The last predicted masks, part of the state of a training."""

    masks: UInt8[Tensor, "p l h w"]
    filled: Int[Tensor, ""]

    def __init__(self, *, structures: int, image_size: tuple[int, int]) -> None:
        super().__init__()
        self.register_buffer(
            "masks", torch.zeros(POOLED, structures, *image_size, dtype=torch.uint8)
        )
        self.register_buffer("filled", torch.zeros((), dtype=torch.int64))

    @torch.no_grad()
    def remember(self, masks: Float[Tensor, "b l h w"]) -> None:
        """Put masks in front; the oldest beyond the room are forgotten."""
        fresh = (masks.detach() * LEVELS).round().to(torch.uint8)
        self.masks.copy_(torch.cat([fresh, self.masks])[:POOLED])
        self.filled.copy_((self.filled + len(fresh)).clamp(max=POOLED))

    def sample(self, count: int) -> Float[Tensor, "b l h w"]:
        """Some of the remembered masks, none of them twice; all of them where they are fewer."""
        place = draw(torch.rand, (1, POOLED), device=self.masks.device)[0]
        place[int(self.filled) :] = 2  # beyond every draw
        chosen = place.argsort()[: min(count, int(self.filled))]
        return self.masks[chosen].float() / LEVELS
