"""Equal-sized frames in a row of `.npy` files that are read through memory maps."""

from collections.abc import Sequence
from itertools import count
from pathlib import Path
from typing import IO

import numpy as np
from jaxtyping import Int, UInt8
from numpy.lib import format as npy

SHARD_BYTES = 512 * 2**20
"""Largest shard."""


class Writer:
    """Appends frames to `NAME-000.npy`, `NAME-001.npy`, ..., however many there will be.

    Written front to back with plain writes, so a full disk is an error and not a dead process; the
    number of its frames is put into the header of a shard at its end.
    """

    def __init__(self, folder: Path, name: str, *, size: tuple[int, int]) -> None:
        self._files = (folder / f"{name}-{number:03d}.npy" for number in count())
        self._size, self._most = size, max(1, SHARD_BYTES // (size[0] * size[1]))
        self._file: IO[bytes] | None = None
        self._written = 0

    def __enter__(self) -> "Writer":
        return self

    def __exit__(self, *_: object) -> None:
        self._close()

    def append(self, frame: UInt8[np.ndarray, "h w"]) -> None:
        """Write the next frame."""
        if self._written == self._most:
            self._close()
        if self._file is None:
            self._file, self._written = next(self._files).open("xb"), 0
            self._head()
        self._file.write(frame.tobytes())
        self._written += 1

    def _close(self) -> None:
        """End the shard."""
        if self._file is not None:
            with self._file:
                self._file.seek(0)
                self._head()
        self._file = None

    def _head(self) -> None:
        """Write the header, which is as long for any number of frames (`numpy.lib.format`)."""
        assert self._file is not None
        shape = self._written, *self._size
        header = {"descr": "|u1", "fortran_order": False, "shape": shape}
        npy.write_array_header_1_0(self._file, header)


class Frames:
    """Frames of one or several rows of shards, by their place.

    Attributes:
        codes: What every value of a shard stands for, one table per shard; None for itself.
        order: Place in the shards of every frame; None for all frames as they lie there.
    """

    def __init__(
        self,
        shards: Sequence[UInt8[np.ndarray, "_ h w"]],
        codes: Sequence[UInt8[np.ndarray, " 256"] | None] | None = None,
        *,
        order: Int[np.ndarray, " n"] | None = None,
    ) -> None:
        self.shards = list(shards)
        self.order = order
        self.codes = list(codes or [None] * len(self.shards))
        self._starts = np.cumsum([0, *map(len, self.shards)])

    def __len__(self) -> int:
        return int(self._starts[-1]) if self.order is None else len(self.order)

    def gather(self, places: Int[np.ndarray, " b"]) -> UInt8[np.ndarray, "b h w"]:
        """Copy these frames together."""
        places = places if self.order is None else self.order[places]
        where = np.searchsorted(self._starts, places, side="right") - 1
        out = np.empty((len(places), *self.shards[0].shape[1:]), np.uint8)
        for k, (place, shard) in enumerate(zip(places, where, strict=True)):
            frame, codes = self.shards[shard][place - self._starts[shard]], self.codes[shard]
            out[k] = frame if codes is None else codes[frame]
        return out

    def strip(self, first: int, last: int, stride: int = 1) -> UInt8[np.ndarray, "t h w"]:
        """Every stride-th frame from `first` up to `last`; nothing is copied within a shard."""
        if self.order is not None:
            return self.gather(np.arange(first, last, stride))
        shard = int(np.searchsorted(self._starts, first, side="right")) - 1
        start, stop = self._starts[shard : shard + 2]
        if last > stop or self.codes[shard] is not None:
            return self.gather(np.arange(first, last, stride))
        return self.shards[shard][first - start : last - start : stride]

    def recoded(self, codes: UInt8[np.ndarray, " 256"]) -> "Frames":
        """The same frames with other values; nothing is read yet."""
        before = [codes if old is None else codes[old] for old in self.codes]
        return Frames(self.shards, before, order=self.order)

    def ordered(self, places: Int[np.ndarray, " n"]) -> "Frames":
        """The frames at these places, as a row of their own; nothing is read yet."""
        order = places if self.order is None else self.order[places]
        return Frames(self.shards, self.codes, order=order)


def open_frames(folder: Path, name: str) -> Frames:
    """Map the shards of that name."""
    files = sorted(folder.glob(f"{name}-*.npy"))
    return Frames([np.load(file, mmap_mode="r", allow_pickle=False) for file in files])


def join(parts: Sequence[Frames]) -> Frames:
    """All frames of several, one after the other."""
    assert all(part.order is None for part in parts)
    shards = [shard for part in parts for shard in part.shards]
    return Frames(shards, [codes for part in parts for codes in part.codes])
