"""Baselines, on the same contract as the models. A new one is a new file and one line here."""

from septum.baselines import (
    echocotr,
    gan,
    l1,
    r2plus1d,
    self_training,
    transferred,
    unet,
    vicreg,
)
from septum.contract import Paper

BASELINES: dict[str, Paper] = {
    "echocotr": echocotr.PAPER,
    "gan": gan.PAPER,
    "l1": l1.PAPER,
    "r2plus1d": r2plus1d.PAPER,
    "self_training": self_training.PAPER,
    "transferred": transferred.PAPER,
    "unet": unet.PAPER,
    "vicreg": vicreg.PAPER,
}
