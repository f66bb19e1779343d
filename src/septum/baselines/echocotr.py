"""EchoCoTr: UniFormer-S and one linear layer, end to end by the squared error.

Muhtaseb, Yaqub: EchoCoTr: Estimation of the Left Ventricular Ejection Fraction from Spatiotemporal
Echocardiography, MICCAI 2022, arXiv:2209.04242. The baseline of CoReEcho (arXiv:2403.10164).

A(v) --UniFormer-S--> E --linear--> y^      (y - y^)^2

Differs from the paper
* Views, margins and the norm of colours are those of CoReEcho: 6 black pixels, normed afterwards.
  The paper norms by a sample of the films and pads with 12 pixels of mean grey.
* `small` shows as many clips as CoReEcho does, each of another film.
* Weights of K400 are given by hand (`septum.nn.uniformer.load_published`).
"""

from dataclasses import dataclass, field, replace

from torch.nn import functional as F

from septum.contract import Clip, Paper, Recipe, Samples, Size
from septum.nn import clip_views, estimator, regressor
from septum.nn.end_to_end import EndToEnd
from septum.nn.uniformer import UniFormer


@dataclass(frozen=True, kw_only=True)
class EchoCoTrConfig:
    """Sizes, those of the paper by default.

    Attributes:
        label: What is to be estimated.
        start: First estimate of it; the films decide.
        widths, depths, head_dim, encoder_dropout: As `septum.nn.uniformer.UniFormer`.
        views: What A draws from.
    """

    label: str = "ef_percent"
    start: float = 55.6
    widths: tuple[int, int, int, int] = (64, 128, 320, 512)
    depths: tuple[int, int, int, int] = (3, 4, 8, 3)
    head_dim: int = 64
    encoder_dropout: float = 0.1
    views: clip_views.Ranges = field(default_factory=clip_views.Ranges)


def build(c: EchoCoTrConfig) -> EndToEnd:
    """UniFormer and one layer, taught by the mean squared error."""
    encoder = UniFormer(
        widths=c.widths, depths=c.depths, head_dim=c.head_dim, dropout=c.encoder_dropout
    )
    head = regressor.linear(c.widths[-1], start=c.start)
    return EndToEnd(encoder, head, label=c.label, views=c.views, error=("mse", F.mse_loss))


def adapted(config: EchoCoTrConfig, samples: Samples) -> EchoCoTrConfig:
    """The first estimate is the mean of these films."""
    return replace(config, start=estimator.learns_from(samples, config.label))


PAPER = Paper(
    title="EchoCoTr",
    cite="Muhtaseb, Yaqub: EchoCoTr: Estimation of the Left Ventricular Ejection Fraction from "
    "Spatiotemporal Echocardiography, MICCAI 2022, arXiv:2209.04242",
    build=build,
    adapt=adapted,
    sizes={
        "small": Size(
            config=EchoCoTrConfig(
                widths=(32, 64, 128, 256), depths=(1, 2, 2, 1), head_dim=32, encoder_dropout=0.0,
                views=clip_views.Ranges(pad_px=3),
            ),
            recipe=Recipe(
                data="echonet_dynamic", steps=6000, batch_size=16, image_size=(48, 48),
                clip=Clip(frames=16, stride=4), lr=1e-3, weight_decay=1e-4,
                warmup_steps=100, final_lr=0.05,
            ),
        ),
        "paper": Size(
            config=EchoCoTrConfig(),
            # 45 epochs of 7,465 films, drops after 15 and 30
            recipe=Recipe(
                data="echonet_dynamic", steps=45 * 298, batch_size=25, image_size=(112, 112),
                clip=Clip(frames=36, stride=4), lr=1e-4, weight_decay=1e-4,
                lr_drop_steps=15 * 298, precision="fp32",
            ),
        ),
    },
)  # fmt: skip
