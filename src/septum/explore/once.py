"""What takes a while and is the same for every visitor: worked out once for a run, in a thread."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from threading import Thread
from typing import Generic, TypeVar

from septum.contract import BadInput
from septum.explore.index import Progress
from septum.explore.shown import Shown

T = TypeVar("T")

LOG = logging.getLogger("septum")


@dataclass(kw_only=True)
class Work(Generic[T]):
    """Something that is being worked out.

    Attributes:
        shown: Of this run.
        progress: Share that is done.
        found: What came of it; None before.
        failure: Why nothing did; empty otherwise.
    """

    shown: Shown
    progress: float = 0.0
    found: T | None = None
    failure: str = ""


Works = dict[tuple[int, str], Work[object]]
_STARTED: Works = {}


def once(shown: Shown, name: str, ask: Callable[[Progress], T]) -> Work[T]:
    """Work something out for a run beside the caller, unless that has begun already.

    Args:
        shown: The run; it is kept, as the server keeps it.
        name: Of what is worked out.
        ask: Works it out; it takes `shown.lock` a little at a time, so that visitors get between.
    """
    key = (id(shown), name)
    if key not in _STARTED:
        work: Work[T] = Work(shown=shown)
        _STARTED[key] = work  # pyright: ignore[reportArgumentType]
        Thread(target=_work, args=(work, ask), daemon=True, name=name).start()
    return _STARTED[key]  # pyright: ignore[reportReturnType]


def _work(work: Work[T], ask: Callable[[Progress], T]) -> None:
    def told(share: float) -> None:
        work.progress = share

    try:
        work.found = ask(told)
    except BadInput as error:
        work.failure = str(error)
    except Exception:  # a thread that dies says nothing to the visitor who waits
        LOG.exception("%s", work.shown.title)
        work.failure = "This failed; the server's log says why."
