"""L1: the network of CoReEcho, whose estimates alone teach all of it.

The baseline of the ablation of CoReEcho (Maani et al., 2024, arXiv:2403.10164, Table 2): the
contrast is left out and the gradient of the head let through.

A(v) --F_E, UniFormer-S--> E --F_R, two layers--> y^      L_1: |y - y^|

Clips, views and steps are those of CoReEcho, so that both see as much and compute as much. `small`
learns at half its rate: at the whole one it stayed at the error of the mean for 6,000 steps.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from septum.contract import Batch, Clip, Features, Paper, Phase, Recipe, Samples, Size, Terms
from septum.nn import clip_views, estimator, regressor
from septum.nn.uniformer import UniFormer


@dataclass(frozen=True, kw_only=True)
class L1Config:
    """Sizes, those of CoReEcho by default.

    Attributes:
        label: What is to be estimated.
        start: First estimate of it; the films decide.
        widths, depths, head_dim, encoder_dropout: Of F_E, as `septum.nn.uniformer.UniFormer`.
        dropout: Of F_R.
        views: What A draws from.
    """

    label: str = "ef_percent"
    start: float = 55.6
    widths: tuple[int, int, int, int] = (64, 128, 320, 512)
    depths: tuple[int, int, int, int] = (3, 4, 8, 3)
    head_dim: int = 64
    encoder_dropout: float = 0.1
    dropout: float = 0.4
    views: clip_views.Ranges = field(default_factory=clip_views.Ranges)


class L1(nn.Module):
    """Estimates from clips."""

    def __init__(self, config: L1Config) -> None:
        super().__init__()
        self.config = c = config
        f_e = UniFormer(
            widths=c.widths, depths=c.depths, head_dim=c.head_dim, dropout=c.encoder_dropout
        )
        f_r = regressor.shallow(c.widths[-1], start=c.start, dropout=c.dropout)
        self.net = estimator.Estimator(f_e, f_r)

    def loss(self, batch: Batch, progress: float) -> Terms:
        """Mean absolute error of the clips whose label is known, if there are two."""
        del progress
        batch = estimator.known(batch, self.config.label)
        if len(batch.image) < 2:
            return {}
        found = self.net(estimator.shown(batch, self.config.views))
        return {"l1": F.l1_loss(found, batch.labels[self.config.label])}

    def phases(self) -> Sequence[Phase]:
        """One player."""
        return [Phase(name="regress", parameters=list(self.parameters()), loss=self.loss)]

    def after_step(self, progress: float) -> None:
        """Nothing is left to do."""

    def encode(self, image: Float[Tensor, "b 1 t h w"]) -> Features:
        """The last map of F_E, and E."""
        return self.net.encode(image)

    def regress(self, image: Float[Tensor, "b 1 t h w"]) -> Mapping[str, Float[Tensor, " b"]]:
        """The estimate by the name of the label."""
        return {self.config.label: self.net.estimate(image)}

    def explained(
        self, image: Float[Tensor, "b 1 t h w"]
    ) -> tuple[Float[Tensor, "b d t2 h2 w2"], Mapping[str, Float[Tensor, " b"]]]:
        """The last map of the encoder and the estimate made from it, with gradients."""
        maps, found = self.net.explained(image)
        return maps, {self.config.label: found}


def adapted(config: L1Config, samples: Samples) -> L1Config:
    """The first estimate is the mean of these films."""
    return replace(config, start=estimator.learns_from(samples, config.label))


PAPER = Paper(
    title="L1 regression",
    cite="Maani, Saeed, Matsun, Yaqub: CoReEcho: Continuous Representation Learning for 2D+time "
    "Echocardiography Analysis, MICCAI 2024, arXiv:2403.10164, Table 2",
    build=L1,
    adapt=adapted,
    sizes={
        "small": Size(
            config=L1Config(
                widths=(32, 64, 128, 256), depths=(1, 2, 2, 1), head_dim=32, encoder_dropout=0.0,
                dropout=0.1,
                views=clip_views.Ranges(pad_px=3),
            ),
            recipe=Recipe(
                data="echonet_dynamic", steps=6000, batch_size=8, image_size=(48, 48),
                clip=Clip(frames=16, stride=4, per_film=2), lr=5e-4, weight_decay=1e-4,
                warmup_steps=100, final_lr=0.05,
            ),
        ),
        "paper": Size(
            config=L1Config(),
            # 26 epochs of 466 steps, as many as CoReEcho's encoder has
            recipe=Recipe(
                data="echonet_dynamic", steps=26 * 466, image_size=(112, 112),
                clip=Clip(frames=36, stride=4, per_film=2), lr=1e-4, weight_decay=1e-4,
                lr_drop_steps=15 * 466, precision="fp32",
            ),
        ),
    },
)  # fmt: skip
