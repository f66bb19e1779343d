"""Ask the process that decodes, and end it when it takes too long.

    path → size on disk → child process (time, memory) → JSON and raw pixels → array

One process serves file after file, since its start takes longer than most files. Nothing that it
answers is unpickled: a header of JSON, then the bytes of an array whose shape was checked. A file
that kills it costs that process, and is told like any other damaged file.
"""

import atexit
import json
import math
import os
import signal
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from threading import RLock, Timer
from typing import Any

import numpy as np
from jaxtyping import Shaped

from septum.contained import caps
from septum.contract import BadInput

SECONDS = 60
"""Longest time for one file."""
KINDS = ("|u1", "<f4")
NEEDED = ("pydicom", "gdcm", "jpeg_ls")
ALONE = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
"""Threads would reserve more memory than the process is given."""


def told(ask: str, path: Path) -> Any:
    """What the child says of a file, as JSON.

    Raises:
        BadInput: The file is missing, too large, damaged, or takes too long.
    """
    with _asked(ask, path) as process:
        return _header(path, process)["told"]


def array(ask: str, path: Path) -> Shaped[np.ndarray, "t h w *c"]:
    """The frames that the child makes of a file.

    Raises:
        BadInput: As for `told`.
    """
    with _asked(ask, path) as process:
        frames = _empty(**_header(path, process))
        for frame in frames:
            if process.stdout.read(1) != b"\1":
                _header(path, process)
            if process.stdout.readinto(memoryview(frame).cast("B")) != frame.nbytes:
                raise EOFError
        return frames


class Worker:
    """The process: started on first use, and again after its end; it has one question at a time."""

    def __init__(self) -> None:
        self.lock = RLock()
        self.process: Any = None
        self.owner = 0

    def running(self) -> Any:
        """The process; a fork of this one starts its own."""
        if self.process is not None and self.process.poll() is not None:
            self.end()
        if self.process is None or self.owner != os.getpid():
            self.process, self.owner = _started(), os.getpid()
        return self.process

    def end(self) -> int:
        """End it, and say how it ended."""
        if self.process is None or self.owner != os.getpid():
            return 0
        process, self.process = self.process, None
        process.kill()
        process.stdout.close()
        status = process.wait()
        with suppress(BrokenPipeError):  # half a question was left
            process.stdin.close()
        return status


WORKER = Worker()
atexit.register(WORKER.end)


def check_installed() -> None:
    """Make sure that the optional decoders are there.

    Raises:
        BadInput: One is not.
    """
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        raise BadInput(
            f"DICOM files are read with {missing[0]}, which is missing; "
            "pip install 'septum[dicom]'."
        )


def _started() -> Any:
    check_installed()
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "septum.contained.worker"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, **ALONE},
        start_new_session=True,  # an interrupt is for this process to handle
    )


@contextmanager
def _asked(ask: str, path: Path) -> Generator[Any]:
    """The process once it was asked; it is ended unless it is ready for the next question."""
    _check_file(path)
    with WORKER.lock:
        process = WORKER.running()
        timer = Timer(SECONDS, process.kill)
        timer.daemon = True
        timer.start()
        is_ready = False
        try:
            question = {"ask": ask, "path": str(path.absolute()), "seconds": SECONDS}
            process.stdin.write(json.dumps(question).encode() + b"\n")
            process.stdin.flush()
            yield process
            is_ready = True
        except BadInput:
            is_ready = True
            raise
        except (OSError, EOFError, ValueError, TypeError, LookupError) as error:
            raise _ended(path, is_late=not timer.is_alive()) from error
        finally:
            timer.cancel()
            if not is_ready:
                WORKER.end()


def _ended(path: Path, *, is_late: bool) -> BadInput:
    if is_late or WORKER.end() == -signal.SIGXCPU:
        return BadInput(f"{path} takes longer than {SECONDS} s to read; export a part of it.")
    return BadInput(f"{path} is damaged, its decoder ended without an answer; export it again.")


def _header(path: Path, process: Any) -> dict[str, Any]:
    """One line of the answer.

    Raises:
        BadInput: It is a refusal.
    """
    line = process.stdout.readline(caps.MAX_HEADER_BYTES)
    if not line.endswith(b"\n"):
        raise EOFError
    header = json.loads(line)
    if "refused" in header:
        raise BadInput(f"{path} {header['refused']}")
    return header


def _empty(*, shape: list[int], kind: str) -> Shaped[np.ndarray, "t h w *c"]:
    """An array of that shape, which is not believed."""
    t, h, w, *c = (int(side) for side in shape)
    sides = min(t, h, w) > 0 and c in ([], [3])
    if not sides or t > caps.MAX_FRAMES or math.prod((t, h, w)) > caps.MAX_PIXELS:
        raise ValueError(shape)
    return np.empty((t, h, w, *c), np.dtype(KINDS[KINDS.index(kind)]))


def _check_file(path: Path) -> None:
    if not path.is_file():
        raise BadInput(f"{path} is missing; restore the file or leave it out.")
    if path.stat().st_size > caps.MAX_BYTES:
        raise BadInput(f"{path} is larger than {caps.MAX_BYTES >> 20} MiB; export a part of it.")
