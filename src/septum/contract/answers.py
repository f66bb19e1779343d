"""What tasks answer."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from septum.contract.facts import Label, Samples
from septum.contract.training import Model


@dataclass(frozen=True, kw_only=True)
class Metric:
    """A number one may trust: value, 95 % interval, unit, and how many cases stand behind it."""

    value: float
    low: float
    high: float
    unit: str
    n: int


@dataclass(frozen=True, kw_only=True)
class Report:
    """What a task found out.

    Attributes:
        metrics: By path: `dice_loss/content/k5`, `map5/apex`, `mae`.
        rows: One per case, for `predictions.csv`.
        figures: Matplotlib figures by file name without ending.
    """

    metrics: Mapping[str, Metric]
    rows: Sequence[Mapping[str, Label]] = ()
    figures: Mapping[str, Any] = field(default_factory=dict[str, Any])


Task = Callable[[Model, Samples, Samples, int], Report]
"""A question to a frozen model: (model, training split, tested split, seed) to a report."""
