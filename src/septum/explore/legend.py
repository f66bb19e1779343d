"""What the colours of a map mean: number or name, colour and share."""

from nicegui import ui


def line(name: str, colour: str, share: float) -> None:
    """One entry; the colour is as CSS writes it."""
    with ui.row().classes("items-center gap-2 no-wrap text-sm"):
        swatch(colour)
        ui.label(f"{name}: {share:.1%}")


def swatch(colour: str) -> None:
    """A small square of that colour."""
    ui.element("span").classes("w-4 h-4 shrink-0").style(
        f"background: {colour}; border: 1px solid currentColor"
    )
