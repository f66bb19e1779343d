"""What a visitor looks at, as the query of the address: a view can be shared by its link."""

from collections.abc import Callable, Mapping
from urllib.parse import urlencode

MOST = 256
"""Characters of a value that are believed."""

Value = str | int | float | bool


class Address:
    """Names and values in the query of the address.

    A value that was not set has the default that its reader gives; what someone wrote into the
    address by hand and cannot be read has it too.

    >>> address = Address({"opacity": "0.3", "frame": "x"}, lambda link: None)
    >>> address.number("opacity", 0.5), address.whole("frame", 0, most=10), address.text("tab", "a")
    (0.3, 0, 'a')
    """

    def __init__(self, query: Mapping[str, str], changed: Callable[[str], None]) -> None:
        """`changed` is given the new link whenever a value is set."""
        self._values = {name: value[:MOST] for name, value in query.items() if name != "token"}
        self._changed = changed

    def text(self, name: str, default: str = "") -> str:
        """A value as it is."""
        return self._values.get(name, default)

    def number(self, name: str, default: float, *, least: float = 0.0, most: float = 1.0) -> float:
        """A number in a range."""
        try:
            value = float(self._values.get(name, default))
        except ValueError:
            return default
        return value if least <= value <= most else default

    def whole(self, name: str, default: int, *, least: int = 0, most: int) -> int:
        """A whole number in a range."""
        text = self._values.get(name, "")
        digits = text.removeprefix("-")
        value = int(text) if digits.isascii() and digits.isdecimal() and len(text) < 16 else default
        return value if least <= value <= most else default

    def flag(self, name: str, *, default: bool = False) -> bool:
        """Whether something is on."""
        return {"1": True, "0": False}.get(self._values.get(name, ""), default)

    def set(self, **values: Value | None) -> None:
        """Write values into the address; None takes one out."""
        for name, value in values.items():
            if value is None:
                self._values.pop(name, None)
            else:
                self._values[name] = _written(value)
        self._changed(self.link())

    def link(self) -> str:
        """The address below the server."""
        return "/?" + urlencode(self._values) if self._values else "/"


def _written(value: Value) -> str:
    if isinstance(value, bool):
        return "1" if value else "0"
    return f"{value:.6g}" if isinstance(value, float) else str(value)
