"""L1: the network of CoReEcho, whose estimates alone teach all of it.

The baseline of the ablation of CoReEcho (Maani et al., 2024, arXiv:2403.10164, Table 2): the
contrast is left out and the gradient of the head let through.

A(v) --F_E, UniFormer-S--> E --F_R, two layers--> y^      L_1: |y - y^|

Views are those of CoReEcho and there are as many clips, so that both see as much and compute as
much. `small` learns at half its rate: at the whole one it stayed at the error of the mean for 6,000
steps.
"""

from dataclasses import dataclass, field, replace

from torch.nn import functional as F

from septum.contract import Clip, Paper, Recipe, Samples, Size
from septum.nn import clip_views, estimator, regressor
from septum.nn.end_to_end import EndToEnd
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


def build(c: L1Config) -> EndToEnd:
    """F_E and F_R of CoReEcho, taught by the mean absolute error."""
    f_e = UniFormer(
        widths=c.widths, depths=c.depths, head_dim=c.head_dim, dropout=c.encoder_dropout
    )
    f_r = regressor.shallow(c.widths[-1], start=c.start, dropout=c.dropout)
    return EndToEnd(f_e, f_r, label=c.label, views=c.views, error=("l1", F.l1_loss))


def adapted(config: L1Config, samples: Samples) -> L1Config:
    """The first estimate is the mean of these films."""
    return replace(config, start=estimator.learns_from(samples, config.label))


PAPER = Paper(
    title="L1 regression",
    cite="Maani, Saeed, Matsun, Yaqub: CoReEcho: Continuous Representation Learning for 2D+time "
    "Echocardiography Analysis, MICCAI 2024, arXiv:2403.10164, Table 2",
    build=build,
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
