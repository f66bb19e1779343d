"""What a panel of the page is."""

from collections.abc import Callable
from dataclasses import dataclass

from septum.explore.desk import Desk
from septum.explore.shown import Shown


@dataclass(frozen=True, kw_only=True)
class Panel:
    """One tab of the page.

    Attributes:
        title: On the tab.
        icon: Name of a Material icon.
        fits: Whether the model of a run can do what the panel asks.
        build: Draws it into the element that is open, for one visitor.
        least_runs: So many runs must be on the page.
    """

    title: str
    icon: str
    fits: Callable[[Shown], bool]
    build: Callable[[Desk], None]
    least_runs: int = 1
