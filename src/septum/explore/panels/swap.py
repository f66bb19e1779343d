"""Two images that exchange their styles: either anatomy, drawn as the other looks."""

import random
from functools import partial

from nicegui import ui

from septum.contract import BadInput
from septum.explore import edits
from septum.explore.desk import Desk, Latest
from septum.explore.pictures import grey
from septum.explore.slot import Slot

OFFERED = 8
"""Thumbnails of other images."""
TITLES = (
    ("this image, redrawn", "this anatomy, the other's style"),
    ("the other anatomy, this style", "the other image, redrawn"),
)


class Swap:
    """The lower half of the panel of one visitor."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.again = Latest(self._answer)
        others = [place for place in range(len(desk.shown.records)) if place != desk.place]
        self.offered = random.Random(desk.place).sample(others, min(OFFERED, len(others)))

    @property
    def other(self) -> int:
        """Place of the other image; where none is chosen, one that is offered."""
        first = self.offered[0] if self.offered else self.desk.place
        return self.desk.shown.place_of.get(self.desk.address.text("edit_with"), first)

    def draw(self) -> None:
        """The choice of the other image to the left, four pictures to the right."""
        ui.separator()
        ui.label("Exchange of styles").classes("text-lg")
        with ui.row().classes("w-full gap-6 items-start"):
            with ui.column().classes("w-72 gap-2"):
                self._choice()
            with ui.column().classes("grow basis-0 min-w-80 gap-3"):
                self.status = ui.label().props("role=status")
                with ui.grid(columns="auto auto").classes("gap-3"):
                    self.slots = [
                        [Slot(self.desk, title, mark=f"swap-{i}{j}") for j, title in enumerate(row)]
                        for i, row in enumerate(TITLES)
                    ]
        self.desk.on_image(self.again)
        self.again()

    def _choice(self) -> None:
        self.named = ui.input(
            "Id of the other image", value=self.desk.shown.records[self.other].id,
        ).classes("w-full").props("dense outlined").mark("edit-with")  # fmt: skip
        self.named.on("keydown.enter", self._type)
        self.named.on("blur", self._type)
        ui.button("Another at random", icon="casino", on_click=self._draw).props("dense no-caps")
        with ui.row().classes("gap-1"):
            for place in self.offered:
                self._thumbnail(place)

    def _thumbnail(self, place: int) -> None:
        button = ui.element("button").classes("p-0 m-0 leading-none")
        button.props["type"] = "button"
        button.props["aria-label"] = f"Exchange with {self.desk.shown.records[place].id}"
        button.on("click", partial(self._choose, place))
        with button:
            image = ui.element("img").classes("w-16 h-16 object-contain bg-black")
            image.props["src"] = f"/thumbnail/{self.desk.number}/{place}.png"
            image.props["alt"] = ""

    def _type(self) -> None:
        place = self.desk.shown.place_of.get(str(self.named.value).strip())
        if place is None:
            self.status.text = "No image of the page has this id; see Browse for those there are."
        elif place != self.other:
            self._choose(place)

    def _draw(self) -> None:
        self._choose(random.randrange(len(self.desk.shown.records)))

    def _choose(self, place: int) -> None:
        name = self.desk.shown.records[place].id
        self.desk.address.set(edit_with=name)
        self.named.value = name
        self.again()

    async def _answer(self) -> None:
        here, there = self.desk.place, self.other
        try:
            drawn = await self.desk.work(partial(edits.swapped, self.desk.shown, here, there))
        except BadInput as error:
            self.status.text = str(error)
            return
        self.status.text = ""
        for row, pictures in zip(self.slots, drawn, strict=True):
            for slot, picture in zip(row, pictures, strict=True):
                slot.show(grey(picture))
