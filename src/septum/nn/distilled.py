"""A student and the moving average of itself, which says what a view of an image means.

Caron et al.: Emerging Properties in Self-Supervised Vision Transformers, ICCV 2021,
arXiv:2104.14294 (DINO).

    view --encoder--> [CLS] --prototypes--> z_s
    view --teacher: the moving average of both--> z_t
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from septum.contract import BadInput
from septum.nn import distil
from septum.nn.mirror import cosine_momentum, follow, mirror
from septum.nn.mode import evaluating
from septum.nn.vit import Vit

SETTLED = 0.3
"""Progress from which a collapse ends the training: the teacher's temperature rises no more."""
KEPT = 0.9
"""Share of the old value in the moving average of entropies."""


class Distilled(nn.Module):
    """All of self-distillation that an encoder does not hold itself.

    Args:
        encoder: Of the student; a copy is the first teacher.
        inner, bottleneck, prototypes: Widths of the head.
        momentum: Of the teacher at the start; 1 in the end.
        temperatures: Of the teacher, at the start and from progress .3 on.
    """

    entropies: Float[Tensor, " 2"]

    def __init__(
        self,
        encoder: Vit,
        *,
        inner: int,
        bottleneck: int,
        prototypes: int,
        momentum: float,
        temperatures: tuple[float, float],
    ) -> None:
        super().__init__()
        self.momentum, self.count, self.temperatures = momentum, prototypes, temperatures
        self.prototypes = distil.PrototypeHead(
            width=encoder.config.width, inner=inner, bottleneck=bottleneck, prototypes=prototypes
        )
        self.centre = distil.Centre(prototypes)
        self.teacher, self.teacher_prototypes = mirror(encoder), mirror(self.prototypes)
        self.register_buffer("entropies", torch.zeros(2))
        self._said: Tensor | None = None

    def temperature(self, progress: float) -> float:
        """Of the teacher."""
        return distil.teacher_temperature(progress, self.temperatures)

    @torch.no_grad()
    def wanted(
        self, views: Float[Tensor, "b 1 H W"], organ: Float[Tensor, "b organs"] | None = None
    ) -> Float[Tensor, "b K"]:
        """Logits of the teacher for views without a hidden patch, neither centred nor sharpened."""
        with evaluating(self.teacher):
            cls, _ = self.teacher(views, organ=organ)
        said = self.teacher_prototypes(cls)
        self._said = said
        return said

    def follow(self, encoder: Vit, progress: float) -> None:
        """The teacher moves towards the student, the centre towards what the teacher said last.

        Raises:
            BadInput: What it says has not depended on the image for some steps.
        """
        if self._said is not None:
            self._watch(self._said, progress)
            self.centre.update(self._said)
            self._said = None
        follow(
            [self.teacher, self.teacher_prototypes],
            [encoder, self.prototypes],
            cosine_momentum(self.momentum, progress),
        )

    def health(self) -> dict[str, float]:
        """Entropies in nats of what the teacher has said of late: of an image, of their mean.

        The most is ln K. The difference is what a prototype tells of the image.
        """
        entropy, marginal = self.entropies.tolist()
        return {"teacher_entropy": entropy, "teacher_marginal_entropy": marginal}

    def _watch(self, said: Float[Tensor, "b K"], progress: float) -> None:
        z = distil.sharpened(said, self.centre.value, self.temperature(progress))
        found = torch.stack([distil.entropy(z), distil.marginal_entropy(z)])
        begun = bool(self.entropies.any())
        self.entropies.copy_(torch.lerp(found, self.entropies, KEPT) if begun else found)
        entropy, marginal = self.entropies.tolist()
        how = distil.collapsed(entropy, marginal, self.count)
        if how and progress > SETTLED:
            raise BadInput(
                f"The teacher has collapsed at {progress:.0%} of the training: {how}; train anew "
                "with a longer warm-up or a lower learning rate."
            )
