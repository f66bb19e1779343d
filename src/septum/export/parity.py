"""Whether a graph says what its model says, and how fast either is.

Every image alone and every three of them are shown to onnxruntime and to PyTorch, both on one
thread of the processor in float32.
"""

import importlib
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from septum.contract import BadInput
from septum.export.graph import Graph

BATCHES = (1, 3)
"""Images at a time."""
QUIET = 3
"""Of onnxruntime's log: errors alone."""


@dataclass(frozen=True, kw_only=True)
class Parity:
    """What one graph was found to be.

    Attributes:
        inputs: Shapes by name; the batch axis goes by its name.
        outputs: Likewise.
        differences: Largest |ONNX - PyTorch| of every output over all images and batch sizes.
        onnxruntime_ms: Median time of one image alone.
        torch_ms: Likewise.
    """

    inputs: Mapping[str, Sequence[int | str]]
    outputs: Mapping[str, Sequence[int | str]]
    differences: Mapping[str, float]
    onnxruntime_ms: float
    torch_ms: float


def compare(graph: Graph, path: Path, image: Float[Tensor, "n 1 *t h w"]) -> Parity:
    """Ask the graph in this file and the model itself about all images, in every batch size."""
    session = _session(path)
    with _one_thread():
        pairs = [
            _pair(session, graph, image[rows]) for size in BATCHES for rows in _rows(image, size)
        ]
    alone = pairs[: len(image)]
    return Parity(
        inputs={node.name: node.shape for node in session.get_inputs()},
        outputs={node.name: node.shape for node in session.get_outputs()},
        differences={
            name: max(found.differences[name] for found in pairs) for name in graph.outputs
        },
        onnxruntime_ms=median(found.onnxruntime_ms for found in alone),
        torch_ms=median(found.torch_ms for found in alone),
    )


def refuse_apart(name: str, found: Parity, *, tolerance: float) -> None:
    """Refuse a graph that says something else than its model.

    Raises:
        BadInput: A difference is larger than the tolerance, or no number.
    """
    for output, difference in found.differences.items():
        if not difference <= tolerance:
            raise BadInput(
                f"The graph {name} differs from its model by {difference:.2g} in {output}, more "
                f"than {tolerance:g}, so nothing was exported; allow more with --tolerance."
            )


@dataclass(frozen=True, kw_only=True)
class _Pair:
    """Two answers about the same images."""

    differences: Mapping[str, float]
    onnxruntime_ms: float
    torch_ms: float


def _pair(session: Any, graph: Graph, image: Tensor) -> _Pair:
    given = graph.given(image)
    arrays = {name: tensor.numpy() for name, tensor in given.items()}
    with torch.no_grad():
        said, torch_ms = _timed(lambda: graph.asked(*given.values()))
    found, onnxruntime_ms = _timed(lambda: session.run([*graph.outputs], arrays))
    differences = {
        name: float(np.abs(a - b.numpy()).max())
        for name, a, b in zip(graph.outputs, found, said, strict=True)
    }
    return _Pair(differences=differences, onnxruntime_ms=onnxruntime_ms, torch_ms=torch_ms)


def _timed(ask: Callable[[], Any]) -> tuple[Any, float]:
    """What it returns, and the milliseconds it took."""
    start = time.perf_counter()
    found = ask()
    return found, 1000 * (time.perf_counter() - start)


def _rows(image: Tensor, size: int) -> list[list[int]]:
    """Places of all images, so many at a time; the last ones begin again."""
    n = image.shape[0]
    return [[(first + i) % n for i in range(size)] for first in range(0, n, size)]


def _session(path: Path) -> Any:
    runtime = importlib.import_module("onnxruntime")
    options = runtime.SessionOptions()
    options.log_severity_level = QUIET
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return runtime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


@contextmanager
def _one_thread() -> Generator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
