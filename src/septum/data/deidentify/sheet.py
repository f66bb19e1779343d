"""Contact sheets of what was written, to be looked at by a person before anything is given away."""

import io
from collections.abc import Iterator, Sequence

import numpy as np
from jaxtyping import Bool, Shaped, UInt8
from PIL import Image, ImageDraw
from PIL.Image import Resampling
from scipy import ndimage

from septum.data.deidentify.picture import Picture

TILE = (320, 240)
"""Width and height in pixels."""
COLUMNS, ROWS = 4, 6
LABEL = 14
BLANKED, OUTLINE = (0, 70, 110), (230, 159, 0)


def tile(picture: Picture) -> Image.Image:
    """What any frame shows: the brightest value over time, so that a text of a moment is seen too.

    What was blanked is blue, and what was kept has an orange outline.
    """
    shown = _shown(picture.frames)
    if picture.kept is not None:
        shown[~picture.kept] = BLANKED
        shown[_edge(picture.kept)] = OUTLINE
    image = Image.fromarray(shown)
    image.thumbnail(TILE, Resampling.BOX)
    return image


def sheets(tiles: Sequence[tuple[int, Image.Image]]) -> Iterator[bytes]:
    """PNG files with a few of the numbered tiles each."""
    each = COLUMNS * ROWS
    for first in range(0, len(tiles), each):
        yield _sheet(tiles[first : first + each])


def _sheet(tiles: Sequence[tuple[int, Image.Image]]) -> bytes:
    w, h = TILE[0] + 4, TILE[1] + LABEL + 4
    rows = -(-len(tiles) // COLUMNS)
    sheet = Image.new("RGB", (w * min(COLUMNS, len(tiles)), h * rows), "white")
    for place, (number, image) in enumerate(tiles):
        corner = (place % COLUMNS * w, place // COLUMNS * h)
        ImageDraw.Draw(sheet).text(corner, str(number), fill="black")
        sheet.paste(image, (corner[0], corner[1] + LABEL))
    file = io.BytesIO()
    sheet.save(file, format="png")
    return file.getvalue()


def _shown(frames: Shaped[np.ndarray, "t h w *c"]) -> UInt8[np.ndarray, "h w 3"]:
    brightest = frames.max(0).astype(np.float64)
    if frames.dtype != np.uint8:
        low, high = brightest.min(), brightest.max()
        brightest = 255 * (brightest - low) / max(high - low, 1)
    shown = brightest.astype(np.uint8)
    return np.repeat(shown[..., None], 3, axis=-1) if shown.ndim == 2 else shown


def _edge(kept: Bool[np.ndarray, "h w"]) -> Bool[np.ndarray, "h w"]:
    wide = max(1, round(max(kept.shape) / TILE[0]))
    return ndimage.binary_dilation(kept, iterations=wide) & ~kept
