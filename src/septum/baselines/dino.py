"""DINO: two views of an image mean the same to a student and to its own moving average.

Caron, Touvron, Misra, Jegou, Mairal, Bojanowski, Joulin: Emerging Properties in Self-Supervised
Vision Transformers, ICCV 2021, arXiv:2104.14294. A baseline of A-ViT: its third aim alone, with a
plain ViT of its depth and width.

v1, v2 --student--> z_s      v1, v2 --teacher--> z_t
loss = - z_t(v1) log z_s(v2) - z_t(v2) log z_s(v1)

Differs from the paper
* Two views of the whole image, none of the small ones: A-ViT has none.
* Views change scale, brightness and contrast; colours are none, and speckle is to stay.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor, nn

from septum.contract import Batch, Features, Paper, Phase, Size, Terms
from septum.losses import distillation
from septum.nn import patch_views
from septum.nn.distilled import Distilled
from septum.nn.mode import evaluating
from septum.nn.pretraining import BETAS, RECIPES, VITS
from septum.nn.vit import Vit, VitConfig


@dataclass(frozen=True, kw_only=True)
class DINOConfig:
    """Sizes, those of `paper` of A-ViT by default.

    Attributes:
        head, bottleneck, prototypes: Widths of the head.
        momentum: Of the teacher at the start; 1 in the end.
        student_temperature: Of z_s.
        teacher_temperatures: Of z_t, at the start and from progress .3 on.
        views: What augmentations are drawn from.
    """

    vit: VitConfig = field(default_factory=VitConfig)
    head: int = 2048
    bottleneck: int = 256
    prototypes: int = 8192
    momentum: float = 0.996
    student_temperature: float = 0.1
    teacher_temperatures: tuple[float, float] = (0.04, 0.07)
    views: patch_views.Ranges = field(default_factory=patch_views.Ranges)


class DINO(nn.Module):
    """Student, and what its teacher is made of."""

    def __init__(self, config: DINOConfig) -> None:
        super().__init__()
        self.config = c = config
        self.encoder = Vit(c.vit)
        self.distilled = Distilled(
            self.encoder, inner=c.head, bottleneck=c.bottleneck, prototypes=c.prototypes,
            momentum=c.momentum, temperatures=c.teacher_temperatures,
        )  # fmt: skip
        self.encoder.mask_token.requires_grad = False

    def loss(self, batch: Batch, progress: float) -> Terms:
        """L_SD: each view is to mean to the student what the other means to the teacher."""
        c, d = self.config, self.distilled
        views = torch.cat([patch_views.varied(batch.image, c.views) for _ in range(2)])
        cls, _ = self.encoder(views)
        wanted = d.wanted(views).roll(len(batch.image), 0)
        loss = distillation.cross_entropy(
            d.prototypes(cls, progress=progress), wanted, d.centre.value,
            student_temperature=c.student_temperature,
            teacher_temperature=d.temperature(progress),
        )  # fmt: skip
        return {"distillation": loss}

    def phases(self) -> Sequence[Phase]:
        """One player; the teacher is none."""
        moving = [p for p in self.parameters() if p.requires_grad]
        return [Phase(name="dino", parameters=moving, loss=self.loss, betas=BETAS)]

    def after_step(self, progress: float) -> None:
        """The teacher follows.

        Raises:
            BadInput: It has collapsed.
        """
        self.distilled.follow(self.encoder, progress)

    def encode(self, image: Float[Tensor, "b 1 H W"]) -> Features:
        """Content is the cells of the student; `pooled` is [CLS] and the mean of the cells."""
        with evaluating(self):
            return self.encoder.features(image)

    def monitors(self, batch: Batch) -> Mapping[str, float]:
        """How sure the teacher is of an image, and of how many prototypes it makes use."""
        del batch
        return self.distilled.health()


PAPER = Paper(
    title="DINO",
    cite="Caron et al., Emerging Properties in Self-Supervised Vision Transformers, ICCV 2021, "
    "arXiv:2104.14294",
    build=DINO,
    sizes={
        "tiny": Size(
            config=DINOConfig(
                vit=VITS["tiny"], head=512, bottleneck=64, prototypes=1024, momentum=0.95,
                teacher_temperatures=(0.04, 0.04)
            ),
            recipe=RECIPES["tiny"],
        ),
        "small": Size(
            config=DINOConfig(vit=VITS["small"]), recipe=RECIPES["small"]
        ),
        "paper": Size(config=DINOConfig(), recipe=RECIPES["paper"]),
    },
)  # fmt: skip
