"""A synthetic heart with known factors: anatomy times appearance, drawn as ultrasound."""

from septum.data.phantom.frame import LANDMARKS, Frame, draw, frames_per_second
from septum.data.phantom.heart import PATHOLOGIES, PHASES, Heart, sample_heart
from septum.data.phantom.look import Look, sample_look
from septum.data.phantom.tissue import CLASSES
from septum.data.phantom.views import VIEWS
from septum.data.phantom.write import write

__all__ = [
    "CLASSES",
    "LANDMARKS",
    "PATHOLOGIES",
    "PHASES",
    "VIEWS",
    "Frame",
    "Heart",
    "Look",
    "draw",
    "frames_per_second",
    "sample_heart",
    "sample_look",
    "write",
]
