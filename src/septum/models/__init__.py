"""The models, one file per paper. A new one is a new file and one line here."""

from septum.contract import Paper
from septum.models import concept_vae, coreecho, sdnet

MODELS: dict[str, Paper] = {
    "concept_vae": concept_vae.PAPER,
    "coreecho": coreecho.PAPER,
    "sdnet": sdnet.PAPER,
}
