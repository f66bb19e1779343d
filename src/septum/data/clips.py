"""Which frames of a film a clip shows, and what it shows between them.

    length of the film, clip, start → places of the frames, -1 for black
    length of the film, length of the clip → weights of a spline in time

Where a stride is given, a film that is shorter than `frames * stride` is padded with black to that
length, and a clip begins where all of it lies in the padded film. That is the sampling of
EchoNet-Dynamic (Ouyang et al., Nature 2020, doi:10.1038/s41586-020-2145-8), which CoReEcho (Maani
et al., MICCAI 2024, arXiv:2403.10164) keeps with 36 frames and a stride of 4.
"""

from functools import lru_cache

import numpy as np
from jaxtyping import Float32, Float64, Int
from scipy.interpolate import CubicSpline

from septum.contract import Clip

BLACK = -1
"""Place of a frame after the last one of the film."""
COLUMNS = 256
"""Frames whose weights are computed at once, to bound the memory."""


def starts(length: int, clip: Clip) -> int:
    """How many frames of a film can be the first of a clip: 0 up to this number.

    A film that is resampled as a whole has one clip.

    >>> [starts(length, Clip(frames=36, stride=4)) for length in (28, 144, 145, 250)]
    [4, 4, 5, 110]
    """
    if not clip.stride:
        return 1
    return max(length, clip.frames * clip.stride) - (clip.frames - 1) * clip.stride


def shown(length: int, clip: Clip, start: int) -> range:
    """The frames of a film that a clip shows, before black.

    >>> shown(10, Clip(frames=4, stride=3), 2)
    range(2, 10, 3)
    """
    return range(start, min(length, start + clip.frames * clip.stride), clip.stride)


def places(length: int, clip: Clip, start: int) -> Int[np.ndarray, " t"]:
    """The frame of the film at every place of a clip, -1 for black.

    >>> places(10, Clip(frames=4, stride=3), 2).tolist()
    [2, 5, 8, -1]
    """
    seen = shown(length, clip, start)
    return np.asarray([*seen, *(clip.frames - len(seen)) * [BLACK]])


@lru_cache(maxsize=256)
def weights(length: int, frames: int) -> Float32[np.ndarray, "frames length"]:
    """Share of every frame of a film in every frame of a clip that spans the whole film.

    Row i is the cubic spline through the frames (not-a-knot; a parabola through three, a line
    through two) at an even step from the first to the last; at a frame it is that frame. To be
    read only.
    """
    at = np.linspace(0, length - 1, frames)
    row, near = np.arange(frames), np.rint(at).astype(int)
    found = np.concatenate([_columns(at, length, k) for k in range(0, length, COLUMNS)], axis=1)
    is_frame = at == near
    found[is_frame] = 0
    found[row[is_frame], near[is_frame]] = 1
    return found.astype(np.float32)


def _columns(at: Float64[np.ndarray, " t"], length: int, first: int) -> Float64[np.ndarray, "t n"]:
    """The splines through single frames of a film: 1 there, 0 at all others."""
    alone = np.eye(length, min(COLUMNS, length - first), -first)
    return CubicSpline(np.arange(length), alone)(at) if length > 1 else np.ones((len(at), 1))
