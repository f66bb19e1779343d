"""A record as large as the page has room: a still picture, or a film with scrubber and speed.

A film comes as one picture of all its frames; the browser shows one after the other by itself, so
that it plays as smoothly for twenty visitors as for one.
"""

from nicegui import ui

from septum.explore import pictures
from septum.explore.address import Address
from septum.explore.shown import Shown

SIDE = 384
"""Longer side of the shown picture in CSS pixels."""
RATE_HZ = 25.0
"""Frames a second, where nobody says."""
FASTEST_HZ = 100.0
RATE = "frame_rate_hz"


class Cine(ui.element, component="cine.js"):
    """The player (`cine.js`)."""

    def __init__(
        self, source: str, *, frames: int, across: int, shape: tuple[int, int],
        frame: int, rate_hz: float,
    ) -> None:  # fmt: skip
        super().__init__()
        scale = SIDE / max(shape)
        self._props.update(
            source=source, frames=frames, across=across, start=frame, rate=rate_hz,
            width=round(shape[1] * scale), height=round(shape[0] * scale),
        )  # fmt: skip


def cine(shown: Shown, number: int, place: int, *, address: Address) -> None:
    """Draw a record of the run with that number; its frame is in the address."""
    frames = shown.length(place)
    first = shown.frame(place)
    if not shown.is_film():
        source = f"/picture/{number}/{place}.png"
        picture = Cine(source, frames=1, across=1, shape=first.shape, frame=0, rate_hz=RATE_HZ)
    else:
        said = shown.records[place].labels.get(RATE)
        rate_hz = float(said) if isinstance(said, float) and 0 < said < FASTEST_HZ else RATE_HZ
        picture = Cine(
            f"/film/{number}/{place}.png", frames=frames,
            across=pictures.across(frames), shape=first.shape,
            frame=address.whole("frame", 0, most=frames - 1),
            rate_hz=address.number("rate", rate_hz, least=1.0, most=FASTEST_HZ),
        )  # fmt: skip
    picture.on("paused", lambda event: address.set(frame=int(event.args)))
    picture.on("rated", lambda event: address.set(rate=float(event.args)))
    picture.mark("cine")
