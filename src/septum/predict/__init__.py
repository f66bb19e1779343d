"""A model on a user's own files: masks, estimates, concepts, and how far to trust them."""

from septum.predict.answers import Answer, Estimate
from septum.predict.exchanged import Objects
from septum.predict.inputs import Failure, Input, inputs
from septum.predict.session import Asker, Settings, opened, predict

__all__ = [
    "Answer",
    "Asker",
    "Estimate",
    "Failure",
    "Input",
    "Objects",
    "Settings",
    "inputs",
    "opened",
    "predict",
]
