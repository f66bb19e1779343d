"""Measured values as grey levels: through the window of the file, or over their range."""

import math
from collections.abc import Callable, Iterable

import numpy as np
from jaxtyping import Float32, UInt8
from pydicom.dataset import Dataset

from septum.contained import tags
from septum.contained.caps import Refused

Values = Float32[np.ndarray, "h w"]
Shown = Callable[[Values], UInt8[np.ndarray, "h w"]]


def of(ds: Dataset, place: int) -> Shown | None:
    """The first window that the file states for a frame (PS3.3 C.11.2.1.2)."""
    stated = tags.functional(ds, place, "FrameVOILUTSequence") or ds
    centre, width = (tags.first(stated, f"Window{name}") for name in ("Center", "Width"))
    if centre is None or width is None:
        return None
    kind = tags.word(stated, "VOILUTFunction") or "LINEAR"
    if kind == "LINEAR":  # of whole numbers: 1 wide is a step
        return _ramp(centre - 0.5 - (width - 1) / 2, width - 1) if width >= 1 else None
    if width <= 0:
        return None
    return _curve(centre, width) if kind == "SIGMOID" else _ramp(centre - width / 2, width)


def of_range(frames: Iterable[Values]) -> Shown:
    """From the least to the largest value of all frames.

    Raises:
        Refused: One is infinite or undefined.
    """
    low, high = math.inf, -math.inf
    for values in frames:
        low, high = min(low, float(values.min())), max(high, float(values.max()))
    if not math.isfinite(high - low):
        raise Refused("holds infinite or undefined intensities; export it again.")
    return _ramp(low, high - low)


def _ramp(low: float, width: float) -> Shown:
    def shown(values: Values) -> UInt8[np.ndarray, "h w"]:
        share = (values.astype(np.float64) - low) / max(width, 1e-12)
        return np.round(share.clip(0, 1) * 255).astype(np.uint8)

    return shown


def _curve(centre: float, width: float) -> Shown:
    def shown(values: Values) -> UInt8[np.ndarray, "h w"]:
        share = 1 / (
            1 + np.exp((-4 * (values.astype(np.float64) - centre) / width).clip(-700, 700))
        )
        return np.round(share * 255).astype(np.uint8)

    return shown
