"""A clip of a film: cut out of the prepared frames, beside decoding its file.

The plain side decodes the AVI and takes 36 frames with a stride of 4, as a loader without a cache
does for every clip; ours reads the same frames from the memory map. Both end in float32 in [0, 1].
Film and cache are warm in the memory of the system for either side.
"""

import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch

from septum.bench import timing
from septum.bench.table import Row, Setting
from septum.contract import Clip, Films
from septum.data import film, phantom
from septum.data.loader import batches
from septum.data.prepare import prepare

CLIP = Clip(frames=36, stride=4, per_film=2)
FRAMES = 180
SIDE = 112
FILMS = 16
TURNS, ROUNDS = 50, 3
STEP_S = 0.1
"""Of the training step that is waited for; one of `small` takes about as long on one core."""


def rows(setting: Setting) -> Sequence[Row]:
    """Seconds of either side and their ratio; share of a step that is spent waiting for a batch.

    A row has `name`, `value`, `low`, `high` (95 % of the resampled statistic), `unit`, `n`.
    """
    del setting
    with TemporaryDirectory() as scratch:
        root = Path(scratch)
        phantom.write_cines(
            root / "echonet_dynamic", subjects=FILMS, seed=0, frames=(FRAMES, FRAMES)
        )
        prepared(root)
        name = f"clip of {CLIP.frames} x {SIDE} x {SIDE}"
        waiting = np.array(timing.alone(waits, root))
        return [
            *timing.side_by_side(name, seconds, root, rounds=ROUNDS),
            timing.row("waiting for a batch of 32 clips / step", np.median, waiting, unit="share"),
        ]


def prepared(root: Path) -> Films:
    """The films, out of the cache."""
    everything = prepare("echonet_dynamic", root, size=(SIDE, SIDE), cache=root / "cache")
    films = everything.filmed(CLIP).split("all")
    assert isinstance(films, Films)
    return films


def seconds(side: str, root: Path) -> list[float]:
    """One turn of a side: seconds of every clip."""
    torch.set_num_threads(1)
    films = prepared(root)
    paths = [record.image for record in films.records]
    out = np.empty((CLIP.frames, SIDE, SIDE), np.float32)

    def plain(place: int) -> None:
        decoded = [*film.frames(paths[place])][: CLIP.frames * CLIP.stride : CLIP.stride]
        np.multiply(np.stack(decoded), np.float32(1 / 255), out=out)

    def ours(place: int) -> None:
        films.clips([place], [0])

    read = plain if side == "plain" else ours
    read(0)
    return [timing.seconds(lambda k=k: read(k % FILMS)) for k in range(TURNS)]


def waits(root: Path) -> list[float]:
    """Of steps that take as long as one of training, the share that is spent waiting."""
    films = prepared(root)
    stream, found = batches(films, batch_size=16, seed=0), list[float]()
    next(stream)
    for _ in range(TURNS):
        before = stream.waited_s
        time.sleep(STEP_S)
        next(stream)
        waited = stream.waited_s - before
        found.append(waited / (STEP_S + waited))
    return found
