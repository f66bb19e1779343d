"""VICReg: two views of an image get one embedding, whose dimensions vary and say different things.

Bardes, Ponce, LeCun: VICReg: Variance-Invariance-Covariance Regularization for Self-Supervised
Learning, ICLR 2022, arXiv:2105.04906. The baseline of ConceptVAE (arXiv:2502.01335, section 4).

image --augment twice--> views --trunk--> maps at strides 4, 8, 16, 32 --mean of the last--> y
y     --expander-->      z, on which the loss is taken; the expander is not used afterwards

Content is the map at stride 16, the last stage but one, as ConceptVAE compares it: one cell is one
descriptor. There is no style.

Differs from the paper
* The variance term is halved and the invariance term divided by d, as in the authors' code: the
  weights 25, 25, 1 belong to that form (sections 4.1 and 4.2 print both terms without).
* One grey channel; views are augmented as ConceptVAE's are, so that both learn from the same
  pictures.
* Layers of the expander that a batch norm follows have no bias, which it would take away.
* Several processes share the batch of the loss, but every one norms its own rows.
* Under ConceptVAE the trunk had a light-weight RefineNet. None of its numbers needs it, none here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from septum.contract import Batch, Features, Paper, Phase, Recipe, Size, Terms
from septum.losses import vicreg as losses
from septum.nn import augment
from septum.nn.mode import evaluating
from septum.nn.resnet import EXPANSION, ResNet

STRIDE = 16
"""Pixels per cell of the content."""


@dataclass(frozen=True, kw_only=True)
class VICRegConfig:
    """Sizes and weights, those of the paper by default (sections 4.1 and 4.2)."""

    width: int = 64
    """Channels of the stem; 4, 8, 16 and 32 times as many leave the stages."""
    layers: tuple[int, int, int, int] = (3, 4, 6, 3)
    """Bottlenecks of every stage."""
    expander: tuple[int, int, int] = (8192, 8192, 8192)
    """Widths of the three layers; the last is d, the length of an embedding."""
    invariance: float = 25.0
    """lambda of Eq. 6."""
    variance: float = 25.0
    """mu of Eq. 6."""
    covariance: float = 1.0
    """nu of Eq. 6."""
    augmentation: augment.Ranges = field(default_factory=augment.Ranges)
    """Of both views."""


def _expander(c_in: int, widths: tuple[int, int, int]) -> nn.Sequential:
    """Three linear layers with batch norm and ReLU between them."""
    a, b, c = widths
    return nn.Sequential(
        nn.Linear(c_in, a, bias=False), nn.BatchNorm1d(a), nn.ReLU(inplace=True),
        nn.Linear(a, b, bias=False), nn.BatchNorm1d(b), nn.ReLU(inplace=True),
        nn.Linear(b, c, bias=False),
    )  # fmt: skip


class VICReg(nn.Module):
    """Learn a ResNet by what two views of an image have in common."""

    def __init__(self, config: VICRegConfig) -> None:
        super().__init__()
        self.config = c = config
        self.trunk = ResNet(width=c.width, layers=c.layers)
        self.expander = _expander(c.width * 2 ** (len(c.layers) - 1) * EXPANSION, c.expander)

    def loss(self, batch: Batch, progress: float) -> Terms:
        """Weighted terms of Eq. 6, by name."""
        del progress
        c = self.config
        z = [self.embed(view) for view in self.views(batch)]
        cov = [losses.covariance(of) for of in z]
        return {
            "invariance": c.invariance * losses.invariance(*z),
            "variance": c.variance * (losses.variance(cov[0]) + losses.variance(cov[1])) / 2,
            "covariance": c.covariance * (losses.redundancy(cov[0]) + losses.redundancy(cov[1])),
        }

    def views(self, batch: Batch) -> Sequence[Float[Tensor, "b 1 h w"]]:
        """Two augmentations of every image."""
        inside = grid_sector(batch)
        drawn = [augment.sample(inside, self.config.augmentation) for _ in range(2)]
        return [augment.apply(batch.image, one, stride=STRIDE) for one in drawn]

    def maps(self, image: Float[Tensor, "b 1 h w"]) -> Sequence[Float[Tensor, "b _ _ _"]]:
        """What leaves the stages of the trunk."""
        return self.trunk(2 * image - 1)

    def embed(self, image: Float[Tensor, "b 1 h w"]) -> Float[Tensor, "b d"]:
        """The embedding z."""
        return self.expander(self.maps(image)[-1].mean(dim=(2, 3)))

    def phases(self) -> Sequence[Phase]:
        """One player."""
        return [Phase(name="pretrain", parameters=list(self.parameters()), loss=self.loss)]

    def after_step(self, progress: float) -> None:
        """Nothing is left to do."""

    @torch.no_grad()
    def encode(self, image: Float[Tensor, "b 1 h w"]) -> Features:
        """The map at stride 16, and the mean of the map at stride 32 (y)."""
        with evaluating(self):
            *_, content, last = self.maps(image)
        return Features(content=content, style=None, pooled=last.mean(dim=(2, 3)))

    @torch.no_grad()
    def monitors(self, batch: Batch) -> Mapping[str, float]:
        """Unweighted terms and the mean standard deviation of embeddings on one batch.

        The views are the same at every call: no random number of the training is used up.
        """
        image = batch.image
        with evaluating(self), torch.random.fork_rng([image.device] if image.is_cuda else []):
            torch.manual_seed(0)
            a, b = (self.embed(view) for view in self.views(batch))
        cov = losses.covariance(a)
        return {
            "embedding_std": float(losses.stds(cov).mean()),
            "embedding_covariance": float(losses.redundancy(cov)),
            "embedding_invariance": float(losses.invariance(a, b)),
        }


def grid_sector(batch: Batch) -> Tensor:
    """Cells that lie at least half inside the sector; all of them where it is unknown."""
    if batch.sector is None:
        b, _, h, w = batch.image.shape
        return batch.image.new_ones((b, 1, h // STRIDE, w // STRIDE), dtype=torch.bool)
    return F.avg_pool2d(batch.sector.float(), STRIDE) >= 0.5


SMALL = VICRegConfig(width=24, layers=(2, 2, 2, 2), expander=(1024, 1024, 64))
"""A step takes as long as one of ConceptVAE's `small` within a tenth: equal steps, equal compute.

An embedding is four times as long as the batch, as in the paper (8192 to 2048): the covariance of n
embeddings has rank n - 1, and the covariance term alone would hold a longer one down.
"""

PAPER = Paper(
    title="VICReg",
    cite="Bardes, Ponce, LeCun: VICReg: Variance-Invariance-Covariance Regularization for "
    "Self-Supervised Learning, ICLR 2022",
    build=VICReg,
    sizes={
        "demo": Size(
            config=SMALL,
            recipe=Recipe(
                data="phantom", steps=600, image_size=(192, 240), lr=3e-3, weight_decay=5e-3,
                warmup_steps=50, final_lr=0.05,
            ),
        ),
        "small": Size(
            config=SMALL,
            recipe=Recipe(
                data="camus", steps=3000, lr=3e-3, weight_decay=5e-3, warmup_steps=50,
                final_lr=0.05,
            ),
        ),
        "paper": Size(
            config=VICRegConfig(),
            # .2 B / 256; ten epochs of the 72,500 frames that ConceptVAE had
            recipe=Recipe(
                data="camus", steps=100_000, batch_size=64, image_size=(256, 320), lr=0.05,
                weight_decay=1e-6, warmup_steps=11_328, final_lr=1e-3, optimiser="lars",
            ),
        ),
    },
)  # fmt: skip
