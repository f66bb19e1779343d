"""Concepts: the map of a model over an image; other concepts in its cells, drawn at once.

Every choice is in the address: the edits as `cell:concept,...`, in the order they were made.
"""

import numpy as np
from jaxtyping import Float, Int
from nicegui import ui

from septum import palette
from septum.cells import as_csv
from septum.explore import address, concepts, legend, pictures, saved
from septum.explore.cells import Cells
from septum.explore.concepts import Conceptual, Maps, Seen, Speller
from septum.explore.desk import Desk, Latest
from septum.explore.easel import Easel
from septum.explore.panel import Panel
from septum.explore.shown import Shown

OPACITY = 0.8
MOST_CELLS = 10**6


def build(desk: Desk) -> None:
    """Draw the map, what edits it, and what the model draws of it."""
    Concepts(desk).draw()


class Concepts:
    """The panel of one visitor."""

    def __init__(self, desk: Desk) -> None:
        model = desk.shown.run.model
        assert isinstance(model, Conceptual)
        self.desk, self.model = desk, model
        self.place = -1
        self.seen: Seen | None = None
        self.edits: list[tuple[int, int]] = []
        self.again = Latest(self._answer)
        self.easel = Easel(desk, model, self.again) if isinstance(model, Speller) else None

    @property
    def now(self) -> Int[np.ndarray, "h w"]:
        """The map with the visitor's edits."""
        assert self.seen is not None
        return concepts.edited(self.seen.concepts, self.edits)

    def draw(self) -> None:
        """Map, drawings and legend side by side."""
        with ui.row().classes("w-full gap-6 items-start"):
            with ui.column().classes("w-80 gap-2"):
                self._map()
                if self.easel:
                    self._editing()
            if self.easel:
                self.easel.draw()
            with ui.column().classes("gap-1"):
                self.key = ui.column().classes("gap-0 text-sm").mark("concepts-legend")
                ui.button("Save the table of cells", icon="download", on_click=self._save).props(
                    "flat dense no-caps size=sm"
                )
        self.desk.on_image(self._another)
        self.again()

    def _map(self) -> None:
        at = self.desk.address
        cells = self.cells = Cells(
            start=at.whole("concepts_cell", 0, most=MOST_CELLS),
            opacity=at.number("concepts_opacity", OPACITY),
            numbers=at.flag("concepts_numbers", default=True),
        )
        cells.classes("w-full").mark("concepts-map")
        cells.on_cell(self._choose)
        cells.on_wanted(self._want)
        cells.on_opacity(lambda level: at.set(concepts_opacity=level))
        cells.on_numbers(lambda shown: at.set(concepts_numbers=None if shown else False))
        ui.button("Save the map", icon="download", on_click=self._save_map).props(
            "flat dense no-caps size=sm"
        )

    def _editing(self) -> None:
        self.choice = ui.select([], label="Concept of the cell", on_change=self._edit)
        self.choice.props("dense outlined").classes("w-full").mark("concepts-choice")
        with ui.row().classes("items-center gap-2"):
            ui.button("Undo", icon="undo", on_click=self._undo).props("flat dense no-caps")
            ui.button("Reset", icon="restart_alt", on_click=self._reset).props("flat dense no-caps")
            self.count = ui.label().classes("text-sm").props("aria-live=polite")

    def _another(self) -> None:
        """Another image: edits of the old one mean nothing there."""
        self.edits = []
        self.desk.address.set(concepts_edits=None)
        self.again()

    async def _answer(self) -> None:
        if self.place != self.desk.place:
            await self._see(self.desk.place)
        self._show()
        if self.easel and self.seen:
            maps = Maps(count=self.seen.count, found=self.seen.concepts, now=self.now)
            await self.easel.show(self.place, maps)

    async def _see(self, place: int) -> None:
        shown = self.desk.shown
        self.seen = await self.desk.work(lambda: concepts.seen(self.model, shown.image(place)))
        if self.place < 0:
            text, cells = self.desk.address.text("concepts_edits"), self.seen.concepts.size
            self.edits = concepts.read(text, cells=cells, concepts=self.seen.count)
        self.place = place

    def _show(self) -> None:
        """The map, the legend and the choice as they are now."""
        assert self.seen is not None
        now = self.now
        self.cells.show(
            f"/picture/{self.desk.number}/{self.place}.png",
            shape=self.desk.shown.frame(self.place).shape, found=self.seen.concepts,
            confidence=self.seen.confidence, concepts=now,
        )  # fmt: skip
        self.key.clear()
        with self.key:
            _legend(concepts.shares(now, count=self.seen.count))
        if self.easel:
            self.choice.set_options(list(range(self.seen.count)), value=self._concept())
            changed = int((now != self.seen.concepts).sum())
            self.count.text = f"{changed} of {now.size} cells changed"

    def _cell(self) -> int:
        """That with the cursor."""
        most = 0 if self.seen is None else self.seen.concepts.size - 1
        return self.desk.address.whole("concepts_cell", 0, most=most)

    def _concept(self) -> int:
        """Of the cell with the cursor."""
        return int(self.now.flat[self._cell()])

    def _choose(self, cell: int) -> None:
        self.desk.address.set(concepts_cell=cell)
        if self.seen and self.easel:
            self.choice.value = self._concept()

    def _want(self) -> None:
        if self.easel:
            self.choice.run_method("focus")
            self.choice.run_method("showPopup")

    def _edit(self) -> None:
        if self.seen is None or self.choice.value in {None, self._concept()}:
            return
        edits = [*self.edits, (self._cell(), int(self.choice.value))]
        if len(concepts.written(edits)) > address.MOST:
            ui.notify("The address has no room for more edits; undo some.")
            self.choice.value = self._concept()
        else:
            self._set(edits)
            self.cells.run_method("refocus")

    def _undo(self) -> None:
        self._set(self.edits[:-1])

    def _reset(self) -> None:
        self._set([])

    def _set(self, edits: list[tuple[int, int]]) -> None:
        self.edits = edits
        self.desk.address.set(concepts_edits=concepts.written(edits) or None)
        self.again()

    def _save(self) -> None:
        if self.seen:
            content = as_csv(list(concepts.rows(self.seen, self.now)))
            ui.download.content(content, self._name("cells", "csv"), "text/csv")

    def _save_map(self) -> None:
        if self.seen:
            frame = self.desk.shown.frame(self.place)
            colours = palette.cells(self.now, self.seen.confidence)
            opacity = self.desk.address.number("concepts_opacity", OPACITY)
            content = pictures.png(pictures.tinted(frame, colours, opacity=opacity))
            ui.download.content(content, self._name("concepts", "png"), "image/png")

    def _name(self, what: str, ending: str) -> str:
        return saved.name(self.desk.shown.records[self.place].id, what, ending=ending)


def _legend(shares: Float[np.ndarray, " c"]) -> None:
    """Number, colour and share of the cells of every concept there is."""
    ui.label("concept: share of the cells")
    for concept in np.flatnonzero(shares).tolist():
        colour = palette.colour(concept) if concept else "transparent"
        legend.line(f"{concept}" if concept else "0 (background)", colour, shares[concept])


def fits(shown: Shown) -> bool:
    """Stills, and a model whose content is discrete concepts."""
    return isinstance(shown.run.model, Conceptual) and not shown.is_film()


PANEL = Panel(title="Concepts", icon="apps", fits=fits, build=build)
