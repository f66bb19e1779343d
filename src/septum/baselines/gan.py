"""GAN: U-Net with a critic of masks, the second baseline of SDNet.

Chartsias et al., 2019, arXiv:1903.09467, section 4.3b: SDNet without reconstruction. Images without
a mask teach that masks look like masks, and nothing else.

x --U-Net, 1 x 1, softmax--> masks --Dice, where there is one--> loss
                             masks --critic, elsewhere---------> loss
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from jaxtyping import Float
from torch import Tensor, nn

from septum.contract import Batch, Features, Paper, Phase, Recipe, Samples, Size, Terms
from septum.losses import anatomy as losses
from septum.nn import quantise, supervised
from septum.nn.critic import MaskCritic, Pool
from septum.nn.unet import Segmentor

BETAS = (0.5, 0.999)


@dataclass(frozen=True, kw_only=True)
class GANConfig:
    """Sizes and weights, as in SDNet.

    Attributes:
        structures: Foreground classes; the images decide.
        image_size: The images decide.
        width: Channels of the first level of the U-Net.
        rotation_deg: Images are turned up to this angle either way.
        sharpness: Factor of the logits of masks.
        unlabelled_rate: Factor of the learning rate on images without a mask.
    """

    structures: int = 3
    image_size: tuple[int, int] = (224, 224)
    width: int = 64
    critic_width: int = 64
    segmentation: float = 10.0
    adversarial: float = 10.0
    rotation_deg: float = 90.0
    sharpness: float = 1.0
    unlabelled_rate: float = 1.0


class GAN(nn.Module):
    """Masks from images, that a critic should take for real."""

    def __init__(self, config: GANConfig) -> None:
        super().__init__()
        self.config = c = config
        self.net = Segmentor(width=c.width, classes=c.structures + 1, sharpness=c.sharpness)
        shapes: Any = {"structures": c.structures, "image_size": c.image_size}
        self.critic = MaskCritic(width=c.critic_width, **shapes)
        self.pool = Pool(**shapes)

    def phases(self) -> Sequence[Phase]:
        """Images with a mask, images without, and the critic."""
        unet = [*self.net.parameters()]
        steps = (
            ("labelled", unet, self.supervised, 1.0),
            ("unlabelled", unet, self.unsupervised, self.config.unlabelled_rate),
            ("critic", [*self.critic.parameters()], self.judge, 1.0),
        )
        return [
            Phase(name=name, parameters=parameters, loss=loss, betas=BETAS, rate=rate)
            for name, parameters, loss, rate in steps
        ]

    def supervised(self, batch: Batch, progress: float) -> Terms:
        """Dice loss of the images that have a mask."""
        del progress
        known = supervised.annotated(batch)
        if not len(known.image):
            return {}
        known = supervised.turned(known, self.config.rotation_deg)
        assert known.mask is not None
        truth = supervised.structures(known.mask, self.config.structures)
        drawn = self.net(2 * known.image - 1)[:, 1:]
        return {"dice": self.config.segmentation * losses.dice(drawn, truth)}

    def unsupervised(self, batch: Batch, progress: float) -> Terms:
        """Masks of the other images, against the critic."""
        del progress
        bare = supervised.others(batch)
        if not len(bare.image):
            return {}
        bare = supervised.turned(bare, self.config.rotation_deg)
        masks = quantise.straight_through(self.net(2 * bare.image - 1))[:, 1:]
        self.pool.remember(masks)
        fooled = losses.towards(self.critic(masks), 1.0)
        return {"adversarial": self.config.adversarial * fooled}

    def judge(self, batch: Batch, progress: float) -> Terms:
        """The critic learns to tell real masks from remembered predictions."""
        del progress
        if batch.unpaired is None or not int(self.pool.filled):
            return {}
        drawn = supervised.turned_mask(batch.unpaired, self.config.rotation_deg)
        real = supervised.structures(drawn, self.config.structures)
        return {
            "real": losses.towards(self.critic(real), 1.0),
            "fake": losses.towards(self.critic(self.pool.sample(len(real))), 0.0),
        }

    def after_step(self, progress: float) -> None:
        """Nothing is left to do."""

    def encode(self, image: Float[Tensor, "b 1 h w"]) -> Features:
        """The map before the last layer, and its mean."""
        return self.net.encode(image)

    def segment(self, image: Float[Tensor, "b 1 h w"]) -> Float[Tensor, "b classes h w"]:
        """Probability of every class, the background first."""
        return self.net.segment(image)


def adapted(config: GANConfig, samples: Samples) -> GANConfig:
    """The structures and the size of these images."""
    structures, image_size = supervised.learns_from(samples, multiple=16)
    return replace(config, structures=structures, image_size=image_size)


PAPER = Paper(
    title="GAN",
    cite="Chartsias et al., Disentangled representation learning in cardiac image analysis, "
    "Medical Image Analysis 58, 2019, arXiv:1903.09467, section 4.3b",
    build=GAN,
    adapt=adapted,
    sizes={
        "small": Size(
            config=GANConfig(
                image_size=(64, 64), width=16, critic_width=16, rotation_deg=20.0, sharpness=5.0,
                unlabelled_rate=0.1,
            ),
            recipe=Recipe(
                data="acdc", steps=400, batch_size=8, labelled=4, image_size=(64, 64), lr=1e-3,
                warmup_steps=20, final_lr=0.05,
            ),
        ),
        "paper": Size(
            config=GANConfig(),
            recipe=Recipe(
                data="acdc", steps=150_000, batch_size=8, labelled=4, lr=1e-4, lr_decay=1e-4
            ),
        ),
    },
)  # fmt: skip
