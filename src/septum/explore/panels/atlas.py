"""Map: all images as points, coloured by a label, chosen by a lasso or by labels."""

import asyncio
from collections.abc import Sequence
from functools import partial
from importlib import import_module
from typing import Any

import numpy as np
from jaxtyping import Bool
from nicegui import ui

from septum.cells import as_csv
from septum.explore import plane, saved, umaps, waiting
from septum.explore.desk import Desk
from septum.explore.index import Index
from septum.explore.once import once
from septum.explore.panel import Panel
from septum.explore.panels.browse import thumbnail
from septum.explore.plane import Plane
from septum.explore.scatter import Scatter
from septum.explore.shown import Shown

AXES = {"pca": "PCA", "umap": "UMAP"}
SHOWN = 24
"""Thumbnails of those that are chosen."""


def build(desk: Desk) -> None:
    """Draw the panel once all images were looked at."""
    waiting.for_index(desk, lambda index: _projected(desk, index))


def _projected(desk: Desk, index: Index) -> None:
    work = once(
        desk.shown, "plane", lambda _: (plane.principal(index.pooled), plane.rarity(index.pooled))
    )
    waiting.for_work(
        "Projecting ...", work, lambda found: Map(desk, index, found[0], found[1]).draw()
    )


class Map:
    """The panel of one visitor."""

    def __init__(self, desk: Desk, index: Index, pca: Plane, rarity: Any) -> None:
        self.desk, self.index = desk, index
        self.places, self.pca = pca, pca
        self.columns = plane.columns(desk.shown.records, rarity)
        self.unusual = plane.least_typical(rarity)
        self.texts = {n: plane.values(c) for n, c in self.columns.items() if plane.values(c)}
        by = desk.address.text("map_by")
        self.by = by if by in self.columns else next(iter(self.columns))

    @property
    def chosen(self) -> Bool[np.ndarray, " n"]:
        """What the address says is chosen."""
        address = self.desk.address
        name = address.text("map_label")
        if name in self.texts:
            return plane.having(self.columns[name], address.text("map_values").split(","))
        return plane.inside(address.text("map_lasso"), self.places.unit())

    def draw(self) -> None:
        """Points to the left, choices and what is chosen to the right."""
        with ui.row().classes("w-full gap-6 items-start"):
            with ui.column().classes("grow basis-0 min-w-80 max-w-2xl gap-2"):
                self._points()
            with ui.column().classes("w-96 max-w-full gap-2"):
                self._choices()
                self.umap = ui.column().classes("w-full")
                self.count = ui.label().props("role=status").classes("text-sm").mark("map-count")
                self.some = ui.row().classes("gap-1").mark("map-chosen")
                self.table = ui.table(columns=_columns(), rows=[], pagination=6, row_key="id")
                self.table.classes("w-full").props("dense flat wrap-cells")
                self._saving()
        self.desk.on_image(lambda: self.points.point(self.desk.place))
        self._turn()

    def _points(self) -> None:
        ids = [record.id for record in self.desk.shown.records]
        self.points = Scatter(ids, self.unusual).classes("w-full").mark("map")
        self.points.paint(self.by, self.columns[self.by])
        self.points.point(self.desk.place)
        self.points.on_opened(self.desk.choose)
        self.points.on_lassoed(self._lasso)
        ui.label(
            f"n = {len(ids)}. Draw round points to choose them; click a point to open its image."
        ).classes("text-sm")

    def _choices(self) -> None:
        address = self.desk.address
        with ui.row().classes("gap-2 items-center"):
            ui.select(
                list(self.columns), value=self.by, label="Colour",
                on_change=lambda event: self._paint(event.value),
            ).props("dense outlined").classes("w-40").mark("map-colour")  # fmt: skip
            axes = address.text("map_axes", "pca")
            self.axes = ui.toggle(
                AXES, value=axes if axes in AXES else "pca", on_change=self._turn
            ).props("dense no-caps")
        name = address.text("map_label")
        label = name if name in self.texts else ""
        with ui.row().classes("gap-2 items-center"):
            self.label = ui.select(
                {"": "by a lasso", **{name: name for name in self.texts}}, value=label,
                label="Choose", on_change=self._relabel,
            ).props("dense outlined").classes("w-32").mark("map-label")  # fmt: skip
            self.values = ui.select(
                self.texts.get(label, []), label="that is", multiple=True, on_change=self._having,
                value=_known(address.text("map_values").split(","), self.texts.get(label, [])),
            ).props("dense outlined").classes("w-36").mark("map-values")  # fmt: skip
            ui.button("Clear", on_click=self._clear).props("flat dense no-caps")

    def _saving(self) -> None:
        with ui.row().classes("gap-2"):
            for text, save in {
                "all points": lambda: self._save_table(everything=True),
                "chosen points": lambda: self._save_table(everything=False),
                "plot as PNG": partial(self._save_plot, "png"),
                "plot as SVG": partial(self._save_plot, "svg"),
            }.items():
                ui.button(f"Save {text}", icon="download", on_click=save).props(
                    "flat dense no-caps size=sm"
                )

    def _paint(self, name: str) -> None:
        self.by = name
        self.desk.address.set(map_by=name)
        self.points.paint(name, self.columns[name])
        self._show()

    def _turn(self) -> None:
        """Other axes; a lasso that was drawn on the old ones means nothing there."""
        before, wanted = self.desk.address.text("map_axes", "pca"), str(self.axes.value)
        if before != wanted:
            self.desk.address.set(map_axes=wanted, map_lasso=None)
        self.umap.clear()
        self._put(self.pca)
        if wanted == "pca":
            return
        work = once(self.desk.shown, "umap", partial(umaps.umap, self.index.pooled))
        with self.umap:
            waiting.for_work("UMAP is worked out once, in a minute or two ...", work, self._put)

    def _put(self, places: Plane) -> None:
        self.places = places
        self.points.put(places)
        self._show()

    def _lasso(self, corners: Sequence[Sequence[float]]) -> None:
        self.desk.address.set(map_label=None, map_values=None, map_lasso=plane.lasso(corners))
        self.label.value = ""
        self._show()

    def _relabel(self) -> None:
        """Another label to choose by; none of its values yet."""
        self.values.set_options(self.texts.get(str(self.label.value), []), value=[])

    def _having(self) -> None:
        values = ",".join(self.values.value or [])
        if self.label.value and values:
            self.desk.address.set(map_label=self.label.value, map_values=values, map_lasso=None)
        else:
            self.desk.address.set(map_label=None, map_values=None)
        self._show()

    def _clear(self) -> None:
        self.desk.address.set(map_label=None, map_values=None, map_lasso=None)
        self.label.value = ""
        self._show()

    def _show(self) -> None:
        """What is chosen: in the plot, in numbers, as pictures and as a table."""
        chosen, records = self.chosen, self.desk.shown.records
        places = np.flatnonzero(chosen).tolist()
        self.points.choose(chosen)
        subjects = len({records[i].subject for i in places})
        said = f"{len(places)} chosen, {subjects} subjects"
        told = plane.summary(self.columns[self.by], chosen) if places else ""
        self.count.text = f"{said}; {self.by}: {told}" if places else said
        self.some.clear()
        with self.some:
            for place in places[:SHOWN]:
                thumbnail(self.desk, place)
        self.table.rows = [
            {"id": records[i].id, "subject": records[i].subject, "value": self._value(i)}
            for i in places
        ]
        self.table.set_visibility(bool(places))

    def _value(self, place: int) -> str:
        found = plane.cell(self.columns[self.by][place])
        return f"{found:.4g}" if isinstance(found, float) else str(found or "")

    def _save_table(self, *, everything: bool) -> None:
        chosen = np.ones_like(self.unusual) if everything else self.chosen
        rows = plane.rows(self.desk.shown.records, self.places, self.columns, self.by, chosen)
        name = saved.name("map", self.by, ending="csv")
        ui.download.content(as_csv(rows), name, "text/csv")

    async def _save_plot(self, kind: str) -> None:
        def plotted() -> bytes:
            plots = import_module("septum.explore.plotted")  # slow to load, and seldom needed
            drawn = plots.figure(
                self.places, self.by, self.columns[self.by],
                unusual=self.unusual, chosen=self.chosen,
            )  # fmt: skip
            return plots.saved(drawn, kind)

        content = await asyncio.to_thread(plotted)
        ui.download.content(content, saved.name("map", self.by, ending=kind))


def _known(wanted: Sequence[str], values: Sequence[str]) -> list[str]:
    return [value for value in wanted if value in values]


def _columns() -> list[dict[str, str]]:
    names = {"id": "image", "subject": "subject", "value": "label"}
    return [{"name": n, "label": t, "field": n, "align": "left"} for n, t in names.items()]


def fits(shown: Shown) -> bool:
    """A plane needs three points."""
    return len(shown.records) > 2


PANEL = Panel(title="Map", icon="scatter_plot", fits=fits, build=build)
