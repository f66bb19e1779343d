"""Segmentation by UPerNet on a ViT, one that was trained before or a new one.

Xiao, Liu, Zhou, Jiang, Sun: Unified Perceptual Parsing for Scene Understanding, ECCV 2018,
arXiv:1807.10221. A-ViT (Anatomy-aware Representation Learning for Medical Ultrasound, ICLR 2026,
https://openreview.net/forum?id=5ThIWuDkEf) is so measured on the left ventricle; its publication
names the head and no loss.

    x, a --ViT--> maps at a third, a half, two thirds and the end --UPerNet--> masks

    cross-entropy + Dice + 0.4 cross-entropy of the auxiliary head

Dice is there because structures are small against the background, and because it is what is
measured. The encoder is what a training begins with: `septum train upernet --begin RUN`, where RUN
is one of anatomy_vit, mae, masked_vit or dino, whose sizes and table of organs are taken over. It
learns on, its early layers least (`septum.nn.finetuning`).

The organ a is the one that all images show, and nothing where they show several. It learns from the
images of a batch that have a mask and does not look at the others. Content is what the last layer
sees; there is no style.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from septum.contract import Batch, Features, Paper, Phase, Recipe, Samples, Size, Terms
from septum.losses import anatomy as losses
from septum.nn import finetuning, supervised
from septum.nn import upernet as parts
from septum.nn.mode import evaluating
from septum.nn.vit import Vit, VitConfig


@dataclass(frozen=True, kw_only=True)
class UPerNetConfig:
    """Sizes and weights, those of ViT-B/16 by default.

    Attributes:
        inherits: Fields that a run which the training begins with decides.
        vit: Of the encoder; `organs` and `drop_path` are those below.
        organs: Table of the encoder; that of the run before, and `organ`.
        organ: What all images show, or nothing; the images decide.
        structures: Foreground classes; the images decide.
        width: Channels of the head; a multiple of 16.
        auxiliary_width: Channels of the auxiliary head; a multiple of 16.
        auxiliary: Weight of its loss.
        dropout: Share of the channels that the last layers do not see in training.
        layer_decay: Factor of the learning rate from layer to layer, towards the image.
        drop_path: Chance of an image to skip a branch of the last block in training.
        rotation_deg: Images are turned up to this angle either way.
    """

    inherits: ClassVar[tuple[str, ...]] = ("vit", "organs")
    vit: VitConfig = field(default_factory=VitConfig)
    organs: tuple[str, ...] = ()
    organ: str = ""
    structures: int = 3
    width: int = 768
    auxiliary_width: int = 256
    auxiliary: float = 0.4
    dropout: float = 0.1
    layer_decay: float = 0.65
    drop_path: float = 0.1
    rotation_deg: float = 20.0


class UPerNetSegmentor(nn.Module):
    """An encoder of before, and a head that draws."""

    def __init__(self, config: UPerNetConfig) -> None:
        super().__init__()
        self.config = c = config
        self.encoder = Vit(replace(c.vit, organs=len(c.organs), drop_path=c.drop_path))
        self.upernet = parts.UPerNet(
            c_in=c.vit.width, width=c.width, classes=c.structures + 1, dropout=c.dropout,
            auxiliary_width=c.auxiliary_width,
        )  # fmt: skip
        self.encoder.mask_token.requires_grad = False
        self.encoder.norm.requires_grad_(requires_grad=False)  # maps are taken before it

    def loss(self, batch: Batch, progress: float) -> Terms:
        """Cross-entropy and Dice of the images that have a mask."""
        del progress
        known = supervised.annotated(batch)
        if not len(known.image):
            return {}
        known = supervised.turned(known, self.config.rotation_deg)
        assert known.mask is not None
        return self.terms(known.image, known.mask)

    def terms(self, image: Float[Tensor, "b 1 H W"], mask: Int[Tensor, "b H W"]) -> Terms:
        """How far drawn masks are from true ones; pixels of unknown class do not count."""
        c, levels, size = self.config, self.levels(image), image.shape[2:]
        logits, aside = self.upernet(levels, size), self.upernet.aside(levels, size)
        known = (mask >= 0)[:, None]
        truth = supervised.structures(mask, c.structures)
        return {
            "cross_entropy": F.cross_entropy(logits, mask, ignore_index=-1),
            "dice": losses.dice(known * logits.softmax(1)[:, 1:], truth),
            "auxiliary": c.auxiliary * F.cross_entropy(aside, mask, ignore_index=-1),
        }

    def levels(self, image: Float[Tensor, "b 1 H W"]) -> list[Float[Tensor, "b d h w"]]:
        """The four maps of the encoder."""
        c = self.config
        organ = finetuning.named(c.organ, c.organs, image)
        return self.encoder.levels(image, organ=organ, at=parts.spread(c.vit.depth))

    def phases(self) -> Sequence[Phase]:
        """One player, whose layers move at rates of their own."""
        c = self.config
        moving = {name: p for name, p in self.named_parameters() if p.requires_grad}
        rates = finetuning.rates([*moving], depth=c.vit.depth, decay=c.layer_decay)
        return [Phase(name="labelled", parameters=[*moving.values()], loss=self.loss, rates=rates)]

    def after_step(self, progress: float) -> None:
        """Nothing is left to do."""

    @torch.no_grad()
    def encode(self, image: Float[Tensor, "b 1 H W"]) -> Features:
        """The map before the last layer, at four times the sides of the cells, and its mean."""
        with evaluating(self):
            content = self.upernet.fused(self.levels(image))
        return Features(content=content, style=None, pooled=content.mean((2, 3)))

    @torch.no_grad()
    def segment(self, image: Float[Tensor, "b 1 H W"]) -> Float[Tensor, "b classes H W"]:
        """Probability of every class, the background first."""
        with evaluating(self):
            return self.upernet(self.levels(image), image.shape[2:]).softmax(1)


def adapted(config: UPerNetConfig, samples: Samples) -> UPerNetConfig:
    """The structures of these images, and their organ.

    Raises:
        BadInput: They have no masks, or sides that are no multiples of the patch.
    """
    structures, _ = supervised.learns_from(samples, multiple=config.vit.patch_px)
    organ, organs = finetuning.table(config.organs, samples)
    return replace(config, structures=structures, organ=organ, organs=organs)


# 400 epochs of 1,600 images, of which 20 warm up
RECIPE = Recipe(
    data="camus", steps=400 * 1_600 // 16, lr=3e-4, weight_decay=0.05,
    warmup_steps=20 * 1_600 // 16, final_lr=0.002, clip_norm=5.0,
)  # fmt: skip
SIZES = {
    "tiny": Size(
        config=UPerNetConfig(
            vit=VitConfig(patch_px=8, width=192, depth=6, heads=3), width=64, auxiliary_width=64
        ),
        recipe=replace(RECIPE, steps=400, image_size=(64, 64), lr=1e-3, warmup_steps=40),
    ),
    "small": Size(
        config=UPerNetConfig(vit=VitConfig(width=384, heads=6), width=256), recipe=RECIPE
    ),
    "paper": Size(config=UPerNetConfig(), recipe=RECIPE),
}
"""Encoders are those of anatomy_vit, mae, masked_vit and dino."""


def from_scratch(size: Size) -> Size:
    """For an encoder that nobody has trained: no layer has learnt anything to keep."""
    return replace(size, config=replace(size.config, layer_decay=1.0))


PAPER = Paper(
    title="UPerNet",
    cite="Xiao, Liu, Zhou, Jiang, Sun: Unified Perceptual Parsing for Scene Understanding, ECCV "
    "2018, arXiv:1807.10221",
    build=UPerNetSegmentor,
    adapt=adapted,
    sizes=SIZES | {f"{name}_scratch": from_scratch(size) for name, size in SIZES.items()},
)
