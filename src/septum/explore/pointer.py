"""A picture on which a region is pointed at, by mouse or keys."""

from collections.abc import Callable

from nicegui import events, ui

from septum.explore.finds import EDGE, Field


class Pointer(ui.element, component="pointer.js"):
    """The picture (`pointer.js`); the cursor moves in the browser, without the server."""

    def __init__(self, field: Field) -> None:
        """`field` has the grid that the cursor moves on."""
        super().__init__()
        self._field = field
        self._asked = 0
        self._props.update(
            rows=field.grid[0], columns=field.grid[1], edge=EDGE, reach=field.maps.window // 2
        )

    def show(self, source: str, *, shape: tuple[int, int], at: tuple[int, int]) -> None:
        """A picture, its height and width, and the key point that is searched for."""
        self._asked += 1
        self._props.update(
            source=source, height=shape[0], width=shape[1],
            startRow=at[0], startColumn=at[1], asked=self._asked,
        )  # fmt: skip
        self.update()

    def on_wanted(self, told: Callable[[int, int], None]) -> None:
        """Be told the row and column of a key point that is asked for."""

        def wanted(event: events.GenericEventArguments) -> None:
            match event.args:
                case [int(row), int(column)]:
                    told(*self._field.key_at(row, column))
                case _:
                    pass

        self.on("wanted", wanted)
