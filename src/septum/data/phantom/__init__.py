"""A synthetic heart with known factors: anatomy times appearance, as ultrasound, MR or CT."""

from septum.data.phantom.body import Body, sample_body
from septum.data.phantom.cine import Cine, draw_cine
from septum.data.phantom.frame import LANDMARKS, Frame, draw, frames_per_second
from septum.data.phantom.heart import (
    PATHOLOGIES,
    PHASES,
    Heart,
    sample_beating_heart,
    sample_heart,
)
from septum.data.phantom.look import Look, sample_look
from septum.data.phantom.planes import PLANES
from septum.data.phantom.scanner import MODALITIES, Scan, sample_scan
from septum.data.phantom.stack import STACK_CLASSES, Stack, draw_stack
from septum.data.phantom.tissue import CLASSES
from septum.data.phantom.trace import trace
from septum.data.phantom.views import VIEWS
from septum.data.phantom.write import write
from septum.data.phantom.write_cines import write_cines
from septum.data.phantom.write_emidec import write_emidec
from septum.data.phantom.write_half_sequences import write_half_sequences
from septum.data.phantom.write_hmc_qu import write_hmc_qu
from septum.data.phantom.write_stacks import Study, write_stacks

__all__ = [
    "CLASSES",
    "LANDMARKS",
    "MODALITIES",
    "PATHOLOGIES",
    "PHASES",
    "PLANES",
    "STACK_CLASSES",
    "VIEWS",
    "Body",
    "Cine",
    "Frame",
    "Heart",
    "Look",
    "Scan",
    "Stack",
    "Study",
    "draw",
    "draw_cine",
    "draw_stack",
    "frames_per_second",
    "sample_beating_heart",
    "sample_body",
    "sample_heart",
    "sample_look",
    "sample_scan",
    "trace",
    "write",
    "write_cines",
    "write_emidec",
    "write_half_sequences",
    "write_hmc_qu",
    "write_stacks",
]
