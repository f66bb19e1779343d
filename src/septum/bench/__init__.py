"""Tables: model x data x task x seed, and speed. A new one is a new file and one line here."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from septum.bench import speed

Table = Callable[[], Sequence[Mapping[str, Any]]]

TABLES: dict[str, Table] = {"speed": speed.rows}
