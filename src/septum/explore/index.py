"""Features of all images of a run, worked out once and kept beside it.

    images --encode--> RUN/index/KEY/{content,pooled}.npy --map--> Index

The key is a hash of the weights and of the images, so that an index that exists fits. It is written
beside its place and renamed into it.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp

import numpy as np
import torch
from jaxtyping import Float32
from numpy.lib.format import open_memmap

from septum import checkpoint
from septum.contract import BadInput, Features
from septum.explore.shown import Shown
from septum.nn.device import device_of

BATCH = 16
FOLDER = "index"
VERSION = 1
"""Goes up when features of the same run and images change."""

Progress = Callable[[float], None]
"""Is told the share that is done, from 0 to 1."""


@dataclass(frozen=True, kw_only=True)
class Index:
    """Features of all records, in their order.

    Attributes:
        content: Map of every image; None for films, whose maps have a time.
        pooled: One vector per record.
    """

    content: Float32[np.ndarray, "n d h w"] | None
    pooled: Float32[np.ndarray, "n e"]


def folder_of(shown: Shown) -> Path:
    """Where the index of a run and these images lies, or will."""
    weights = (shown.run.folder / checkpoint.WEIGHTS).stat()
    facts = [VERSION, weights.st_size, weights.st_mtime_ns, shown.samples.name]
    seen = [(record.id, record.subject, record.split) for record in shown.records]
    key = sha256(json.dumps([facts, seen]).encode()).hexdigest()[:16]
    return shown.run.folder / FOLDER / key


def load(shown: Shown) -> Index | None:
    """The index, if it was built; nothing is read before it is needed."""
    folder = folder_of(shown)
    if not folder.is_dir():
        return None
    try:
        pooled = _mapped(folder / "pooled.npy")
        content = None if shown.is_film() else _mapped(folder / "content.npy")
    except (OSError, ValueError) as error:
        raise BadInput(f"The index {folder} is damaged; remove that folder.") from error
    return Index(content=content, pooled=pooled)


def build(shown: Shown, progress: Progress = lambda _: None) -> Index:
    """Encode all images and keep what comes of it.

    Raises:
        BadInput: The run folder cannot be written.
    """
    target = folder_of(shown)
    try:
        target.parent.mkdir(exist_ok=True)
        scratch = Path(mkdtemp(prefix=".building-", dir=target.parent))
        try:
            _write(scratch, shown, progress)
            if not target.is_dir():
                scratch.rename(target)
        finally:
            rmtree(scratch, ignore_errors=True)
    except OSError as error:
        raise BadInput(
            f"The index {target.parent} cannot be written ({error.strerror}); make room or make "
            "the run folder writable."
        ) from error
    found = load(shown)
    assert found is not None
    return found


def _write(folder: Path, shown: Shown, progress: Progress) -> None:
    count = len(shown.records)
    files: dict[str, np.memmap] = {}
    for start in range(0, count, BATCH):
        places = range(start, min(start + BATCH, count))
        features = encoded(shown, places)
        for name, values in _kept(features).items():
            if name not in files:
                shape = (count, *values.shape[1:])
                path = folder / f"{name}.npy"
                files[name] = open_memmap(path, "w+", dtype=np.float32, shape=shape)
            files[name][start : places.stop] = values
        progress(places.stop / count)
    for file in files.values():
        file.flush()


def encoded(shown: Shown, places: range) -> Features:
    """What the model says of the records at these places."""
    device = device_of(shown.run.model)
    with shown.lock, torch.no_grad():
        return shown.run.model.encode(shown.samples.batch(places).image.to(device))


def _kept(features: Features) -> dict[str, Float32[np.ndarray, "b ..."]]:
    named = {"pooled": features.pooled}
    if features.content.ndim == 4:
        named["content"] = features.content
    return {name: values.float().cpu().numpy() for name, values in named.items()}


def _mapped(path: Path) -> Float32[np.ndarray, "n ..."]:
    return np.load(path, mmap_mode="r", allow_pickle=False)
