"""A network that estimates a fact about a film from a clip of it.

clip --normalised, encoder--> map --mean--> embedding --head--> estimate
"""

import math
from statistics import fmean

import torch
from jaxtyping import Float
from torch import Tensor, nn

from septum.contract import BadInput, Batch, Features, Films, Samples
from septum.nn import clip_views, supervised
from septum.nn.mode import evaluating

LEAST_PX = 32
"""Height and width below which nothing is left of the last map."""


class Estimator(nn.Module):
    """The network of every method that learns a number from films.

    Args:
        encoder: Clips of three channels to maps.
        head: Embeddings to one number each; it computes in float32 under autocast too: bf16 knows
            whole and half numbers alone from 64 to 128.
    """

    def __init__(self, encoder: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.encoder, self.head = encoder, head

    def forward(self, image: Float[Tensor, "b 1 t h w"]) -> Float[Tensor, " b"]:
        """The estimates."""
        return self.read(self.embed(image))

    def maps(self, image: Float[Tensor, "b 1 t h w"]) -> Float[Tensor, "b d t2 h2 w2"]:
        """What the encoder sees, for clips in [0, 1]."""
        clips = clip_views.normalised(image).contiguous(memory_format=torch.channels_last_3d)
        return self.encoder(clips).float()

    def embed(self, image: Float[Tensor, "b 1 t h w"]) -> Float[Tensor, "b d"]:
        """E, one vector per clip."""
        return self.maps(image).mean(dim=(2, 3, 4))

    def read(self, e: Float[Tensor, "b d"]) -> Float[Tensor, " b"]:
        """The estimate of every embedding."""
        with torch.autocast(e.device.type, enabled=False):
            return self.head(e).squeeze(1)

    def explained(
        self, image: Float[Tensor, "b 1 t h w"]
    ) -> tuple[Float[Tensor, "b d t2 h2 w2"], Float[Tensor, " b"]]:
        """The last map and the estimate that is made from it, with gradients."""
        maps = self.maps(image)
        return maps, self.read(maps.mean(dim=(2, 3, 4)))

    @torch.no_grad()
    def encode(self, image: Float[Tensor, "b 1 t h w"]) -> Features:
        """The last map and its mean, in evaluation mode; there is no style."""
        with evaluating(self):
            maps = self.maps(image)
        return Features(content=maps, style=None, pooled=maps.mean(dim=(2, 3, 4)))

    @torch.no_grad()
    def estimate(self, image: Float[Tensor, "b 1 t h w"]) -> Float[Tensor, " b"]:
        """The estimates, in evaluation mode."""
        with evaluating(self):
            return self(image)


def known(batch: Batch, label: str) -> Batch:
    """The clips whose label is known; perhaps none."""
    unknown = torch.full((len(batch.image),), torch.nan, device=batch.image.device)
    return supervised.rows(batch, ~batch.labels.get(label, unknown).isnan())


def shown(batch: Batch, ranges: clip_views.Ranges) -> Float[Tensor, "b 1 t h w"]:
    """A view of every clip."""
    drawn = clip_views.sample(len(batch.image), ranges, batch.image.device)
    return clip_views.apply(batch.image, drawn)


def learns_from(samples: Samples, label: str) -> float:
    """The mean of a label over the films that have it, to one decimal.

    Raises:
        BadInput: These are no films, they are too small, or none has the label.
    """
    where = f"{samples.name} ({samples.split})"
    if not isinstance(samples, Films):
        raise BadInput(
            f"{where} holds still images, and this model learns from films; choose a data set of "
            "films, such as echonet_dynamic."
        )
    facts = [record.labels.get(label) for record in samples.records]
    values = [v for v in facts if isinstance(v, float | int) and math.isfinite(v)]
    if not values:
        names = {k for r in samples.records for k, v in r.labels.items() if isinstance(v, float)}
        raise BadInput(
            f"No film of {where} has the label {label!r} to learn; choose one of "
            f"{', '.join(sorted(names)) or 'those of another data set'}."
        )
    height, width = samples.batch([0]).image.shape[-2:]
    if min(height, width) < LEAST_PX:
        raise BadInput(
            f"Films of {height} x {width} pixels are too small for this network; prepare them at "
            f"{LEAST_PX} x {LEAST_PX} or more."
        )
    return round(fmean(values), 1)
