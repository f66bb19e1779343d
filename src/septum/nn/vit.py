"""A vision transformer for images of one channel, plain or with blocks that deform.

Dosovitskiy et al.: An Image is Worth 16x16 Words, ICLR 2021, arXiv:2010.11929, section 3.1, with
the fixed sine-cosine positions of MAE (He et al., CVPR 2022, arXiv:2111.06377, appendix A.1).

    image --patches--> cells (the [MASK] vector where hidden) + positions
          --[CLS] before them--> blocks --norm--> [CLS], cells
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from septum.contract import BadInput, Features
from septum.nn.acdt import AcdtBlock
from septum.nn.attention import Attention, DropPath, Mlp

BASE = 10_000
"""Wavelengths of the positions run from 2 pi to 2 pi BASE cells."""
STD = 0.02


@dataclass(frozen=True, kw_only=True)
class VitConfig:
    """Sizes, those of ViT-B/16 by default.

    Attributes:
        patch_px: Side of a patch.
        width: Channels of a token; a multiple of 4 and of `heads`.
        depth: Blocks.
        heads: Of the attention in every block.
        organs: Length of the vector that names the organ.
        deforms: Blocks are those of `septum.nn.acdt`.
        reach: Bound of their displacements, in cells.
        drop_path: Chance of an image to skip a branch of the last block in training; it rises
            linearly from 0 in the first.
    """

    patch_px: int = 16
    width: int = 768
    depth: int = 12
    heads: int = 12
    organs: int = 0
    deforms: bool = False
    reach: float = 4.0
    drop_path: float = 0.0


class Block(nn.Module):
    """Tokens look at one another, then each passes an MLP; norms come first."""

    def __init__(self, *, width: int, heads: int, drop_path: float = 0.0) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width, eps=1e-6)
        self.attn = Attention(width=width, heads=heads)
        self.norm2 = nn.LayerNorm(width, eps=1e-6)
        self.mlp = Mlp(width=width)
        self.drop_path = DropPath(drop_path)

    def forward(self, tokens: Float[Tensor, "b n d"]) -> Float[Tensor, "b n d"]:
        """The tokens of the next block."""
        tokens = tokens + self.drop_path(self.attn(self.norm1(tokens)))
        return tokens + self.drop_path(self.mlp(self.norm2(tokens)))


class Vit(nn.Module):
    """Images of any sides that are multiples of the patch, to [CLS] and a map of cells.

    An organ is a distribution over a table; None, or all zero, for an unknown one. Blocks that do
    not deform do not look at it.
    """

    def __init__(self, c: VitConfig) -> None:
        super().__init__()
        self.config = c
        self.patches = nn.Conv2d(1, c.width, c.patch_px, stride=c.patch_px)
        self.cls = nn.Parameter(STD * torch.randn(1, 1, c.width))
        self.mask_token = nn.Parameter(STD * torch.randn(1, c.width, 1, 1))
        self.blocks = nn.ModuleList(_block(c, i) for i in range(c.depth))
        self.norm = nn.LayerNorm(c.width, eps=1e-6)
        self.apply(_draw)

    def embed(
        self, image: Float[Tensor, "b 1 H W"], hidden: Bool[Tensor, "b h w"] | None = None
    ) -> Float[Tensor, "b d h w"]:
        """Patches, the [MASK] vector in place of hidden ones, and where they lie.

        Raises:
            BadInput: If a side is no multiple of the patch.
        """
        height, width = image.shape[2:]
        side = self.config.patch_px
        if height % side or width % side or not height * width:
            raise BadInput(
                f"Images of {height} x {width} pixels do not divide into patches of {side} x "
                f"{side}; give sides that are multiples of {side}."
            )
        cells = self.patches(image)
        if hidden is not None:
            cells = torch.where(hidden[:, None], self.mask_token.to(cells), cells)
        # in full precision, and so all that is added to it later
        return cells + sincos(self.config.width, *_grid(cells)).to(cells.device)

    def forward(
        self,
        image: Float[Tensor, "b 1 H W"],
        *,
        organ: Float[Tensor, "b organs"] | None = None,
        hidden: Bool[Tensor, "b h w"] | None = None,
    ) -> tuple[Float[Tensor, "b d"], Float[Tensor, "b d h w"]]:
        """[CLS] and the cells, after the last norm."""
        cells = self.embed(image, hidden)
        tokens = self.norm(self._passed(cells, organ)[-1])
        return tokens[:, 0], _map(tokens, _grid(cells))

    def levels(
        self,
        image: Float[Tensor, "b 1 H W"],
        *,
        organ: Float[Tensor, "b organs"] | None = None,
        at: Sequence[int],
    ) -> list[Float[Tensor, "b d h w"]]:
        """Maps after these blocks, counted from 0, before any norm."""
        cells = self.embed(image)
        passed = self._passed(cells, organ)
        return [_map(passed[i], _grid(cells)) for i in at]

    def offsets(
        self, image: Float[Tensor, "b 1 H W"], organ: Float[Tensor, "b organs"]
    ) -> Float[Tensor, "b blocks taps 2 h w"]:
        """From every cell to where each tap of each block samples, (down, right) in cells.

        Only where it deforms.
        """
        cells = self.embed(image)
        before = [self._begun(cells), *self._passed(cells, organ)[:-1]]
        found = [
            block.offsets(_map(block.norm1(tokens), _grid(cells)), organ)
            for block, tokens in zip(self.blocks, before, strict=True)
            if isinstance(block, AcdtBlock)
        ]
        return torch.stack(found, dim=1)

    def through(self, tokens: Float[Tensor, "b n d"]) -> Float[Tensor, "b 1+n d"]:
        """[CLS] and any tokens, not only those of a whole grid, after the last norm.

        Only where it does not deform.
        """
        tokens = self._headed(tokens)
        for block in self.blocks:
            tokens = block(tokens)
        return self.norm(tokens)

    @torch.no_grad()
    def features(
        self, image: Float[Tensor, "b 1 H W"], *, organ: Float[Tensor, "b organs"] | None = None
    ) -> Features:
        """Content is the cells, `pooled` [CLS] and their mean; there is no style."""
        cls, cells = self(image, organ=organ)
        pooled = torch.cat([cls, cells.mean((2, 3))], dim=1)
        return Features(content=cells, style=None, pooled=pooled)

    def _begun(self, cells: Float[Tensor, "b d h w"]) -> Float[Tensor, "b n d"]:
        return self._headed(cells.flatten(2).mT)

    def _headed(self, tokens: Float[Tensor, "b n d"]) -> Float[Tensor, "b 1+n d"]:
        return torch.cat([self.cls.to(tokens).expand(tokens.shape[0], -1, -1), tokens], dim=1)

    def _passed(
        self, cells: Float[Tensor, "b d h w"], organ: Float[Tensor, "b organs"] | None
    ) -> list[Float[Tensor, "b n d"]]:
        """Tokens after every block."""
        c, tokens, passed = self.config, self._begun(cells), []
        organ = tokens.new_zeros(tokens.shape[0], c.organs) if organ is None else organ
        for block in self.blocks:
            tokens = block(tokens, _grid(cells), organ) if c.deforms else block(tokens)
            passed.append(tokens)
        return passed


def sincos(width: int, height: int, columns: int) -> Float[Tensor, "1 width height columns"]:
    """Where every cell lies: sine and cosine of its row, then of its column, a quarter each.

    Args:
        width: Channels; a multiple of 4.
        height: Rows.
        columns: Cells of a row.

    >>> sincos(4, 2, 2)[0, :, 1, 0]
    tensor([0.8415, 0.5403, 0.0000, 1.0000])
    """
    quarter = width // 4
    rate = BASE ** -(torch.arange(quarter, dtype=torch.float64) / quarter)
    sides = [torch.arange(n, dtype=torch.float64)[None] * rate[:, None] for n in (height, columns)]
    down, right = (torch.cat([angle.sin(), angle.cos()]).float() for angle in sides)
    down = down[:, :, None].expand(-1, -1, columns)
    right = right[:, None].expand(-1, height, -1)
    return torch.cat([down, right])[None]


def _block(c: VitConfig, i: int) -> nn.Module:
    share = c.drop_path * i / max(c.depth - 1, 1)
    if not c.deforms:
        return Block(width=c.width, heads=c.heads, drop_path=share)
    return AcdtBlock(width=c.width, heads=c.heads, organs=c.organs, reach=c.reach, drop_path=share)


def _grid(cells: Float[Tensor, "b d h w"]) -> tuple[int, int]:
    return cells.shape[2], cells.shape[3]


def _map(tokens: Float[Tensor, "b n d"], grid: tuple[int, int]) -> Float[Tensor, "b d h w"]:
    """The cells, without [CLS]."""
    return tokens[:, 1:].mT.unflatten(2, grid)


def _draw(module: nn.Module) -> None:
    """Weights of a linear layer uniform after Glorot and Bengio, no bias."""
    if isinstance(module, nn.Linear):
        nn.init.xavier_uniform_(module.weight)
        nn.init.zeros_(module.bias)
