"""A-ViT: an ultrasound backbone whose receptive fields deform with the imaged organ (ARL).

Anatomy-aware Representation Learning for Medical Ultrasound, ICLR 2026,
https://openreview.net/forum?id=5ThIWuDkEf.

x       --two views--> v
v, a    --A-ViT, some patches hidden--> [CLS], cells --decoder--> x^ of the hidden patches
x^, x   --critic D, patch by patch----> real or drawn
v, a    --A-ViT, nothing hidden; moving average--> [CLS] --prototypes--> z_t, what z_s is to be

a is the organ, one of a table that the run keeps. In every block (`septum.nn.acdt`) it decides,
with what is there, where keys and values are sampled. Three aims, in one sum:

    L = L_SD + L_MIM + lambda L_adv,  lambda = |grad L_MIM| / (|grad L_adv| + eps)

L_MIM asks for the hidden patches, L_adv for their speckle, which a squared error blurs away, L_SD
for one meaning of both views.

The publication states the blocks and the losses; widths, schedule, masks, decoder, critic and
augmentation are ours, after SimMIM (arXiv:2111.09886), MAE (arXiv:2111.06377), DINO
(arXiv:2104.14294) and VQGAN (arXiv:2012.09841).

`tiny` takes a tenth of lambda. Both gradients are of one length at the last layer, not before it:
in a thousand steps L_adv at its full weight undoes what L_MIM teaches the backbone.

Past the paper
* Soft conditioning: a light network recognises the organ, and its distribution takes the place of
  the label wherever none is given. In training some images lose their label to it (`guessed`), and
  some to nothing at all (`unnamed`), so that either is as familiar as the label.
* The table may grow: a run that begins with another keeps its organs, new ones come last, and with
  `added` they alone are learnt.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from septum.contract import BadInput, Batch, Features, Paper, Phase, Samples, Size, Terms
from septum.losses import distillation
from septum.losses import masked_images as losses
from septum.nn import masking, patch_views, recogniser
from septum.nn.acdt import AcdtBlock
from septum.nn.distilled import Distilled
from septum.nn.mode import evaluating
from septum.nn.patch_critic import PatchCritic
from septum.nn.pixel_decoder import PixelDecoder
from septum.nn.pretraining import BETAS, RECIPES, VITS
from septum.nn.ranks import draw
from septum.nn.vit import Vit, VitConfig

CRITIC_BETAS = (0.5, 0.9)
LABEL = "organ"


@dataclass(frozen=True, kw_only=True)
class AnatomyViTConfig:
    """Sizes and weights; by default those of `paper`.

    Attributes:
        vit: Of the backbone.
        organs: Names of the table; those of a run that it begins with, then those of the images.
        added: So many of the last organs are learnt, and nothing else; 0 learns all.
        hidden: Share of the patches that are hidden.
        unit: Side in patches of what is hidden at once.
        decoder_width, decoder_depth, decoder_heads: Of the decoder.
        adversarial: Factor of lambda; 0 leaves the critic out.
        begins: Progress from which the critic steers; it learns from the start.
        critic_width: Channels of its first convolution.
        critic_rate: Factor of its learning rate.
        distillation: Weight of L_SD; 0 leaves the teacher out, and the second view.
        head, bottleneck, prototypes: Widths of the head of L_SD.
        momentum: Of the teacher at the start; 1 in the end.
        student_temperature: Of z_s.
        teacher_temperatures: Of z_t, at the start and from progress .3 on.
        recognition: Weight of the cross-entropy of the recognised organ.
        guessed, unnamed: Shares of the images whose organ is recognised, or not told at all.
        views: What augmentations are drawn from.
    """

    vit: VitConfig = field(default_factory=lambda: VitConfig(deforms=True))
    organs: tuple[str, ...] = ()
    added: int = 0
    hidden: float = 0.6
    unit: int = 2
    decoder_width: int = 512
    decoder_depth: int = 2
    decoder_heads: int = 8
    adversarial: float = 1.0
    begins: float = 0.1
    critic_width: int = 64
    critic_rate: float = 1.0
    distillation: float = 1.0
    head: int = 2048
    bottleneck: int = 256
    prototypes: int = 8192
    momentum: float = 0.996
    student_temperature: float = 0.1
    teacher_temperatures: tuple[float, float] = (0.04, 0.07)
    recognition: float = 1.0
    guessed: float = 0.2
    unnamed: float = 0.1
    views: patch_views.Ranges = field(default_factory=patch_views.Ranges)


class AnatomyViT(nn.Module):
    """Backbone, decoder, critic, teacher and the network that recognises organs."""

    def __init__(self, config: AnatomyViTConfig) -> None:
        super().__init__()
        self.config = c = config
        self.encoder = Vit(replace(c.vit, organs=len(c.organs)))
        self.recogniser = recogniser.Recogniser(organs=len(c.organs))
        self.decoder = PixelDecoder(
            width=c.vit.width, inner=c.decoder_width, depth=c.decoder_depth,
            heads=c.decoder_heads, patch_px=c.vit.patch_px,
        )  # fmt: skip
        judged = c.adversarial and not c.added
        self.critic = PatchCritic(patch_px=c.vit.patch_px, width=c.critic_width) if judged else None
        self.distilled = self._distilled() if c.distillation else None
        self._shown: tuple[Tensor, Tensor] | None = None
        if c.added:
            self.requires_grad_(requires_grad=False)
            for row in self._rows():
                row.requires_grad = True

    def phases(self) -> Sequence[Phase]:
        """What sees and draws; then what judges the drawing."""
        c = self.config
        judges = {*(self.critic.parameters() if self.critic else ())}
        sees = [p for p in self.parameters() if p.requires_grad and p not in judges]
        phases = [Phase(name="student", parameters=sees, loss=self.represent, betas=BETAS)]
        if self.critic is not None:
            of: Any = {"parameters": [*judges], "betas": CRITIC_BETAS}
            phases.append(Phase(name="critic", loss=self.judge, rate=c.critic_rate, **of))
        return phases

    def represent(self, batch: Batch, progress: float) -> Terms:
        """L_MIM, lambda L_adv, L_SD, and the organ."""
        c = self.config
        count = 2 if self.distilled else 1
        views = torch.cat([patch_views.varied(batch.image, c.views) for _ in range(count)])
        named = self.named(batch).repeat(count, 1)
        logits = self.recogniser(views).float()
        organ = self.told(named, logits)
        hidden = masking.sample(
            len(views), self.grid(views), share=c.hidden, unit=c.unit, device=views.device
        )
        cls, cells = self.encoder(views, organ=organ, hidden=hidden)
        terms = self.redrawn(views, self.decoder(cells), hidden, progress)
        return terms | self.agreed(cls, views, organ, progress) | self.recognised(named, logits)

    def redrawn(
        self,
        views: Float[Tensor, "b 1 H W"],
        drawn: Float[Tensor, "b h w p"],
        hidden: Bool[Tensor, "b h w"],
        progress: float,
    ) -> Terms:
        """L_MIM and lambda L_adv of hidden patches; the critic is shown the same ones."""
        patches = masking.patched(views, self.config.vit.patch_px)
        # as printed, the sum over the pixels of a patch: its weight against L_SD depends on it
        error = patches.shape[-1] * losses.hidden_error(patches, drawn, hidden)
        if self.critic is None:
            return {"mim": error}
        self._shown = (patches[hidden], drawn[hidden].detach())
        if progress < self.config.begins:
            return {"mim": error}
        fooled = losses.fool(self.critic(drawn[hidden]))
        last = self.decoder.last.weight
        assert isinstance(last, nn.Parameter)
        weight = losses.balance(error, fooled, last)
        return {"mim": error, "adversarial": self.config.adversarial * weight * fooled}

    def agreed(
        self,
        cls: Float[Tensor, "b d"],
        views: Float[Tensor, "b 1 H W"],
        organ: Float[Tensor, "b organs"],
        progress: float,
    ) -> Terms:
        """L_SD: a masked view is to mean what the other one, whole, means to the teacher."""
        if self.distilled is None:
            return {}
        c, d = self.config, self.distilled
        wanted = d.wanted(views, organ).roll(len(views) // 2, 0)
        loss = distillation.cross_entropy(
            d.prototypes(cls, progress=progress), wanted, d.centre.value,
            student_temperature=c.student_temperature,
            teacher_temperature=d.temperature(progress),
        )  # fmt: skip
        return {"distillation": c.distillation * loss}

    def recognised(
        self, named: Float[Tensor, "b organs"], logits: Float[Tensor, "b organs"]
    ) -> Terms:
        """Cross-entropy of the recognised organ, where one of the table is stated."""
        if not self.config.organs:
            return {}
        known = named.any(1)
        off = -(named * logits.log_softmax(1)).sum() / known.sum().clamp(min=1)
        return {"recognition": self.config.recognition * off}

    def judge(self, batch: Batch, progress: float) -> Terms:
        """L_D: real and drawn patches of the same places, those of the step before."""
        del batch, progress
        if self.critic is None or self._shown is None:
            return {}
        patches, drawn = self._shown
        self._shown = None
        return {
            "real": losses.real(self.critic(patches)),
            "fake": losses.fake(self.critic(drawn)),
        }

    def after_step(self, progress: float) -> None:
        """The teacher follows.

        Raises:
            BadInput: It has collapsed.
        """
        if self.distilled is not None:
            self.distilled.follow(self.encoder, progress)

    def organs(self) -> Sequence[str]:
        """The table of the run."""
        return self.config.organs

    def named(self, batch: Batch) -> Float[Tensor, "b organs"]:
        """The organs that a batch states; zero where it states none of the table."""
        said = batch.texts.get(LABEL, [""] * len(batch.image))
        return recogniser.one_hot(said, self.config.organs).to(batch.image.device)

    def told(
        self, named: Float[Tensor, "b organs"], logits: Float[Tensor, "b organs"]
    ) -> Float[Tensor, "b organs"]:
        """What the blocks are told in training: mostly the label."""
        c = self.config
        chance = draw(torch.rand, (len(named), 1), device=named.device)
        guessed = torch.where(chance < c.guessed + c.unnamed, logits.detach().softmax(1), named)
        return torch.where(chance < c.unnamed, 0.0, guessed)

    def grid(self, image: Float[Tensor, "b 1 H W"]) -> tuple[int, int]:
        """Rows and columns of patches."""
        side = self.config.vit.patch_px
        return image.shape[2] // side, image.shape[3] // side

    def encode(self, image: Float[Tensor, "b 1 H W"]) -> Features:
        """As `encode_as`, of the organ that is recognised."""
        return self.encode_as(image, self.recognise(image))

    @torch.no_grad()
    def recognise(self, image: Float[Tensor, "b 1 H W"]) -> Float[Tensor, "b organs"]:
        """Probability of every organ of the table."""
        with evaluating(self):
            return self.recogniser(image).float().softmax(1)

    def encode_as(
        self, image: Float[Tensor, "b 1 H W"], organ: Float[Tensor, "b organs"]
    ) -> Features:
        """Content is the cells; `pooled` is [CLS] and the mean of the cells."""
        with evaluating(self):
            return self.encoder.features(image, organ=organ)

    @torch.no_grad()
    def offsets(
        self, image: Float[Tensor, "b 1 H W"], organ: Float[Tensor, "b organs"]
    ) -> Float[Tensor, "b blocks taps 2 h w"]:
        """Where the taps of every block sample, from their cell, in cells."""
        with evaluating(self):
            return self.encoder.offsets(image, organ)

    def patch_px(self) -> int:
        """Side of a patch."""
        return self.config.vit.patch_px

    @torch.no_grad()
    def inpaint(
        self, image: Float[Tensor, "b 1 H W"], hidden: Bool[Tensor, "b h w"]
    ) -> Float[Tensor, "b 1 H W"]:
        """Hidden patches as the decoder draws them, of the organ of the whole image."""
        organ = self.recognise(image)
        with evaluating(self):
            _, cells = self.encoder(image, organ=organ, hidden=hidden)
            drawn = self.decoder(cells).float().clamp(0, 1)
        return masking.filled(image, drawn, hidden, self.patch_px())

    @torch.no_grad()
    def monitors(self, batch: Batch) -> Mapping[str, float]:
        """How often the organ is recognised; how far taps differ between images, in cells."""
        health: dict[str, float] = {}
        found, named = self.recognise(batch.image), self.named(batch)
        if len(known := named.any(1).nonzero()[:, 0]):
            right = found[known].argmax(1) == named[known].argmax(1)
            health["organ_accuracy"] = float(right.float().mean())
        if self.config.vit.deforms:
            health["offset_spread"] = float(self.offsets(batch.image, found).std(0).mean())
        if self.distilled is not None:
            health |= self.distilled.health()
        return health

    def _rows(self) -> Sequence[nn.Parameter]:
        """What is known of the added organs alone."""
        first = len(self.config.organs) - self.config.added
        tables = [m.context for m in self.encoder.modules() if isinstance(m, AcdtBlock)]
        return [row for table in [self.recogniser.rows, *tables] for row in [*table][first:]]

    def _distilled(self) -> Distilled:
        c = self.config
        return Distilled(
            self.encoder, inner=c.head, bottleneck=c.bottleneck, prototypes=c.prototypes,
            momentum=c.momentum, temperatures=c.teacher_temperatures,
        )  # fmt: skip


def adapted(config: AnatomyViTConfig, samples: Samples) -> AnatomyViTConfig:
    """The table of organs: those of the config, then those of these images in alphabetical order.

    Raises:
        BadInput: No image states its organ; or nothing but added organs is to be learnt, and there
            are fewer.
    """
    found = sorted({str(r.labels[LABEL]) for r in samples.records if r.labels.get(LABEL)})
    if not found:
        raise BadInput(
            f"No image of {samples.name} ({samples.split}) states its {LABEL}; name it in "
            "dataset.json, or in a column of manifest.csv."
        )
    fresh = [organ for organ in found if organ not in config.organs]
    if config.added and len(fresh) != config.added:
        raise BadInput(
            f"{config.added} organs are to be added, and {samples.name} has "
            f"{len(fresh)} that the run before has not: {', '.join(fresh) or 'none'}; set added "
            "to their number."
        )
    return replace(config, organs=(*config.organs, *fresh))


CONFIGS = {
    "tiny": AnatomyViTConfig(
        vit=replace(VITS["tiny"], deforms=True), decoder_width=96, decoder_depth=1,
        decoder_heads=3, adversarial=0.1, critic_width=32, head=512, bottleneck=64,
        prototypes=1024, momentum=0.95, teacher_temperatures=(0.04, 0.04),
    ),
    "small": AnatomyViTConfig(
        vit=replace(VITS["small"], deforms=True), decoder_width=256, decoder_heads=4
    ),
    "paper": AnatomyViTConfig(),
}  # fmt: skip

PAPER = Paper(
    title="A-ViT",
    cite="Anatomy-aware Representation Learning for Medical Ultrasound, ICLR 2026, "
    "https://openreview.net/forum?id=5ThIWuDkEf",
    build=AnatomyViT,
    adapt=adapted,
    sizes={size: Size(config=CONFIGS[size], recipe=RECIPES[size]) for size in CONFIGS},
)
