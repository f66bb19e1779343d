"""The models, one file per paper. A new one is a new file and one line here."""

from septum.contract import Paper
from septum.models import attri_ssc_vae, concept_vae, coreecho, sdnet

MODELS: dict[str, Paper] = {
    "attri_ssc_vae": attri_ssc_vae.PAPER,
    "concept_vae": concept_vae.PAPER,
    "coreecho": coreecho.PAPER,
    "sdnet": sdnet.PAPER,
}
