"""Tables: model x data x task x seed, and speed. A new one is a new file and one line here."""

from septum.bench import (
    ablation,
    acdt,
    anatomy_vit,
    attri_ssc_vae,
    clips,
    concept_vae,
    coreecho,
    hostile_files,
    regions,
    rnc,
    sdnet,
    sdnet_speed,
    search,
    speed,
)
from septum.bench.table import Table

TABLES: dict[str, Table] = {
    "ablation": ablation.rows,
    "acdt": acdt.rows,
    "anatomy_vit": anatomy_vit.rows,
    "attri_ssc_vae": attri_ssc_vae.rows,
    "clips": clips.rows,
    "concept_vae": concept_vae.rows,
    "coreecho": coreecho.rows,
    "hostile_files": hostile_files.rows,
    "regions": regions.rows,
    "rnc": rnc.rows,
    "sdnet": sdnet.rows,
    "sdnet_speed": sdnet_speed.rows,
    "search": search.rows,
    "speed": speed.rows,
}

PAGES = {
    "anatomy_vit": "anatomy_vit",
    "attri_ssc_vae": "attri_ssc_vae",
    "concept_vae": "concept_vae",
    "coreecho": "coreecho",
    "sdnet": sdnet.mixture("mixed", (1.0, 1.0)),
}
"""The run that a table is about, in the folder of the table: its page shows the numbers."""
