"""Which organ an image shows: a light network, so that nobody has to say.

x --four convolutions of stride 2, mean--> d --one row per organ--> logits
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn


class Recogniser(nn.Module):
    """A distribution over organs.

    The rows of the last layer are parameters of their own: a table of organs may grow without
    changing what is known of the others.

    Args:
        organs: How many.
        width: Channels after the first convolution; the last has four times as many.
    """

    def __init__(self, *, organs: int, width: int = 16) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for c_in, c_out in ((1, width), (width, 2 * width), (2 * width, 4 * width)):
            layers += _halving(c_in, c_out)
        self.body = nn.Sequential(*layers, *_halving(4 * width, 4 * width))
        self.rows = nn.ParameterList(
            nn.Parameter(torch.randn(4 * width) / (4 * width) ** 0.5) for _ in range(organs)
        )

    def forward(self, image: Float[Tensor, "b 1 h w"]) -> Float[Tensor, "b organs"]:
        """Logits."""
        found = self.body(image - 0.5).mean((2, 3))
        return found @ torch.stack([*self.rows], dim=1).to(found)


def one_hot(texts: Sequence[str], organs: Sequence[str]) -> Float[Tensor, "b organs"]:
    """One-hot rows of the organs that are named; zero for a name that is not in the table.

    >>> one_hot(["lung", "", "heart"], ["heart", "lung"]).tolist()
    [[0.0, 1.0], [0.0, 0.0], [1.0, 0.0]]
    """
    return torch.tensor([[float(text == organ) for organ in organs] for text in texts])


def _halving(c_in: int, c_out: int) -> list[nn.Module]:
    # group norm: an image is recognised alike whatever images stand beside it
    return [
        nn.Conv2d(c_in, c_out, 3, stride=2, padding=1, bias=False),
        nn.GroupNorm(1, c_out),
        nn.GELU(),
    ]
