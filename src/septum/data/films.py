"""The films of one split, seen in clips that are cut out of the prepared frames."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float32, Int, UInt8

from septum.contract import Batch, Clip, Record
from septum.data import clips
from septum.data.shards import Frames
from septum.data.subset import LEVEL, Subset


@dataclass(frozen=True, kw_only=True)
class FilmSubset:
    """The samples of one split (`septum.contract.Films`).

    Attributes:
        about: What is known of the films beside their frames.
        frames: Of all films, those of one next to each other.
        spans: First frame and number of frames of every film.
        clip: What is seen of a film at once.
    """

    about: Subset
    frames: Frames
    spans: Int[np.ndarray, "n 2"]
    clip: Clip

    @property
    def name(self) -> str:
        """Name of the data set."""
        return self.about.name

    @property
    def split(self) -> str:
        """`train`, `val`, `test` or `all`."""
        return self.about.split

    @property
    def classes(self) -> Sequence[str]:
        """Name of every mask index; index 0 is `background`."""
        return self.about.classes

    @property
    def records(self) -> Sequence[Record]:
        """One per film."""
        return self.about.records

    def lengths(self) -> Sequence[int]:
        """Frames of every film."""
        return self.spans[:, 1].tolist()

    def batch(self, indices: Sequence[int]) -> Batch:
        """The first clip of the films at these places of `records`."""
        return self.clips(indices, [0] * len(indices))

    def clips(self, indices: Sequence[int], starts: Sequence[int]) -> Batch:
        """One clip per place of `records`, that begins with this frame of its film.

        A mask is that of end-diastole; labels and sector are those of the whole film.
        """
        size = self.frames.shards[0].shape[1:]
        image = np.zeros((len(indices), 1, self.clip.frames, *size), np.float32)  # black
        for out, index, start in zip(image, indices, starts, strict=True):
            self._read(index, start, out[0])
        return self.about.shown(indices, torch.from_numpy(image))

    def _read(self, index: int, start: int, out: Float32[np.ndarray, "t h w"]) -> None:
        """Fill in what a clip shows."""
        first, length = self.spans[index].tolist()
        if not self.clip.stride:
            out[:] = _resampled(self.frames.strip(first, first + length), self.clip.frames)
            return
        seen = clips.shown(length, self.clip, start)
        strip = self.frames.strip(first + seen.start, first + seen.stop, seen.step)
        np.multiply(strip, LEVEL, out=out[: len(seen)])


def _resampled(film: UInt8[np.ndarray, "f h w"], frames: int) -> Float32[np.ndarray, "t h w"]:
    weights = clips.weights(len(film), frames)
    pixels = weights @ film.reshape(len(film), -1).astype(np.float32)
    return np.clip(pixels * LEVEL, 0, 1).reshape(frames, *film.shape[1:])
