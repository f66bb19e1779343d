"""Equal-sized frames in a row of `.npy` files that are read through memory maps."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import IO

import numpy as np
from jaxtyping import Int, UInt8
from numpy.lib import format as npy

SHARD_BYTES = 512 * 2**20
"""Largest shard."""


class Writer:
    """Appends frames to `NAME-000.npy`, `NAME-001.npy`, ...; their number is known beforehand.

    Written front to back with plain writes, so a full disk is an error and not a dead process.
    """

    def __init__(self, folder: Path, name: str, *, count: int, size: tuple[int, int]) -> None:
        self._open = _files(folder, name, count, size)
        self._file: IO[bytes] | None = None
        self._left = 0
        self._stack = ExitStack()

    def __enter__(self) -> "Writer":
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def append(self, frame: UInt8[np.ndarray, "h w"]) -> None:
        """Write the next frame."""
        if not self._left:
            self._stack.close()
            file, self._left = next(self._open)
            self._file = self._stack.enter_context(file)
        assert self._file is not None
        self._file.write(frame.tobytes())
        self._left -= 1


def _files(
    folder: Path, name: str, count: int, size: tuple[int, int]
) -> Iterator[tuple[IO[bytes], int]]:
    most = max(1, SHARD_BYTES // (size[0] * size[1]))
    for number, start in enumerate(range(0, count, most)):
        frames = min(most, count - start)
        file = (folder / f"{name}-{number:03d}.npy").open("xb")
        header = {"descr": "|u1", "fortran_order": False, "shape": (frames, *size)}
        npy.write_array_header_1_0(file, header)
        yield file, frames


class Frames:
    """Frames of one or several rows of shards, by their place.

    Attributes:
        codes: What every value of a shard stands for, one table per shard; None for itself.
    """

    def __init__(
        self,
        shards: Sequence[UInt8[np.ndarray, "_ h w"]],
        codes: Sequence[UInt8[np.ndarray, " 256"] | None] | None = None,
    ) -> None:
        self.shards = list(shards)
        self.codes = list(codes or [None] * len(self.shards))
        self._starts = np.cumsum([0, *map(len, self.shards)])

    def __len__(self) -> int:
        return int(self._starts[-1])

    def gather(self, places: Int[np.ndarray, " b"]) -> UInt8[np.ndarray, "b h w"]:
        """Copy these frames together."""
        where = np.searchsorted(self._starts, places, side="right") - 1
        out = np.empty((len(places), *self.shards[0].shape[1:]), np.uint8)
        for k, (place, shard) in enumerate(zip(places, where, strict=True)):
            frame, codes = self.shards[shard][place - self._starts[shard]], self.codes[shard]
            out[k] = frame if codes is None else codes[frame]
        return out

    def recoded(self, codes: UInt8[np.ndarray, " 256"]) -> "Frames":
        """The same frames with other values; nothing is read yet."""
        before = [codes if old is None else codes[old] for old in self.codes]
        return Frames(self.shards, before)


def open_frames(folder: Path, name: str) -> Frames:
    """Map the shards of that name."""
    files = sorted(folder.glob(f"{name}-*.npy"))
    return Frames([np.load(file, mmap_mode="r", allow_pickle=False) for file in files])


def join(parts: Sequence[Frames]) -> Frames:
    """All frames of several, one after the other."""
    shards = [shard for part in parts for shard in part.shards]
    return Frames(shards, [codes for part in parts for codes in part.codes])
