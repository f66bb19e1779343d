"""What a model said of one input."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float32, UInt8

UNITS = ("percent", "px", "mm2", "mm", "ml", "g", "voxels")


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A number with the interval that holds the truth of 19 in 20 new subjects.

    Attributes:
        low: None, as `high`, where nothing promises an interval.
        unit: Empty where the number has none.
        parts: What every frame of a film said, where it was asked frame by frame.
    """

    value: float
    low: float | None = None
    high: float | None = None
    unit: str = ""
    parts: Sequence[float] = ()


@dataclass(frozen=True, kw_only=True)
class Answer:
    """All that one input got from a model.

    Attributes:
        masks: Class index per pixel of the input's frames; None from a model that draws none.
        classes: Of the masks, the background first.
        estimates: By label name.
        shares: Probabilities of the values of a label, by its name.
        proxies: By attribute: larger where there is more of it, in a unit of the model's own.
        embedding: Mean over frames or clips.
        outlier: Distance from the embeddings of the training, mean over frames or clips.
        percentile: Share of the validation images, in percent, that lie nearer.
        abstain: Whether the distance is beyond what one in a hundred new subjects exceeds; None
            where the validation subjects are too few to tell.
        concepts: Index of the likeliest concept per pixel of the input's frames.
        cells: The same per cell of the grid.
    """

    embedding: Float32[np.ndarray, " e"]
    masks: UInt8[np.ndarray, "t h w"] | None = None
    classes: Sequence[str] = ()
    estimates: Mapping[str, Estimate] = field(default_factory=dict[str, Estimate])
    shares: Mapping[str, Mapping[str, float]] = field(
        default_factory=dict[str, Mapping[str, float]]
    )
    proxies: Mapping[str, float] = field(default_factory=dict[str, float])
    outlier: float | None = None
    percentile: float | None = None
    abstain: bool | None = None
    concepts: UInt8[np.ndarray, "t h w"] | None = None
    cells: UInt8[np.ndarray, "t y x"] | None = None


def unit(label: str) -> str:
    """The unit in the name of a label.

    >>> unit("ef_percent"), unit("infarct")
    ('percent', '')
    """
    last = label.rpartition("_")[2]
    return last if last in UNITS and last != label else ""
