"""Baselines, on the same contract as the models. A new one is a new file and one line here."""

from septum.baselines import vicreg
from septum.contract import Paper

BASELINES: dict[str, Paper] = {
    "vicreg": vicreg.PAPER,
}
