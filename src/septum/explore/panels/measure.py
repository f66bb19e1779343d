"""Measure: numbers about the image, each with what it may be held against."""

import asyncio
import math
from collections.abc import Mapping, Sequence
from functools import partial

from nicegui import ui

from septum.cells import as_csv
from septum.contract import BadInput
from septum.explore import ejection, legend, saved, stills, typical
from septum.explore.desk import Desk, Latest
from septum.explore.once import Work, once
from septum.explore.panel import Panel
from septum.explore.panels.films import Films
from septum.explore.shown import Shown
from septum.explore.slot import Slot
from septum.explore.typical import Typical
from septum.palette import colour

COLUMNS = ("measure", "said", "true", "unit")
WAIT_S = 0.5
"""Between two looks at what is being worked out."""


def build(desk: Desk) -> None:
    """Draw what fits the run: the ejection fraction, masks, and how usual the image is."""
    if ejection.estimates_films(desk.shown):
        Films(desk).draw()
    elif not desk.shown.is_film():
        Stills(desk).draw()
    Usual(desk).draw()


class Stills:
    """Masks and estimates of a still picture."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.rows: Sequence[stills.Row] = ()
        self.again = Latest(self._answer)

    def draw(self) -> None:
        """Two pictures and a table, if the model measures anything."""
        with ui.row().classes("w-full gap-6 items-start"):
            with ui.row().classes("gap-3 items-start"):
                if stills.can_segment(self.desk.shown):
                    self._legend()
                    self.said = Slot(self.desk, "mask of the model", mark="mask")
                    self.true = Slot(self.desk, "true mask", mark="true-mask")
            with ui.column().classes("grow basis-0 min-w-80 gap-2"):
                self.table = ui.table(columns=columns(COLUMNS), rows=[], row_key="measure")
                self.table.classes("w-full").props("dense flat wrap-cells").mark("measure-table")
                self.table.props["no-data-label"] = "The model draws no mask and estimates nothing."
                ui.button("Save the table", icon="download", on_click=self._save).props(
                    "flat dense no-caps"
                )
        self.desk.on_image(self.again)
        self.again()

    def _legend(self) -> None:
        with ui.column().classes("gap-1 text-sm"):
            for k, name in enumerate(self.desk.shown.samples.classes[1:], start=1):
                with ui.row().classes("items-center gap-2 no-wrap"):
                    legend.swatch(colour(k))
                    ui.label(name)

    async def _answer(self) -> None:
        desk, place = self.desk, self.desk.place
        try:
            self.rows = await desk.work(partial(stills.estimates, desk.shown, place))
            if stills.can_segment(desk.shown):
                self._show(place, await desk.work(partial(stills.masked, desk.shown, place)))
        except BadInput as error:
            ui.notify(str(error), type="warning")
        self.table.rows = [written(row) for row in self.rows]

    def _show(self, place: int, found: stills.Masked) -> None:
        shown = self.desk.shown
        picture, classes = shown.frame(place), shown.samples.classes
        self.said.show(stills.over(picture, found.said, classes))
        self.true.show(picture if found.true is None else stills.over(picture, found.true, classes))
        self.true.name("true mask" if found.true is not None else "no true mask is known")
        rows = [*stills.structures(shown, place, found), *stills.shapes(shown, place, found)]
        self.rows = [*self.rows, *rows]

    def _save(self) -> None:
        rows = [{"id": self.desk.record.id, **row} for row in self.rows]
        name = saved.name(self.desk.record.id, "measured", ending="csv")
        ui.download.content(as_csv(rows), name, "text/csv")


class Usual:
    """How far the image is from those of the training, and where."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.again = Latest(self._answer)

    def draw(self) -> None:
        """A sentence, and for stills a picture."""
        with ui.column().classes("gap-2 mt-4"):
            ui.label("How usual the image is").classes("text-lg")
            self.sentence = ui.label().classes("text-sm").mark("usual")
            self.sentence.props("role=status")
            self.place = ui.column()
            self.where: Slot | None = None
        self.desk.on_image(self.again)
        self.again()

    async def _answer(self) -> None:
        work = distances(self.desk)
        if work is None or (work.found is None and not work.failure):
            share = self.desk.shelf.progress[self.desk.number] if work is None else work.progress
            what = "Features of all images" if work is None else "Distances"
            self.sentence.text = f"{what} are being worked out: {share:.0%} ..."
            ui.timer(WAIT_S, self.again, once=True)
        elif work.found is None:
            self.sentence.text = work.failure
        else:
            await self._tell(work.found)

    async def _tell(self, found: Typical) -> None:
        place = self.desk.place
        self.sentence.text = usual(found, place, self.desk.record.split or "")
        index = self.desk.shelf.index(self.desk.number)
        if found.place_distance is None or index is None or index.content is None:
            return
        if self.where is None:
            with self.place:
                title = "orange: farther from training images than most places are"
                self.where = Slot(self.desk, title, mark="where-unusual")
                ui.label(
                    f"Full orange: as far as the farthest {100 - typical.FARTHEST:g} % of the "
                    "places of validation images, or farther."
                ).classes("text-sm")
        share = await asyncio.to_thread(found.where, index.content[place])
        self.where.show(stills.warm(self.desk.shown.frame(place), share))


def distances(desk: Desk) -> Work[Typical] | None:
    """Distances of all images of the run, begun by whoever asks first; None before its index is."""
    shown, index = desk.shown, desk.shelf.index(desk.number)
    if index is None:
        return None
    return once(shown, "typical", partial(typical.typical, shown, index))


def usual(found: Typical, place: int, split: str) -> str:
    """One sentence about the distance of an image."""
    distance = f"Distance {found.distance[place]:.1f} from the training images"
    farther, n = found.farther(place)
    if not n:
        return f"{distance}; no validation image is on the page to compare it with."
    sentence = f"{distance}; {farther} of {n} validation images, one per subject, are as far"
    least = (farther + 1) / (n + 1)
    known = "; it is one of the training, which lie nearer" if split == "train" else ""
    return f"{sentence} (p = {least:.2g}){known}."


def columns(names: Sequence[str]) -> list[dict[str, object]]:
    """Of a table whose numbers stand to the right."""
    return [
        {"name": name, "label": name, "field": name,
         "align": "right" if name in {"said", "true", "value"} else "left"}
        for name in names
    ]  # fmt: skip


def written(row: Mapping[str, str | float | None]) -> dict[str, str]:
    """The cells of a row as they are shown."""
    return {name: _cell(cell) for name, cell in row.items()}


def _cell(cell: str | float | None) -> str:
    if isinstance(cell, str):
        return cell
    return "" if cell is None or math.isnan(cell) else f"{cell:.4g}"


def fits(shown: Shown) -> bool:
    """Every run has features, and so distances."""
    return bool(shown.records)


PANEL = Panel(title="Measure", icon="straighten", fits=fits, build=build)
