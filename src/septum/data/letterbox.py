"""Bring a picture to the prepared size without bending it: scale, then pad with black or crop.

A pixel centre at y goes to (y + 1/2) scale - 1/2 + offset. Where the file states unequal spacings
(CAMUS has rows twice as dense as columns) the aspect ratio that is kept is that of the body.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import UInt8
from PIL import Image


@dataclass(frozen=True, kw_only=True)
class Letterbox:
    """Where a picture lies in its prepared frame; every pair is (rows, columns).

    Attributes:
        source: Size of the picture in the file.
        inner: Size it is scaled to; what is larger than the frame is cropped.
        size: Size of the prepared frame.
    """

    source: tuple[int, int]
    inner: tuple[int, int]
    size: tuple[int, int]

    @property
    def scale(self) -> tuple[float, float]:
        """Prepared pixels per pixel of the file."""
        return self.inner[0] / self.source[0], self.inner[1] / self.source[1]

    @property
    def offset(self) -> tuple[int, int]:
        """Black rows above and black columns left of the picture; negative where it is cropped."""
        return (self.size[0] - self.inner[0]) // 2, (self.size[1] - self.inner[1]) // 2

    def image(self, grey: UInt8[np.ndarray, "H W"]) -> UInt8[np.ndarray, "h w"]:
        """Intensities, low-passed before they are thinned out."""
        return self._place(grey, Image.Resampling.BILINEAR)

    def mask(self, index: UInt8[np.ndarray, "H W"]) -> UInt8[np.ndarray, "h w"]:
        """Class indices, each taken from the nearest pixel; background around."""
        return self._place(index, Image.Resampling.NEAREST)

    def _place(
        self, pixels: UInt8[np.ndarray, "H W"], how: Image.Resampling
    ) -> UInt8[np.ndarray, "h w"]:
        (top, first_row, last_row), (left, first_column, last_column) = map(self._seen, (0, 1))
        rows, columns = (min(pair) for pair in zip(self.inner, self.size, strict=True))
        box = first_column, first_row, last_column, last_row
        frame = np.zeros(self.size, np.uint8)
        scaled = Image.fromarray(pixels).resize((columns, rows), how, box)
        frame[top : top + rows, left : left + columns] = np.asarray(scaled)
        return frame

    def _seen(self, axis: int) -> tuple[int, float, float]:
        """Where the picture begins in the frame, and which part of the picture lies there."""
        source, inner, offset = self.source[axis], self.inner[axis], self.offset[axis]
        first = max(0, -offset)
        last = first + min(inner, self.size[axis])
        return max(0, offset), first * source / inner, last * source / inner


def fit(
    source: tuple[int, int], size: tuple[int, int], spacing_mm: tuple[float, float] | None
) -> Letterbox:
    """As large as goes into the frame, in the middle of it."""
    row_mm, column_mm = spacing_mm or (1.0, 1.0)
    tall_mm, wide_mm = source[0] * row_mm, source[1] * column_mm
    pixel_mm = max(tall_mm / size[0], wide_mm / size[1])
    inner = max(1, round(tall_mm / pixel_mm)), max(1, round(wide_mm / pixel_mm))
    return Letterbox(source=source, inner=inner, size=size)


def show(
    source: tuple[int, int],
    size: tuple[int, int],
    spacing_mm: tuple[float, float],
    field_mm: tuple[float, float],
) -> Letterbox:
    """The field round the middle of the picture fills the frame, whatever the picture covers.

    A prepared pixel is field / size large, within half a pixel over the whole picture.

    >>> box = show((256, 216), (224, 224), (1.5, 1.5), (306.88, 306.88))
    >>> box.inner, box.offset
    ((280, 236), (-28, -6))
    """
    parts = zip(source, spacing_mm, size, field_mm, strict=True)
    tall, wide = (max(1, round(n * mm * side / field)) for n, mm, side, field in parts)
    return Letterbox(source=source, inner=(tall, wide), size=size)
