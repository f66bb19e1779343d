"""A network of our own that looks at what models draw, and knows of none of them.

training images, masks --segmenter--> U-Net --> classes: how large is a structure now?
                                            --> feature maps: do two images look alike?

It learns from real images alone, some of them blurred: what models draw is smoother.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from septum.contract import BadInput, Samples
from septum.nn.blur import gaussian_blur
from septum.tasks import segmenter
from septum.tasks.segmenter import Schedule, Shown, UNet, shrunk

LOG = logging.getLogger("septum")
SIDE = 128
"""Longest side in pixels of what the network sees; larger images are shrunk."""
BLUR_PX = 1.5
"""Widest blur of the images that are learnt from. With it the wall's area in EMIDEC blurred by as
much has a rank correlation of .83 with its label, without it .71; and .90 and .89 in sharp ones."""


@dataclass(frozen=True, kw_only=True)
class Witness:
    """A segmentation network that was taught on the masks of a training split.

    Attributes:
        shrink: Pixels of an image, in either direction, per pixel that the network sees.
        device: Where the network lies; what it says comes back to the CPU.
    """

    net: UNet
    shrink: int
    device: torch.device

    @torch.no_grad()
    def classes(self, image: Float[Tensor, "b 1 H W"]) -> Int[Tensor, "b H W"]:
        """The likeliest class of every pixel."""
        logits = self.net(self._seen(image))
        return F.interpolate(logits, size=image.shape[-2:], mode="bilinear").argmax(1).cpu()

    @torch.no_grad()
    def maps(self, image: Float[Tensor, "b 1 H W"]) -> Sequence[Float[Tensor, "b _ _ _"]]:
        """What the way down finds at every size, the finest first."""
        x = self.net.first(self._seen(image))
        found = [x]
        for down in self.net.down:
            x = down(F.max_pool2d(x, 2))
            found.append(x)
        return [x.cpu() for x in found]

    def _seen(self, image: Tensor) -> Tensor:
        return shrunk(image.to(self.device), self.shrink)


def teach(train: Samples, *, schedule: Schedule | None, device: torch.device, seed: int) -> Witness:
    """Teach a network on the masks of a training split, some of its images blurred.

    Raises:
        BadInput: If images are volumes or films, or no mask shows a structure.
    """
    image = train.batch([0]).image
    if image.ndim != 4:
        raise BadInput(
            f"The images of {train.name} ({train.split}) are volumes or films, and a network is "
            "taught on masks of still images; ask about a data set of slices."
        )
    shrink = max(1, max(image.shape[-2:]) // SIDE)
    known = segmenter.labelled(train, shrink=shrink, device=device)
    rows, how = range(len(known.places)), replace(schedule or Schedule(), shrink=shrink)
    net = segmenter.fit(known, rows, [blurred], schedule=how, seed=seed)
    return Witness(net=net.eval(), shrink=shrink, device=device)


def taught(
    train: Samples, *, schedule: Schedule | None, device: torch.device, seed: int
) -> Witness | None:
    """The same, where there are masks of still images to teach a network on.

    Else None, and a line in the log: what it would measure is then left out of a report.
    """
    try:
        return teach(train, schedule=schedule, device=device, seed=seed)
    except BadInput as error:
        LOG.warning("%s What a network taught on masks would measure is left out.", error)
        return None


def blurred(shown: Shown) -> Shown:
    """Half of the images, each by a width of its own; masks stay."""
    width = (2 * torch.rand(len(shown.rows)) - 1).clamp(min=0) * BLUR_PX
    return replace(shown, image=gaussian_blur(shown.image, width.to(shown.image.device)))
