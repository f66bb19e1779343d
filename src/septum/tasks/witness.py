"""A network of our own that looks at what models draw, and knows of none of them.

training images, masks --segmenter--> U-Net --> classes: how large is a structure now?
                                            --> feature maps: do two images look alike?
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from septum.contract import BadInput, Samples
from septum.tasks import segmenter
from septum.tasks.ruler import SIDE, blurred
from septum.tasks.segmenter import Schedule, UNet, shrunk

LOG = logging.getLogger("septum")


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


def taught(
    train: Samples, *, schedule: Schedule | None, device: torch.device, seed: int
) -> Witness | None:
    """Teach a network on the masks of a training split, some of its images blurred.

    None, and a line in the log, where there are no masks of still images: what it would measure is
    then left out of a report.
    """
    image = train.batch([0]).image
    if image.ndim != 4:
        LOG.warning("Images of %s are volumes, so no network is taught on masks.", train.name)
        return None
    shrink = max(1, max(image.shape[-2:]) // SIDE)
    try:
        known = segmenter.labelled(train, shrink=shrink, device=device)
    except BadInput as error:
        LOG.warning("%s What a network taught on masks would measure is left out.", error)
        return None
    rows, how = range(len(known.places)), replace(schedule or Schedule(), shrink=shrink)
    net = segmenter.fit(known, rows, [blurred], schedule=how, seed=seed)
    return Witness(net=net.eval(), shrink=shrink, device=device)
