"""Layers: what a model draws on an image, and its maps, as tints to switch on and off."""

from collections.abc import Sequence

from nicegui import ui

from septum.cells import as_csv
from septum.contract import Segments
from septum.explore import layers, legend, saved
from septum.explore.concepts import Conceptual
from septum.explore.desk import Desk, Latest
from septum.explore.layers import Layer
from septum.explore.panel import Panel
from septum.explore.shown import Shown
from septum.explore.slot import Slot

OPACITY = 1.0
SIDE = 448


def build(desk: Desk) -> None:
    """Draw the image under its layers, and what chooses among these."""
    Layers(desk).draw()


class Layers:
    """The panel of one visitor; the places of the layers that were switched are in the address."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.place = desk.place
        self.found: Sequence[Layer] = ()
        words = desk.address.text("layers_switched").split(",")
        self.switched = {int(word) for word in words if word.isdecimal()}
        self.again = Latest(self._answer)

    def draw(self) -> None:
        """The picture to the left, the layers to the right."""
        with ui.row().classes("w-full gap-6 items-start"):
            self.picture = Slot(self.desk, "The image under its layers", mark="layers", side=SIDE)
            with ui.column().classes("gap-1 min-w-64"):
                ui.label("opacity").classes("text-sm")
                self.opacity = ui.slider(
                    min=0.0, max=1.0, step=0.05, on_change=self._fade,
                    value=self.desk.address.number("layers_opacity", OPACITY),
                ).props('aria-label="Opacity"')  # fmt: skip
                self.key = ui.column().classes("gap-0").mark("layers-legend")
                ui.button("Save the table", icon="download", on_click=self._save).props(
                    "flat dense no-caps size=sm"
                )
        self.desk.on_image(self.again)
        self.again()

    async def _answer(self) -> None:
        place = self.desk.place
        self.found = await self.desk.work(lambda: layers.asked(self.desk.shown, place))
        self.place = place
        self.key.clear()
        with self.key:
            for place in range(len(self.found)):
                self._entry(place)
        self._show()

    def _entry(self, place: int) -> None:
        layer = self.found[place]
        with ui.row().classes("items-center gap-1 no-wrap"):
            box = ui.checkbox(value=self._is_on(place), on_change=lambda: self._switch(place))
            box.props("dense").props["aria-label"] = layer.name
            legend.line(layer.name, layer.colour, layer.share)

    def _is_on(self, place: int) -> bool:
        return self.found[place].at_first != (place in self.switched)

    def _switch(self, place: int) -> None:
        self.switched ^= {place}
        written = ",".join(map(str, sorted(self.switched)))
        self.desk.address.set(layers_switched=written or None)
        self._show()

    def _fade(self) -> None:
        self.desk.address.set(layers_opacity=self._opacity())
        self._show()

    def _show(self) -> None:
        shown = [layer for place, layer in enumerate(self.found) if self._is_on(place)]
        frame = self.desk.shown.frame(self.place)
        self.picture.show(layers.over(frame, shown, opacity=self._opacity()))

    def _opacity(self) -> float:
        return float(self.opacity.value or 0.0)

    def _save(self) -> None:
        rows = [{"layer": layer.name, "share": layer.share} for layer in self.found]
        name = saved.name(self.desk.shown.records[self.place].id, "layers", ending="csv")
        ui.download.content(as_csv(rows), name, "text/csv")


def fits(shown: Shown) -> bool:
    """Stills, and a model that draws masks; one of concepts has a panel of its own."""
    model = shown.run.model
    return isinstance(model, Segments) and not isinstance(model, Conceptual) and not shown.is_film()


PANEL = Panel(title="Layers", icon="layers", fits=fits, build=build)
