"""In which colours three components are stored, whatever the label says.

    components `h w 3` → luma and chroma, or red, green and blue? → grey or RGB

Devices and converters mislabel: chroma that is shown as green and blue tints the whole picture
green. Ultrasound is mostly grey, and grey differs between the two: chroma lies at 128, whereas red,
green and blue are equal. What most pixels say is believed; then what a JPEG says of itself; then
the label.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import UInt8
from PIL import Image

NEUTRAL = 128
"""Chroma without colour."""
NEAR = 8
"""So much noise and compression leave."""
MOST, APART = 0.5, 2.0
"""Share of the pixels that is grey in one way; and how many times more than in the other."""

APP0, APP14, SCAN, FILL = 0xE0, 0xEE, 0xDA, 0xFF
FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
"""Markers of the header of a picture."""
ADOBE = b"\xff\xee\x00\x0eAdobe\x00\x64\x00\x00\x00\x00\x00"
"""Says that the components are not transformed."""


def is_luma(pixels: UInt8[np.ndarray, "h w 3"], *, stated: bool) -> bool:
    """Whether the components are luma and two chromas.

    Args:
        pixels: The components as they are stored.
        stated: What the file says, which counts where the pixels do not tell.
    """
    wide = pixels.astype(np.int16)
    as_luma = float((np.abs(wide[..., 1:] - NEUTRAL).max(-1) <= NEAR).mean())
    as_rgb = float((np.ptp(wide, -1) <= NEAR).mean())
    if as_luma > MOST and as_luma > APART * as_rgb:
        return True
    if as_rgb > MOST and as_rgb > APART * as_luma:
        return False
    return stated


def rgb(pixels: UInt8[np.ndarray, "h w 3"]) -> UInt8[np.ndarray, "h w 3"]:
    """Luma and chroma of full range as red, green and blue (PS3.3 C.7.6.3.1.2, as in JFIF)."""
    return np.asarray(
        Image.frombytes("YCbCr", pixels.shape[1::-1], pixels.tobytes()).convert("RGB")
    )


def grey(pixels: UInt8[np.ndarray, "h w 3"]) -> UInt8[np.ndarray, "h w"]:
    """The luma of red, green and blue."""
    return np.asarray(Image.fromarray(pixels).convert("L"))


@dataclass(frozen=True, kw_only=True)
class Jpeg:
    """A JPEG picture, such that a decoder leaves its components alone.

    Attributes:
        data: The picture without what says how its components are transformed.
        is_luma: What it said of that; None if nothing.
    """

    data: bytes
    is_luma: bool | None


def plain(data: bytes) -> Jpeg:
    """Take a JPEG picture apart, up to its first scan.

    Raises:
        ValueError: It is none.
    """
    kept, said, at = [b"\xff\xd8", ADOBE], dict[str, bool](), 2
    if data[:2] != b"\xff\xd8":
        raise ValueError("no JPEG")
    while (marker := data[at + 1 : at + 2]) and marker[0] != SCAN:
        if marker[0] == FILL:
            at += 1
            continue
        end = at + 2 + int.from_bytes(data[at + 2 : at + 4], "big")
        segment = data[at:end]
        said |= _said(marker[0], segment)
        if marker[0] not in {APP0, APP14}:
            kept.append(segment)
        at = end
    order = ("adobe", "frame", "jfif")
    return Jpeg(
        data=b"".join([*kept, data[at:]]),
        is_luma=next((said[key] for key in order if key in said), None),
    )


def _said(marker: int, segment: bytes) -> dict[str, bool]:
    if marker == APP0 and segment[4:8] == b"JFIF":
        return {"jfif": True}
    if marker == APP14 and segment[4:9] == b"Adobe" and len(segment) == 16:
        return {"adobe": segment[15] == 1}
    if marker in FRAMES and len(segment) >= 19:
        names, sampling = segment[10:19:3], segment[11:19:3]
        if names == b"RGB" or len(set(sampling)) > 1:  # nobody halves red, green or blue
            return {"frame": names != b"RGB"}
    return {}
