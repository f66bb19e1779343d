"""The process that decodes: one question per line, answered until the other end goes away.

    {"ask": "frames", "path": ...} → {"shape": [t, h, w], "kind": "|u1"}, then of every frame
                                     a byte 1 and its pixels
    {"ask": "facts", "path": ...}  → {"told": {...}}
    anything that fails            → {"refused": "is damaged ..."}, or a byte 0 and that line

`python -m septum.contained.worker`. Whatever decoders print goes nowhere.
"""

import json
import logging
import os
import resource
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from itertools import chain
from typing import Any, BinaryIO

import numpy as np
from pydicom import config, dcmread, uid
from pydicom.dataset import Dataset

from septum.contained import pixels, tags
from septum.contained.caps import MEMORY_BYTES, Refused

DAMAGED = "is damaged, cut short or no DICOM file; export it again."
LARGE = "needs more memory than is given to one file; export a part of it."

PLAIN = {
    (True, True): uid.ImplicitVRLittleEndian,
    (False, True): uid.ExplicitVRLittleEndian,
    (False, False): uid.ExplicitVRBigEndian,
}
"""How a file is written that does not say it: whether implicit, and whether little endian."""
TELLERS: Mapping[str, Callable[[Dataset], Any]] = {"facts": tags.facts, "members": tags.members}
FRAMES: Mapping[str, tuple[str, Callable[[Dataset], Iterator[np.ndarray]]]] = {
    "frames": ("|u1", pixels.frames),
    "colours": ("|u1", pixels.colours),
    "values": ("<f4", pixels.values),
}


def serve(questions: BinaryIO, answers: BinaryIO) -> None:
    """Answer every line."""
    for line in questions:
        asked = json.loads(line)
        _limit_seconds(asked["seconds"])
        _contain(answers, lambda asked=asked: _answer(answers, asked["ask"], asked["path"]))
        answers.flush()


def _answer(answers: BinaryIO, ask: str, path: str) -> None:
    if ask in TELLERS:
        _say(answers, {"told": TELLERS[ask](_opened(path, stop_before_pixels=True))})
        return
    kind, decoded = FRAMES[ask]
    ds = _opened(path)
    if not tags.has_picture(ds) or "PixelData" not in ds:
        raise Refused("holds no picture; choose another object of the study.")
    shape, found = tags.shape(ds), decoded(ds)
    first = next(found)  # what most files fail at
    _say(answers, {"shape": [shape[0], *first.shape], "kind": kind})
    _contain(answers, lambda: _send(answers, chain([first], found)), before=b"\0")


def _send(answers: BinaryIO, frames: Iterator[np.ndarray]) -> None:
    for frame in frames:
        answers.write(b"\1")
        answers.write(np.ascontiguousarray(frame).data)


def _contain(answers: BinaryIO, act: Callable[[], None], before: bytes = b"") -> None:
    try:
        act()
    except Refused as error:
        reason = str(error)
    except MemoryError:
        reason = LARGE
    except Exception:  # noqa: BLE001 - what a decoder raises on a hostile file can be anything
        reason = DAMAGED
    else:
        return
    answers.write(before)
    _say(answers, {"refused": reason})


def _say(answers: BinaryIO, content: Mapping[str, Any]) -> None:
    answers.write(json.dumps(content).encode() + b"\n")


def _opened(path: str, *, stop_before_pixels: bool = False) -> Dataset:
    ds = dcmread(path, force=True, stop_before_pixels=stop_before_pixels)
    if len(ds) == 0:
        raise Refused(DAMAGED)
    if "TransferSyntaxUID" not in ds.file_meta:
        is_implicit, is_little = ds.original_encoding
        ds.file_meta.TransferSyntaxUID = PLAIN[bool(is_implicit), bool(is_little)]
    return ds


def _limit_seconds(seconds: int) -> None:
    """Of the processor, from here on: a step that nobody waits for ends too."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    _, most = resource.getrlimit(resource.RLIMIT_CPU)
    limit = int(used.ru_utime + used.ru_stime) + 1 + seconds
    resource.setrlimit(resource.RLIMIT_CPU, (limit, most))


def main() -> None:
    """Serve the standard streams."""
    answers = os.fdopen(os.dup(1), "wb")
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    warnings.simplefilter("ignore")
    logging.disable()
    config.settings.reading_validation_mode = config.IGNORE
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    serve(sys.stdin.buffer, answers)


if __name__ == "__main__":
    main()
