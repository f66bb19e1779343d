"""The models, one file per paper. A new one is a new file and one line here."""

from septum.contract import Paper
from septum.models import anatomy_vit, attri_ssc_vae, concept_vae, coreecho, sdnet

MODELS: dict[str, Paper] = {
    "anatomy_vit": anatomy_vit.PAPER,
    "attri_ssc_vae": attri_ssc_vae.PAPER,
    "concept_vae": concept_vae.PAPER,
    "coreecho": coreecho.PAPER,
    "sdnet": sdnet.PAPER,
}
