"""Baselines, on the same contract as the models. A new one is a new file and one line here."""

from septum.baselines import (
    ar_vae,
    attri_vae,
    beta_vae,
    echocotr,
    gan,
    l1,
    r2plus1d,
    self_training,
    transferred,
    unet,
    vae,
    vicreg,
)
from septum.contract import Paper

BASELINES: dict[str, Paper] = {
    "ar_vae": ar_vae.PAPER,
    "attri_vae": attri_vae.PAPER,
    "beta_vae": beta_vae.PAPER,
    "echocotr": echocotr.PAPER,
    "gan": gan.PAPER,
    "l1": l1.PAPER,
    "r2plus1d": r2plus1d.PAPER,
    "self_training": self_training.PAPER,
    "transferred": transferred.PAPER,
    "unet": unet.PAPER,
    "vae": vae.PAPER,
    "vicreg": vicreg.PAPER,
}
