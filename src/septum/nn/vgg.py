"""VGG16's convolutions as a judge of pictures.

Simonyan, Zisserman: Very Deep Convolutional Networks for Large-Scale Image Recognition, ICLR 2015,
arXiv:1409.1556, Table 1, configuration D; the last map before every halving, as LPIPS takes them
(Zhang et al., CVPR 2018, arXiv:1801.03924, section 3).

    grey image, three times --> 64 64 | 128 128 | 256 256 256 | 512 512 512 | 512 512 512

Parameters have the names of torchvision's weights. These are published as pickles, which are not
read here (nor anywhere): who trusts such a file turns it into one that holds numbers alone,

    safetensors.torch.save_file(
        torch.load("vgg16-397923af.pth", weights_only=True), "vgg16.safetensors"
    )

and hands `load(Path("vgg16.safetensors"))` to a task as its features.
"""

from collections.abc import Sequence
from pathlib import Path

import torch
from jaxtyping import Float
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from septum.contract import BadInput

STAGES = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))
"""Channels after every convolution; maps are halved after every stage."""
MEAN = (0.485, 0.456, 0.406)
"""Of the colours of ImageNet, which the published weights expect to be 0."""
SPREAD = (0.229, 0.224, 0.225)
HEAD = "classifier."
"""Of the names of the classifier, which is left out."""


class VGG16(nn.Module):
    """Five maps of a grey image, the finest first."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        ends: list[int] = []
        c_in = 3
        for stage in STAGES:
            for c_out in stage:
                layers += [nn.Conv2d(c_in, c_out, 3, padding=1), nn.ReLU()]
                c_in = c_out
            ends.append(len(layers))
            layers.append(nn.MaxPool2d(2))
        self.features = nn.Sequential(*layers[:-1])
        self.ends = ends

    @torch.no_grad()
    def forward(self, image: Float[Tensor, "b 1 h w"]) -> Sequence[Float[Tensor, "b _ _ _"]]:
        """Maps of 64, 128, 256, 512 and 512 channels, none of them negative.

        Args:
            image: In [0, 1]; 16 pixels or more in either direction.
        """
        mean, spread = (image.new_tensor(of)[:, None, None] for of in (MEAN, SPREAD))
        x, found, start = (image - mean) / spread, list[Tensor](), 0
        for end in self.ends:
            x = self.features[start:end](x)
            found.append(x)
            start = end
        return found


def load(file: Path) -> VGG16:
    """The network with published weights, for use only.

    Args:
        file: Its tensors by name, as safetensors.

    Raises:
        BadInput: The file cannot be read, or holds other names or shapes.
    """
    try:
        found = {k: v for k, v in load_file(file).items() if not k.startswith(HEAD)}
    except (SafetensorError, OSError) as error:
        raise BadInput(
            f"{file} holds no weights as safetensors ({error}); convert the published file as "
            "`septum.nn.vgg` says."
        ) from error
    with torch.device("meta"):
        net = VGG16()
    shapes = {name: value.shape for name, value in net.state_dict().items()}
    if odd := {k: v.shape for k, v in found.items()}.items() ^ shapes.items():
        raise BadInput(
            f"{file} differs from VGG16 in {min(name for name, _ in odd)}; give torchvision's "
            "weights of vgg16, the one without batch norm."
        )
    net.load_state_dict(found, assign=True)
    return net.requires_grad_(requires_grad=False).eval()
