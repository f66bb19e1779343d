"""Maps of indices as PNG: with a palette, where a value is an index, and laid over its frame."""

import io
from collections.abc import Sequence

import numpy as np
from jaxtyping import UInt8
from matplotlib.colors import to_rgb
from PIL import Image

from septum import palette

TINT = 0.5
"""Opacity of a structure over its frame."""


def indexed(index: UInt8[np.ndarray, "h w"]) -> bytes:
    """A picture whose values are the indices, and whose colours are those of concepts."""
    picture = Image.fromarray(index)
    picture.putpalette(_palette())
    return _png(picture)


def overlay(grey: UInt8[np.ndarray, "h w"], index: UInt8[np.ndarray, "h w"]) -> bytes:
    """The frame, tinted where the index is not 0."""
    return _png(Image.fromarray(tinted(grey, index, opacity=TINT)))


def tinted(
    grey: UInt8[np.ndarray, "h w"], index: UInt8[np.ndarray, "h w"], *, opacity: float
) -> UInt8[np.ndarray, "h w 3"]:
    """Red, green and blue of `overlay`."""
    colours = np.reshape(_palette(), (256, 3))[index]
    share = opacity * (index > 0)[..., None]
    return np.round((1 - share) * grey[..., None] + share * colours).astype(np.uint8)


def _palette() -> Sequence[int]:
    """Red, green and blue of 256 indices."""
    colours = [(0.0, 0.0, 0.0), *(to_rgb(palette.colour(k)) for k in range(1, 256))]
    return np.round(255 * np.array(colours)).astype(int).ravel().tolist()


def _png(picture: Image.Image) -> bytes:
    data = io.BytesIO()
    picture.save(data, "PNG")
    return data.getvalue()
