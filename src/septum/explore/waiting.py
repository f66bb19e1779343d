"""What is drawn while something is worked out, and then what came of it."""

from collections.abc import Callable
from typing import TypeVar

from nicegui import ui

from septum.explore.desk import Desk
from septum.explore.index import Index
from septum.explore.once import Work

T = TypeVar("T")

LOOK_S = 0.2
"""Between two looks."""


def for_index(desk: Desk, draw: Callable[[Index], None]) -> None:
    """Draw once the features of all images are there."""
    shelf, number = desk.shelf, desk.number
    _wait(
        "Looking at all images once; this is kept for the next time.",
        lambda: shelf.index(number),
        lambda: (shelf.progress[number], shelf.failure),
        draw,
    )


def for_work(what: str, work: Work[T], draw: Callable[[T], None]) -> None:
    """Draw once something that was begun is done; `what` says what is waited for."""
    _wait(what, lambda: work.found, lambda: (work.progress, work.failure), draw)


def _wait(
    what: str,
    look: Callable[[], T | None],
    state: Callable[[], tuple[float, str]],
    draw: Callable[[T], None],
) -> None:
    """`state` says the share that is done and why it failed, if it did."""
    place = ui.column().classes("w-full gap-2")
    found = look()
    if found is not None:
        with place:
            draw(found)
        return
    with place:
        label = ui.label(what).props("role=status")
        bar = ui.linear_progress(0.0, show_value=False).classes("w-96 max-w-full")

    def again() -> None:
        bar.value, failure = state()
        bar.props["indeterminate"] = bar.value == 0
        found = look()
        if found is not None or failure:
            timer.deactivate()
        if found is not None:
            place.clear()
            with place:
                draw(found)
        elif failure:
            label.text = failure

    timer = ui.timer(LOOK_S, again)
