"""A place on the page for a picture that changes: its caption above, a button that saves it."""

from base64 import b64encode

import numpy as np
from jaxtyping import UInt8
from nicegui import ui

from septum.explore import pictures, saved
from septum.explore.desk import Desk

SIDE = 208
"""Width in CSS pixels."""


class Slot:
    """A picture of one visitor."""

    def __init__(self, desk: Desk, title: str, *, mark: str, side: int = SIDE) -> None:
        """`mark` stands in the name of the file that is saved."""
        self._desk, self._mark = desk, mark
        self._png = b""
        with ui.column().classes("gap-1 items-start"):
            self._caption = ui.label().classes("text-sm").style(f"max-width: {side}px")
            self._image = ui.element("img").style(f"width: {side}px; max-width: 100%").mark(mark)
            self._image.props["data-slot"] = mark
            self._button = ui.button("Save", icon="download", on_click=self._save)
            self._button.props("flat dense no-caps size=sm")
        self.name(title)

    def name(self, title: str) -> None:
        """Say what the picture is."""
        self._caption.text = title
        self._image.props["alt"] = title
        self._button.props["aria-label"] = f"Save the picture: {title}"

    def show(self, pixels: UInt8[np.ndarray, "h w *c"]) -> None:
        """Show another picture."""
        self._png = pictures.png(pixels)
        self._image.props["src"] = f"data:image/png;base64,{b64encode(self._png).decode()}"

    def _save(self) -> None:
        name = saved.name(self._desk.record.id, self._mark, ending="png")
        ui.download.content(self._png, name, "image/png")
