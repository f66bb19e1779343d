"""Tables: model x data x task x seed, and speed. A new one is a new file and one line here."""

from septum.bench import ablation, concept_vae, sdnet, search, speed
from septum.bench.table import Table

TABLES: dict[str, Table] = {
    "ablation": ablation.rows,
    "concept_vae": concept_vae.rows,
    "sdnet": sdnet.rows,
    "search": search.rows,
    "speed": speed.rows,
}
