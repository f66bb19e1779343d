"""What a model draws of concepts, as found and as they are now, and what chooses how."""

from collections.abc import Callable

from nicegui import ui

from septum.contract import BadInput
from septum.explore import concepts, edits
from septum.explore.concepts import Drawings, Maps, Speller
from septum.explore.desk import Desk
from septum.explore.pictures import grey
from septum.explore.slot import Slot

MOST_BETA = 1.0
"""Where styles and noise count alike; the paper shows 0.2 to 0.6."""
MOST_DRAW = 999


class Easel:
    """Four pictures of one visitor; noise and the switch to concepts alone are in the address."""

    def __init__(self, desk: Desk, model: Speller, turned: Callable[[], None]) -> None:
        """`turned` is told when it is to be drawn in another way."""
        self.desk, self.model, self._turned = desk, model, turned

    def draw(self) -> None:
        """Controls above the pictures, two by two."""
        with ui.column().classes("gap-2"):
            self._controls()
            with ui.row().classes("gap-3 items-start"):
                self.wanted = Slot(self.desk, "The image", mark="concepts-image")
                self.before = Slot(self.desk, "Drawn as found", mark="concepts-found")
            with ui.row().classes("gap-3 items-start"):
                self.after = Slot(self.desk, "Drawn now", mark="concepts-now")
                self.change = Slot(self.desk, "Change", mark="concepts-change")
            self.trouble = ui.label().classes("text-sm").props("role=alert")
        self._enable()

    def _controls(self) -> None:
        at = self.desk.address
        with ui.row().classes("items-center gap-2"):
            self.alone = ui.switch(
                "no styles", value=at.flag("concepts_alone"), on_change=self._turn
            ).tooltip("Draw from concepts alone: every style is 0.")
            self.noise = ui.label().classes("w-24 text-sm")
            self.slider = ui.slider(
                min=0.0, max=MOST_BETA, step=0.05, on_change=self._turn,
                value=at.number("concepts_noise", 0.0, most=MOST_BETA),
            ).classes("w-28").props('aria-label="Noise on the styles"')  # fmt: skip
            self.which = ui.number(
                "draw", min=0, max=MOST_DRAW, precision=0, on_change=self._turn,
                value=at.whole("concepts_draw", 0, most=MOST_DRAW),
            ).props("dense outlined").classes("w-20")  # fmt: skip

    async def show(self, place: int, maps: Maps) -> None:
        """Draw an image with these concepts."""
        try:
            drawings = await self.desk.work(lambda: self._asked(place, maps))
        except BadInput as error:
            self.trouble.text = str(error)
        else:
            self.trouble.text = ""
            self._show(drawings)

    def _asked(self, place: int, maps: Maps) -> Drawings:
        shown = self.desk.shown
        image = shown.image(place)
        if self.alone.value:
            return concepts.plain_drawings(self.model, image, maps)
        beta, draw = self._beta(), self._draw()
        return concepts.drawings(self.model, image, maps, beta=beta, draw=draw)

    def _show(self, found: Drawings) -> None:
        by = found.after - found.before
        most = edits.reach(by)
        self.wanted.show(grey(found.wanted))
        self.before.show(grey(found.before))
        self.after.show(grey(found.after))
        self.change.show(edits.with_scale(edits.changed(by, most)))
        self.change.name(f"Change, from -{most:g} (blue) to {most:g}")
        self.wanted.name("The image, blurred" if self.alone.value else "The image")

    def _turn(self) -> None:
        self._enable()
        self.desk.address.set(
            concepts_alone=bool(self.alone.value) or None,
            concepts_noise=self._beta() or None,
            concepts_draw=self._draw() or None,
        )
        self._turned()

    def _enable(self) -> None:
        """Noise is on styles: without styles there is none."""
        self.noise.text = f"noise β = {self._beta():.2f}"
        self.slider.set_enabled(not self.alone.value)
        self.which.set_enabled(not self.alone.value)

    def _beta(self) -> float:
        return float(self.slider.value or 0.0)

    def _draw(self) -> int:
        return min(max(int(self.which.value or 0), 0), MOST_DRAW)
