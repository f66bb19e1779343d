"""Browse: the images as thumbnails, filtered by their labels; one of them large, films playing."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from nicegui import ui

from septum.contract import Record
from septum.data.limits import written
from septum.explore.cine import cine
from septum.explore.desk import Desk
from septum.explore.panel import Panel
from septum.explore.shown import Shown

PAGE = 48
"""Thumbnails at a time."""
NAMED = ("data", "view", "phase", "organ", "modality", "label")
"""Text labels that become filters, where images have them."""
MOST_VALUES = 24
"""A label with more values than this is no filter."""


@dataclass(kw_only=True)
class Wanted:
    """What the visitor filters by.

    Attributes:
        values: Of text labels; an empty one stands for all.
        number: Name of the label whose range is chosen; empty for none.
        low: Least value of it.
        high: Largest value of it.
    """

    values: dict[str, str] = field(default_factory=dict[str, str])
    number: str = ""
    low: float = 0.0
    high: float = 0.0

    def allows(self, record: Record) -> bool:
        """Whether a record is shown."""
        texts = {**record.labels, "split": record.split or ""}
        if any(value and written(texts.get(name)) != value for name, value in self.values.items()):
            return False
        if not self.number:
            return True
        found = record.labels.get(self.number)
        return isinstance(found, float) and self.low <= found <= self.high


def values_of(records: Sequence[Record]) -> dict[str, list[str]]:
    """Filters: the values of the split and of every text label that the records share."""
    found = {"split": {record.split or "" for record in records}}
    for name in NAMED:
        found[name] = {written(record.labels.get(name)) for record in records}
    return {
        name: sorted(values - {""})
        for name, values in found.items()
        if 1 < len(values - {""}) <= MOST_VALUES
    }


def ranges_of(records: Sequence[Record]) -> dict[str, tuple[float, float]]:
    """Least and largest value of every label that is a number and varies."""
    found: dict[str, list[float]] = {}
    for record in records:
        for name, value in record.labels.items():
            if isinstance(value, float) and value == value:  # noqa: PLR0124 - NaN is unequal
                found.setdefault(name, []).append(value)
    return {n: (min(v), max(v)) for n, v in sorted(found.items()) if min(v) < max(v)}


def build(desk: Desk) -> None:
    """Draw the filters, the thumbnails and the chosen image."""
    Browse(desk).draw()


class Browse:
    """The panel of one visitor."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        records, address = desk.shown.records, desk.address
        self.values, self.ranges = values_of(records), ranges_of(records)
        self.wanted = Wanted(values={n: address.text(n) for n in self.values})
        number = address.text("by")
        if number in self.ranges:
            low, high = self.ranges[number]
            self.wanted.number = number
            self.wanted.low = address.number("least", low, least=low, most=high)
            self.wanted.high = address.number("most", high, least=low, most=high)

    def draw(self) -> None:
        """Filters and thumbnails to the left, the image to the right."""
        with ui.row().classes("w-full gap-6 items-start"):
            with ui.column().classes("grow basis-0 min-w-80 gap-3"):
                self._filters()
                self.count = ui.label().classes("text-sm").mark("count")
                self.grid = ui.row().classes("gap-1").mark("thumbnails")
                self.pages = ui.pagination(1, 1, direction_links=True).on_value_change(self._turn)
            with ui.column().classes("w-96 gap-2") as self.large:
                pass
        self.desk.on_image(self._image)
        self._image()
        self._filter()

    def _filters(self) -> None:
        with ui.row().classes("gap-2 items-center"):
            for name, values in self.values.items():
                ui.select(
                    {"": f"every {name}", **{value: value for value in values}},
                    value=self.wanted.values[name] if self.wanted.values[name] in values else "",
                    on_change=lambda event, name=name: self._choose(name, event.value),
                ).props("dense outlined").mark(f"filter-{name}")
            if self.ranges:
                ui.select(
                    {"": "any number", **{name: name for name in self.ranges}},
                    value=self.wanted.number, on_change=lambda event: self._measure(event.value),
                ).props("dense outlined").mark("filter-number")  # fmt: skip
        self.range = ui.column().classes("w-full")
        self._slider()

    def _slider(self) -> None:
        """From least to largest of the label that was chosen."""
        self.range.clear()
        if not self.wanted.number:
            return
        low, high = self.ranges[self.wanted.number]
        with self.range:
            ui.range(
                min=low, max=high, step=(high - low) / 100,
                value={"min": self.wanted.low, "max": self.wanted.high},
                on_change=lambda event: self._limit(event.value),
            ).props("label-always").classes("px-4 pt-6")  # fmt: skip

    def _choose(self, name: str, value: str) -> None:
        self.wanted.values[name] = value
        self.desk.address.set(**{name: value or None})
        self._filter()

    def _measure(self, name: str) -> None:
        low, high = self.ranges.get(name, (0.0, 0.0))
        self.wanted.number, self.wanted.low, self.wanted.high = name, low, high
        self.desk.address.set(by=name or None, least=None, most=None)
        self._slider()
        self._filter()

    def _limit(self, ends: Any) -> None:
        self.wanted.low, self.wanted.high = float(ends["min"]), float(ends["max"])
        self.desk.address.set(least=self.wanted.low, most=self.wanted.high)
        self._filter()

    def _filter(self) -> None:
        records = self.desk.shown.records
        self.found = [i for i, record in enumerate(records) if self.wanted.allows(record)]
        subjects = len({records[i].subject for i in self.found})
        what = "films" if self.desk.shown.is_film() else "images"
        self.count.text = f"{len(self.found)} of {len(records)} {what}, {subjects} subjects"
        self.pages.max = max(1, -(-len(self.found) // PAGE))
        self.pages.value = 1
        self._turn()

    def _turn(self) -> None:
        """Show one page of thumbnails."""
        start = ((self.pages.value or 1) - 1) * PAGE
        self.grid.clear()
        with self.grid:
            for place in self.found[start : start + PAGE]:
                thumbnail(self.desk, place)

    def _image(self) -> None:
        desk = self.desk
        self.large.clear()
        with self.large:
            cine(desk.shown, desk.number, desk.place, address=desk.address)
            facts(desk.record)
            ui.button(
                "Download picture", icon="download",
                on_click=lambda: ui.download(f"/picture/{desk.number}/{desk.place}.png"),
            ).props("flat dense no-caps").mark("download")  # fmt: skip


def thumbnail(desk: Desk, place: int) -> None:
    """A small picture that chooses its record, by mouse or key."""
    record = desk.shown.records[place]
    with ui.element("button").classes("p-0 m-0 leading-none").props(
        f'type=button aria-label="{ascii(record.id)[1:-1]}"'
    ).on("click", lambda: desk.choose(place)):  # fmt: skip
        ui.element("img").classes("w-16 h-16 object-contain bg-black").props(
            f'src="/thumbnail/{desk.number}/{place}.png" alt="" loading=lazy'
        )


def facts(record: Record) -> None:
    """The labels of a record."""
    rows = [{"label": k, "value": written(v)} for k, v in sorted(record.labels.items())]
    ui.table(
        columns=[{"name": n, "label": n, "field": n, "align": "left"} for n in ("label", "value")],
        rows=[{"label": "subject", "value": record.subject}, *rows], row_key="label",
    ).classes("w-full").props("dense flat hide-header wrap-cells")  # fmt: skip


def fits(shown: Shown) -> bool:
    """Every run has images."""
    return bool(shown.records)


PANEL = Panel(title="Browse", icon="grid_view", fits=fits, build=build)
