"""Variational autoencoders whose first dimensions are ordered as attributes are: four baselines.

Network of Attri-VAE (Cetin, Stephens, Camara, González Ballester: Attri-VAE, Computerized Medical
Imaging and Graphics 104, 2023, arXiv:2203.10417), for images and for volumes:

x --encoder--> N(mean, exp(head))  --drawn--> z --decoder--> x^
                                              z_m, the first dimensions, in the order of attribute m
                                              z --classifier--> probability of a diagnosis

The head of the scale is exponentiated as the standard deviation itself, as the authors' code does
it, and not as a variance. VAE, beta-VAE, AR-VAE and Attri-VAE are this network under other weights.

Differs from the published network
* Sizes follow the images: any multiples of 16 pixels, in two dimensions or three.
* What the weights of the losses were balanced against is the error of 80 x 80 x 80 voxels: an
  image of fewer pixels has it scaled to as many (`balanced`).
* Images whose attribute or diagnosis is unknown do not count for it.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from septum.contract import BadInput, Batch, Clip, Features, Phase, Recipe, Samples, Size, Terms
from septum.nn import attribute_names, slice_views
from septum.nn.mode import evaluating
from septum.nn.ranks import draw

CONV = {2: nn.Conv2d, 3: nn.Conv3d}
UP = {2: nn.ConvTranspose2d, 3: nn.ConvTranspose3d}
NORM = {2: nn.BatchNorm2d, 3: nn.BatchNorm3d}
HALVINGS = 4
PUBLISHED = 80**3
"""Voxels of the volumes that the published weights are for."""
LEAK = 1e-3
"""Share of their distance by which the bounds of a dimension close up in every step."""

KL = Callable[[Tensor, Tensor], Tensor]
Order = Callable[..., Tensor]


@dataclass(frozen=True, kw_only=True)
class AttributeVaeConfig:
    """Sizes and weights, those of Attri-VAE's network under a plain VAE's loss by default.

    Attributes:
        attributes: Labels that the first dimensions are to be ordered by, separated by commas;
            units may be left out. Empty for none.
        names: Of these labels, with units; the images decide.
        low, high: Their range over the images to learn from.
        diagnosis: Label that is 0 or 1, which z is to tell; empty for none.
        diagnosed: Whether the images have it both ways; the images decide.
        image_size: Height and width of images, or depth, height and width of volumes; the images
            decide.
        widths: Channels of the four convolutions that halve the image, mirrored in the decoder.
        narrow: Channels of the fifth.
        hidden: Widths of the two dense layers.
        last: Channels before the last convolution.
        latent: Length of z.
        dropout: Of the flattened map.
        beta: Of the divergence from the prior.
        gamma: Of the order of attributes.
        delta: How steep a difference of z counts as an order.
        diagnosis_weight: Of the cross-entropy of the diagnosis.
        weight_l1: Of the absolute sum of all parameters.
        flips: Probability of a flip along an axis, and of a quarter turn.
        shift_px: Furthest shift along an axis.
        balanced: Whether the error of images is that of as many voxels as a published volume has.
    """

    attributes: str = ""
    names: tuple[str, ...] = ()
    low: tuple[float, ...] = ()
    high: tuple[float, ...] = ()
    diagnosis: str = ""
    diagnosed: bool = False
    image_size: tuple[int, ...] = (80, 80, 80)
    widths: tuple[int, int, int, int] = (8, 16, 32, 64)
    narrow: int = 2
    hidden: tuple[int, int] = (128, 96)
    last: int = 4
    latent: int = 64
    dropout: float = 0.25
    beta: float = 1.0
    gamma: float = 0.0
    delta: float = 100.0
    diagnosis_weight: float = 1.0
    weight_l1: float = 0.0
    flips: float = 0.1
    shift_px: int = 0
    balanced: bool = True


class Encoder(nn.Module):
    """x to the mean and the logarithm of the scale of its posterior."""

    def __init__(self, c: AttributeVaeConfig) -> None:
        super().__init__()
        dims = len(c.image_size)
        channels, layers = (1, *c.widths), list[nn.Module]()
        for c_in, c_out in pairwise(channels):
            layers += [CONV[dims](c_in, c_out, 3, stride=2, padding=1), *_normed(c_out, dims)]
        layers += [CONV[dims](c.widths[-1], c.narrow, 3, padding=1), *_normed(c.narrow, dims)]
        self.body = nn.Sequential(*layers, nn.Flatten(), nn.Dropout(c.dropout))
        wide, less = c.hidden
        self.dense = nn.Sequential(
            nn.Linear(_flat(c), wide), nn.ReLU(inplace=True),
            nn.Linear(wide, less), nn.ReLU(inplace=True),
        )  # fmt: skip
        self.mean, self.log_scale = nn.Linear(less, c.latent), nn.Linear(less, c.latent)
        self.apply(_started)

    def forward(
        self, x: Float[Tensor, "b 1 *t h w"]
    ) -> tuple[Float[Tensor, "b z"], Float[Tensor, "b z"]]:
        """For images in [0, 1]."""
        found = self.dense(self.body(x))
        return self.mean(found).float(), self.log_scale(found).float()


class Decoder(nn.Module):
    """z to an image in [0, 1]."""

    def __init__(self, c: AttributeVaeConfig) -> None:
        super().__init__()
        dims = len(c.image_size)
        wide, *narrower = c.widths[::-1]
        channels = (wide, wide, *narrower)
        layers = [
            nn.Linear(c.latent, _flat(c)), nn.ReLU(inplace=True),
            nn.Unflatten(1, (c.narrow, *_cells(c))),
            CONV[dims](c.narrow, wide, 3, padding=1), *_normed(wide, dims),
        ]  # fmt: skip
        for c_in, c_out in pairwise(channels):
            up = UP[dims](c_in, c_out, 3, stride=2, padding=1, output_padding=1)
            layers += [up, *_normed(c_out, dims)]
        layers += [CONV[dims](channels[-1], c.last, 3, padding=1), *_normed(c.last, dims)]
        self.body = nn.Sequential(*layers, CONV[dims](c.last, 1, 3, padding=1))
        self.apply(_started)

    def forward(self, z: Float[Tensor, "b z"]) -> Float[Tensor, "b 1 *t h w"]:
        """Images; float32 also under autocast."""
        return self.body(z).float().sigmoid()


def classifier(latent: int) -> nn.Sequential:
    """Logit of a diagnosis, from z."""
    half, quarter = latent // 2, latent // 4
    return nn.Sequential(
        nn.Linear(latent, half), nn.BatchNorm1d(half), nn.ReLU(inplace=True),
        nn.Linear(half, quarter), nn.BatchNorm1d(quarter), nn.ReLU(inplace=True),
        nn.Linear(quarter, 1),
    ).apply(_started)  # fmt: skip


class AttributeVae(nn.Module):
    """A variational autoencoder, its first dimensions one for one in the order of attributes.

    Args:
        config: Which one of the four, on which images.
        kl: Divergence of normal distributions from N(0, 1), of their means and log-variances.
        order: How far estimates are from the order of attributes, one number for each attribute,
            as `septum.losses.attributes.attribute_regularisation` has it.
    """

    least: Float[Tensor, " z"]
    most: Float[Tensor, " z"]

    def __init__(self, config: AttributeVaeConfig, *, kl: KL, order: Order) -> None:
        super().__init__()
        self.config = c = config
        self.kl, self.order = kl, order
        self.encoder, self.decoder = Encoder(c), Decoder(c)
        self.classifier = classifier(c.latent) if c.diagnosed else None
        self.register_buffer("least", torch.zeros(c.latent))
        self.register_buffer("most", torch.zeros(c.latent))

    def phases(self) -> Sequence[Phase]:
        """One player."""
        return [Phase(name="vae", parameters=list(self.parameters()), loss=self.loss)]

    def loss(self, batch: Batch, progress: float) -> Terms:
        """Evidence lower bound, order, diagnosis and weights, as far as the config has them."""
        del progress
        c = self.config
        batch = slice_views.viewed(batch, c.flips, shift_px=c.shift_px)
        x = batch.image
        mean, log_scale = self.encoder(x)
        self._widen(mean)
        z = mean + log_scale.exp() * draw(torch.randn, mean.shape, device=mean.device)
        terms = {
            "reconstruction": self.error(x, self.decoder(z)),
            "kl": c.beta * self.kl(mean, 2 * log_scale),
        }
        return terms | self._ordered(z, batch) | self._diagnosed(z, batch) | self._shrunk()

    def error(
        self, x: Float[Tensor, "b 1 *t h w"], y: Float[Tensor, "b 1 *t h w"]
    ) -> Float[Tensor, ""]:
        """Sum of squares over pixels, mean over images."""
        share = PUBLISHED / math.prod(x.shape[1:]) if self.config.balanced else 1.0
        return share * (x.float() - y).square().flatten(1).sum(1).mean()

    def after_step(self, progress: float) -> None:
        """Nothing is left to do."""

    @torch.no_grad()
    def encode(self, image: Float[Tensor, "b 1 *t h w"]) -> Features:
        """The mean, as a grid of one cell; there is no style."""
        z = self.code(image)
        return Features(content=z[(..., *[None] * (image.ndim - 2))], style=None, pooled=z)

    @torch.no_grad()
    def code(self, image: Float[Tensor, "b 1 *t h w"]) -> Float[Tensor, "b z"]:
        """The mean of the posterior."""
        with evaluating(self):
            return self.encoder(image)[0]

    def render(self, code: Float[Tensor, "b z"]) -> Float[Tensor, "b 1 *t h w"]:
        """Images of codes, in [0, 1]; gradients flow."""
        with evaluating(self):
            return self.decoder(code)

    def attributes(self) -> Sequence[str]:
        """What the first dimensions stand for; nothing if no order was asked for."""
        return self.config.names

    def proxies(self, code: Float[Tensor, "b z"]) -> Float[Tensor, "b attributes"]:
        """The first dimensions."""
        return code[:, : len(self.config.names)]

    def edited(
        self, code: Float[Tensor, "b z"], attribute: str, amount: Float[Tensor, " b"]
    ) -> Float[Tensor, "b z"]:
        """One dimension on its way to the least or the most that images of the training have.

        (1 - |alpha|) z_m + |alpha| B, as Attri-SSC-VAE moves its codes (Appendix A.5).
        """
        m = self.config.names.index(attribute)
        bound = torch.where(amount < 0, self.least[m], self.most[m])
        chosen = torch.arange(code.shape[1], device=code.device) == m
        moved = torch.lerp(code[:, m], bound, amount.abs())
        return torch.where(chosen, moved[:, None], code)

    @torch.no_grad()
    def regress(self, image: Float[Tensor, "b 1 *t h w"]) -> Mapping[str, Float[Tensor, " b"]]:
        """The probability of the diagnosis, if there is one."""
        if self.classifier is None:
            return {}
        with evaluating(self):
            logit = self.classifier(self.code(image))
        return {self.config.diagnosis: logit[:, 0].float().sigmoid()}

    def _ordered(self, z: Float[Tensor, "b z"], batch: Batch) -> Terms:
        """The sum of AR_m over attributes, by gamma."""
        c = self.config
        if not (c.gamma and c.names):
            return {}
        truth = attribute_names.scaled(batch, c.names, low=c.low, high=c.high)
        return {"order": c.gamma * self.order(self.proxies(z), truth, delta=c.delta).sum()}

    def _diagnosed(self, z: Float[Tensor, "b z"], batch: Batch) -> Terms:
        """Cross-entropy of the images that have a diagnosis, if there are two to norm by."""
        c = self.config
        if self.classifier is None or c.diagnosis not in batch.labels:
            return {}
        truth = batch.labels[c.diagnosis]
        known = ~truth.isnan()
        if int(known.sum()) < 2:
            return {}
        logit = self.classifier(z[known])[:, 0].float()
        entropy = F.binary_cross_entropy_with_logits(logit, truth[known])
        return {"diagnosis": c.diagnosis_weight * entropy}

    def _shrunk(self) -> Terms:
        if not self.config.weight_l1:
            return {}
        total = torch.stack([p.abs().sum() for p in self.parameters()]).sum()
        return {"weights": self.config.weight_l1 * total}

    @torch.no_grad()
    def _widen(self, mean: Float[Tensor, "b z"]) -> None:
        """Keep the bounds of every dimension; what is not seen again is forgotten slowly."""
        if self.training:
            leak = LEAK * (self.most - self.least)
            self.least.copy_(torch.minimum(self.least + leak, mean.amin(0)))
            self.most.copy_(torch.maximum(self.most - leak, mean.amax(0)))


def adapted(config: AttributeVaeConfig, samples: Samples) -> AttributeVaeConfig:
    """The size, the attributes and the diagnosis of these images.

    Raises:
        BadInput: The size does not fit, or as `septum.nn.attribute_names.resolved`.
    """
    size = tuple(samples.batch([0]).image.shape[2:])
    multiple = 2**HALVINGS
    if any(side % multiple for side in size):
        raise BadInput(
            f"Images of {' x '.join(map(str, size))} pixels do not fit a network that halves them "
            f"{HALVINGS} times; prepare them at multiples of {multiple}."
        )
    found = attribute_names.resolved(config.attributes, samples)
    if len(found.names) > config.latent:
        raise BadInput(
            f"{len(found.names)} attributes do not fit into {config.latent} dimensions; ask for "
            "fewer by `attributes`, or set `latent` higher."
        )
    said = {record.labels.get(config.diagnosis) for record in samples.records}
    return replace(
        config, image_size=size, names=found.names, low=found.low, high=found.high,
        diagnosed=said >= {0.0, 1.0},
    )  # fmt: skip


def sizes(*, small: Mapping[str, Any] | None = None, **weights: Any) -> dict[str, Size]:
    """Both sizes of a system.

    Args:
        small: Fields of the config that are other ones in the size `small`.
        weights: Fields of both.
    """
    # 70 of 100 subjects to learn from, 5,000 epochs
    published = Recipe(
        data="emidec:hearts", steps=5000 * 70 // 16, image_size=(80, 80),
        clip=Clip(frames=80, stride=0), precision="fp32",
    )  # fmt: skip
    short = Recipe(
        data="emidec:hearts", steps=6000, image_size=(64, 64), lr=2e-3, warmup_steps=100,
        final_lr=0.05,
    )  # fmt: skip
    plain = AttributeVaeConfig(
        image_size=(64, 64), widths=(16, 32, 64, 128), narrow=16, last=8, flips=0.5, shift_px=3
    )  # fmt: skip
    return {
        "small": Size(config=replace(plain, **{**weights, **(small or {})}), recipe=short),
        "paper": Size(config=AttributeVaeConfig(**weights), recipe=published),
    }


def _cells(c: AttributeVaeConfig) -> tuple[int, ...]:
    """Sides of the narrowest map."""
    return tuple(side // 2**HALVINGS for side in c.image_size)


def _flat(c: AttributeVaeConfig) -> int:
    return c.narrow * math.prod(_cells(c))


def _normed(channels: int, dims: int) -> list[nn.Module]:
    """What follows a convolution."""
    return [NORM[dims](channels), nn.ReLU(inplace=True)]


def _started(layer: nn.Module) -> None:
    """First weights as the authors' code draws them: Xavier, and biases of 0.01 or 0."""
    if isinstance(layer, nn.Conv2d | nn.Conv3d | nn.Linear):
        nn.init.xavier_uniform_(layer.weight)
        assert layer.bias is not None
        nn.init.constant_(layer.bias, 0.0 if isinstance(layer, nn.Linear) else 0.01)
