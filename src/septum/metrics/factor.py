"""A fact about images that a representation may tell: what it is, and how far a guess is off."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float, Int


@dataclass(frozen=True, kw_only=True)
class Factor:
    """One fact by image.

    Attributes:
        values: A quantity, or the index of a class; NaN where unknown.
        classes: Names of the classes; empty for a quantity.
    """

    name: str
    values: Float[np.ndarray, " n"]
    classes: Sequence[str] = ()

    @property
    def known(self) -> Bool[np.ndarray, " n"]:
        """Where the fact is known."""
        return ~np.isnan(self.values)

    @property
    def varies(self) -> bool:
        """Whether two images differ in it; there is nothing to tell where none do."""
        return len(np.unique(self.values[self.known])) > 1

    def at(self, places: Bool[np.ndarray, " n"] | Int[np.ndarray, " m"]) -> "Factor":
        """The same fact of some of the images."""
        return replace(self, values=self.values[places])


def weights(factor: Factor) -> Float[np.ndarray, " n"]:
    """Weight of every image with which all classes that occur weigh the same; 1 for a quantity.

    Their mean is 1, over images where the fact is known; every one must be.

    >>> weights(Factor(name="view", values=np.array([0.0, 0, 0, 1]), classes=("A2C", "A4C")))
    array([0.66666667, 0.66666667, 0.66666667, 2.        ])
    """
    if not factor.classes:
        return np.ones(len(factor.values))
    _, index, count = np.unique(factor.values, return_inverse=True, return_counts=True)
    return len(factor.values) / (len(count) * count[index])


def errors(
    factor: Factor, said: Float[np.ndarray, " n"]
) -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, " n"]]:
    """Error of what was said about every image, and that of an answer that knows nothing.

    1 - Σ error / Σ of the second is R² of a quantity; of a class it is the balanced accuracy,
    rescaled so that chance is 0. The fact must be known of every image.

    >>> truth = Factor(name="ef_percent", values=np.array([40.0, 60.0]))
    >>> errors(truth, np.array([45.0, 60.0]))
    (array([25.,  0.]), array([100., 100.]))
    """
    if not factor.classes:
        return (factor.values - said) ** 2, (factor.values - factor.values.mean()) ** 2
    weight, chance = weights(factor), 1 / len(np.unique(factor.values))
    return weight * (factor.values != said), weight * (1 - chance)


def told(error: Float[np.ndarray, " n"], blind: Float[np.ndarray, " n"]) -> float:
    """1 - Σ error / Σ blind, and 0 where it is less: an answer worse than none tells nothing."""
    total = blind.sum()
    return float(np.clip(1 - error.sum() / total, 0, 1)) if total > 0 else 0.0
