"""The parts of a transformer block that plain and deformable ones share.

Parameters have the names that ViT weights are published with (`attn.qkv`, `mlp.fc1`).
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from septum.nn.ranks import draw

MLP_RATIO = 4


class Attention(nn.Module):
    """Tokens gather values of others, by how well their queries fit the keys of those."""

    def __init__(self, *, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(
        self, x: Float[Tensor, "b n d"], y: Float[Tensor, "b m d"] | None = None
    ) -> Float[Tensor, "b n d"]:
        """Queries come from x, keys and values from y; from x as well without one."""
        if y is None:
            q, k, v = self.qkv(x).chunk(3, dim=2)
        else:
            d, weight, bias = x.shape[2], self.qkv.weight, self.qkv.bias
            q = F.linear(x, weight[:d], bias[:d])
            k, v = F.linear(y, weight[d:], bias[d:]).chunk(2, dim=2)
        q, k, v = (t.unflatten(2, (self.heads, -1)).transpose(1, 2) for t in (q, k, v))
        seen = attend(q, k, v)
        return self.proj(seen.transpose(1, 2).flatten(2))


def attend(
    q: Float[Tensor, "b heads n e"],
    k: Float[Tensor, "b heads m e"],
    v: Float[Tensor, "b heads m e"],
) -> Float[Tensor, "b heads n e"]:
    """Scaled dot-product attention.

    On a processor it is written out: the gradient of torch's own is slow there in half precision
    (a step of a block of width 192 on 64 images of 65 tokens: 83 ms with it, 50 ms without).
    """
    if q.device.type != "cpu":
        return F.scaled_dot_product_attention(q, k, v)
    return ((q * q.shape[-1] ** -0.5) @ k.mT).softmax(-1) @ v


class Mlp(nn.Module):
    """Two layers that every token passes by itself."""

    def __init__(self, *, width: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, MLP_RATIO * width)
        self.fc2 = nn.Linear(MLP_RATIO * width, width)

    def forward(self, x: Float[Tensor, "b n d"]) -> Float[Tensor, "b n d"]:
        """What is added to every token."""
        return self.fc2(F.gelu(self.fc1(x)))


class DropPath(nn.Module):
    """In training some images skip a branch; the others pass it scaled up, so the mean stays.

    Huang et al.: Deep Networks with Stochastic Depth, ECCV 2016, arXiv:1603.09382, section 3.

    Args:
        share: Chance of an image to skip, in [0, 1).
    """

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share

    def forward(self, x: Float[Tensor, "b n d"]) -> Float[Tensor, "b n d"]:
        """The branch, zero for images that skip it."""
        if not self.training or not self.share:
            return x
        chance = draw(torch.rand, (len(x), 1, 1), device=x.device)
        return x * (chance >= self.share) / (1 - self.share)
