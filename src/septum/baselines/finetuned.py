"""Fine-tuning: a trained ViT learns on to tell the value of a text label, or a new one learns to.

A-ViT (Anatomy-aware Representation Learning for Medical Ultrasound, ICLR 2026,
https://openreview.net/forum?id=5ThIWuDkEf) is so compared with others; its publication does not
say how. The recipe here is that of MAE (He et al., CVPR 2022, arXiv:2111.06377, appendix A.1).

    x --view--> v, a --encoder, as trained before--> [CLS], mean of the cells --layer--> p(value)

    - sum_v q_v log p_v,  q = (1 - eps) one-hot + eps / values

The encoder is what a training begins with: `septum train finetuned --begin RUN`, where RUN is one
of anatomy_vit, mae, masked_vit or dino. Its sizes and its table of organs are taken over. Without
a run it is trained from scratch; the sizes `..._scratch` have the rates for that: all layers alike.

The organ a is the one that all images show. Where they show several, no organ is told, neither in
training nor when asked: so both are alike.

[CLS] and the mean of the cells are read side by side, after the last norm: masked modelling teaches
the cells, distillation [CLS]. Weight decay is for all parameters, those of norms too.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from septum.contract import BadInput, Batch, Features, Paper, Phase, Recipe, Samples, Size, Terms
from septum.nn import finetuning, patch_views, supervised
from septum.nn.mode import evaluating
from septum.nn.recogniser import one_hot
from septum.nn.vit import Vit, VitConfig

FEWEST = 2
"""Values that can be told apart, and subjects that a value is learnt from."""


@dataclass(frozen=True, kw_only=True)
class FinetunedConfig:
    """Sizes, those of ViT-B/16 by default.

    Attributes:
        inherits: Fields that a run which the training begins with decides.
        vit: Of the encoder; `organs` and `drop_path` are those below.
        organs: Table of the encoder; that of the run before, and `organ`.
        organ: What all images show, or nothing; the images decide.
        label: What is to be told.
        values: Of the label, in the order of the classes; the images decide.
        smoothing: eps.
        layer_decay: Factor of the learning rate from layer to layer, towards the image.
        drop_path: Chance of an image to skip a branch of the last block in training.
        views: What augmentations are drawn from.
    """

    inherits: ClassVar[tuple[str, ...]] = ("vit", "organs")
    vit: VitConfig = field(default_factory=VitConfig)
    organs: tuple[str, ...] = ()
    organ: str = ""
    label: str = "label"
    values: tuple[str, ...] = ("benign", "malignant")
    smoothing: float = 0.1
    layer_decay: float = 0.65
    drop_path: float = 0.1
    views: patch_views.Ranges = field(default_factory=patch_views.Ranges)


class Finetuned(nn.Module):
    """An encoder of before, and a layer of its own."""

    def __init__(self, config: FinetunedConfig) -> None:
        super().__init__()
        self.config = c = config
        self.encoder = Vit(replace(c.vit, organs=len(c.organs), drop_path=c.drop_path))
        self.head = nn.Linear(2 * c.vit.width, len(c.values))
        nn.init.normal_(self.head.weight, std=0.01)
        nn.init.zeros_(self.head.bias)
        self.encoder.mask_token.requires_grad = False

    def loss(self, batch: Batch, progress: float) -> Terms:
        """Cross-entropy of the images whose value is known."""
        del progress
        c = self.config
        said = one_hot(batch.texts.get(c.label, [""] * len(batch.image)), c.values)
        keep = said.any(1).to(batch.image.device)
        if not keep.any():
            return {}
        known = supervised.rows(batch, keep)
        logits = self.logits(patch_views.varied(known.image, c.views))
        truth = said.to(keep.device)[keep]
        return {"cross_entropy": F.cross_entropy(logits, truth, label_smoothing=c.smoothing)}

    def logits(self, image: Float[Tensor, "b 1 H W"]) -> Float[Tensor, "b values"]:
        """Of every value, to learn from."""
        cls, cells = self.encoder(image, organ=self.organ(image))
        return self.head(torch.cat([cls, cells.mean((2, 3))], dim=1)).float()

    def organ(self, image: Float[Tensor, "b 1 H W"]) -> Float[Tensor, "b organs"]:
        """a, the same for all images."""
        return finetuning.named(self.config.organ, self.config.organs, image)

    def phases(self) -> Sequence[Phase]:
        """One player, whose layers move at rates of their own."""
        c = self.config
        moving = {name: p for name, p in self.named_parameters() if p.requires_grad}
        rates = finetuning.rates([*moving], depth=c.vit.depth, decay=c.layer_decay)
        return [Phase(name="tune", parameters=[*moving.values()], loss=self.loss, rates=rates)]

    def after_step(self, progress: float) -> None:
        """Nothing is left to do."""

    def encode(self, image: Float[Tensor, "b 1 H W"]) -> Features:
        """Content is the cells; `pooled` is what the layer reads."""
        with evaluating(self):
            return self.encoder.features(image, organ=self.organ(image))

    def classified(self) -> tuple[str, Sequence[str]]:
        """The label, and its values in the order of `classify`."""
        return self.config.label, self.config.values

    @torch.no_grad()
    def classify(self, image: Float[Tensor, "b 1 H W"]) -> Float[Tensor, "b values"]:
        """Probability of every value."""
        with evaluating(self):
            return self.logits(image).softmax(1)


def adapted(config: FinetunedConfig, samples: Samples) -> FinetunedConfig:
    """The values that these images state, in alphabetical order, and their organ.

    Raises:
        BadInput: They state fewer than two, or one of a single subject.
    """
    organ, organs = finetuning.table(config.organs, samples)
    subjects: dict[str, set[str]] = defaultdict(set)
    for record in samples.records:
        value = record.labels.get(config.label)
        if isinstance(value, str) and value:
            subjects[value].add(record.subject)
    where = f"{samples.name} ({samples.split})"
    if len(subjects) < FEWEST:
        raise BadInput(
            f"The images of {where} state {' and '.join(subjects) or 'nothing'} as the text label "
            f"{config.label!r}, and there must be two values to tell apart; set label to one that "
            "has, or choose other images."
        )
    for value, of in sorted(subjects.items()):
        if len(of) < FEWEST:
            raise BadInput(
                f"Only one subject of {where} has {config.label} = {value!r}, which is too few to "
                "learn from; add subjects, or leave it out with --only."
            )
    return replace(config, values=tuple(sorted(subjects)), organ=organ, organs=organs)


TINY = Size(
    config=FinetunedConfig(vit=VitConfig(patch_px=8, width=192, depth=6, heads=3)),
    recipe=Recipe(
        data="busi", steps=400, batch_size=32, image_size=(64, 64), lr=1e-3, weight_decay=0.05,
        warmup_steps=40, final_lr=0.002, clip_norm=5.0,
    ),
)  # fmt: skip
"""The encoder of `tiny` of anatomy_vit, mae, masked_vit and dino."""
# lr: 1.25e-3 for every 512 images; 200 epochs of 500 images, of which 20 warm up
RECIPE = Recipe(
    data="busi", steps=200 * 500 // 64, batch_size=64, lr=1.25e-3 * 64 / 512, weight_decay=0.05,
    warmup_steps=20 * 500 // 64, final_lr=0.002, clip_norm=5.0,
)  # fmt: skip
SIZES = {
    "tiny": TINY,
    "small": Size(config=FinetunedConfig(vit=VitConfig(width=384, heads=6)), recipe=RECIPE),
    "paper": Size(config=FinetunedConfig(), recipe=RECIPE),
}


def from_scratch(size: Size) -> Size:
    """For an encoder that nobody has trained: no layer has learnt anything to keep."""
    return replace(size, config=replace(size.config, layer_decay=1.0))


PAPER = Paper(
    title="Fine-tuned ViT",
    cite="He, Chen, Xie, Li, Dollar, Girshick: Masked Autoencoders Are Scalable Vision Learners, "
    "CVPR 2022, arXiv:2111.06377, appendix A.1",
    build=Finetuned,
    adapt=adapted,
    sizes=SIZES | {f"{name}_scratch": from_scratch(size) for name, size in SIZES.items()},
)
