"""MAE: a ViT that sees a quarter of the patches, and a light decoder that draws the others.

He, Chen, Xie, Li, Dollar, Girshick: Masked Autoencoders Are Scalable Vision Learners, CVPR 2022,
arXiv:2111.06377. A baseline of A-ViT, with its depth and width.

x --view--> v --three patches of four left out--> [CLS], cells --decoder--> x^ of those left out

Hidden patches are not replaced, they are not there: the encoder's work falls to a quarter. The
decoder gets one learnt vector in their place, here before its first layer instead of behind it:
that layer maps it to any vector the authors' could be. The error is taken of patches with zero mean
and unit variance (section 4.1, "reconstruction target"), so that there is no image to be drawn.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from septum.contract import Batch, Features, Paper, Phase, Size, Terms
from septum.losses import masked_images as losses
from septum.nn import masking, patch_views
from septum.nn.mode import evaluating
from septum.nn.pixel_decoder import PixelDecoder
from septum.nn.pretraining import BETAS, RECIPES, VITS
from septum.nn.vit import Vit, VitConfig


@dataclass(frozen=True, kw_only=True)
class MAEConfig:
    """Sizes, those of the paper by default (section 4, Table 1).

    Attributes:
        hidden: Share of the patches that are left out.
        decoder_width, decoder_depth, decoder_heads: Of the decoder.
        views: What augmentations are drawn from.
    """

    vit: VitConfig = field(default_factory=VitConfig)
    hidden: float = 0.75
    decoder_width: int = 512
    decoder_depth: int = 8
    decoder_heads: int = 16
    views: patch_views.Ranges = field(default_factory=patch_views.Ranges)


class MAE(nn.Module):
    """Encoder, the vector in place of what it does not see, and decoder."""

    def __init__(self, config: MAEConfig) -> None:
        super().__init__()
        self.config = c = config
        self.encoder = Vit(c.vit)
        self.hole = nn.Parameter(0.02 * torch.randn(c.vit.width))
        self.decoder = PixelDecoder(
            width=c.vit.width, inner=c.decoder_width, depth=c.decoder_depth,
            heads=c.decoder_heads, patch_px=c.vit.patch_px,
        )  # fmt: skip
        self.encoder.mask_token.requires_grad = False

    def loss(self, batch: Batch, progress: float) -> Terms:
        """Mean squared error of the patches that were left out."""
        del progress
        c = self.config
        image = patch_views.varied(batch.image, c.views)
        patches = normed(masking.patched(image, c.vit.patch_px))
        hidden = masking.sample(
            len(image),
            (patches.shape[1], patches.shape[2]),
            share=c.hidden,
            unit=1,
            device=image.device,
        )
        drawn = self.decoder(self.seen(image, hidden))
        return {"mim": losses.hidden_error(patches, drawn, hidden)}

    def seen(
        self, image: Float[Tensor, "b 1 H W"], hidden: Bool[Tensor, "b h w"]
    ) -> Float[Tensor, "b d h w"]:
        """Cells of the patches that are not hidden, and the one vector everywhere else.

        Every image has as many hidden.
        """
        cells = self.encoder.embed(image).flatten(2).transpose(1, 2)
        order = hidden.flatten(1).int().argsort(dim=1, stable=True)
        visible = order[:, : int((~hidden[0]).sum()), None].expand(-1, -1, cells.shape[2])
        found = self.encoder.through(cells.gather(1, visible))[:, 1:]
        whole = self.hole.to(found).expand_as(cells).scatter(1, visible, found)
        return whole.transpose(1, 2).unflatten(2, hidden.shape[1:])

    def phases(self) -> Sequence[Phase]:
        """One player."""
        moving = [p for p in self.parameters() if p.requires_grad]
        return [Phase(name="mae", parameters=moving, loss=self.loss, betas=BETAS)]

    def after_step(self, progress: float) -> None:
        """Nothing is left to do."""

    def encode(self, image: Float[Tensor, "b 1 H W"]) -> Features:
        """Content is the cells of the whole image; `pooled` is [CLS] and the mean of the cells."""
        with evaluating(self):
            return self.encoder.features(image)


def normed(patches: Float[Tensor, "b h w p"]) -> Float[Tensor, "b h w p"]:
    """Every patch with zero mean and unit variance.

    >>> [round(x, 2) for x in normed(torch.tensor([[[[1.0, 3.0]]]])).flatten().tolist()]
    [-0.71, 0.71]
    """
    spread = patches.var(-1, keepdim=True)
    return (patches - patches.mean(-1, keepdim=True)) / (spread + 1e-6).sqrt()


PAPER = Paper(
    title="MAE",
    cite="He et al., Masked Autoencoders Are Scalable Vision Learners, CVPR 2022, "
    "arXiv:2111.06377",
    build=MAE,
    sizes={
        "tiny": Size(
            config=MAEConfig(
                vit=VITS["tiny"], decoder_width=96, decoder_depth=2, decoder_heads=3
            ),
            recipe=RECIPES["tiny"],
        ),
        "small": Size(
            config=MAEConfig(vit=VITS["small"], decoder_width=256, decoder_heads=8),
            recipe=RECIPES["small"],
        ),
        "paper": Size(config=MAEConfig(), recipe=RECIPES["paper"]),
    },
)  # fmt: skip
