"""What one visitor has before them: a run, one of its images, and the address of all that."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

from nicegui import background_tasks, context

from septum.contract import Record
from septum.explore.address import Address
from septum.explore.shelf import Shelf
from septum.explore.shown import Shown

T = TypeVar("T")


class Desk:
    """One visitor's run and image.

    Attributes:
        shelf: All runs of the page, and their indices.
        address: The state that a link to this view carries.
    """

    def __init__(self, shelf: Shelf, address: Address) -> None:
        self.shelf = shelf
        self.address = address
        self._listeners: list[Callable[[], Any]] = []

    @property
    def runs(self) -> Sequence[Shown]:
        """All runs of the page."""
        return self.shelf.runs

    @property
    def number(self) -> int:
        """Place of the run among all of the page."""
        return self.address.whole("run", 0, most=len(self.runs) - 1)

    @property
    def shown(self) -> Shown:
        """The run that is looked at."""
        return self.runs[self.number]

    @property
    def place(self) -> int:
        """Place of the image among the records of the run; the first one where none is chosen."""
        return self.shown.place_of.get(self.address.text("image"), 0)

    @property
    def record(self) -> Record:
        """What is known of the image."""
        return self.shown.records[self.place]

    def choose(self, place: int) -> None:
        """Look at another image; all who listen are told."""
        self.address.set(image=self.shown.records[place].id)
        for listener in self._listeners:
            listener()

    def on_image(self, listener: Callable[[], Any]) -> None:
        """Be told when another image is looked at."""
        self._listeners.append(listener)

    async def work(self, ask: Callable[[], T]) -> T:
        """What the model of the run says, asked beside the page, one question at a time."""
        shown = self.shown

        def locked() -> T:
            with shown.lock:
                return ask()

        return await asyncio.to_thread(locked)


class Latest:
    """Runs the newest of many requests: while one is at work, only the last that came waits.

    Dragging a slider asks faster than a model answers; what lies in between need not be drawn.
    """

    def __init__(self, answer: Callable[[], Awaitable[None]]) -> None:
        self._answer = answer
        self._busy = False
        self._again = False

    def __call__(self) -> None:
        """Ask; returns at once."""
        self._again = True
        if not self._busy:
            client = context.client
            background_tasks.create(self._work(client))

    async def _work(self, client: Any) -> None:
        self._busy = True
        try:
            with client:
                while self._again:
                    self._again = False
                    await self._answer()
                    await asyncio.sleep(0)
        finally:
            self._busy = False
