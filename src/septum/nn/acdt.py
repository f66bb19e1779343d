"""The anatomy-conditional deformable transformer block (ACDT) of A-ViT.

Anatomy-aware Representation Learning for Medical Ultrasound (ARL), ICLR 2026, section "ACDT",
https://openreview.net/forum?id=5ThIWuDkEf.

    x_P     tokens after the first norm, as a map; AC = E a: context of the organ a
    dp      = g(x_P + AC): a displacement of every tap, in cells
    y_P(p)  = sum_k w_k S(x_P, p + p_k + dp_k(p)), S bilinear, black outside
    tokens <- tokens + softmax(Q(x_P) K(y_P)^T / sqrt(d_k)) V(y_P), then an MLP

The publication leaves open, and ours is: p_k, the regular 3 x 3 grid (the paper writes p + dp_k,
which a bias of g makes of it); depth-wise weights w, the centre tap at first; |dp| < reach; g, a
depth-wise 3 x 3 convolution, norm, GELU and a 1 x 1 convolution that is zero at first. [CLS] is not
sampled. With no displacement and centre taps the block is that of a ViT, whose weights fit it.

What is sampled does not hold AC: the organ decides where is looked, not what is seen there.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from septum.nn.attention import Attention, DropPath, Mlp
from septum.nn.sampling import corners, gathered

TAPS = 9
CENTRE = 4
CONTEXT_STD = 0.1
"""Of E at first, where x_P has unit variance: enough that organs can part."""


class AcdtBlock(nn.Module):
    """A ViT block whose keys and values are sampled where the organ and the image say.

    Args:
        width: Channels of the tokens.
        heads: Of the attention.
        organs: Columns of E; each is a parameter of its own, so that more can be added.
        reach: Bound of the displacements, in cells.
        drop_path: Chance of an image to skip a branch in training.
    """

    def __init__(
        self, *, width: int, heads: int, organs: int, reach: float, drop_path: float = 0.0
    ) -> None:
        super().__init__()
        self.reach = reach
        self.norm1 = nn.LayerNorm(width, eps=1e-6)
        self.context = nn.ParameterList(
            nn.Parameter(CONTEXT_STD * torch.randn(width)) for _ in range(organs)
        )
        self.displace = _displacement(width)
        self.weight = nn.Parameter(F.one_hot(torch.tensor([CENTRE] * width), TAPS).float())
        self.attn = Attention(width=width, heads=heads)
        self.norm2 = nn.LayerNorm(width, eps=1e-6)
        self.mlp = Mlp(width=width)
        self.drop_path = DropPath(drop_path)

    def forward(
        self,
        tokens: Float[Tensor, "b n d"],
        grid: tuple[int, int],
        organ: Float[Tensor, "b organs"],
    ) -> Float[Tensor, "b n d"]:
        """The tokens of the next block: [CLS], then the cells of a grid, row by row."""
        x = _lowered(self.norm1(tokens))
        cells = x[:, 1:].mT.unflatten(2, grid)
        y = deformed(cells, self.offsets(cells, organ), self.weight)
        seen = self.attn(x, torch.cat([x[:, :1], y.flatten(2).mT], dim=1))
        tokens = tokens + self.drop_path(seen)
        return tokens + self.drop_path(self.mlp(self.norm2(tokens)))

    def offsets(
        self, cells: Float[Tensor, "b d h w"], organ: Float[Tensor, "b organs"]
    ) -> Float[Tensor, "b taps 2 h w"]:
        """p_k + dp_k: from every cell to where each tap samples, (down, right) in cells."""
        dp = _exact(self.displace(cells + self._context(organ).to(cells)))
        dp = self.reach * dp.tanh().unflatten(1, (TAPS, 2))
        return dp + taps().to(dp)[:, :, None, None]

    def _context(self, organ: Float[Tensor, "b organs"]) -> Float[Tensor, "b d 1 1"] | Tensor:
        """AC; zero for a zero vector."""
        if not self.context:
            return organ.new_zeros(())
        columns = torch.stack([*self.context])
        return (organ.to(columns) @ columns)[:, :, None, None]


def _displacement(width: int) -> nn.Sequential:
    """g, zero at first: two numbers of every tap."""
    last = nn.Conv2d(width, 2 * TAPS, 1)
    for parameter in last.parameters():
        nn.init.zeros_(parameter)
    around = nn.Conv2d(width, width, 3, padding=1, groups=width)
    return nn.Sequential(around, nn.GroupNorm(1, width), nn.GELU(), last)


def taps() -> Float[Tensor, "taps 2"]:
    """p_k, the regular grid: (down, right) in cells, row by row.

    >>> taps()[:4].tolist()
    [[-1.0, -1.0], [-1.0, 0.0], [-1.0, 1.0], [0.0, -1.0]]
    """
    side = torch.arange(-1.0, 2.0)
    return torch.cartesian_prod(side, side)


def _lowered(x: Float[Tensor, "*s"]) -> Float[Tensor, "*s"]:
    """In the precision of autocast, where it is on: once for all that follows."""
    device = x.device.type
    return x.to(torch.get_autocast_dtype(device)) if torch.is_autocast_enabled(device) else x


def _exact(x: Float[Tensor, "*s"]) -> Float[Tensor, "*s"]:
    """In full precision at least."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


def deformed(
    cells: Float[Tensor, "b d h w"],
    offsets: Float[Tensor, "b taps 2 h w"],
    weight: Float[Tensor, "d taps"],
) -> Float[Tensor, "b d h w"]:
    """y(p) = sum_k w_k S(x, p + offset_k(p)): bilinear samples, zero outside.

    Places and the shares of the cells round them are found in full precision, whatever that of x.
    The same on all machines: by `grid_sample`, or on a processor by `septum.nn.sampling`. Exported
    is `grid_sample`, which other runtimes know.

    Args:
        cells: x.
        offsets: From every cell to where each tap samples, (down, right) in cells.
        weight: w, of every channel and tap.
    """
    wants_rows = cells.device.type == "cpu" and not torch.compiler.is_exporting()
    sampled = by_rows if wants_rows else by_grid_sample
    with torch.autocast(cells.device.type, enabled=False):
        return sampled(cells, offsets, weight)


def by_grid_sample(
    cells: Float[Tensor, "b d h w"],
    offsets: Float[Tensor, "b taps 2 h w"],
    weight: Float[Tensor, "d taps"],
) -> Float[Tensor, "b d h w"]:
    """`deformed`, by one `grid_sample` of all taps."""
    h, w = cells.shape[2:]
    exact = _exact(cells)
    # cell i lies at (2 i + 1) / h - 1 where -1 and 1 are the outer edges (align_corners off)
    sides = torch.tensor([h, w]).to(exact)
    where = (2 * _places(offsets.to(exact)) + 1) / sides - 1
    samples = F.grid_sample(exact, where.flip(-1), padding_mode="zeros", align_corners=False)
    y = (samples * weight.to(exact)[:, None]).sum(3)
    return y.unflatten(2, (h, w))


def by_rows(
    cells: Float[Tensor, "b d h w"],
    offsets: Float[Tensor, "b taps 2 h w"],
    weight: Float[Tensor, "d taps"],
) -> Float[Tensor, "b d h w"]:
    """`deformed`, with cells whose channels lie side by side."""
    h, w = cells.shape[2:]
    index, share = corners(_places(_exact(offsets)), (h, w))
    y = gathered(cells.flatten(2).mT, weight.mT.to(cells).contiguous(), index, share)
    return y.mT.unflatten(2, (h, w))


def _places(offsets: Float[Tensor, "b taps 2 h w"]) -> Float[Tensor, "b p taps 2"]:
    """Where every tap of every cell samples: (row, column) in cells."""
    h, w = offsets.shape[3:]
    rows, columns = torch.arange(h), torch.arange(w)
    own = torch.cartesian_prod(rows, columns).to(offsets)
    return offsets.flatten(3).permute(0, 3, 1, 2) + own[:, None]
