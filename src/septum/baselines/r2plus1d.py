"""R(2+1)D-18 and one linear layer, end to end by the squared error, as in EchoNet-Dynamic.

Ouyang, He, Ghorbani, Yuan, Ebinger, Langlotz, Heidenreich, Harrington, Liang, Ashley, Zou:
Video-based AI for beat-to-beat assessment of cardiac function, Nature 580, 2020,
doi:10.1038/s41586-020-2145-8.

A(v) --R(2+1)D-18--> E --linear--> y^      (y - y^)^2

Differs from the paper
* AdamW with the learning rate and decay of CoReEcho, where the authors have SGD with momentum.
* Views, margins and the norm of colours are those of CoReEcho: 6 black pixels, normed afterwards.
  The paper norms by a sample of the films and pads with 12 pixels of mean grey.
* Weights are random at first; the authors begin with those of K400.
* `small` shows as many clips as CoReEcho does, each of another film.
"""

from dataclasses import dataclass, field, replace

from torch.nn import functional as F

from septum.contract import Clip, Paper, Recipe, Samples, Size
from septum.nn import clip_views, estimator, r2plus1d, regressor
from septum.nn.end_to_end import EndToEnd


@dataclass(frozen=True, kw_only=True)
class R2Plus1DConfig:
    """Sizes, those of the paper by default.

    Attributes:
        label: What is to be estimated.
        start: First estimate of it; the films decide.
        width: Channels of the first stage.
        views: What A draws from.
    """

    label: str = "ef_percent"
    start: float = 55.6
    width: int = 64
    views: clip_views.Ranges = field(default_factory=clip_views.Ranges)


def build(c: R2Plus1DConfig) -> EndToEnd:
    """R(2+1)D and one layer, taught by the mean squared error."""
    encoder, head = r2plus1d.R2Plus1D(width=c.width), regressor.linear(8 * c.width, start=c.start)
    return EndToEnd(encoder, head, label=c.label, views=c.views, error=("mse", F.mse_loss))


def adapted(config: R2Plus1DConfig, samples: Samples) -> R2Plus1DConfig:
    """The first estimate is the mean of these films."""
    return replace(config, start=estimator.learns_from(samples, config.label))


PAPER = Paper(
    title="R(2+1)D-18",
    cite="Ouyang et al., Video-based AI for beat-to-beat assessment of cardiac function, Nature "
    "580, 2020, doi:10.1038/s41586-020-2145-8",
    build=build,
    adapt=adapted,
    sizes={
        "small": Size(
            config=R2Plus1DConfig(width=8, views=clip_views.Ranges(pad_px=3)),
            recipe=Recipe(
                data="echonet_dynamic", steps=6000, batch_size=16, image_size=(48, 48),
                clip=Clip(frames=16, stride=4), lr=1e-3, weight_decay=1e-4,
                warmup_steps=100, final_lr=0.05, precision="fp32",
            ),
        ),
        "paper": Size(
            config=R2Plus1DConfig(),
            # 45 epochs of 7,465 films, drops after 15 and 30
            recipe=Recipe(
                data="echonet_dynamic", steps=45 * 373, batch_size=20, image_size=(112, 112),
                clip=Clip(frames=32, stride=2), lr=1e-4, weight_decay=1e-4,
                lr_drop_steps=15 * 373, precision="fp32",
            ),
        ),
    },
)  # fmt: skip
