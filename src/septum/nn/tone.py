"""Images in another tone: one curve of intensities per image, shapes stay.

Chance is drawn in `sample`, applied in `toned`; `varied` does both.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from septum.nn.ranks import draw

GAMMA = (0.4, 2.5)
LEAST_RANGE = 0.5
"""Of the range from black to white that an image keeps."""


@dataclass(frozen=True, kw_only=True)
class Tone:
    """One curve per image, x -> darkest + (brightest - darkest) x ** gamma."""

    gamma: Float[Tensor, "b 1 1 1"]
    darkest: Float[Tensor, "b 1 1 1"]
    brightest: Float[Tensor, "b 1 1 1"]


def varied(image: Float[Tensor, "b 1 h w"], share: float) -> Float[Tensor, "b 1 h w"]:
    """Images in [0, 1], this share of them in another tone; at 0 nothing is drawn."""
    return toned(image, sample(len(image), share, image.device)) if share else image


def sample(count: int, share: float, device: torch.device) -> Tone:
    """Draw a tone for every image; only this share of them gets another than its own."""
    u = draw(torch.rand, (count, 4, 1, 1, 1), device=device)
    kept, gamma, span, place = u.unbind(1)
    other = (kept < share).float()
    span = LEAST_RANGE + (1 - LEAST_RANGE) * span
    darkest = (1 - span) * place * other
    drawn = GAMMA[0] * (GAMMA[1] / GAMMA[0]) ** gamma
    return Tone(
        gamma=drawn**other, darkest=darkest, brightest=darkest + span * other + (1 - other)
    )  # fmt: skip


def toned(image: Float[Tensor, "b 1 h w"], tone: Tone) -> Float[Tensor, "b 1 h w"]:
    """Images in [0, 1] in these tones.

    >>> one = torch.ones(1, 1, 1, 1)
    >>> tone = Tone(gamma=2 * one, darkest=0.2 * one, brightest=0.8 * one)
    >>> toned(torch.tensor([[[[0.0, 0.5, 1.0]]]]), tone)
    tensor([[[[0.2000, 0.3500, 0.8000]]]])
    """
    return tone.darkest + (tone.brightest - tone.darkest) * image.clamp(0, 1) ** tone.gamma
