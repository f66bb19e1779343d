"""A network for films whose error alone teaches all of it."""

from collections.abc import Callable, Mapping, Sequence

from jaxtyping import Float
from torch import Tensor, nn

from septum.contract import Batch, Features, Phase, Terms
from septum.nn import clip_views, estimator

Error = Callable[[Tensor, Tensor], Tensor]


class EndToEnd(nn.Module):
    """Estimates from clips.

    Args:
        encoder, head: As `septum.nn.estimator.Estimator` has them.
        label: What is to be estimated.
        views: What clips are shown in.
        error: Name of the loss term, and what it is of estimates and truth.
    """

    def __init__(
        self,
        encoder: nn.Module,
        head: nn.Module,
        *,
        label: str,
        views: clip_views.Ranges,
        error: tuple[str, Error],
    ) -> None:
        super().__init__()
        self.label, self.views = label, views
        self.term, self.error = error
        self.net = estimator.Estimator(encoder, head)

    def loss(self, batch: Batch, progress: float) -> Terms:
        """The error of the clips whose label is known, if there are two."""
        del progress
        batch = estimator.known(batch, self.label)
        if len(batch.image) < 2:
            return {}
        found = self.net(estimator.shown(batch, self.views))
        return {self.term: self.error(found, batch.labels[self.label])}

    def phases(self) -> Sequence[Phase]:
        """One player."""
        return [Phase(name="regress", parameters=list(self.parameters()), loss=self.loss)]

    def after_step(self, progress: float) -> None:
        """Nothing is left to do."""

    def encode(self, image: Float[Tensor, "b 1 t h w"]) -> Features:
        """The last map, and its mean."""
        return self.net.encode(image)

    def regress(self, image: Float[Tensor, "b 1 t h w"]) -> Mapping[str, Float[Tensor, " b"]]:
        """The estimate by the name of the label."""
        return {self.label: self.net.estimate(image)}

    def explained(
        self, image: Float[Tensor, "b 1 t h w"]
    ) -> tuple[Float[Tensor, "b d t2 h2 w2"], Mapping[str, Float[Tensor, " b"]]]:
        """The last map of the encoder and the estimate made from it, with gradients."""
        maps, found = self.net.explained(image)
        return maps, {self.label: found}
