"""Find: the regions of all images that are most like one that is pointed at."""

import asyncio
from dataclasses import replace

from nicegui import ui

from septum.cells import as_csv
from septum.contract import Discretises
from septum.explore import finds, pictures, saved, waiting
from septum.explore.desk import Desk, Latest
from septum.explore.finds import Field, Hit, Wanted
from septum.explore.index import Index
from septum.explore.once import once
from septum.explore.panel import Panel
from septum.explore.pointer import Pointer
from septum.explore.shown import Shown

RESULTS = (6, 12, 24, 48)
"""How many hits can be asked for."""
SIDE = 112
"""Width of a hit in CSS pixels."""


def build(desk: Desk) -> None:
    """Draw the panel once all images were looked at."""

    def ready(index: Index) -> None:
        content = index.content
        assert content is not None
        concepts = isinstance(desk.shown.run.model, Discretises)
        work = once(desk.shown, "regions", lambda _: finds.field(content, concepts=concepts))
        waiting.for_work("Measuring all regions ...", work, lambda field: Find(desk, field).draw())

    waiting.for_index(desk, ready)


class Find:
    """The panel of one visitor."""

    def __init__(self, desk: Desk, field: Field) -> None:
        self.desk, self.field = desk, field
        self.found: list[Hit] = []
        self.again = Latest(self._answer)
        at = desk.address
        number = at.whole("find_results", RESULTS[1], most=RESULTS[-1])
        self.splits = sorted({record.split or "" for record in desk.shown.records} - {""})
        split = at.text("find_split")
        self.wanted = Wanted(
            results=number if number in RESULTS else RESULTS[1],
            split=split if split in self.splits else "",
            others=at.flag("find_others"),
            one_per_image=at.flag("find_one", default=True),
        )

    def draw(self) -> None:
        """The image to the left, what is like its region to the right."""
        with ui.row().classes("w-full gap-6 items-start"):
            with ui.column().classes("w-80 gap-2"):
                self.pointer = Pointer(self.field).classes("w-full").mark("find-image")
                self.pointer.on_wanted(self._point)
                self._choices()
            with ui.column().classes("grow basis-0 min-w-80 gap-2"):
                self.count = ui.label().classes("text-sm").props("role=status").mark("find-count")
                self.grid = ui.row().classes("gap-3 items-start").mark("find-hits")
                self._saving()
        self.desk.on_image(self.again)
        self.again()

    def _choices(self) -> None:
        with ui.row().classes("gap-2"):
            ui.select(
                list(RESULTS), value=self.wanted.results, label="Results",
                on_change=lambda event: self._want(results=event.value),
            ).props("dense outlined").classes("w-24")  # fmt: skip
            ui.select(
                {"": "every split", **{split: split for split in self.splits}},
                value=self.wanted.split, label="Among",
                on_change=lambda event: self._want(split=event.value),
            ).props("dense outlined").classes("w-32")  # fmt: skip
        ui.switch(
            "Other subjects only", value=self.wanted.others,
            on_change=lambda event: self._want(others=event.value),
        )  # fmt: skip
        ui.switch(
            "One region per image", value=self.wanted.one_per_image,
            on_change=lambda event: self._want(one_per_image=event.value),
        )  # fmt: skip

    def _saving(self) -> None:
        with ui.row().classes("gap-2"):
            for text, save in (("table", self._save_table), ("contact sheet", self._save_sheet)):
                ui.button(f"Save the {text}", icon="download", on_click=save).props(
                    "flat dense no-caps size=sm"
                )

    def _want(self, **changes: str | int | bool | None) -> None:
        self.wanted = replace(self.wanted, **changes)  # pyright: ignore[reportArgumentType]
        self.desk.address.set(
            find_results=self.wanted.results, find_split=self.wanted.split or None,
            find_others=self.wanted.others or None,
            find_one=None if self.wanted.one_per_image else False,
        )  # fmt: skip
        self.again()

    def _point(self, row: int, column: int) -> None:
        self.desk.address.set(find_row=row, find_column=column)
        self.again()

    def _at(self) -> tuple[int, int]:
        """The key point that is asked for; the middle one at first."""
        (rows, columns), address = self.field.keys, self.desk.address
        return (
            address.whole("find_row", rows // 2, most=rows - 1),
            address.whole("find_column", columns // 2, most=columns - 1),
        )

    async def _answer(self) -> None:
        desk, place, at = self.desk, self.desk.place, self._at()
        self.pointer.show(
            f"/picture/{desk.number}/{place}.png", shape=desk.shown.frame(place).shape, at=at
        )
        self.found = await asyncio.to_thread(
            finds.hits, self.field, desk.shown.records, place, at, self.wanted
        )
        self._show()

    def _show(self) -> None:
        same = sum(hit.same for hit in self.found)
        subjects = len({self.desk.shown.records[hit.place].subject for hit in self.found})
        self.count.text = (
            f"{len(self.found)} regions, nearest first. Subjects: {subjects}. Of the same subject: "
            f"{same}. Distances are Euclidean, between the descriptors."
        )
        self.grid.clear()
        with self.grid:
            for rank, hit in enumerate(self.found, 1):
                self._hit(rank, hit)

    def _hit(self, rank: int, hit: Hit) -> None:
        """A small picture with the region marked; it opens its image there."""
        record = self.desk.shown.records[hit.place]
        said = f"{rank}: {record.id}, distance {hit.distance:.3g}"
        with ui.column().classes("gap-0").style(f"width: {SIDE}px"):
            button = ui.element("button").classes("p-0 m-0 leading-none relative w-full")
            button.props["type"], button.props["aria-label"] = "button", said
            button.on("click", lambda: self._open(hit)).mark("find-hit")
            with button:
                image = ui.element("img").classes("w-full block").props("loading=lazy")
                image.props["src"] = f"/thumbnail/{self.desk.number}/{hit.place}.png"
                image.props["alt"] = ""
                left, top, wide, high = (100 * part for part in self.field.box(hit.row, hit.column))
                ui.element("div").classes("absolute").style(
                    f"left: {left:.2f}%; top: {top:.2f}%; width: {wide:.2f}%; height: {high:.2f}%; "
                    f"outline: 2px {'dashed' if hit.same else 'solid'} {finds.MARK}; "
                    "box-shadow: 0 0 0 3px #000"
                )
            ui.label(f"{rank} · d {hit.distance:.3g}").classes("text-sm font-bold")
            if hit.same:
                ui.label("same subject").classes("text-xs italic")
            ui.label(record.subject).classes("text-xs truncate w-full")
            ui.label(finds.about(record)).classes("text-xs")

    def _open(self, hit: Hit) -> None:
        self.desk.address.set(find_row=hit.row, find_column=hit.column)
        self.desk.choose(hit.place)

    def _save_table(self) -> None:
        rows = finds.rows(self.field, self.found, self.desk.shown.records)
        name = saved.name(self.desk.record.id, "regions", ending="csv")
        ui.download.content(as_csv(rows), name, "text/csv")

    async def _save_sheet(self) -> None:
        desk, (row, column) = self.desk, self._at()
        query = Hit(place=desk.place, row=row, column=column, distance=0.0, same=True)
        sheet = await asyncio.to_thread(
            finds.sheet, self.field, query, self.found, desk.shown.records, desk.shown.frame
        )
        name = saved.name(desk.record.id, "regions", ending="png")
        ui.download.content(pictures.png(sheet), name, "image/png")


def fits(shown: Shown) -> bool:
    """Stills have one map each."""
    return not shown.is_film()


PANEL = Panel(title="Find", icon="image_search", fits=fits, build=build)
