"""Baselines, on the same contract as the models. A new one is a new file and one line here."""

from septum.baselines import gan, self_training, unet, vicreg
from septum.contract import Paper

BASELINES: dict[str, Paper] = {
    "gan": gan.PAPER,
    "self_training": self_training.PAPER,
    "unet": unet.PAPER,
    "vicreg": vicreg.PAPER,
}
