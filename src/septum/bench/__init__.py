"""Tables: model x data x task x seed, and speed. A new one is a new file and one line here."""

from septum.bench import ablation, speed
from septum.bench.table import Table

TABLES: dict[str, Table] = {
    "ablation": ablation.rows,
    "speed": speed.rows,
}
