"""U-Net: the supervised baseline of SDNet, the very network of its anatomy encoder.

Ronneberger, Fischer, Brox: U-Net, MICCAI 2015, arXiv:1505.04597; as SDNet compares with it
(Chartsias et al., 2019, arXiv:1903.09467, section 4.3a).

x --U-Net, 1 x 1, softmax--> masks --Dice--> loss

It learns from the images of a batch that have a mask and does not look at the others. Content is
what the last layer sees; there is no style.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from jaxtyping import Float
from torch import Tensor, nn

from septum.contract import Batch, Features, Paper, Phase, Recipe, Samples, Size, Terms
from septum.losses import anatomy as losses
from septum.nn import supervised
from septum.nn.unet import Segmentor


@dataclass(frozen=True, kw_only=True)
class UNetConfig:
    """Sizes and weights.

    Attributes:
        structures: Foreground classes; the images decide.
        width: Channels of the first level.
        segmentation: Weight of the Dice loss, as in SDNet.
        rotation_deg: Images are turned up to this angle either way.
        sharpness: Factor of the logits of masks.
    """

    structures: int = 3
    width: int = 64
    segmentation: float = 10.0
    rotation_deg: float = 90.0
    sharpness: float = 1.0


class UNetSegmentor(nn.Module):
    """Masks from images."""

    def __init__(self, config: UNetConfig) -> None:
        super().__init__()
        self.config = config
        self.net = Segmentor(
            width=config.width, classes=config.structures + 1, sharpness=config.sharpness
        )

    def loss(self, batch: Batch, progress: float) -> Terms:
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

    def phases(self) -> Sequence[Phase]:
        """One player."""
        return [Phase(name="labelled", parameters=list(self.parameters()), loss=self.loss)]

    def after_step(self, progress: float) -> None:
        """Nothing is left to do."""

    def encode(self, image: Float[Tensor, "b 1 h w"]) -> Features:
        """The map before the last layer, and its mean."""
        return self.net.encode(image)

    def segment(self, image: Float[Tensor, "b 1 h w"]) -> Float[Tensor, "b classes h w"]:
        """Probability of every class, the background first."""
        return self.net.segment(image)


def adapted(config: UNetConfig, samples: Samples) -> UNetConfig:
    """The structures of these images."""
    structures, _ = supervised.learns_from(samples, multiple=16)
    return replace(config, structures=structures)


PAPER = Paper(
    title="U-Net",
    cite="Ronneberger, Fischer, Brox: U-Net: Convolutional Networks for Biomedical Image "
    "Segmentation, MICCAI 2015, arXiv:1505.04597",
    build=UNetSegmentor,
    adapt=adapted,
    sizes={
        "small": Size(
            config=UNetConfig(width=16, rotation_deg=20.0, sharpness=5.0),
            recipe=Recipe(
                data="acdc", steps=400, batch_size=8, labelled=4, image_size=(64, 64), lr=1e-3,
                warmup_steps=20, final_lr=0.05,
            ),
        ),
        "paper": Size(
            config=UNetConfig(),
            recipe=Recipe(
                data="acdc", steps=150_000, batch_size=8, labelled=4, lr=1e-4, lr_decay=1e-4
            ),
        ),
    },
)  # fmt: skip
