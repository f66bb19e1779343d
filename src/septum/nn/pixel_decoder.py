"""From the cells of an encoder to the pixels of their patches."""

from jaxtyping import Float
from torch import Tensor, nn

from septum.nn.vit import Block, sincos


class PixelDecoder(nn.Module):
    """A few plain blocks, narrower than the encoder, and one linear layer to grey levels.

    As the decoder of MAE (He et al., CVPR 2022, arXiv:2111.06377, section 3), whose input is
    dense here: the encoder has seen a place holder in every hidden cell. Pixels are drawn as they
    are, not normed patch by patch: a critic is to look at them. They are not held in [0, 1].

    Args:
        width: Channels of the cells.
        inner: Channels of the blocks; a multiple of 4 and of `heads`.
        depth: Blocks.
        heads: Of their attention.
        patch_px: Side of a patch.

    Attributes:
        last: The linear layer; the adversarial term is weighted by gradients at its weight
            (`septum.losses.masked_images.balance`).
    """

    def __init__(self, *, width: int, inner: int, depth: int, heads: int, patch_px: int) -> None:
        super().__init__()
        self.inner = inner
        self.into = nn.Linear(width, inner)
        self.blocks = nn.Sequential(*(Block(width=inner, heads=heads) for _ in range(depth)))
        self.norm = nn.LayerNorm(inner, eps=1e-6)
        self.last = nn.Linear(inner, patch_px**2)

    def forward(self, cells: Float[Tensor, "b d h w"]) -> Float[Tensor, "b h w p"]:
        """The pixels of every patch, row by row, in about [0, 1]."""
        h, w = cells.shape[2:]
        tokens = self.into(cells.flatten(2).mT)
        places = sincos(self.inner, h, w).to(tokens)
        tokens = self.blocks(tokens + places.flatten(2).mT)
        return self.last(self.norm(tokens)).unflatten(1, (h, w))
