"""The page: a head with the run and the image, and a tab per panel that the model can fill.

A panel is one file and one line in `PANELS`. It is drawn when its tab is first opened.
"""

from nicegui import ui

from septum.explore.address import Address
from septum.explore.desk import Desk
from septum.explore.panel import Panel
from septum.explore.panels import atlas, browse, compare, concepts, edit, find, layers, measure
from septum.explore.shelf import Shelf

PANELS: dict[str, Panel] = {
    "browse": browse.PANEL,
    "concepts": concepts.PANEL,
    "layers": layers.PANEL,
    "edit": edit.PANEL,
    "measure": measure.PANEL,
    "find": find.PANEL,
    "map": atlas.PANEL,
    "compare": compare.PANEL,
}
"""By the name they have in the address."""
WAIT_S = 0.2
"""Between two looks whether the runs are open."""


def build(shelf: Shelf, address: Address) -> None:
    """Draw the page for one visitor; while the runs are being opened, say so."""
    _styles()
    place = ui.column().classes("w-full p-0 gap-0")
    if not _filled(shelf, address, place):
        with place:
            ui.label("Opening the run ...").classes("p-8 text-lg")
        timer = ui.timer(WAIT_S, lambda: _filled(shelf, address, place) and timer.deactivate())


def _filled(shelf: Shelf, address: Address, place: ui.column) -> bool:
    """Draw into the place what there is to be drawn; False while there is nothing."""
    if not shelf.runs and not shelf.failure:
        return False
    place.clear()
    with place:
        if shelf.runs:
            _desk(Desk(shelf, address))
        else:
            ui.label(shelf.failure).classes("p-8 text-lg").props("role=alert")
    return True


def _desk(desk: Desk) -> None:
    fitting = {
        name: panel
        for name, panel in PANELS.items()
        if panel.fits(desk.shown) and len(desk.runs) >= panel.least_runs
    }
    named = desk.address.text("panel", "browse")
    first = named if named in fitting else next(iter(fitting))
    _head(desk)
    with ui.tabs().classes("w-full").props("align=left dense no-caps") as tabs:
        named_tabs = {
            name: ui.tab(name, label=panel.title, icon=panel.icon).mark(f"tab-{name}")
            for name, panel in fitting.items()
        }
    with ui.tab_panels(tabs, value=named_tabs[first], animated=False).classes("w-full"):
        places = {name: ui.tab_panel(tab).classes("p-4") for name, tab in named_tabs.items()}
    drawn: set[str] = set()

    def show(name: str) -> None:
        if name not in drawn:
            drawn.add(name)
            with places[name]:
                fitting[name].build(desk)

    def turned(name: str) -> None:
        desk.address.set(panel=name)
        show(name)

    tabs.on_value_change(lambda event: turned(str(event.value)))
    show(first)


def _head(desk: Desk) -> None:
    """Run, image and theme."""
    dark = ui.dark_mode(value=desk.address.flag("dark"))

    def turn() -> None:
        dark.toggle()
        desk.address.set(dark=bool(dark.value) or None)

    def another(number: int) -> None:
        desk.address.set(run=number)
        ui.navigate.to(desk.address.link())

    with ui.row().classes("w-full items-center px-4 pt-2 gap-4 no-wrap"):
        ui.label("septum").classes("text-xl font-bold")
        ui.select(
            {number: shown.title for number, shown in enumerate(desk.runs)},
            value=desk.number, label="Run", on_change=lambda event: another(event.value),
        ).classes("min-w-60").props("dense outlined").mark("run")  # fmt: skip
        about = ui.label().classes("grow text-sm truncate").mark("about")
        ui.button(icon="contrast", on_click=turn).props(
            'flat round aria-label="Light or dark theme"'
        ).mark("theme")

    def tell() -> None:
        record = desk.record
        known = {k: record.labels[k] for k in ("view", "phase", "organ") if k in record.labels}
        about.text = " · ".join(map(str, [record.id, record.split, *known.values()]))

    desk.on_image(tell)
    tell()


def _styles() -> None:
    """Fits 1280 x 720 and 200 % zoom; the focus of the keyboard is seen."""
    ui.colors(primary="#0072b2", secondary="#56b4e9", accent="#d55e00")
    ui.add_css("""
        :focus-visible { outline: 3px solid #e69f00; outline-offset: 1px; }
        .nicegui-content { padding: 0; }
        .pixels img { image-rendering: pixelated; }
        .body--dark .text-primary { color: #56b4e9 !important; }
    """)
