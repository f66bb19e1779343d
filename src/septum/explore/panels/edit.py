"""Edit: an image with more or less of an attribute, or of a dimension of its style, at once."""

import asyncio
from collections.abc import Mapping
from functools import partial

from nicegui import ui
from torch import Tensor

from septum.cells import as_csv
from septum.contract import BadInput, Decodes, Edits
from septum.explore import edits, saved
from septum.explore.desk import Desk, Latest
from septum.explore.edits import Drawn, Movable
from septum.explore.once import Work, once
from septum.explore.panel import Panel
from septum.explore.panels.swap import Swap
from septum.explore.pictures import grey
from septum.explore.slot import SIDE, Slot

STEPS = 40
"""Of a slider, from one end to the other."""
NOBODY = -1
"""Stands for no run that measures."""
COLUMNS = ("attribute", "source", "original", "edited", "change")


def build(desk: Desk) -> None:
    """Draw the sliders and the pictures; where images have styles, what two of them exchange."""
    model = desk.shown.run.model
    Edit(desk).draw()
    if isinstance(model, Decodes) and not isinstance(model, Edits):
        Swap(desk).draw()


class Knob(ui.slider):
    """A slider that keeps its place: an answer of the server would be older than the hand is."""

    LOOPBACK = None


class Edit:
    """The panel of one visitor."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.rulers = edits.rulers(desk.runs, desk.shown)
        self.amounts: dict[str, float] = {}
        self.place = -1
        self.movable: Movable | None = None
        self.styles: Work[Tensor] | None = None
        self.again = Latest(self._answer)

    def draw(self) -> None:
        """Sliders to the left, pictures and the table to the right."""
        with ui.row().classes("w-full gap-6 items-start"):
            with ui.column().classes("w-72 gap-2"):
                self._controls()
            with ui.column().classes("grow basis-0 min-w-80 gap-3"):
                self.status = ui.label("Asking the model ...").props("role=status")
                self._pictures()
                self.table = ui.table(columns=_columns(), rows=[], row_key="key")
                self.table.classes("w-full").props("dense flat wrap-cells").mark("edit-table")
                ui.button("Save the table", icon="download", on_click=self._save).props(
                    "flat dense no-caps"
                )
        self.desk.on_image(self.again)
        self.again()

    def _controls(self) -> None:
        self.knobs = ui.column().classes("w-full gap-0")
        ui.button("As it was", icon="restart_alt", on_click=self._reset).props("dense no-caps")
        choices = {NOBODY: "nobody", **{i: self.desk.runs[i].title for i in self.rulers}}
        first = self.rulers[0] if self.rulers else NOBODY
        if first != NOBODY and not edits.same_data(self.desk.runs[first], self.desk.shown):
            first = NOBODY
        chosen = self.desk.address.whole("edit_by", first, least=NOBODY, most=len(self.desk.runs))
        self.ruler = ui.select(
            choices, value=chosen if chosen in choices else first,
            label="Masks drawn by", on_change=self._measure_by,
        ).classes("w-full").props("dense outlined").mark("edit-by")  # fmt: skip

    def _pictures(self) -> None:
        with ui.row().classes("gap-3 items-start"):
            self.image = Slot(self.desk, "image", mark="image")
            self.drawn = Slot(self.desk, "as the model draws it", mark="drawn")
            self.edited = Slot(self.desk, "edited", mark="edited")
            with ui.column().classes("gap-1"):
                self.change = Slot(self.desk, "change", mark="change")
                self.scale = ui.label().classes("text-sm").style(f"max-width: {SIDE}px")
                self.scale.mark("edit-scale")

    def _measure_by(self) -> None:
        self.desk.address.set(edit_by=int(self.ruler.value))
        self.place = -1
        self.again()

    def _move(self, name: str, amount: float) -> None:
        self.amounts[name] = amount
        self.desk.address.set(**{f"edit_{name}": amount or None})
        self.again()

    def _reset(self) -> None:
        """All sliders anew, as they do not listen to the server."""
        self.desk.address.set(**{f"edit_{name}": None for name in self.amounts})
        self.knobs.clear()
        if self.movable is not None:
            self._sliders(self.movable)
        self.again()

    async def _answer(self) -> None:
        """The newest of the asked edits."""
        try:
            if self.place != self.desk.place and not await self._open(self.desk.place):
                return
            assert self.movable is not None
            drawn = await self.desk.work(partial(self.movable.drawn, dict(self.amounts)))
            self._show(drawn)
            self._tell(drawn, await self._measured(drawn))
            self.status.text = ""
        except BadInput as error:
            self.status.text = str(error)

    async def _open(self, place: int) -> bool:
        """Another image; False while how much styles vary is being worked out."""
        desk = self.desk
        if not isinstance(desk.shown.run.model, Edits) and not self._know_styles():
            return False
        deviations = self.styles.found if self.styles else None
        self.movable = await desk.work(lambda: edits.movable(desk.shown, place, deviations))
        if not self.amounts:
            self._sliders(self.movable)
        self.image.show(desk.shown.frame(place, desk.shown.length(place) // 2))
        self.original = await desk.work(partial(self.movable.drawn, {}))
        self.drawn.show(grey(self.original.picture))
        self.before = await self._measured(self.original)
        self.place = place
        return True

    def _know_styles(self) -> bool:
        shown = self.desk.shown
        if self.styles is None:
            self.styles = once(shown, "styles", partial(edits.deviations, shown))
        if self.styles.failure:
            raise BadInput(self.styles.failure)
        if self.styles.found is None:
            self.status.text = f"Looking at styles: {self.styles.progress:.0%} ..."
            ui.timer(0.3, self.again, once=True)
        return self.styles.found is not None

    def _sliders(self, movable: Movable) -> None:
        most = movable.most
        with self.knobs:
            for name in movable.names:
                value = self.desk.address.number(f"edit_{name}", 0.0, least=-most, most=most)
                self.amounts[name] = value
                self._slider(name, value, most)

    def _slider(self, name: str, value: float, most: float) -> None:
        with ui.row().classes("w-full justify-between no-wrap text-sm"):
            ui.label(name).classes("truncate")
            said = ui.label()
        unit = "" if isinstance(self.desk.shown.run.model, Edits) else " sd"
        slider = Knob(
            min=-most, max=most, step=2 * most / STEPS, value=value,
            on_change=lambda event: self._move(name, round(float(event.value or 0.0), 6)),
        ).classes("w-full").mark(f"edit-{name}")  # fmt: skip
        slider.props["aria-label"] = f"{name}, from {-most:g} to {most:g}{unit}"
        said.bind_text_from(slider, "value", lambda amount: f"{amount:+.2f}{unit}")

    def _show(self, drawn: Drawn) -> None:
        change = drawn.picture - self.original.picture
        most = edits.reach(change)
        self.edited.show(grey(drawn.picture))
        self.change.show(edits.with_scale(edits.changed(change, most)))
        self.scale.text = f"blue: darker, to -{most:g}; black: 0; orange: brighter, to +{most:g}"

    async def _measured(self, drawn: Drawn) -> Mapping[str, float]:
        """By the run that is chosen; it is asked after the lock of this one is free again."""
        if self.ruler.value == NOBODY:
            return {}
        ruler, record = self.desk.runs[int(self.ruler.value)], self.desk.record
        return await asyncio.to_thread(edits.measured, ruler, drawn.picture, record)

    def _tell(self, drawn: Drawn, after: Mapping[str, float]) -> None:
        self.rows = edits.rows(self.original.said, drawn.said, source="the model says (no unit)")
        if self.ruler.value != NOBODY:
            whose = self.desk.runs[int(self.ruler.value)].title
            self.rows += edits.rows(self.before, after, source=f"measured on the mask of {whose}")
        self.table.rows = [
            {"key": f"{row.source}/{row.attribute}"}
            | {name: _written(getattr(row, name)) for name in COLUMNS}
            for row in self.rows
        ]

    def _save(self) -> None:
        amounts = {f"amount/{name}": amount for name, amount in self.amounts.items()}
        table = as_csv([
            {"id": self.desk.record.id} | {name: getattr(row, name) for name in COLUMNS} | amounts
            for row in self.rows
        ])  # fmt: skip
        name = saved.name(self.desk.record.id, "edited", ending="csv")
        ui.download.content(table, name, "text/csv")


def _columns() -> list[dict[str, object]]:
    numbers = COLUMNS[2:]
    return [
        {
            "name": name,
            "label": name,
            "field": name,
            "align": "right" if name in numbers else "left",
        }
        for name in COLUMNS
    ]


def _written(cell: str | float | None) -> str:
    if cell is None:
        return "–"  # noqa: RUF001 - what a picture does not show
    return cell if isinstance(cell, str) else f"{cell:.4g}"


PANEL = Panel(title="Edit", icon="tune", fits=edits.can_move, build=build)
