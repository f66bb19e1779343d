"""Self-training: U-Net learns from its own masks of the images that have none.

Bai et al.: Semi-supervised learning for network-based cardiac MR image segmentation, MICCAI 2017;
as SDNet compares with it (arXiv:1903.09467, section 4.3c), that is without the conditional random
field.

x, few with masks --U-Net--> masks --Dice, against the mask or the labeller's--> loss
labeller <--- a copy of the U-Net, taken anew at every round

The training has four parts of equal length: the first on true masks alone, then three rounds. The
papers do not say how many rounds they did.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from septum.contract import Batch, Features, Paper, Phase, Recipe, Samples, Size, Terms
from septum.losses import anatomy as losses
from septum.nn import supervised
from septum.nn.mirror import follow, mirror
from septum.nn.unet import Segmentor


@dataclass(frozen=True, kw_only=True)
class SelfTrainingConfig:
    """Sizes and weights.

    Attributes:
        structures: Foreground classes; the images decide.
        width: Channels of the first level.
        rounds: How often the images without a mask are labelled.
        segmentation: Weight of the Dice loss, as in SDNet.
        rotation_deg: Images are turned up to this angle either way.
        sharpness: Factor of the logits of masks.
    """

    structures: int = 3
    width: int = 64
    rounds: int = 3
    segmentation: float = 10.0
    rotation_deg: float = 90.0
    sharpness: float = 1.0


class SelfTraining(nn.Module):
    """A U-Net and the copy of it that labels."""

    round: Int[Tensor, ""]

    def __init__(self, config: SelfTrainingConfig) -> None:
        super().__init__()
        self.config = config
        self.net = Segmentor(
            width=config.width, classes=config.structures + 1, sharpness=config.sharpness
        )
        self.labeller = mirror(self.net)
        self.register_buffer("round", torch.zeros((), dtype=torch.int64))

    def loss(self, batch: Batch, progress: float) -> Terms:
        """Dice loss of the images that have a mask and, after the first part, of the others."""
        del progress
        c = self.config
        known, bare = supervised.annotated(batch), supervised.others(batch)
        terms: Terms = {}
        if len(known.image):
            terms["dice"] = c.segmentation * self.dice(known)
        if len(bare.image) and int(self.round):
            terms["dice_self"] = c.segmentation * self.dice(self.labelled(bare))
        return terms

    def dice(self, batch: Batch) -> Float[Tensor, ""]:
        """Dice loss of images with their masks."""
        seen = supervised.turned(batch, self.config.rotation_deg)
        assert seen.mask is not None
        truth = supervised.structures(seen.mask, self.config.structures)
        return losses.dice(self.net(2 * seen.image - 1)[:, 1:], truth)

    @torch.no_grad()
    def labelled(self, batch: Batch) -> Batch:
        """Images with the masks that the labeller draws."""
        return replace(batch, mask=self.labeller.segment(batch.image).argmax(1))

    def phases(self) -> Sequence[Phase]:
        """One player; the labeller is not trained."""
        return [Phase(name="labelled", parameters=[*self.net.parameters()], loss=self.loss)]

    def after_step(self, progress: float) -> None:
        """Label anew where a round begins."""
        now = int(progress * (self.config.rounds + 1))
        if now > int(self.round):
            follow([self.labeller], [self.net], 0.0)
            self.round.fill_(now)

    def encode(self, image: Float[Tensor, "b 1 h w"]) -> Features:
        """The map before the last layer, and its mean."""
        return self.net.encode(image)

    def segment(self, image: Float[Tensor, "b 1 h w"]) -> Float[Tensor, "b classes h w"]:
        """Probability of every class, the background first."""
        return self.net.segment(image)


def adapted(config: SelfTrainingConfig, samples: Samples) -> SelfTrainingConfig:
    """The structures of these images."""
    structures, _ = supervised.learns_from(samples, multiple=16)
    return replace(config, structures=structures)


PAPER = Paper(
    title="Self-training",
    cite="Bai et al., Semi-supervised learning for network-based cardiac MR image segmentation, "
    "MICCAI 2017",
    build=SelfTraining,
    adapt=adapted,
    sizes={
        "small": Size(
            config=SelfTrainingConfig(width=16, rotation_deg=20.0, sharpness=5.0),
            recipe=Recipe(
                data="acdc", steps=400, batch_size=8, labelled=4, image_size=(64, 64), lr=1e-3,
                warmup_steps=20, final_lr=0.05,
            ),
        ),
        "paper": Size(
            config=SelfTrainingConfig(),
            recipe=Recipe(
                data="acdc", steps=150_000, batch_size=8, labelled=4, lr=1e-4, lr_decay=1e-4
            ),
        ),
    },
)  # fmt: skip
