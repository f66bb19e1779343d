"""CoReEcho: clips of hearts lie in the order of their ejection fractions, and a head reads them.

Maani, Saeed, Matsun, Yaqub: CoReEcho: Continuous Representation Learning for 2D+time
Echocardiography Analysis, MICCAI 2024, arXiv:2403.10164.

stage one, two clips v of every film, each in a view A(v) of its own:
    A(v)  --F_E, UniFormer-S--> E       L_RnC: E_i and E_j are the closer, the closer y_i and y_j
    sg(E) --F_R, two layers---> y^      L_1: |y - y^|
stage two, one clip of every film, F_E as it is and its norms by their running statistics:
    A(v)  --F_E--> E --F_R----> y^      L_1

So no error of an estimate ever reaches F_E: an embedding is where it is because of its neighbours,
not because a head could use it there.

Differs from the paper
* Weights of K400 are given by hand (`septum.nn.uniformer.load_published`); the sizes below know
  none.
* F_R starts from the mean of the films it is to learn from: 55.6 on EchoNet-Dynamic, as there.
* The learning rate of `paper` drops after 15 1/2 epochs, not 15: every so many steps it would drop
  again in stage two, where it is that of the beginning throughout.
* The last weights are kept, not those of the epoch with the least error of validation.
* Films are grey, and shown as three equal channels.
* Of several processes each contrasts its own clips.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import torch
from jaxtyping import Float
from scipy.stats import spearmanr
from torch import Tensor, nn
from torch.nn import functional as F

from septum.contract import Batch, Clip, Features, Paper, Phase, Recipe, Samples, Size, Terms
from septum.losses.rank_n_contrast import rank_n_contrast
from septum.nn import clip_views, estimator, regressor, supervised
from septum.nn.mode import evaluating
from septum.nn.uniformer import UniFormer

FEWEST = 2
"""Clips that make a batch: a pair to contrast, and a variance to norm by."""


@dataclass(frozen=True, kw_only=True)
class CoReEchoConfig:
    """Sizes and weights, those of the paper by default (sections 2.1, 3; supplement).

    Attributes:
        label: y, what films are ordered by.
        start: First estimate of it; the films decide.
        widths, depths, head_dim, encoder_dropout: Of F_E, as `septum.nn.uniformer.UniFormer`.
        dropout: Of F_R.
        temperature: tau.
        views: What A draws from.
        second_stage: Share of the steps that are stage two; 0 for none.
        second_rate: Factor of the learning rate there: undoes the drop of the recipe.
    """

    label: str = "ef_percent"
    start: float = 55.6
    widths: tuple[int, int, int, int] = (64, 128, 320, 512)
    depths: tuple[int, int, int, int] = (3, 4, 8, 3)
    head_dim: int = 64
    encoder_dropout: float = 0.1
    dropout: float = 0.4
    temperature: float = 1.0
    views: clip_views.Ranges = field(default_factory=clip_views.Ranges)
    second_stage: float = 5 / 31
    second_rate: float = 10.0


class CoReEcho(nn.Module):
    """F_E and F_R, and the two stages of their training (section 2.2)."""

    def __init__(self, config: CoReEchoConfig) -> None:
        super().__init__()
        self.config = c = config
        f_e = UniFormer(
            widths=c.widths, depths=c.depths, head_dim=c.head_dim, dropout=c.encoder_dropout
        )
        f_r = regressor.shallow(c.widths[-1], start=c.start, dropout=c.dropout)
        self.net = estimator.Estimator(f_e, f_r)
        self._seen: tuple[Tensor, Tensor] | None = None

    def phases(self) -> Sequence[Phase]:
        """Both parts of stage one, then stage two; a part has nothing to do in the other stage."""
        f_e, f_r = [*self.net.encoder.parameters()], [*self.net.head.parameters()]
        return [
            Phase(name="encoder", parameters=f_e, loss=self.contrast),
            Phase(name="head", parameters=f_r, loss=self.follow),
            Phase(name="second", parameters=f_r, loss=self.refine, rate=self.config.second_rate),
        ]

    def contrast(self, batch: Batch, progress: float) -> Terms:
        """L_RnC of stage one (eq. 1), by which F_E learns."""
        c, batch = self.config, estimator.known(batch, self.config.label)
        if self.second(progress) or len(batch.image) < FEWEST:
            return {}
        e, y = self.net.embed(estimator.shown(batch, c.views)), batch.labels[c.label]
        self._seen = e.detach(), y
        return {"rnc": rank_n_contrast(e, y, temperature=c.temperature)}

    def follow(self, batch: Batch, progress: float) -> Terms:
        """L_1 of stage one (eq. 1), by which F_R learns from what F_E has just seen."""
        del batch, progress
        if self._seen is None:
            return {}
        (e, y), self._seen = self._seen, None
        return {"l1": F.l1_loss(self.net.read(e), y)}

    def refine(self, batch: Batch, progress: float) -> Terms:
        """L_1 of stage two (eq. 2), by which F_R learns on; F_E stands still."""
        batch = estimator.known(first_clips(batch), self.config.label)
        if not self.second(progress) or len(batch.image) < FEWEST:
            return {}
        with torch.no_grad(), evaluating(self.net.encoder):
            e = self.net.embed(estimator.shown(batch, self.config.views))
        return {"l1": F.l1_loss(self.net.read(e), batch.labels[self.config.label])}

    def second(self, progress: float) -> bool:
        """Whether this is stage two."""
        return progress >= 1 - self.config.second_stage

    def after_step(self, progress: float) -> None:
        """Nothing is left to do."""

    def encode(self, image: Float[Tensor, "b 1 t h w"]) -> Features:
        """The last map of F_E, and E."""
        return self.net.encode(image)

    def regress(self, image: Float[Tensor, "b 1 t h w"]) -> Mapping[str, Float[Tensor, " b"]]:
        """y^ by the name of the label."""
        return {self.config.label: self.net.estimate(image)}

    def explained(
        self, image: Float[Tensor, "b 1 t h w"]
    ) -> tuple[Float[Tensor, "b d t2 h2 w2"], Mapping[str, Float[Tensor, " b"]]]:
        """The last map of the encoder and the estimate made from it, with gradients."""
        maps, found = self.net.explained(image)
        return maps, {self.config.label: found}

    @torch.no_grad()
    def monitors(self, batch: Batch) -> Mapping[str, float]:
        """Whether embeddings are spread, and in the order of the labels, on one batch.

        `order` is Spearman's correlation of the distances of embeddings and of labels over all
        pairs; it is left out where no two pairs differ.
        """
        e = self.encode(batch.image).pooled
        found = {"embedding_std": float(e.std(0, correction=0).mean())}
        y = batch.labels.get(self.config.label, e.new_full((len(e),), torch.nan))
        e, y = e[~y.isnan()], y[~y.isnan()]
        near, alike = (torch.pdist(of.float().cpu()) for of in (e, y[:, None]))
        if near.unique().numel() > 1 and alike.unique().numel() > 1:
            found["order"] = float(spearmanr(near, alike)[0])  # pyright: ignore[reportArgumentType]
        return found


def first_clips(batch: Batch) -> Batch:
    """One clip of every film of a batch in which all films come before any comes again."""
    films = len(set(batch.ids))
    return supervised.rows(batch, torch.arange(len(batch.image), device=batch.image.device) < films)


def adapted(config: CoReEchoConfig, samples: Samples) -> CoReEchoConfig:
    """The first estimate is the mean of these films."""
    return replace(config, start=estimator.learns_from(samples, config.label))


SMALL = CoReEchoConfig(
    widths=(32, 64, 128, 256), depths=(1, 2, 2, 1), head_dim=32, encoder_dropout=0.0, dropout=0.1,
    temperature=2.0, views=clip_views.Ranges(pad_px=3),
)  # fmt: skip
SHORT = Recipe(
    data="echonet_dynamic", steps=3000, batch_size=16, image_size=(48, 48),
    clip=Clip(frames=16, stride=4, per_film=2), lr=1e-3, weight_decay=1e-4, warmup_steps=100,
    final_lr=0.05,
)  # fmt: skip
ONE_CLIP = replace(SHORT, batch_size=32, clip=Clip(frames=16, stride=4))

PAPER = Paper(
    title="CoReEcho",
    cite="Maani, Saeed, Matsun, Yaqub: CoReEcho: Continuous Representation Learning for 2D+time "
    "Echocardiography Analysis, MICCAI 2024, arXiv:2403.10164",
    build=CoReEcho,
    adapt=adapted,
    sizes={
        "small": Size(config=SMALL, recipe=SHORT),
        # as many clips, each of another film
        "small_one_clip": Size(config=SMALL, recipe=ONE_CLIP),
        "paper": Size(
            config=CoReEchoConfig(),
            # 466 steps an epoch of 7,465 films; 26 epochs of stage one, 5 of stage two
            recipe=Recipe(
                data="echonet_dynamic", steps=31 * 466, image_size=(112, 112),
                clip=Clip(frames=36, stride=4, per_film=2), lr=1e-4, weight_decay=1e-4,
                lr_drop_steps=31 * 233, precision="fp32",
            ),
        ),
    },
)  # fmt: skip
