"""The area of ultrasound frames that holds tissue and no burned-in text, found strictly.

    frames -> brightest over time -> textured -> where that is dense -> largest piece -> its hull

Text has sharp edges and black round it, a banner is of one grey level; tissue is neither. What is
not shown to be tissue is not kept: a cone that a shadow cuts in two may lose the smaller part.
"""

from typing import Any

import numpy as np
from jaxtyping import Bool, UInt8
from scipy import ndimage

from septum.data import sector

SHARP = 100
"""Grey levels across an edge of bright text; 9 in 10 pixels of tissue stay below."""
DENSE = 0.5
"""Share of textured pixels in the surroundings of one of tissue."""
WINDOW = 0.05
"""Side of these surroundings, as a share of the frame's shorter side: about two lines of text."""
LEAST, MOST = 0.01, 0.9
"""Shares of the frame between which an area passes for a cone."""


def find(brightest: UInt8[np.ndarray, "h w"]) -> Bool[np.ndarray, "h w"]:
    """The cone or rectangle of tissue; empty where none can be told from all else.

    `brightest` holds the largest value that a pixel takes in any frame and channel. What fills the
    frame is no cone: nothing then tells text from tissue.
    """
    piece = _largest(_dense(_textured(brightest)))
    if not piece.any():
        return piece
    hull = sector.find(np.where(piece, brightest, 0)) & ~_hollow(piece, brightest)
    return hull if LEAST < hull.mean() < MOST else np.zeros_like(hull)


def _textured(grey: UInt8[np.ndarray, "h w"]) -> Bool[np.ndarray, "h w"]:
    """Bright, with no black, no sharp edge and no single grey level within two pixels."""
    low, high = ndimage.minimum_filter(grey, 5), ndimage.maximum_filter(grey, 5)
    spread = high - low
    return (grey > sector.NOISE) & (low > 0) & (spread > sector.NOISE) & (spread < SHARP)


def _dense(textured: Bool[np.ndarray, "h w"]) -> Bool[np.ndarray, "h w"]:
    side = max(3, round(WINDOW * min(textured.shape)))
    share = ndimage.uniform_filter(textured.astype(np.float32), side, mode="constant")
    return ndimage.binary_opening(share > DENSE, iterations=sector.GAP_PX)


def _largest(dense: Bool[np.ndarray, "h w"]) -> Bool[np.ndarray, "h w"]:
    pieces: Any = ndimage.label(dense)[0]  # pyright: ignore[reportIndexIssue]
    sizes = np.bincount(pieces.ravel(), minlength=2)
    return (pieces == 1 + sizes[1:].argmax()) & dense


def _hollow(
    piece: Bool[np.ndarray, "h w"], brightest: UInt8[np.ndarray, "h w"]
) -> Bool[np.ndarray, "h w"]:
    """What lies above the piece and is not joined to it: a hull spans the arc of a curved probe."""
    bright = piece | (brightest > sector.NOISE)
    joined: Any = ndimage.binary_propagation(piece, mask=bright)
    return ~(np.logical_or.accumulate(piece, axis=0) | joined)
