"""UniFormer for clips: convolutions where maps are large, attention where they are small.

Li, Wang, Peng, Song, Liu, Li, Qiao: UniFormer: Unified Transformer for Efficient Spatiotemporal
Representation Learning, ICLR 2022, arXiv:2201.04676; UniFormer-S as CoReEcho uses it.

    clip --3x4x4 / (2, 4, 4), norm--> 3 local blocks  --1x2x2 / (1, 2, 2), norm--> 4 local blocks
         --1x2x2 / (1, 2, 2), norm--> 8 global blocks --1x2x2 / (1, 2, 2), norm--> 3 global blocks
         --batch norm--> map

    block: x + depth-wise 3x3x3, then x + tokens that look at one another, then x + MLP

A map whose height or width is odd loses its last row or column on the way to the next stage: 112
pixels become 28, 14, 7 and 3.

Parameters have the names that the authors' weights have. These are published as pickles, which are
not read here (nor anywhere): who trusts such a file turns it into one that holds numbers alone,

    safetensors.torch.save_file(
        torch.load("uniformer_small_k400_16x8.pth", weights_only=True), "k400.safetensors"
    )

and `load_published` fills an encoder from it.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path

from jaxtyping import Float
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F

from septum.contract import BadInput
from septum.nn.depthwise import depthwise

MLP_RATIO = 4
HEAD = "head."
"""Of the names of the classifier, which an encoder has none of."""


class Patches(nn.Module):
    """Every patch of a map becomes one token; tokens are normed.

    Args:
        length: Frames of a patch that overlaps the next by one; 1 for patches of single frames.
    """

    def __init__(self, c_in: int, c_out: int, *, length: int = 1, side: int = 2) -> None:
        super().__init__()
        step, kernel = (length + 1) // 2, (length, side, side)
        self.proj = nn.Conv3d(c_in, c_out, kernel, (step, side, side), (length // 2, 0, 0))
        self.norm = nn.LayerNorm(c_out)

    def forward(self, x: Float[Tensor, "b c t h w"]) -> Float[Tensor, "b d t2 h2 w2"]:
        """The tokens, on their grid."""
        return _grid(self.norm(_tokens_last(self.proj(x))))


class MLP(nn.Module):
    """Two layers that every token passes by itself."""

    def __init__(self, fc1: nn.Module, fc2: nn.Module, *, dropout: float) -> None:
        super().__init__()
        self.fc1, self.fc2 = fc1, fc2
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        """The same shape again."""
        return self.dropout(self.fc2(self.dropout(F.gelu(self.fc1(x)))))


class LocalBlock(nn.Module):
    """Tokens look at those within two cells, by weights that depend on the distance alone."""

    def __init__(self, width: int, *, dropout: float) -> None:
        super().__init__()
        self.pos_embed = _cube(width, 3)
        self.norm1 = nn.BatchNorm3d(width)
        self.conv1 = nn.Conv3d(width, width, 1)
        self.attn = _cube(width, 5)
        self.conv2 = nn.Conv3d(width, width, 1)
        self.norm2 = nn.BatchNorm3d(width)
        inner = MLP_RATIO * width
        self.mlp = MLP(nn.Conv3d(width, inner, 1), nn.Conv3d(inner, width, 1), dropout=dropout)

    def forward(self, x: Float[Tensor, "b c t h w"]) -> Float[Tensor, "b c t h w"]:
        """Position, surroundings, MLP (eq. 1 to 3)."""
        x = x + depthwise(x, self.pos_embed)
        x = x + self.conv2(depthwise(self.conv1(self.norm1(x)), self.attn))
        return x + self.mlp(self.norm2(x))


class Attention(nn.Module):
    """All tokens of a clip look at one another, in space and time at once."""

    def __init__(self, width: int, *, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Float[Tensor, "b n c"]) -> Float[Tensor, "b n c"]:
        """What every token has gathered."""
        q, k, v = self.qkv(x).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        seen = F.scaled_dot_product_attention(q, k, v)
        return self.dropout(self.proj(seen.transpose(1, 2).flatten(2)))


class GlobalBlock(nn.Module):
    """Tokens look at all others, by weights that depend on both."""

    def __init__(self, width: int, *, heads: int, dropout: float) -> None:
        super().__init__()
        self.pos_embed = _cube(width, 3)
        self.norm1 = nn.LayerNorm(width, eps=1e-6)
        self.attn = Attention(width, heads=heads, dropout=dropout)
        self.norm2 = nn.LayerNorm(width, eps=1e-6)
        inner = MLP_RATIO * width
        self.mlp = MLP(nn.Linear(width, inner), nn.Linear(inner, width), dropout=dropout)

    def forward(self, x: Float[Tensor, "b c t h w"]) -> Float[Tensor, "b c t h w"]:
        """Position, attention, MLP (eq. 1 to 3)."""
        x = _tokens_last(x + depthwise(x, self.pos_embed))
        tokens = x.flatten(1, 3)
        tokens = tokens + self.attn(self.norm1(tokens))
        tokens = tokens + self.mlp(self.norm2(tokens))
        return _grid(tokens.view(x.shape))


class UniFormer(nn.Module):
    """Clips to maps of `widths[-1]` channels, whose mean is the embedding.

    Args:
        channels: Of the images.
        widths: Channels of the stages.
        depths: Blocks of the stages.
        head_dim: Channels of an attention head.
        dropout: Of the first tokens and in every MLP.
    """

    def __init__(
        self,
        *,
        channels: int = 3,
        widths: Sequence[int] = (64, 128, 320, 512),
        depths: Sequence[int] = (3, 4, 8, 3),
        head_dim: int = 64,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        a, b, c, d = widths
        self.patch_embed1 = Patches(channels, a, length=3, side=4)
        self.patch_embed2, self.patch_embed3 = Patches(a, b), Patches(b, c)
        self.patch_embed4 = Patches(c, d)
        self.dropout = nn.Dropout(dropout)
        self.blocks1, self.blocks2 = (
            _stage(LocalBlock(width, dropout=dropout) for _ in range(depth))
            for width, depth in zip(widths[:2], depths[:2], strict=True)
        )
        self.blocks3, self.blocks4 = (
            _stage(
                GlobalBlock(width, heads=width // head_dim, dropout=dropout) for _ in range(depth)
            )
            for width, depth in zip(widths[2:], depths[2:], strict=True)
        )
        self.norm = nn.BatchNorm3d(d)
        self.apply(_draw)

    def forward(self, image: Float[Tensor, "b c t h w"]) -> Float[Tensor, "b d t2 h2 w2"]:
        """The last map: half as many frames, a 32nd of the height and width."""
        x = self.blocks1(self.dropout(self.patch_embed1(image)))
        x = self.blocks2(self.patch_embed2(x))
        x = self.blocks3(self.patch_embed3(x))
        return self.norm(self.blocks4(self.patch_embed4(x)))


def load_published(encoder: UniFormer, file: Path) -> None:
    """Fill an encoder from the weights of the authors; their classifier is left out.

    Args:
        encoder: Of the size of the weights, for images of three channels.
        file: Their tensors by name, as safetensors.

    Raises:
        BadInput: The file cannot be read, or holds other names or shapes; nothing is filled then.
    """
    try:
        found = {k: v for k, v in load_file(file).items() if not k.startswith(HEAD)}
    except (SafetensorError, OSError) as error:
        raise BadInput(
            f"{file} holds no weights as safetensors ({error}); convert the published file as "
            "`septum.nn.uniformer` says."
        ) from error
    shapes = {name: value.shape for name, value in encoder.state_dict().items()}
    if odd := {k: v.shape for k, v in found.items()}.items() ^ shapes.items():
        raise BadInput(
            f"{file} differs from this encoder in {min(name for name, _ in odd)}; give the weights "
            "of a UniFormer of the same widths and depths."
        )
    encoder.load_state_dict(found)


def _stage(blocks: Iterable[nn.Module]) -> nn.Sequential:
    return nn.Sequential(*blocks)


def _cube(width: int, side: int) -> nn.Conv3d:
    """A convolution of every channel by itself, for `depthwise`."""
    return nn.Conv3d(width, width, side, padding=side // 2, groups=width)


def _draw(module: nn.Module) -> None:
    """Weights of a linear layer from a truncated normal distribution, no bias."""
    if isinstance(module, nn.Linear):
        nn.init.trunc_normal_(module.weight, std=0.02)
        nn.init.zeros_(module.bias)


def _tokens_last(x: Float[Tensor, "b c t h w"]) -> Float[Tensor, "b t h w c"]:
    return x.permute(0, 2, 3, 4, 1)


def _grid(x: Float[Tensor, "b t h w c"]) -> Float[Tensor, "b c t h w"]:
    return x.permute(0, 4, 1, 2, 3)
