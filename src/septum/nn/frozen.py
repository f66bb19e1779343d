"""A pretrained encoder, used and never trained."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from septum.contract import BadInput
from septum.nn.instance_norm import InstanceNorm
from septum.nn.mirror import mirror


class Frozen(nn.Module):
    """A copy of an encoder from images to a map at stride 4, its channels normed.

    No gradient runs in it, none of its parameters asks for one, and it stays in evaluation mode
    whatever the mode of the model around it: batch norms keep their statistics, dropout is off.
    Its weights and buffers belong to the state of the model.

    Args:
        encoder: `b 1 h w` in [-1, 1] to `b channels h/4 w/4`. A copy is kept: the given module
            stays as it is.
        channels: How many it must give.
    """

    def __init__(self, encoder: nn.Module, *, channels: int) -> None:
        super().__init__()
        self.encoder = mirror(encoder)
        self.norm = InstanceNorm()
        self.channels = channels
        self.eval()

    def train(self, mode: bool = True) -> "Frozen":  # noqa: FBT001, FBT002 - torch's signature
        """Stay in evaluation mode."""
        del mode
        return super().train(mode=False)

    @torch.no_grad()
    def forward(self, image: Float[Tensor, "b 1 h w"]) -> Float[Tensor, "b c h4 w4"]:
        """Every channel of every image with zero mean and unit standard deviation.

        Raises:
            BadInput: The encoder's map has another shape than was promised.
        """
        b, _, h, w = image.shape
        features = self.encoder(image)
        if features.shape != (b, self.channels, h // 4, w // 4):
            raise BadInput(
                f"The encoder turns images of {h} x {w} into features of shape "
                f"{tuple(features.shape)}, not {(b, self.channels, h // 4, w // 4)}; give one of "
                "stride 4, and set the config's `stem` to its channels."
            )
        return self.norm(features)
