"""The ejection fraction of a film: interval, agreement on validation films, frames, and why."""

import asyncio
from collections.abc import Sequence
from functools import partial

import numpy as np
from nicegui import ui
from nicegui.events import EChartPointClickEventArguments

from septum.cells import as_csv
from septum.contract import BadInput
from septum.explore import agreement, ejection, pictures, saved
from septum.explore.desk import Desk, Latest
from septum.explore.ejection import Phase, Reference, Said
from septum.explore.once import Work, once
from septum.explore.slot import Slot
from septum.metrics.labels import number
from septum.palette import LINES, tints

WAIT_S = 0.5
STRIP = 640
"""Width of the frames under what explains an estimate, in CSS pixels."""
NAMES = {"gradcam": "Grad-CAM", "saliency": "saliency"}


class Films:
    """The part of the panel that is about films."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.said: Said | None = None
        self.drawn: Reference | None = None
        self.place = -1
        self.clips = np.zeros(0)
        self.again = Latest(self._answer)

    def draw(self) -> None:
        """Numbers and frames to the left, the validation films to the right."""
        with ui.row().classes("w-full gap-6 items-start"):
            with ui.column().classes("gap-2"):
                self.headline = ui.label("Asking the model ...").classes("text-xl")
                self.headline.props("role=status").mark("ef")
                self.interval = ui.label().classes("text-sm max-w-md").mark("ef-interval")
                self._frames()
                ui.button("Save the numbers", icon="download", on_click=self._save).props(
                    "flat dense no-caps"
                )
            with ui.column().classes("grow basis-0 min-w-96 gap-2"):
                self.beside = ui.column().classes("w-full gap-2")
        self._reasons()
        self.desk.on_image(self._another)
        self.again()

    def _frames(self) -> None:
        with ui.row().classes("gap-3 items-start"):
            self.ends = [Slot(self.desk, "", mark=name) for name in ("diastole", "systole")]
        self.whose = ui.label().classes("text-sm max-w-md")

    def _reasons(self) -> None:
        if not ejection.explains(self.desk.shown):
            return
        with ui.column().classes("gap-2 mt-4"):
            ui.label("Where the estimate comes from").classes("text-lg")
            self.why = ui.button("Work it out", icon="search", on_click=self._explain)
            self.why.props("dense no-caps")
            self.heats = ui.column().classes("gap-2")

    def _another(self) -> None:
        """What was explained is of the film before."""
        if ejection.explains(self.desk.shown):
            self.heats.clear()
        self.again()

    async def _answer(self) -> None:
        try:
            if self.place != self.desk.place:
                await self._open(self.desk.place)
        except BadInput as error:
            self.headline.text = str(error)
            return
        known = self._reference()
        if known is not None:
            self._judge(known)

    async def _open(self, place: int) -> None:
        """Another film."""
        shown, runs = self.desk.shown, ejection.rulers(self.desk.runs)
        (self.clips,) = await self.desk.work(partial(ejection.clips, shown, [place]))
        self.place = place
        self.headline.text = f"EF {self.clips.mean():.1f} %"
        ruler = next(iter(runs), None)
        self._phases(*await asyncio.to_thread(ejection.phases, shown, place, ruler))

    def _reference(self) -> Reference | None:
        """The validation films; None, and a sentence, while they are being asked about."""
        work = self._asked()
        if work is not None and work.found is not None:
            return work.found
        if work is not None and work.failure:
            self.interval.text = work.failure
            return None
        share = 0.0 if work is None else work.progress
        self.interval.text = f"Validation films are being asked about: {share:.0%} ..."
        ui.timer(WAIT_S, self.again, once=True)
        return None

    def _asked(self) -> Work[Reference] | None:
        """Begins once the index is there, whose distances say what is better not answered."""
        shown, index = self.desk.shown, self.desk.shelf.index(self.desk.number)
        if index is None:
            return None
        return once(shown, "ejection", partial(ejection.reference, shown, index))

    def _judge(self, known: Reference) -> None:
        desk = self.desk
        self.said = said = ejection.judged(known, self.clips, desk.record, desk.place)
        self.headline.text = f"EF {said.estimate:.1f} % ({said.low:.1f} to {said.high:.1f})"
        self.interval.text = sentence(said, number(desk.record, ejection.EF))
        if self.drawn is None:
            self.drawn = known
            with self.beside:
                self._agreement(known)

    def _agreement(self, known: Reference) -> None:
        found = known.agreement()
        ui.label("What is said of validation films").classes("text-lg")
        ui.label(agreement.words(found)).classes("text-sm").mark("agreement")
        chart = ui.echart(agreement.plot(known, found), self._point).classes("w-full h-80")
        chart.props('role=img aria-label="Bland-Altman plot of validation films"')
        off = np.abs(known.estimate - known.truth)
        worst = {
            known.places[i]: f"{known.records[i].id}: off by {off[i]:.1f}"
            for i in np.argsort(-off).tolist()
        }
        ui.select(
            worst, label="Look at a film, the worst first", with_input=True,
            on_change=lambda event: self.desk.choose(int(event.value)),
        ).classes("w-96").props("dense outlined")  # fmt: skip
        ui.button("Save the films", icon="download", on_click=self._save_films).props(
            "flat dense no-caps"
        )

    def _point(self, event: EChartPointClickEventArguments) -> None:
        if self.drawn is not None:
            self.desk.choose(self.drawn.places[event.data_index])

    def _phases(self, found: Sequence[Phase], whose: str) -> None:
        frames = self.desk.shown.frames(self.desk.place)
        for slot, phase in zip(self.ends, found, strict=True):
            frame = frames[phase.frame]
            picture = np.stack([frame] * 3, axis=-1)
            area = ""
            if phase.ventricle is not None:
                picture = pictures.tinted(frame, tints(phase.ventricle[None], LINES[:1]))
                area = f", {int(phase.ventricle.sum())} px"
            slot.name(f"{phase.name}: frame {phase.frame + 1}{area}")
            slot.show(picture)
        self.whose.text = f"Frames and ventricle: {whose}."

    async def _explain(self) -> None:
        self.why.disable()
        try:
            work = partial(ejection.explained, self.desk.shown, self.desk.place)
            self._heats(await self.desk.work(work))
        except BadInput as error:
            ui.notify(str(error), type="warning")
        finally:
            self.why.enable()

    def _heats(self, found: ejection.Explained) -> None:
        self.heats.clear()
        with self.heats:
            for name, heat in found.heat.items():
                slot = Slot(self.desk, focus(found, name), mark=name, side=STRIP)
                slot.show(ejection.strip(found.frames, heat))
            ui.label(
                "Grad-CAM: orange raises the estimate, blue lowers it. Saliency: a change of an "
                "orange place moves it."
            ).classes("text-sm")

    def _save(self) -> None:
        said = self.said
        if said is None:
            return
        row = {
            "id": self.desk.record.id, "ef_percent": said.estimate, "low": said.low,
            "high": said.high, "promise": said.promise, "films": said.n,
            "abstains": "yes" if said.abstains else "no",
            "true": number(self.desk.record, ejection.EF),
        }  # fmt: skip
        name = saved.name(self.desk.record.id, "ef", ending="csv")
        ui.download.content(as_csv([row]), name, "text/csv")

    def _save_films(self) -> None:
        if self.drawn is None:
            return
        columns = zip(self.drawn.records, self.drawn.truth, self.drawn.estimate, strict=True)
        rows = [
            {"id": record.id, "true": float(true), "said": float(said)}
            for record, true, said in columns
        ]
        ui.download.content(as_csv(rows), "validation-films.csv", "text/csv")


def sentence(said: Said, truth: float | None) -> str:
    """What the interval promises, whether the film is answered, and the truth."""
    promise = f"The interval holds {said.promise:.0%} of new films (made from {said.n} films)."
    far = (
        " Better not answered: it is farther from training films than nearly all validation films."
        if said.abstains
        else " It is as near to training films as validation films are."
    )
    return promise + far + ("" if truth is None else f" True: {truth:.1f} %.")


def focus(found: ejection.Explained, name: str) -> str:
    """How much of the heat is in the ventricle."""
    if np.isnan(found.chance):
        return f"{NAMES[name]}; nobody traced the ventricle"
    return (
        f"{NAMES[name]}: {found.focus[name]:.0%} inside the left ventricle at end-diastole, which "
        f"is {found.chance:.0%} of the picture"
    )
