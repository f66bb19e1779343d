"""Attention to channels, then to places (CBAM: Woo et al., 2018, arXiv:1807.06521)."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

CONVOLUTIONS = {2: nn.Conv2d, 3: nn.Conv3d}
"""By the axes of a grid."""


class Cbam(nn.Module):
    """Maps, gated by what is in each channel and then by what is at each place (section 3).

    Args:
        channels: Of the maps.
        dims: Axes of the grid, 2 or 3.
        reduction: Factor by which the channels shrink between the two layers of their gate.
    """

    def __init__(self, channels: int, *, dims: int = 2, reduction: int = 16) -> None:
        super().__init__()
        hidden = max(1, channels // reduction)
        self.channel = nn.Sequential(
            nn.Linear(channels, hidden, bias=False), nn.ReLU(),
            nn.Linear(hidden, channels, bias=False),
        )  # fmt: skip
        self.place = CONVOLUTIONS[dims](2, 1, 3, padding=1, bias=False)

    def forward(self, maps: Float[Tensor, "b c *n"]) -> Float[Tensor, "b c *n"]:
        """The maps, both gates applied, the second one made from what the first lets through."""
        kept = maps * self.channel_gate(maps)
        return kept * self.place_gate(kept)

    def channel_gate(self, maps: Float[Tensor, "b c *n"]) -> Float[Tensor, "b c *one"]:
        """In (0, 1): sigmoid(MLP(mean) + MLP(max)), both over the grid."""
        grid = maps.flatten(2)
        means, peaks = self.channel(grid.mean(dim=2)), self.channel(grid.amax(dim=2))
        return (means + peaks).sigmoid().view(*maps.shape[:2], *[1] * (maps.ndim - 2))

    def place_gate(self, maps: Float[Tensor, "b c *n"]) -> Float[Tensor, "b 1 *n"]:
        """In (0, 1): sigmoid(convolution of [mean; max]), both over channels."""
        seen = torch.cat([maps.mean(dim=1, keepdim=True), maps.amax(dim=1, keepdim=True)], dim=1)
        return self.place(seen).sigmoid()
