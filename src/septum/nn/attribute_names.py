"""Which labels of the images a code is to be tied to, and on what scale.

asked, `myocardium_area` --resolved--> `myocardium_area_mm2`, its range --scaled--> values in [0, 1]
"""

import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from septum.contract import BadInput, Batch, Record, Samples
from septum.metrics.attributes import usable

SLICE = (
    "left_ventricle_area,myocardium_area,wall_thickness_mean,infarction_area,infarct_share_percent"
)
"""Attributes of a slice that codes are tied to, or of a volume."""
UNITS = ("_mm2", "_mm", "_ml", "_px", "_voxels")
"""What may follow the name of an attribute, the physical units first."""

LOG = logging.getLogger("septum")


@dataclass(frozen=True, kw_only=True)
class Resolved:
    """Attributes that images can teach.

    Attributes:
        names: Of labels, with their units, in the order asked.
        low, high: Least and most of every one of them over the images.
        remarks: One sentence for every attribute that was asked and is left out, and for every one
            that not all images have.
    """

    names: tuple[str, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    remarks: tuple[str, ...]


def resolved(asked: str, samples: Samples) -> Resolved:
    """The labels that are meant, without those that nothing can be learnt from; remarks are logged.

    Args:
        asked: Names separated by commas; a unit may be left out, and `_area` means the volume where
            images are volumes. None if empty.
        samples: To learn from.

    Raises:
        BadInput: No image has such a label, it is a text, or no attribute is left.
    """
    words = [word.strip() for word in asked.split(",") if word.strip()]
    names = list(dict.fromkeys(_label(word, samples) for word in words))
    if not names:
        return Resolved(names=(), low=(), high=(), remarks=())
    values = {name: _values(name, samples.records) for name in names}
    found = usable(values, [record.subject for record in samples.records])
    for remark in found.remarks:
        LOG.warning(remark)
    if not found.names:
        raise BadInput(
            f"No attribute of {_where(samples)} is left to learn from: {' '.join(found.remarks)} "
            "Choose others by `attributes`."
        )
    return Resolved(
        names=tuple(found.names),
        low=tuple(float(np.nanmin(values[name])) for name in found.names),
        high=tuple(float(np.nanmax(values[name])) for name in found.names),
        remarks=tuple(found.remarks),
    )


def scaled(
    batch: Batch, names: Sequence[str], *, low: Sequence[float], high: Sequence[float]
) -> Float[Tensor, "b attributes"]:
    """Attributes of images, 0 at `low` and 1 at `high`; NaN where unknown.

    >>> batch = Batch(image=torch.zeros(3, 1, 2, 2), labels={"a_ml": torch.tensor([2.0, 4.0, 3.0])})
    >>> scaled(batch, ["a_ml", "b_ml"], low=[2.0, 0.0], high=[4.0, 1.0]).T
    tensor([[0.0000, 1.0000, 0.5000],
            [   nan,    nan,    nan]])
    """
    image = batch.image
    found = image.new_full((len(image), len(names)), torch.nan)
    for m, name in enumerate(names):
        if name in batch.labels:
            found[:, m] = (batch.labels[name] - low[m]) / (high[m] - low[m])
    return found


def _label(word: str, samples: Samples) -> str:
    """The label that a word means: of several units the one that most images have."""
    known = _numbers(samples.records)
    stems = [word, word.removesuffix("_area") + "_volume"] if word.endswith("_area") else [word]
    for stem in stems:
        meant = [name for name in (stem, *(stem + unit for unit in UNITS)) if name in known]
        if meant:
            return max(meant, key=known.__getitem__)
    if any(isinstance(record.labels.get(word), str) for record in samples.records):
        raise BadInput(
            f"The label {word!r} of {_where(samples)} is a text, and an attribute is a number; "
            f"choose among {_among(known)}."
        )
    raise BadInput(
        f"No image of {_where(samples)} has the attribute {word!r}; choose among {_among(known)}, "
        "or leave it out of `attributes`."
    )


def _numbers(records: Sequence[Record]) -> dict[str, int]:
    """How many records have a number under every label."""
    count: dict[str, int] = {}
    for record in records:
        for name, value in record.labels.items():
            if not isinstance(value, str) and math.isfinite(value):
                count[name] = count.get(name, 0) + 1
    return count


def _values(name: str, records: Sequence[Record]) -> Float[np.ndarray, " n"]:
    """One per record, NaN where it is unknown."""
    found = (record.labels.get(name) for record in records)
    numbers = [math.nan if v is None or isinstance(v, str) else float(v) for v in found]
    return np.where(np.isfinite(numbers), numbers, math.nan)


def _among(known: dict[str, int]) -> str:
    return ", ".join(sorted(known)) or "those of another data set"


def _where(samples: Samples) -> str:
    return f"{samples.name} ({samples.split})"
