"""What a model may be able to do beside: a task asks for it with `isinstance`."""

from collections.abc import Mapping, Sequence
from typing import Protocol, runtime_checkable

from jaxtyping import Bool, Float
from torch import Tensor

from septum.contract.facts import Batch
from septum.contract.training import Features


@runtime_checkable
class Decodes(Protocol):
    """A model that renders an image from content and style, and so can swap or vary either."""

    def decode(
        self, content: Float[Tensor, "b d h w"], style: Float[Tensor, "b s h w"]
    ) -> Float[Tensor, "b 1 H W"]:
        """Render the content in the style; intensities in [0, 1]."""
        ...


@runtime_checkable
class Discretises(Protocol):
    """A model whose content is a distribution over discrete concepts at every grid location."""

    def discretise(self, content: Float[Tensor, "b d h w"]) -> Float[Tensor, "b d h w"]:
        """The likeliest concept as a one-hot vector."""
        ...

    def restyle(
        self, image: Float[Tensor, "b 1 H W"], concepts: Float[Tensor, "b d h w"]
    ) -> Float[Tensor, "b s h w"]:
        """The style of these one-hot concepts on this image."""
        ...

    def plain(self, image: Float[Tensor, "b 1 H W"]) -> Float[Tensor, "b 1 H W"]:
        """The blurred image that concepts alone should render; intensities in [0, 1]."""
        ...


@runtime_checkable
class Segments(Protocol):
    """A model that draws masks."""

    def segment(self, image: Float[Tensor, "b 1 h w"]) -> Float[Tensor, "b classes h w"]:
        """Probability of every class, the background first, without gradients."""
        ...


@runtime_checkable
class Regresses(Protocol):
    """A model that estimates facts about an image."""

    def regress(self, image: Float[Tensor, "b c *t h w"]) -> Mapping[str, Float[Tensor, " b"]]:
        """Estimates by label name, in the unit of the name, without gradients."""
        ...


@runtime_checkable
class Classifies(Protocol):
    """A model that tells the value of a text label."""

    def classified(self) -> tuple[str, Sequence[str]]:
        """Name of the label, and its values in the order of `classify`."""
        ...

    def classify(self, image: Float[Tensor, "b 1 h w"]) -> Float[Tensor, "b values"]:
        """Probability of every value, without gradients."""
        ...


@runtime_checkable
class Conditions(Protocol):
    """A model whose features depend on the organ that an image shows."""

    def organs(self) -> Sequence[str]:
        """The organs it knows: values of the label `organ`."""
        ...

    def recognise(self, image: Float[Tensor, "b 1 h w"]) -> Float[Tensor, "b organs"]:
        """Probability of every organ, without gradients."""
        ...

    def encode_as(
        self, image: Float[Tensor, "b 1 h w"], organ: Float[Tensor, "b organs"]
    ) -> Features:
        """Features under this distribution over the organs; all zero for an unknown organ."""
        ...


@runtime_checkable
class Deforms(Conditions, Protocol):
    """A model that looks, from every cell of a grid, at places that depend on the organ."""

    def offsets(
        self, image: Float[Tensor, "b 1 h w"], organ: Float[Tensor, "b organs"]
    ) -> Float[Tensor, "b blocks taps 2 h2 w2"]:
        """From every cell to where each tap samples, (down, right) in cells, without gradients."""
        ...


@runtime_checkable
class Inpaints(Protocol):
    """A model that fills in hidden patches of an image."""

    def patch_px(self) -> int:
        """Side of a patch in pixels."""
        ...

    def inpaint(
        self, image: Float[Tensor, "b 1 h w"], hidden: Bool[Tensor, "b h2 w2"]
    ) -> Float[Tensor, "b 1 h w"]:
        """The image with its hidden patches as the model draws them, without gradients."""
        ...


@runtime_checkable
class Explains(Protocol):
    """A model of films that shows the feature map its estimates are made from."""

    def explained(
        self, image: Float[Tensor, "b 1 t h w"]
    ) -> tuple[Float[Tensor, "b d t2 h2 w2"], Mapping[str, Float[Tensor, " b"]]]:
        """The last map with a time axis, and what it says by label name, with gradients.

        Of a probability that is its logit, whose gradient does not vanish where it is sure.
        """
        ...


@runtime_checkable
class Monitors(Protocol):
    """A model that can say, beside its losses, whether it is healthy."""

    def monitors(self, batch: Batch) -> Mapping[str, float]:
        """Health by name on one batch, without gradients."""
        ...


@runtime_checkable
class Codes(Protocol):
    """A model that keeps an image as a code, and renders images from codes."""

    def code(self, image: Float[Tensor, "b 1 *t h w"]) -> Float[Tensor, "b k *m"]:
        """The codes of images, without gradients; `*m` is a grid, or empty for one vector each."""
        ...

    def render(self, code: Float[Tensor, "b k *m"]) -> Float[Tensor, "b 1 *t h w"]:
        """Images of codes, intensities in [0, 1]; gradients flow."""
        ...


@runtime_checkable
class Edits(Codes, Protocol):
    """A model whose codes stand for named attributes, and can be moved along each of them."""

    def attributes(self) -> Sequence[str]:
        """Names of the labels that codes are tied to, with their units."""
        ...

    def proxies(self, code: Float[Tensor, "b k *m"]) -> Float[Tensor, "b attributes"]:
        """What codes say of every attribute, in that order: larger where there is more of it."""
        ...

    def edited(
        self, code: Float[Tensor, "b k *m"], attribute: str, amount: Float[Tensor, " b"]
    ) -> Float[Tensor, "b k *m"]:
        """Codes with less or more of one attribute; gradients flow.

        Args:
            code: Of images.
            attribute: One of `attributes`.
            amount: In [-1, 1]: 0 for the code as it is, the ends for the least and the most of it
                that the images of the training show.
        """
        ...
