"""Compare: two runs side by side on the same image, and a table of what they say."""

import asyncio
from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import UInt8
from nicegui import ui

from septum.cells import as_csv
from septum.explore import compared, legend, saved
from septum.explore.compared import Row, Said
from septum.explore.desk import Desk, Latest
from septum.explore.panel import Panel
from septum.explore.shown import Shown
from septum.explore.slot import Slot

COLUMNS: Sequence[str] = ("number", "truth", "this run", "other run", "difference")


def build(desk: Desk) -> None:
    """Draw the choice of the other run, the image in both, and the table."""
    Compare(desk).draw()


class Compare:
    """The panel of one visitor."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.said: dict[str, Said] = {}
        self.rows: list[Row] = []
        self.again = Latest(self._answer)

    def draw(self) -> None:
        """Choices above, then one column per run, then the table."""
        with ui.row().classes("w-full items-center gap-4"):
            self._choices()
        with ui.row().classes("w-full gap-8 items-start"):
            self.sides = {name: Side(self.desk, name) for name in ("this", "other")}
        self.table = ui.table(columns=_columns(), rows=[], row_key="number")
        self.table.classes("w-full").props("dense flat wrap-cells").mark("compare-table")
        ui.button("Save the table", icon="download", on_click=self._save).props(
            "flat dense no-caps size=sm"
        )
        self.desk.on_image(self._moved)
        self.again()

    def _choices(self) -> None:
        desk = self.desk
        others = {i: run.title for i, run in enumerate(desk.runs) if i != desk.number}
        chosen = desk.address.whole("compare_run", -1, most=len(desk.runs) - 1)
        self.other = ui.select(
            others, value=chosen if chosen in others else next(iter(others)),
            label="Beside", on_change=self._choose,
        ).classes("min-w-60").props("dense outlined")  # fmt: skip
        ui.button(icon="chevron_left", on_click=lambda: self._step(-1)).props(
            'flat round dense aria-label="Image before"'
        )
        self.image = ui.slider(
            min=0, max=len(desk.shown.records) - 1, value=desk.place, on_change=self._scrub
        ).classes("w-64").props('aria-label="Image"')  # fmt: skip
        ui.button(icon="chevron_right", on_click=lambda: self._step(1)).props(
            'flat round dense aria-label="Image after"'
        )
        self.at = ui.label().classes("text-sm")
        if desk.shown.is_film():
            frame = desk.address.whole("compare_frame", 0, most=10**6)
            self.frame = ui.slider(min=0, max=max(frame, 1), value=frame, on_change=self._turn)
            self.frame.classes("w-40").props('label aria-label="Frame"')
            self.frame_at = ui.label().classes("text-sm")

    def _choose(self) -> None:
        self.desk.address.set(compare_run=self._beside())
        self.again()

    def _step(self, by: int) -> None:
        self.image.value = min(max(self.desk.place + by, 0), len(self.desk.shown.records) - 1)

    def _scrub(self) -> None:
        place = int(self.image.value or 0)
        if place != self.desk.place:
            self.desk.choose(place)

    def _moved(self) -> None:
        """Another image, chosen here or in another panel."""
        self.image.value = self.desk.place
        self.again()

    def _turn(self) -> None:
        self.desk.address.set(compare_frame=self._time() or None)
        self._show()

    async def _answer(self) -> None:
        """Ask both runs, one after the other: each has its own lock."""
        desk, place = self.desk, self.desk.place
        other, record = desk.runs[self._beside()], desk.shown.records[place]
        there = other.place_of.get(record.id)
        said = {"this": await asyncio.to_thread(compared.said, desk.shown, place)}
        if there is not None:
            said["other"] = await asyncio.to_thread(compared.said, other, there)
        self.said = said
        self.at.text = f"{place + 1} of {len(desk.shown.records)}"
        self.sides["this"].title.text = desk.shown.title
        self.sides["other"].title.text = other.title
        numbers = [said[name].numbers if name in said else {} for name in self.sides]
        self.rows = compared.rows(record.labels, *numbers)
        self.table.rows = [_cells(row) for row in self.rows]
        if desk.shown.is_film():
            self.frame.props["max"] = most = len(said["this"].clip) - 1
            self.frame.value = min(self._time(), most)
        self._show()

    def _show(self) -> None:
        if not self.said:
            return
        if self.desk.shown.is_film():
            self.frame_at.text = f"frame {self._time() + 1} of {len(self.said['this'].clip)}"
        for name, side in self.sides.items():
            if name in self.said:
                side.show(self.said[name], self._time())
            else:
                side.miss(self.desk.record.id)

    def _beside(self) -> int:
        return int(self.other.value or 0)

    def _time(self) -> int:
        return int(self.frame.value or 0) if self.desk.shown.is_film() else 0

    def _save(self) -> None:
        rows = [dict(zip(COLUMNS, _values(row), strict=True)) for row in self.rows]
        name = saved.name(self.desk.record.id, "compared", ending="csv")
        ui.download.content(as_csv(rows), name, "text/csv")


class Side:
    """What one run shows: its pictures, made when they are first there, and their legend."""

    def __init__(self, desk: Desk, name: str) -> None:
        self._desk, self._name = desk, name
        self._slots: dict[str, Slot] = {}
        with ui.column().classes("gap-2 grow basis-0 min-w-80"):
            self.title = ui.label().classes("font-bold")
            self._note = ui.label().classes("text-sm").props("role=status")
            self._row = ui.row().classes("gap-3 items-start")
            self._legend = ui.row().classes("gap-x-4 gap-y-0")

    def miss(self, record: str) -> None:
        """Say that the run has no such image."""
        self._clear()
        self._note.text = (
            f"This run has no image {record}; choose another image, or a run on the same data."
        )

    def show(self, found: Said, time: int) -> None:
        """Show one frame."""
        views = compared.views(found, time)
        if list(views) != list(self._slots):
            self._make(views)
        for title, pixels in views.items():
            self._slots[title].show(pixels)
        self._note.text = found.trouble
        self._legend.clear()
        with self._legend:
            for part in found.map.parts if found.map else ():
                legend.line(part.name, part.colour, part.share)

    def _make(self, views: Mapping[str, UInt8[np.ndarray, "h w *c"]]) -> None:
        self._clear()
        with self._row:
            for title in views:
                mark = f"compare-{self._name}-{title.split()[0]}"
                self._slots[title] = Slot(self._desk, title, mark=mark, side=180)

    def _clear(self) -> None:
        self._row.clear()
        self._legend.clear()
        self._slots = {}


def _columns() -> list[dict[str, str]]:
    return [{"name": n, "label": n, "field": n, "align": "left"} for n in COLUMNS]


def _values(row: Row) -> tuple[str, float | None, float | None, float | None, float | None]:
    return row.name, row.truth, row.here, row.there, row.difference


def _cells(row: Row) -> dict[str, str]:
    name, *numbers = _values(row)
    texts = ["" if number is None else f"{number:.4g}" for number in numbers]
    return dict(zip(COLUMNS, (name, *texts), strict=True))


def fits(shown: Shown) -> bool:
    """Every run has something to say of an image."""
    return bool(shown.records)


PANEL = Panel(title="Compare", icon="compare", fits=fits, build=build, least_runs=2)
