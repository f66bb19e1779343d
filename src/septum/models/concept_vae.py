"""ConceptVAE: a grid of discrete concepts, each with its local style.

Ciusdel, Serban, Passerini: ConceptVAE: Self-Supervised Fine-Grained Concept Disentanglement from
2D Echocardiographies, Applied Sciences 15(3):1415, 2025, doi:10.3390/app15031415, arXiv:2502.01335.

image   --stem-->         x_stem  (stride 4)   --image decoder-->            image
sg(x_stem) --middle-->    x_middle (stride 16) --head-->                     p(concept)
p       --Gumbel, 1hot--> concepts             --embedding-->                x_concept
x_middle, x_concept       --stylizer-->        x_style
x_concept, x_style        --feature decoder--> x_stem again --EMA decoder--> image again
x_concept, 0              --feature decoder--> x_stem of the blurred image, and that image

Symbols: p concept probabilities, y one-hot concepts, C concepts, S styles, E embedding size.
Concept 0 is the background outside the ultrasound sector.

Differs from the paper
* Priors with zero mass on a class make Eq. 2 infinite; `epsilon` is spread over those classes.
* Concept logits are scaled by `logit_scale` and sampled at `temperature` 0.5: unscaled, concepts
  stay near uniform and style does the anatomy. `alpha` starts with 0 for the same reason.
* The mirror's concepts are sharpened (`teacher_temperature`) before they teach.
* Content is p at `content_temperature`: it keeps the order of the concepts, and the unlikely ones
  tell hearts apart. Drawing takes the likeliest.
* L_cc compares every cell of the sector with the place where it lands in the augmented image, read
  bilinearly, not one cell alone: on real frames that made concepts better in a fifth of the steps.
* `beta_independence` keeps styles uncorrelated with the concepts around them; 0 as printed. It
  teaches the stylizer alone: what the features hold for the concepts is not to be forgotten.
"""

import copy
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional as F

from septum.contract import BadInput, Batch, Features, Paper, Phase, Recipe, Size, Terms
from septum.losses import concepts as losses
from septum.nn import augment
from septum.nn import concept_parts as parts
from septum.nn.blur import gaussian_blur
from septum.nn.frozen import Frozen
from septum.nn.mirror import cosine_momentum, follow, mirror
from septum.nn.quantise import gumbel, one_hot, sample_one_hot
from septum.nn.ranks import draw

STRIDE = 16
"""Pixels per grid cell."""
TINY = 1e-30
"""Below every probability that matters, above 0."""


@dataclass(frozen=True, kw_only=True)
class ConceptVAEConfig:
    """Sizes and weights. Unless a section is named, the paper leaves the value open."""

    concepts: int = 16
    """C, background included (section 1)."""
    styles: int = 8
    """S (section 1)."""
    embedding: int = 32
    """E; at least C, so that a linear probe on embeddings equals one on one-hot vectors."""
    stem: int = 64
    """Channels at stride 4; half as many before."""
    middle: tuple[int, int, int] = (64, 128, 256)
    """Channels of the three residual stages of 3, 5 and 5 layers (section 3.1)."""
    logit_scale: float = 10.0
    """Factor on the concept logits."""
    temperature: float = 0.5
    """Of the Gumbel-softmax (Eq. 1)."""
    teacher_temperature: float = 0.7
    """Of the mirror's concepts as the target of L_cc; below 1 they are sharpened."""
    content_temperature: float = 3.0
    """Of the concepts that tasks are told: above 1, what else a cell might be shows."""
    epsilon: float = 1e-3
    """Mass of the forbidden classes of a prior."""
    alpha: tuple[float, float, float, float] = (0.0, 1.0, 1.0, 0.5)
    """Weights of Eq. 2: sector, background, sector over the batch, background over the batch."""
    beta: tuple[float, float, float, float, float, float, float, float, float] = (
        1.0, 10.0, 20.0, 1.0, 2.0, 1.0, 0.5, 1.0, 0.1,
    )  # fmt: skip
    """Weights of Eq. 3, in its order."""
    consistency_everywhere: bool = True
    """L_cc at every cell of the sector, rather than at the tracked one alone (section 3.2)."""
    beta_independence: float = 0.02
    """Weight of the correlation between styles and the concepts around them."""
    blur_px: float = 4.0
    """Standard deviation of the blur that takes texture away."""
    momentum: float = 0.99
    """Of the mirrors at the start; rises to 1 along a cosine."""
    augmentation: augment.Ranges = field(default_factory=augment.Ranges)


class ConceptVAE(nn.Module):
    """Describe an image by concepts on a grid and their styles, and draw it again.

    A pretrained `encoder`, from images in [-1, 1] to `config.stem` channels at stride 4, may take
    the place of the stem (section 3): a frozen copy, normed like the stem (`septum.nn.frozen`) and
    its own mirror. L1 then trains the image decoder alone; the other terms are as before. Where
    beta 1 to 3 are all 0 there is no image decoder: concepts and styles learn from features
    (L4, L5), and nothing can be drawn. Such a model is built in Python, trained by
    `septum.train.fit` and filled again, encoder included, by `septum.checkpoint.load_weights`;
    `septum.runs.load` builds from the config, which knows no encoder.
    """

    def __init__(self, config: ConceptVAEConfig, *, encoder: nn.Module | None = None) -> None:
        super().__init__()
        self.config = c = config
        wide = c.middle[-1]
        draws = encoder is None or any(c.beta[:3])
        self.stem = parts.stem(c.stem) if encoder is None else Frozen(encoder, channels=c.stem)
        self.image_decoder = parts.image_decoder(c.stem) if draws else None
        self.middle = parts.middle(c.stem, c.middle)
        self.head = nn.Conv2d(wide, c.concepts, 1)
        self.embedding = nn.Parameter(torch.randn(c.concepts, c.embedding))
        self.stylizer = parts.stylizer(wide + c.embedding, wide // 2, c.styles)
        self.feature_decoder = parts.feature_decoder(c.embedding + c.styles, wide, c.stem)
        self.ema_stem = mirror(self.stem) if encoder is None else None
        self.ema_image_decoder = mirror(self.image_decoder) if self.image_decoder else None
        self.ema_middle = mirror(self.middle)
        self.ema_head = mirror(self.head)

    def log_concepts(
        self, middle: Float[Tensor, "b d h w"], head: nn.Module
    ) -> Float[Tensor, "b c h w"]:
        """Log of p(concept) (Eq. 1), in float32."""
        return F.log_softmax(self.config.logit_scale * head(middle).float(), dim=1)

    def embed(self, y: Float[Tensor, "b c h w"]) -> Float[Tensor, "b e h w"]:
        """x_concept: rows of the embedding matrix, chosen (or mixed) by y."""
        return torch.einsum("bchw,ce->behw", y, self.embedding)

    def style(
        self, middle: Float[Tensor, "b d h w"], concept: Float[Tensor, "b e h w"]
    ) -> Float[Tensor, "b s h w"]:
        """x_style: how these concepts look here."""
        return self.stylizer(torch.cat([middle, concept], dim=1)).float()

    def plain(self, image: Float[Tensor, "b 1 h w"]) -> Float[Tensor, "b 1 h w"]:
        """The image without its texture: what concepts alone must explain."""
        return gaussian_blur(image, self.config.blur_px)

    def loss(self, batch: Batch, progress: float) -> Terms:
        """Weighted terms of Eq. 3, by name."""
        del progress
        c, inside = self.config, grid_sector(batch)
        seen = augment.sample(inside, c.augmentation)
        targets, p_ema = self.targets(batch.image, seen)
        stem = self.stem(2 * batch.image - 1)
        middle = self.middle(stem.detach())
        log_p = self.log_concepts(middle, self.head)
        noise = gumbel(draw(torch.rand, log_p.shape, device=log_p.device))
        y = sample_one_hot(log_p, noise, temperature=c.temperature)
        concept = self.embed(y)
        style = self.style(middle, concept)
        terms = [
            *self.autoencoding(batch.image, stem),
            *self.reconstruction(batch.image, targets, concept, style),
            losses.whitening(style),
            self.consistency(log_p, p_ema, seen, inside),
            self.prior(log_p, inside),
            losses.transitions(y, inside),
        ]
        n = len(terms)  # the last n of Eq. 3: without image decoder its first three are not there
        weighted = {
            name: beta * term
            for name, beta, term in zip(TERMS[-n:], c.beta[-n:], terms, strict=True)
        }
        if c.beta_independence:
            alone = self.style(middle.detach(), concept.detach())
            apart = losses.cross_covariance(alone, log_p.exp(), window=5)
            weighted["independence"] = c.beta_independence * apart
        return weighted

    @torch.no_grad()
    def targets(
        self, image: Float[Tensor, "b 1 h w"], seen: augment.Tracked
    ) -> tuple[Float[Tensor, "b2 f h4 w4"], Float[Tensor, "b c hg wg"]]:
        """Mirror stem of image and blurred image (stacked), mirror concepts of the augmented."""
        views = [image, self.plain(image), augment.apply(image, seen, stride=STRIDE)]
        still = self.stem if self.ema_stem is None else self.ema_stem
        stems = still(2 * torch.cat(views) - 1)
        targets, augmented = stems.split([2 * len(image), len(image)])
        log_p = self.log_concepts(self.ema_middle(augmented), self.ema_head)
        return targets.float(), F.softmax(log_p / self.config.teacher_temperature, dim=1)

    def autoencoding(
        self, image: Float[Tensor, "b 1 h w"], stem: Float[Tensor, "b f h4 w4"]
    ) -> Sequence[Float[Tensor, ""]]:
        """Image error of the auto-encoder (Eq. 3, beta 1); none without image decoder."""
        if self.image_decoder is None:
            return []
        return [F.mse_loss(self.image_decoder(stem).float(), 2 * image - 1)]

    def reconstruction(
        self,
        image: Float[Tensor, "b 1 h w"],
        targets: Float[Tensor, "b2 f h4 w4"],
        concept: Float[Tensor, "b e hg wg"],
        style: Float[Tensor, "b s hg wg"],
    ) -> Sequence[Float[Tensor, ""]]:
        """Image and feature errors, with styles and from concepts alone (Eq. 3, beta 2 to 5).

        Both passes run as one batch. The mirror decoder is frozen, yet gradients pass through it.
        Without image decoder the image errors are not there.
        """
        latent = torch.cat(
            [self.latent(concept, style), self.latent(concept, torch.zeros_like(style))]
        )
        features = self.feature_decoder(latent)
        pairs = [(features.float(), targets)]
        if self.ema_image_decoder is not None:
            wanted = 2 * torch.cat([image, self.plain(image)]) - 1
            pairs.insert(0, (self.ema_image_decoder(features).float(), wanted))
        return [
            F.mse_loss(a, b) for x, y in pairs for a, b in zip(x.chunk(2), y.chunk(2), strict=True)
        ]

    def consistency(
        self,
        log_p: Float[Tensor, "b c h w"],
        p_ema: Float[Tensor, "b c h w"],
        seen: augment.Tracked,
        inside: Bool[Tensor, "b 1 h w"],
    ) -> Float[Tensor, ""]:
        """L_cc: at every cell of the sector that is still in the augmented image."""
        grid = (log_p.shape[-2], log_p.shape[-1])
        target, held = augment.carried(p_ema, augment.landing(seen, grid))
        if not self.config.consistency_everywhere:
            held = augment.at_tracked(seen, grid)
        return losses.consistency(log_p, target, inside[:, 0] & held)

    def latent(
        self, concept: Float[Tensor, "b e h w"], style: Float[Tensor, "b s h w"]
    ) -> Float[Tensor, "b es h w"]:
        """x_latent."""
        return torch.cat([concept, style.to(concept.dtype)], dim=1)

    def prior(
        self, log_p: Float[Tensor, "b c h w"], inside: Bool[Tensor, "b 1 h w"]
    ) -> Float[Tensor, ""]:
        """L_prior (Eq. 2): the background concept outside the sector, all others inside."""
        p, a = log_p.exp(), self.config.alpha
        background = torch.arange(self.config.concepts, device=p.device) == 0
        sector = losses.smoothed_prior(~background, epsilon=self.config.epsilon)
        outside = losses.smoothed_prior(background, epsilon=self.config.epsilon)
        return (
            a[0] * losses.location_prior(log_p, inside, sector)
            + a[1] * losses.location_prior(log_p, ~inside, outside)
            + a[2] * losses.batch_prior(p, inside, sector)
            + a[3] * losses.batch_prior(p, ~inside, outside)
        )

    def phases(self) -> Sequence[Phase]:
        """One player; the mirrors are moved by `after_step`."""
        own = [p for p in self.parameters() if p.requires_grad]
        return [Phase(name="pretrain", parameters=own, loss=self.loss)]

    def after_step(self, progress: float) -> None:
        """Let the mirrors follow; what has no mirror is frozen or not there."""
        pairs = (
            (self.ema_stem, self.stem),
            (self.ema_image_decoder, self.image_decoder),
            (self.ema_middle, self.middle),
            (self.ema_head, self.head),
        )
        momentum = cosine_momentum(self.config.momentum, progress)
        for still, moving in pairs:
            if still is not None and moving is not None:
                follow([still], [moving], momentum)

    def with_concepts(self, kept: Collection[int]) -> "ConceptVAE":
        """A copy that has these concepts only, in their order, and concept 0, the background.

        The cells of the others fall to the next likeliest; all else is as it was, so that the
        copy may be used as it is or trained on. `septum.tasks.usage` tells which are needed.
        """
        rows = torch.tensor(sorted({0, *kept}), device=self.embedding.device)
        fewer = copy.deepcopy(self)
        fewer.zero_grad()
        fewer.config = replace(self.config, concepts=len(rows))
        fewer.head.out_channels = fewer.ema_head.out_channels = len(rows)
        for of in (fewer.embedding, *fewer.head.parameters(), *fewer.ema_head.parameters()):
            of.data = of.data[rows]
        return fewer

    @torch.no_grad()
    def infer(
        self, image: Float[Tensor, "b 1 h w"]
    ) -> tuple[Float[Tensor, "b c hg wg"], Float[Tensor, "b s hg wg"]]:
        """The probabilities p, and the style of the likeliest concepts; nothing is sampled."""
        middle = self.middle(self.stem(2 * image - 1))
        p = self.log_concepts(middle, self.head).exp()
        return p, self.style(middle, self.embed(one_hot(p)))

    def encode(self, image: Float[Tensor, "b 1 h w"]) -> Features:
        """Content p, tempered; style of the likeliest concepts; both averaged over the grid."""
        p, style = self.infer(image)
        content = F.softmax(p.clamp(min=TINY).log() / self.config.content_temperature, dim=1)
        pooled = torch.cat([content, style], dim=1).mean(dim=(2, 3))
        return Features(content=content, style=style, pooled=pooled)

    @torch.no_grad()
    def decode(
        self, content: Float[Tensor, "b c h w"], style: Float[Tensor, "b s h w"]
    ) -> Float[Tensor, "b 1 h16 w16"]:
        """Draw the likeliest concepts in their styles; zero styles draw the blurred image.

        Raises:
            BadInput: The model was built without image decoder.
        """
        if self.ema_image_decoder is None:
            raise BadInput(
                "This model has an encoder of its own and no image decoder, so it draws nothing; "
                "give one of beta 1 to 3 a weight and train it again."
            )
        features = self.feature_decoder(self.latent(self.embed(one_hot(content)), style))
        return ((self.ema_image_decoder(features).float() + 1) / 2).clamp(0, 1)

    def discretise(self, content: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        """The greedy concept map."""
        return one_hot(content)

    @torch.no_grad()
    def restyle(
        self, image: Float[Tensor, "b 1 h w"], concepts: Float[Tensor, "b c hg wg"]
    ) -> Float[Tensor, "b s hg wg"]:
        """x_style of other concepts on the same image."""
        return self.style(self.middle(self.stem(2 * image - 1)), self.embed(concepts))

    @torch.no_grad()
    def monitors(self, batch: Batch) -> Mapping[str, float]:
        """Health of concepts and styles on one batch; entropies in nats, shares in [0, 1]."""
        p, style = self.infer(batch.image)
        y, inside = one_hot(p), grid_sector(batch)
        entropy = losses.mean_where(-torch.xlogy(p, p).sum(dim=1), inside[:, 0])
        share = losses.prevalence(p, inside)
        spread = -torch.xlogy(share, share).sum()
        _, cov = losses.moments(style)
        wrong = (cov - torch.eye(len(cov), device=cov.device)).abs().mean()
        return {
            "usage_perplexity": float(spread.exp()),
            "entropy": float(entropy),
            "mutual_information": float(spread - entropy),
            "background_accuracy": float(losses.mean_where(y[:, 0], ~inside[:, 0])),
            "transition_share": float(losses.transitions(y, inside)) / 2,
            "style_covariance_error": float(wrong),
        }


def grid_sector(batch: Batch) -> Bool[Tensor, "b 1 h w"]:
    """Grid cells that lie at least half inside the sector; all of them where it is unknown."""
    if batch.sector is None:
        b, _, h, w = batch.image.shape
        return batch.image.new_ones((b, 1, h // STRIDE, w // STRIDE), dtype=torch.bool)
    return F.avg_pool2d(batch.sector.float(), STRIDE) >= 0.5


TERMS = (
    "autoencode", "image", "image_plain", "feature", "feature_plain",
    "style", "consistency", "prior", "cluster",
)  # fmt: skip
"""Names of the nine terms of Eq. 3, in its order."""

PAPER = Paper(
    title="ConceptVAE",
    cite="Ciusdel, Serban, Passerini: ConceptVAE: Self-Supervised Fine-Grained Concept "
    "Disentanglement from 2D Echocardiographies, Applied Sciences 15(3):1415, 2025",
    build=ConceptVAE,
    sizes={
        "demo": Size(
            config=ConceptVAEConfig(stem=16, middle=(16, 48, 128), blur_px=3.0),
            recipe=Recipe(
                data="phantom", steps=600, image_size=(192, 240), lr=2e-3, weight_decay=5e-3,
                warmup_steps=50, final_lr=0.05,
            ),
        ),
        "small": Size(
            config=ConceptVAEConfig(stem=16, middle=(16, 48, 128), blur_px=3.5),
            recipe=Recipe(
                data="camus", steps=3000, lr=2e-3, weight_decay=5e-3, warmup_steps=50,
                final_lr=0.05,
            ),
        ),
        "paper": Size(
            config=ConceptVAEConfig(),
            recipe=Recipe(
                data="camus", steps=100_000, batch_size=64, image_size=(256, 320), lr=1e-4,
                weight_decay=5e-3,
            ),
        ),
    },
)  # fmt: skip
