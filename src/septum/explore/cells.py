"""A grid over an image, of which cells are looked at and chosen by mouse or keys.

The browser has the whole grid, so that hovering, moving the cursor and the opacity cost no answer
of the server.
"""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float, Int
from nicegui import events, ui

from septum import palette


class Cells(ui.element, component="cells.js"):
    """The grid (`cells.js`)."""

    def __init__(self, *, start: int, opacity: float, numbers: bool) -> None:
        """`start` is the cell with the cursor, `numbers` whether every cell shows its concept."""
        super().__init__()
        self._props.update(
            start=start, opacity=opacity, numbers=numbers, colours=list(palette.CONCEPTS),
            faint=palette.FAINT, strong=palette.STRONG,
        )  # fmt: skip

    def show(
        self,
        source: str,
        *,
        shape: tuple[int, int],
        found: Int[np.ndarray, "h w"],
        confidence: Float[np.ndarray, "h w"],
        concepts: Int[np.ndarray, "h w"],
    ) -> None:
        """Lay a map over a picture; cells that differ from what was found are outlined.

        Args:
            source: Address of the picture.
            shape: Its height and width in pixels.
            found: Concepts as the model sees them.
            confidence: Of these, in [0, 1].
            concepts: Concepts as they are shown.
        """
        self._props.update(
            source=source, height=shape[0], width=shape[1],
            rows=concepts.shape[0], columns=concepts.shape[1],
            found=found.ravel().tolist(), concepts=concepts.ravel().tolist(),
            confidence=np.round(confidence, 3).ravel().tolist(),
        )  # fmt: skip
        self.update()

    def on_cell(self, told: Callable[[int], None]) -> None:
        """Be told which cell the cursor is on."""
        self.on("cell", lambda event: told(_number(event)))

    def on_wanted(self, told: Callable[[], None]) -> None:
        """Be told when Enter was pressed on a cell."""
        self.on("wanted", lambda _: told())

    def on_opacity(self, told: Callable[[float], None]) -> None:
        """Be told the opacity in [0, 1], once it stays."""
        self.on("opacity", lambda event: told(_number(event) / 100))

    def on_numbers(self, told: Callable[[bool], None]) -> None:
        """Be told whether the numbers are shown."""
        self.on("numbers", lambda event: told(bool(_number(event))))


def _number(event: events.GenericEventArguments) -> int:
    return event.args if isinstance(event.args, int) else 0
