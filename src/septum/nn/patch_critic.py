"""A critic of patches: were these pixels seen, or drawn?

It is D of Anatomy-aware Representation Learning for Medical Ultrasound (ARL), ICLR 2026,
https://openreview.net/forum?id=5ThIWuDkEf, where its layers are not printed.

Real patches are to be those of the places whose drawn ones it is shown: a critic that is shown
others learns where a patch lay instead of how grainy it is.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from septum.contract import BadInput


class PatchCritic(nn.Module):
    """Scores patches by themselves: above 0 for real ones, below for drawn ones.

    4 x 4 convolutions of stride 2, each twice as wide as the one before, until 2 x 2 pixels are
    left, then one over these. Every kernel, as a matrix with a row per channel it makes, has the
    spectral norm 1 (Miyato et al., ICLR 2018, arXiv:1802.05957). It is float32 under autocast too.

    Args:
        patch_px: Side of a patch: a power of two from 4.
        width: Channels after the first convolution.

    Raises:
        BadInput: If patches cannot be halved down to 2 x 2 pixels.
    """

    def __init__(self, *, patch_px: int, width: int = 64) -> None:
        super().__init__()
        if patch_px < 4 or patch_px & (patch_px - 1):
            raise BadInput(
                f"A critic of patches halves them down to 2 x 2 pixels, which {patch_px} x "
                f"{patch_px} do not allow; choose a patch of 4, 8, 16 or 32 pixels."
            )
        self.patch_px = patch_px
        layers, channels = list[nn.Module](), 1
        for k in range(patch_px.bit_length() - 2):
            wider = width * 2**k
            layers += [spectral_norm(nn.Conv2d(channels, wider, 4, stride=2, padding=1)), _slope()]
            channels = wider
        self.body = nn.Sequential(*layers, spectral_norm(nn.Conv2d(channels, 1, 2)))

    def forward(self, patches: Float[Tensor, "n p"]) -> Float[Tensor, " n"]:
        """One logit per patch."""
        side = self.patch_px
        with torch.autocast(patches.device.type, enabled=False):
            return self.body(patches.float().reshape(-1, 1, side, side)).flatten()


def _slope() -> nn.LeakyReLU:
    return nn.LeakyReLU(0.2, inplace=True)
