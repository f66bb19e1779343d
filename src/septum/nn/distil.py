"""What a student and its moving-average teacher say of an image, and signs that it says nothing.

Caron et al.: Emerging Properties in Self-Supervised Vision Transformers, ICCV 2021,
arXiv:2104.14294 (DINO), section 3.1. The teacher is `septum.nn.mirror` of encoder and head.

    [CLS] --MLP--> bottleneck / its length --cosine with every prototype--> logits
    logits of the teacher - centre, / temperature --softmax--> z_t

Without the centre one prototype takes all images; without a low temperature all take every one
alike. Either is a collapse: what is said no longer depends on the image.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from septum.nn.ranks import global_sum

STD = 0.02
RISEN = 0.3
"""Progress at which the temperature of the teacher rises no more; DINO's is 30 epochs."""
FROZEN = 0.05
"""Progress up to which prototypes stand still; DINO's is one epoch."""
LEAST = 0.1
"""Nats. A mean over images of less entropy is one prototype for all but one image of 50."""
SLACK = 0.01
"""Nats. Images whose entropy is so near to ln K mean all prototypes alike."""


class PrototypeHead(nn.Module):
    """Cosine of an embedding with every prototype (DINO, section 3.1).

    Prototypes have unit length whatever the optimiser does to them: it is the weight norm of the
    paper with its gain fixed at 1. From the bottleneck on, all is float32 under autocast: a cosine
    in bfloat16 would be off by up to .1 of a logit at the temperature of the teacher.

    Args:
        width: Of the embedding.
        inner: Of the two hidden layers.
        bottleneck: Dimensions of the sphere.
        prototypes: K.
    """

    def __init__(self, *, width: int, inner: int, bottleneck: int, prototypes: int) -> None:
        super().__init__()
        self.mlp = nn.Sequential(
            nn.Linear(width, inner), nn.GELU(),
            nn.Linear(inner, inner), nn.GELU(),
            nn.Linear(inner, bottleneck),
        )  # fmt: skip
        self.mlp.apply(_draw)
        self.last = nn.Linear(bottleneck, prototypes, bias=False)

    def forward(
        self, embedding: Float[Tensor, "b d"], *, progress: float = 1.0
    ) -> Float[Tensor, "b K"]:
        """Logits in [-1, 1], to be divided by a temperature.

        Prototypes get no gradient before `FROZEN`, so that the embeddings spread out among them
        instead of their moving to where all embeddings are at first (DINO, appendix on training).
        """
        place = self.mlp(embedding)
        weight = self.last.weight if progress >= FROZEN else self.last.weight.detach()
        with torch.autocast(embedding.device.type, enabled=False):
            place = place.to(weight.dtype)
            return F.linear(F.normalize(place, dim=1), F.normalize(weight, dim=1))


class Centre(nn.Module):
    """Moving average of the logits of the teacher, a part of the state of a training (eq. 4).

    Args:
        prototypes: K.
        momentum: Share of the old value that an update keeps.
    """

    value: Float[Tensor, " K"]

    def __init__(self, prototypes: int, *, momentum: float = 0.9) -> None:
        super().__init__()
        self.momentum = momentum
        self.register_buffer("value", torch.zeros(prototypes))

    @torch.no_grad()
    def update(self, teacher_logits: Float[Tensor, "b K"]) -> None:
        """Towards the mean over the images of all processes, each of which must call it."""
        self.value.lerp_(_mean(teacher_logits.to(self.value)), 1 - self.momentum)


def teacher_temperature(progress: float, ends: tuple[float, float] = (0.04, 0.07)) -> float:
    """From the first, in a line, to the second at progress .3, where it stays (DINO, section 3.2).

    >>> [round(teacher_temperature(progress), 3) for progress in (0.0, 0.15, 0.3, 1.0)]
    [0.04, 0.055, 0.07, 0.07]
    """
    first, last = ends
    return first + (last - first) * min(progress / RISEN, 1.0)


def sharpened(
    teacher_logits: Float[Tensor, "b K"], centre: Float[Tensor, " K"], temperature: float
) -> Float[Tensor, "b K"]:
    """z_t, what the teacher says of every image: probabilities, in float32, without a gradient.

    >>> sharpened(torch.tensor([[0.5, 0.3]]), torch.tensor([0.2, 0.0]), 0.07)
    tensor([[0.5000, 0.5000]])
    """
    return ((_wide(teacher_logits.detach()) - centre) / temperature).softmax(1)


def entropy(probabilities: Float[Tensor, "b K"]) -> Float[Tensor, ""]:
    """Mean over the images of all processes of the entropy of each, in nats.

    ln K where every image means all prototypes alike, 0 where each means a single one.

    >>> entropy(torch.tensor([[0.5, 0.5], [1.0, 0.0]]))  # half of ln 2
    tensor(0.3466)
    """
    return _mean(torch.special.entr(_wide(probabilities)).sum(1))


def marginal_entropy(probabilities: Float[Tensor, "b K"]) -> Float[Tensor, ""]:
    """Entropy of the mean over the images of all processes, in nats.

    Never below `entropy`; the difference is what a prototype tells of the image (their mutual
    information). 0 where all images mean the same prototype.

    >>> marginal_entropy(torch.tensor([[0.0, 1.0], [1.0, 0.0]]))  # ln 2
    tensor(0.6931)
    """
    return torch.special.entr(_mean(_wide(probabilities))).sum()


def collapsed(entropy: float, marginal_entropy: float, prototypes: int) -> str:
    """How the teacher has collapsed, in a clause; empty, hence false, if it has not.

    The two are those of z_t for a batch of many different images. It is to be asked once the
    centre has settled, not in the first steps, when networks just drawn tell images hardly apart.
    Short trainings that lived came as near to ln K as .06 nats, one that died within .001.

    Args:
        entropy: In nats; a collapse from ln K - `SLACK` on.
        marginal_entropy: In nats; a collapse up to `LEAST`.
        prototypes: K.

    >>> collapsed(3.0, 6.0, 1024)
    ''
    >>> collapsed(0.0, 0.02, 1024)
    'all images mean one prototype (their mean has an entropy of 0.02 of 6.93 nats)'
    """
    most = math.log(prototypes)
    if marginal_entropy <= LEAST:
        return (
            "all images mean one prototype (their mean has an entropy of "
            f"{marginal_entropy:.2f} of {most:.2f} nats)"
        )
    if entropy >= most - SLACK:
        return (
            "every image means all prototypes alike (on average with an entropy of "
            f"{entropy:.2f} of {most:.2f} nats)"
        )
    return ""


def _mean(x: Float[Tensor, " b *s"]) -> Float[Tensor, "*s"]:
    """Over the images of all processes."""
    count = global_sum(torch.tensor(float(len(x)), dtype=x.dtype, device=x.device))
    return global_sum(x.sum(0)) / count


def _wide(x: Tensor) -> Tensor:
    return x.to(torch.promote_types(x.dtype, torch.float32))


def _draw(module: nn.Module) -> None:
    if isinstance(module, nn.Linear):
        nn.init.trunc_normal_(module.weight, std=STD)
        nn.init.zeros_(module.bias)
