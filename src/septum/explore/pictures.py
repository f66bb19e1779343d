"""Arrays as pictures that a browser shows."""

import io
import math

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image

Colours = UInt8[np.ndarray, "h w 3"]


def png(pixels: UInt8[np.ndarray, "h w"] | Colours) -> bytes:
    """A PNG file."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def grey(image: Float[np.ndarray, "h w"]) -> UInt8[np.ndarray, "h w"]:
    """Intensities in [0, 1] as grey levels."""
    return np.rint(255 * image.clip(0, 1)).astype(np.uint8)


def thumbnail(pixels: UInt8[np.ndarray, "h w"], *, side: int) -> UInt8[np.ndarray, "h2 w2"]:
    """A smaller picture whose longer side is that long; a small one stays as it is."""
    if max(pixels.shape) <= side:
        return pixels
    small = Image.fromarray(pixels)
    small.thumbnail((side, side))
    return np.asarray(small)


def tinted(
    image: UInt8[np.ndarray, "h w"],
    colours: Float[np.ndarray, "h2 w2 4"],
    *,
    opacity: float = 1.0,
) -> Colours:
    """A picture under colours and opacities in [0, 1], of a grid that is laid over it in cells."""
    h, w = image.shape
    rows = np.arange(h) * colours.shape[0] // h
    columns = np.arange(w) * colours.shape[1] // w
    over = colours[rows][:, columns]
    alpha = opacity * over[..., 3:]
    mixed = (1 - alpha) * image[..., None] + alpha * 255 * over[..., :3]
    return np.rint(mixed).astype(np.uint8)


def across(frames: int) -> int:
    """How many frames stand in a row of a strip."""
    return math.ceil(math.sqrt(frames))


def strip(frames: UInt8[np.ndarray, "t h w"]) -> UInt8[np.ndarray, "y x"]:
    """All frames in one picture, row by row; the rest of the last row is black."""
    t, h, w = frames.shape
    columns = across(t)
    rows = math.ceil(t / columns)
    padded = np.zeros((columns * rows, h, w), np.uint8)
    padded[:t] = frames
    return padded.reshape(rows, columns, h, w).transpose(0, 2, 1, 3).reshape(rows * h, columns * w)
