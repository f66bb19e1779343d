"""All runs that one server shows, opened and indexed while its page already answers."""

from collections.abc import Callable, Sequence
from threading import Thread

from septum.contract import BadInput
from septum.explore import index
from septum.explore.index import Index
from septum.explore.shown import Shown


class Shelf:
    """Runs, and the index of each.

    Attributes:
        runs: Empty until they are opened.
        failure: Why they cannot be opened; empty where they can.
        progress: Share of the index of every run that is done.
    """

    def __init__(self, open_runs: Callable[[], Sequence[Shown]]) -> None:
        self.runs: Sequence[Shown] = ()
        self.failure = ""
        self.progress: list[float] = []
        self._indices: list[Index | None] = []
        self._open_runs = open_runs

    def fill(self) -> None:
        """Open the runs, then index those that are not."""
        try:
            runs = self._open_runs()
            self._indices = [index.load(shown) for shown in runs]
            self.progress = [float(found is not None) for found in self._indices]
            self.runs = runs
            for number in range(len(runs)):
                self._index(number)
        except (BadInput, OSError) as error:
            self.failure = str(error)

    def start(self) -> None:
        """Fill it beside the caller."""
        Thread(target=self.fill, daemon=True, name="opening").start()

    def index(self, number: int) -> Index | None:
        """Features of all images of a run, once they are there."""
        return self._indices[number]

    def _index(self, number: int) -> None:
        if self._indices[number] is None:

            def told(share: float) -> None:
                self.progress[number] = share

            self._indices[number] = index.build(self.runs[number], told)
