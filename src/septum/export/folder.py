"""A run as a folder to hand on: weights, graphs, and a card that says what they are.

    OUT/config.json, model.safetensors   as in the run: commands take the folder for one
    OUT/encode.onnx, ...                 what the model does, for onnxruntime
    OUT/parity.json                      that the graphs say what the model says, and how fast
    OUT/README.md                        the model card

The folder is there as a whole or not at all.
"""

import importlib.metadata
import importlib.util
import platform
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from jaxtyping import Float
from torch import Tensor

from septum import __version__, checkpoint, opened
from septum.contract import BadInput
from septum.data.prepared import Prepared
from septum.export import card, graph, parity, probes
from septum.export.parity import Parity
from septum.opened import Run

README = "README.md"
PARITY = "parity.json"
NEEDED = ("onnx", "onnxruntime", "onnxscript")


@dataclass(frozen=True, kw_only=True)
class Exported:
    """What has become graphs, and in a sentence each what has not.

    Attributes:
        images: That they were compared on: `data`, `split`, `n`.
    """

    images: Mapping[str, str | int]
    graphs: Mapping[str, Parity]
    left_out: Mapping[str, str]


def export(
    folder: Path,
    out: Path,
    *,
    tolerance: float,
    root: Path | None = None,
    cache: Path | None = None,
) -> Exported:
    """Write the folder of a finished run.

    Args:
        folder: Of the run.
        out: The folder to write; made, or empty.
        tolerance: What a graph may differ from its model, in any number it answers.
        root: Holds the data sets, if it is another folder than at the training.
        cache: Holds prepared images.

    Raises:
        BadInput: The run is not finished, `out` holds something, a package is missing, `encode` is
            no graph, or a graph differs by more; there is nothing in `out` then.
    """
    _require()
    _refuse_taken(out)
    run = opened.load(folder)
    images = probes.at_hand(run, root=root, cache=cache)
    shown = probes.phantoms(run) if images is None else probes.of_run(images)
    with _whole(out) as stage:
        graphs, left_out = _graphs(run, shown, stage, tolerance=tolerance)
        found = Exported(images=_seen(images, shown), graphs=graphs, left_out=left_out)
        _copy(folder, stage)
        checkpoint.write_json(stage / PARITY, _facts(run, found, tolerance))
        noted = None if images is None else root or opened.noted_images(folder)[1]
        told = card.text(run, found.graphs, images=images, root=noted, tolerance=tolerance)
        checkpoint.write_bytes(stage / README, told.encode())
    return found


def _graphs(
    run: Run, image: Float[Tensor, "n 1 *t h w"], out: Path, *, tolerance: float
) -> tuple[Mapping[str, Parity], Mapping[str, str]]:
    """Write every graph that there can be, and say why another one cannot."""
    found: dict[str, Parity] = {}
    left_out: dict[str, str] = {}
    for one in graph.graphs(run.model, image):
        path = out / f"{one.name}.onnx"
        try:
            graph.write(one, image, path)
        except BadInput as problem:
            if one.name == "encode":
                raise
            left_out[one.name] = str(problem)
            continue
        found[one.name] = parity.compare(one, path, image)
        parity.refuse_apart(one.name, found[one.name], tolerance=tolerance)
    return found, left_out


def _seen(images: Prepared | None, image: Tensor) -> Mapping[str, str | int]:
    data, split = ("phantom", "all") if images is None else (images.name, probes.SPLIT)
    return {"data": data, "split": split, "n": image.shape[0]}


def _facts(run: Run, found: Exported, tolerance: float) -> Mapping[str, Any]:
    """What `parity.json` says."""
    return {
        "model": run.name,
        "septum": __version__,
        **{package: importlib.metadata.version(package) for package in ("torch", *NEEDED)},
        "opset": graph.OPSET,
        "tolerance": tolerance,
        "images": found.images,
        "batch_sizes": parity.BATCHES,
        "threads": 1,
        "machine": platform.machine(),
        "graphs": {name: asdict(one) for name, one in found.graphs.items()},
        "left_out": found.left_out,
    }


def _copy(run: Path, out: Path) -> None:
    for name in (checkpoint.CONFIG, checkpoint.ENVIRONMENT, checkpoint.WEIGHTS):
        if (run / name).exists():
            checkpoint.write_bytes(out / name, (run / name).read_bytes())


def _require() -> None:
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise BadInput(f"Export needs {', '.join(missing)}; run: pip install 'septum[export]'")


def _refuse_taken(out: Path) -> None:
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise BadInput(f"{out} is no empty folder; name a new one.")


@contextmanager
def _whole(out: Path) -> Generator[Path]:
    """A folder beside that takes the place once all is written, and else is removed."""
    out.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=out.parent, prefix=f".{out.name}.") as beside:
        stage = Path(beside) / "stage"
        stage.mkdir()
        yield stage
        if out.exists():
            out.rmdir()
        stage.rename(out)
