"""What every table is asked, and what it answers."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from septum.contract import Label
from septum.data.prepared import Prepared


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What a table is made of.

    Attributes:
        out: Folder for what lies behind the numbers: runs, evaluations.
        data: Names of the data sets.
        prepared: The images of some of them, as one, at a height and width in pixels, with masks
            of some structures; raises `BadInput` if no data set was named.
        steps: Training steps of every row, instead of those of the table.
    """

    out: Path
    data: Sequence[str]
    prepared: Callable[..., Prepared]
    steps: int | None = None
    seed: int = 0


Row = Mapping[str, Label]
Table = Callable[[Setting], Sequence[Row]]
