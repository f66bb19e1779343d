"""A plain ViT with masked modelling alone: what A-ViT is without organs, critic and teacher.

Xie, Zhang, Cao, Lin, Bao, Yao, Dai, Hu: SimMIM: A Simple Framework for Masked Image Modeling, CVPR
2022, arXiv:2111.09886. The second row of the ablation of A-ViT ("MIM only, ultrasound").

x --view--> v --[MASK] in place of hidden patches--> cells --decoder--> x^      |x - x^|^2 of those

Masks, views, decoder and target are those of `septum.models.anatomy_vit`, so that the ladder has
equal rungs: SimMIM has one linear layer for a decoder and takes the absolute error.
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
class MaskedVitConfig:
    """Sizes, those of `paper` of A-ViT by default.

    Attributes:
        hidden: Share of the patches that are hidden.
        unit: Side in patches of what is hidden at once.
        decoder_width, decoder_depth, decoder_heads: Of the decoder.
        views: What augmentations are drawn from.
    """

    vit: VitConfig = field(default_factory=VitConfig)
    hidden: float = 0.6
    unit: int = 2
    decoder_width: int = 512
    decoder_depth: int = 2
    decoder_heads: int = 8
    views: patch_views.Ranges = field(default_factory=patch_views.Ranges)


class MaskedVit(nn.Module):
    """Encoder and decoder."""

    def __init__(self, config: MaskedVitConfig) -> None:
        super().__init__()
        self.config = c = config
        self.encoder = Vit(c.vit)
        self.decoder = PixelDecoder(
            width=c.vit.width, inner=c.decoder_width, depth=c.decoder_depth,
            heads=c.decoder_heads, patch_px=c.vit.patch_px,
        )  # fmt: skip

    def loss(self, batch: Batch, progress: float) -> Terms:
        """Squared error of the hidden patches, summed over the pixels of each."""
        del progress
        c = self.config
        image = patch_views.varied(batch.image, c.views)
        patches = masking.patched(image, c.vit.patch_px)
        hidden = masking.sample(
            len(image),
            (patches.shape[1], patches.shape[2]),
            share=c.hidden,
            unit=c.unit,
            device=image.device,
        )
        error = losses.hidden_error(patches, self.drawn(image, hidden), hidden)
        return {"mim": patches.shape[-1] * error}

    def drawn(
        self, image: Float[Tensor, "b 1 H W"], hidden: Bool[Tensor, "b h w"]
    ) -> Float[Tensor, "b h w p"]:
        """What the decoder makes of the patches that are left."""
        _, cells = self.encoder(image, hidden=hidden)
        return self.decoder(cells)

    def phases(self) -> Sequence[Phase]:
        """One player."""
        return [Phase(name="masked", parameters=[*self.parameters()], loss=self.loss, betas=BETAS)]

    def after_step(self, progress: float) -> None:
        """Nothing is left to do."""

    def encode(self, image: Float[Tensor, "b 1 H W"]) -> Features:
        """Content is the cells; `pooled` is [CLS], which nothing has taught, and their mean."""
        with evaluating(self):
            return self.encoder.features(image)

    def patch_px(self) -> int:
        """Side of a patch."""
        return self.config.vit.patch_px

    @torch.no_grad()
    def inpaint(
        self, image: Float[Tensor, "b 1 H W"], hidden: Bool[Tensor, "b h w"]
    ) -> Float[Tensor, "b 1 H W"]:
        """Hidden patches as the decoder draws them."""
        with evaluating(self):
            drawn = self.drawn(image, hidden).float().clamp(0, 1)
        return masking.filled(image, drawn, hidden, self.patch_px())


PAPER = Paper(
    title="Masked ViT",
    cite="Xie et al., SimMIM: A Simple Framework for Masked Image Modeling, CVPR 2022, "
    "arXiv:2111.09886",
    build=MaskedVit,
    sizes={
        "tiny": Size(
            config=MaskedVitConfig(
                vit=VITS["tiny"], decoder_width=96, decoder_depth=1, decoder_heads=3
            ),
            recipe=RECIPES["tiny"],
        ),
        "small": Size(
            config=MaskedVitConfig(vit=VITS["small"], decoder_width=256, decoder_heads=4),
            recipe=RECIPES["small"],
        ),
        "paper": Size(config=MaskedVitConfig(), recipe=RECIPES["paper"]),
    },
)  # fmt: skip
