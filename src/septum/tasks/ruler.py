"""Measures attributes in pictures, with a network that does not know who drew them.

training split: images, masks --> witness        picture --> witness --> mask --> attributes
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from septum.contract import BadInput, Metric, Record, Samples
from septum.metrics.attributes import named, of_slice
from septum.metrics.continuity import spearman_by_subject
from septum.metrics.labels import number, pixel_mm
from septum.tasks import witness
from septum.tasks.segmenter import Schedule
from septum.tasks.witness import Witness


@dataclass(frozen=True, kw_only=True)
class Ruler:
    """A witness, and what is measured in what it sees.

    Attributes:
        seen: Tells the class of every pixel.
        classes: Their names.
        names: Of the attributes, with their units.
        low, high: Least and most of every attribute in the labels of the training split.
    """

    seen: Witness
    classes: Sequence[str]
    names: Sequence[str]
    low: Float[np.ndarray, " a"]
    high: Float[np.ndarray, " a"]

    def measured(
        self, image: Float[Tensor, "b 1 H W"], records: Sequence[Record]
    ) -> Float[np.ndarray, "b a"]:
        """Every attribute; NaN where a picture has none. The records tell the size of pixels."""
        found = [
            of_slice(mask, self.classes, pixel_mm=pixel_mm(record))
            for mask, record in zip(self.seen.classes(image).numpy(), records, strict=True)
        ]
        table = [[one.get(name, np.nan) for name in self.names] for one in found]
        return np.array(table, dtype=np.float64)

    def tolerance(self, name: str, records: Sequence[Record]) -> float:
        """What is no change: a pixel of an area, a percentage point, else 1 % of the labels' range.

        Pixels are taken to be as large as those of the first record.
        """
        if name.endswith(("_percent", "_area_px")):
            return 1.0
        if name.endswith("_area_mm2"):
            return float(np.prod(pixel_mm(records[0]) or 1.0))
        k = self.names.index(name)
        return float(self.high[k] - self.low[k]) / 100


def ruler(
    attributes: Sequence[str],
    train: Samples,
    *,
    schedule: Schedule,
    device: torch.device,
    seed: int,
) -> Ruler:
    """Teach a witness, for those of the attributes that can be measured in a picture.

    Raises:
        BadInput: As `septum.tasks.witness.teach`; or no attribute can be measured and is a label
            of the training split.
    """
    labels = _labels(attributes, train)
    return Ruler(
        seen=witness.teach(train, schedule=schedule, device=device, seed=seed),
        classes=train.classes,
        names=list(labels),
        low=np.array([min(values) for values in labels.values()]),
        high=np.array([max(values) for values in labels.values()]),
    )


def agreement(
    names: Sequence[str],
    values: Float[np.ndarray, "n a"],
    records: Sequence[Record],
    *,
    path: str,
    seed: int,
) -> dict[str, Metric]:
    """`PATH/ATTR`: rank correlation of what is measured with the labels, where both vary."""
    metrics: dict[str, Metric] = {}
    for name, column in zip(names, values.T, strict=True):
        stated = [number(record, name) for record in records]
        label = np.array([np.nan if v is None else v for v in stated])
        known = np.flatnonzero(~np.isnan(column + label))
        a, b = column[known], label[known]
        if len(a) and np.ptp(a) and np.ptp(b):
            subjects = [records[i].subject for i in known.tolist()]
            metrics[f"{path}/{name}"] = spearman_by_subject(a, b, subjects, seed=seed)
    return metrics


def _labels(attributes: Sequence[str], train: Samples) -> Mapping[str, list[float]]:
    """The labels of every attribute that can be measured and varies, in the order given."""
    where = f"{train.name} ({train.split})"
    can = {name for in_mm in (False, True) for name in named(train.classes, in_mm=in_mm)}
    stated = {
        name: [v for record in train.records if (v := number(record, name)) is not None]
        for name in attributes
        if name in can
    }
    known = {name: values for name, values in stated.items() if len(set(values)) > 1}
    if not known:
        raise BadInput(
            f"None of {', '.join(attributes)} can be measured in a picture and is a label of "
            f"{where} that varies; ask about the data set that the model was trained on."
        )
    return known
