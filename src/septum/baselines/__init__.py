"""Baselines, on the same contract as the models. A new one is a new file and one line here."""

from septum.baselines import (
    ar_vae,
    attri_vae,
    beta_vae,
    dino,
    echocotr,
    finetuned,
    gan,
    l1,
    mae,
    masked_vit,
    r2plus1d,
    self_training,
    transferred,
    unet,
    upernet,
    vae,
    vicreg,
)
from septum.contract import Paper

BASELINES: dict[str, Paper] = {
    "ar_vae": ar_vae.PAPER,
    "attri_vae": attri_vae.PAPER,
    "beta_vae": beta_vae.PAPER,
    "dino": dino.PAPER,
    "echocotr": echocotr.PAPER,
    "finetuned": finetuned.PAPER,
    "gan": gan.PAPER,
    "l1": l1.PAPER,
    "mae": mae.PAPER,
    "masked_vit": masked_vit.PAPER,
    "r2plus1d": r2plus1d.PAPER,
    "self_training": self_training.PAPER,
    "transferred": transferred.PAPER,
    "unet": unet.PAPER,
    "upernet": upernet.PAPER,
    "vae": vae.PAPER,
    "vicreg": vicreg.PAPER,
}
