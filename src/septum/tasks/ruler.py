"""Measures attributes in pictures, with a network that does not know who drew them.

    training split: images, masks --> small U-Net        picture --> U-Net --> mask --> attributes

The network learns from real images alone, some of them blurred: what models render is smoother.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from septum.contract import BadInput, Metric, Record, Samples
from septum.metrics.attributes import named, of_slice
from septum.metrics.continuity import spearman_by_subject
from septum.nn.blur import gaussian_blur
from septum.tasks import segmenter
from septum.tasks.frozen import device_of
from septum.tasks.segmenter import Schedule, Shown
from septum.tasks.volumes import number

SIDE = 128
"""Longest side in pixels of what the network sees; larger images are shrunk."""
BLUR_PX = 1.5
"""Widest blur of the images that are learnt from. With it the wall's area in EMIDEC blurred by as
much has a rank correlation of .83 with its label, without it .71; and .90 and .89 in sharp ones."""


@dataclass(frozen=True, kw_only=True)
class Ruler:
    """A segmenter, and what is measured with it.

    Attributes:
        net: Images to logits of every class; sees `shrink` pixels of either direction as one.
        names: Of the attributes, with their units.
        low, high: Least and most of every attribute in the labels of the training split.
    """

    net: nn.Module
    shrink: int
    classes: Sequence[str]
    names: Sequence[str]
    low: Float[np.ndarray, " a"]
    high: Float[np.ndarray, " a"]

    @torch.no_grad()
    def masks(self, image: Float[Tensor, "b 1 H W"]) -> Int[Tensor, "b H W"]:
        """The likeliest class of every pixel, on the CPU."""
        image = image.to(device_of(self.net))
        logits = self.net(segmenter.shrunk(image, self.shrink))
        return F.interpolate(logits, size=image.shape[-2:], mode="bilinear").argmax(1).cpu()

    def measured(
        self, image: Float[Tensor, "b 1 H W"], records: Sequence[Record]
    ) -> Float[np.ndarray, "b a"]:
        """Every attribute; NaN where a picture has none. The records tell the size of pixels."""
        found = [
            of_slice(mask, self.classes, pixel_mm=_pixel_mm(record))
            for mask, record in zip(self.masks(image).numpy(), records, strict=True)
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
            return float(np.prod(_pixel_mm(records[0]) or 1.0))
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
    """Train the network, for those of the attributes that can be measured in a picture.

    Raises:
        BadInput: If images are volumes or have no masks, or no attribute can be measured and is a
            label of the training split.
    """
    labels = _labels(attributes, train)
    shrink = max(1, max(train.batch([0]).image.shape[-2:]) // SIDE)
    known = segmenter.labelled(train, shrink=shrink, device=device)
    rows, how = range(len(known.places)), replace(schedule, shrink=shrink)
    return Ruler(
        net=segmenter.fit(known, rows, [blurred], schedule=how, seed=seed).eval(),
        shrink=shrink,
        classes=train.classes,
        names=list(labels),
        low=np.array([min(values) for values in labels.values()]),
        high=np.array([max(values) for values in labels.values()]),
    )


def blurred(shown: Shown) -> Shown:
    """Half of the images, each by a width of its own; masks stay."""
    width = (2 * torch.rand(len(shown.rows)) - 1).clamp(min=0) * BLUR_PX
    return replace(shown, image=gaussian_blur(shown.image, width.to(shown.image.device)))


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
    if train.batch([0]).image.ndim != 4:
        raise BadInput(
            f"The images of {where} are volumes or films, and edits are measured in still images; "
            "ask about a data set of slices."
        )
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


def _pixel_mm(record: Record) -> tuple[float, float] | None:
    y_mm, x_mm = number(record, "spacing_y_mm"), number(record, "spacing_x_mm")
    return None if y_mm is None or x_mm is None else (y_mm, x_mm)
