"""UMAP of the features of a run, in its own process: what it compiles would hold all visitors.

McInnes, Healy, Melville: UMAP, arXiv:1802.03426.
"""

import importlib
import importlib.util
import multiprocessing
import re
from multiprocessing.connection import Connection

import numpy as np
from jaxtyping import Float32

from septum.contract import BadInput
from septum.explore.index import Progress
from septum.explore.plane import Plane

NEIGHBOURS = 15
DISTANCE = 0.1
SEED = 0
LEAST = 8
"""Fewer images have no neighbourhoods."""


def umap(pooled: Float32[np.ndarray, "n e"], told: Progress) -> Plane:
    """Points whose neighbours are those of the features; the same at every call.

    Raises:
        BadInput: umap-learn is not installed, there are too few images, or the process ended.
    """
    if importlib.util.find_spec("umap") is None:
        raise BadInput("UMAP needs umap-learn; run: pip install 'septum[explain]'")
    if len(pooled) < LEAST:
        raise BadInput(f"UMAP needs at least {LEAST} images, not {len(pooled)}; choose more.")
    spawn = multiprocessing.get_context("spawn")
    here, there = spawn.Pipe(duplex=False)
    child = spawn.Process(target=_work, args=(np.array(pooled), there), daemon=True)
    child.start()
    there.close()
    try:
        while not isinstance(said := here.recv(), np.ndarray):
            told(said)
    except EOFError as error:
        raise BadInput("UMAP ended early; make memory free and try again.") from error
    finally:
        child.join()
    return Plane(xy=said, names=("UMAP 1", "UMAP 2"))


def _work(pooled: Float32[np.ndarray, "n e"], there: Connection) -> None:
    learn = importlib.import_module("umap").UMAP(
        n_neighbors=min(NEIGHBOURS, len(pooled) - 1), min_dist=DISTANCE, random_state=SEED,
        n_jobs=1,
        tqdm_kwds={"disable": False, "file": Told(there), "bar_format": "{percentage:.0f}%"},
    )  # fmt: skip
    there.send(learn.fit_transform(pooled).astype(np.float64))


class Told:
    """A file for a progress bar, which passes the share that is done on."""

    def __init__(self, there: Connection) -> None:
        self._there = there

    def write(self, text: str) -> None:
        """What the bar draws, such as `12%`."""
        if found := re.search(r"(\d+)%", text):
            self._there.send(int(found[1]) / 100)

    def flush(self) -> None:
        """All is sent at once."""
