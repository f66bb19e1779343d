"""Transfer: a trained video encoder on other films, under a new head (MLP probing, fine-tuning).

Maani, Saeed, Matsun, Yaqub: CoReEcho, MICCAI 2024, arXiv:2403.10164, section 2.3 and Tables 4, 5:
ejection fraction on CAMUS, myocardial infarction on HMC-QU.

    A(v) --F_E, as trained before--> E --F_R, anew--> y^      squared error, or cross-entropy

The encoder is what a training begins with: `septum train transferred --begin RUN`, where RUN is one
of coreecho, echocotr or l1 of the same widths; without it, from scratch. When probed (`frozen`), it
stands still, with the norms of its running statistics; when fine-tuned, it learns on.

The label decides the loss: one that is 0 or 1 is estimated as a probability.

Differs from the paper
* HMC-QU is learnt with MADGRAD, CAMUS with AdamW: so the table of the supplement can be read.
* On CAMUS the rate drops after 60 of 100 epochs, as after 15 of 25 before; the paper does not say.
* Colours are normed as they were for the encoder, on films of whatever data set.
* F_R starts from the mean EF of the films it is to learn from, or from one half.
"""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from septum.contract import Batch, Clip, Features, Paper, Phase, Recipe, Samples, Size, Terms
from septum.nn import clip_views, estimator, regressor
from septum.nn.mode import evaluating
from septum.nn.uniformer import UniFormer

BINARY = ("infarct",)
"""Labels that are 0 or 1."""
FEWEST = 2
"""Clips that have a variance to norm by."""


@dataclass(frozen=True, kw_only=True)
class TransferredConfig:
    """Sizes, those of the paper by default.

    Attributes:
        label: What is to be estimated.
        frozen: Whether the encoder stands still (MLP probing).
        start: First estimate, before any link to a probability; the films decide.
        widths, depths, head_dim, encoder_dropout: Of F_E, as `septum.nn.uniformer.UniFormer`.
        dropout: Of F_R.
        views: What A draws from.
    """

    label: str = "ef_percent"
    frozen: bool = True
    start: float = 55.6
    widths: tuple[int, int, int, int] = (64, 128, 320, 512)
    depths: tuple[int, int, int, int] = (3, 4, 8, 3)
    head_dim: int = 64
    encoder_dropout: float = 0.1
    dropout: float = 0.4
    views: clip_views.Ranges = clip_views.CAMUS


class Transferred(nn.Module):
    """An encoder of before, and F_R of its own."""

    def __init__(self, config: TransferredConfig) -> None:
        super().__init__()
        self.config = c = config
        f_e = UniFormer(
            widths=c.widths, depths=c.depths, head_dim=c.head_dim, dropout=c.encoder_dropout
        ).requires_grad_(not c.frozen)
        f_r = regressor.shallow(c.widths[-1], start=c.start, dropout=c.dropout)
        # a name that no head of another model has: --begin fills the encoder alone
        self.net = estimator.Estimator(f_e, nn.Sequential(OrderedDict(anew=f_r)))

    def loss(self, batch: Batch, progress: float) -> Terms:
        """Of the clips whose label is known, if there are two."""
        del progress
        batch = estimator.known(batch, self.config.label)
        if len(batch.image) < FEWEST:
            return {}
        found = self.net.read(self.embed(estimator.shown(batch, self.config.views)))
        truth = batch.labels[self.config.label]
        if self.is_binary:
            return {"cross_entropy": F.binary_cross_entropy_with_logits(found, truth)}
        return {"mse": F.mse_loss(found, truth)}

    def embed(self, image: Float[Tensor, "b 1 t h w"]) -> Float[Tensor, "b d"]:
        """E, to learn from."""
        if not self.config.frozen:
            return self.net.embed(image)
        with torch.no_grad(), evaluating(self.net.encoder):
            return self.net.embed(image)

    @property
    def is_binary(self) -> bool:
        """Whether the label is 0 or 1."""
        return self.config.label in BINARY

    def phases(self) -> Sequence[Phase]:
        """One player: all that may move."""
        moving = [p for p in self.parameters() if p.requires_grad]
        return [Phase(name="transfer", parameters=moving, loss=self.loss)]

    def after_step(self, progress: float) -> None:
        """Nothing is left to do."""

    def encode(self, image: Float[Tensor, "b 1 t h w"]) -> Features:
        """The last map of F_E, and E."""
        return self.net.encode(image)

    def regress(self, image: Float[Tensor, "b 1 t h w"]) -> Mapping[str, Float[Tensor, " b"]]:
        """The estimate by the name of the label; of one that is 0 or 1, the probability of 1."""
        found = self.net.estimate(image)
        return {self.config.label: found.sigmoid() if self.is_binary else found}

    def explained(
        self, image: Float[Tensor, "b 1 t h w"]
    ) -> tuple[Float[Tensor, "b d t2 h2 w2"], Mapping[str, Float[Tensor, " b"]]]:
        """The last map of F_E and what is said from it, with gradients: y^, or its logit."""
        maps, found = self.net.explained(image)
        return maps, {self.config.label: found}


def adapted(config: TransferredConfig, samples: Samples) -> TransferredConfig:
    """The first estimate is the mean of these films, or one half."""
    mean = estimator.learns_from(samples, config.label)
    return replace(config, start=0.0 if config.label in BINARY else mean)


SMALL = TransferredConfig(
    widths=(32, 64, 128, 256), depths=(1, 2, 2, 1), head_dim=32, encoder_dropout=0.0
)
"""The encoder of `small` of coreecho, echocotr and l1."""
SMALL_RECIPE = Recipe(
    data="camus_sequences", steps=400, image_size=(48, 48), clip=Clip(frames=16, stride=0),
    lr=2e-3, weight_decay=1e-4, warmup_steps=50, final_lr=0.05,
)  # fmt: skip
# 450 of 500 films to learn from: 100 epochs
CAMUS_RECIPE = Recipe(
    data="camus_sequences", steps=100 * 450 // 16, image_size=(112, 112),
    clip=Clip(frames=16, stride=0), lr=2e-4, weight_decay=1e-4, lr_drop_steps=60 * 450 // 16,
    precision="fp32",
)  # fmt: skip
# 87 of 109 films to learn from: 50 epochs
HMC_QU_RECIPE = Recipe(
    data="hmc_qu", steps=50 * 87 // 16, clip=Clip(frames=12, stride=0), lr=1e-5,
    optimiser="madgrad", precision="fp32",
)  # fmt: skip
FINETUNED_RECIPE = replace(
    CAMUS_RECIPE, batch_size=8, steps=100 * 450 // 8, lr_drop_steps=60 * 450 // 8, lr=1e-4
)
CAMUS_FINETUNED = Size(config=TransferredConfig(frozen=False), recipe=FINETUNED_RECIPE)

PAPER = Paper(
    title="Transfer",
    cite="Maani, Saeed, Matsun, Yaqub: CoReEcho: Continuous Representation Learning for 2D+time "
    "Echocardiography Analysis, MICCAI 2024, arXiv:2403.10164, section 2.3",
    build=Transferred,
    adapt=adapted,
    sizes={
        "small": Size(config=SMALL, recipe=SMALL_RECIPE),
        "small_finetuned": Size(
            config=replace(SMALL, frozen=False), recipe=replace(SMALL_RECIPE, lr=3e-4)
        ),
        "paper": CAMUS_FINETUNED,
        "camus_probe": Size(config=TransferredConfig(), recipe=CAMUS_RECIPE),
        "camus_finetuned": CAMUS_FINETUNED,
        "hmc_qu_probe": Size(config=TransferredConfig(label="infarct"), recipe=HMC_QU_RECIPE),
        "hmc_qu_finetuned": Size(
            config=TransferredConfig(label="infarct", frozen=False), recipe=HMC_QU_RECIPE
        ),
    },
)
