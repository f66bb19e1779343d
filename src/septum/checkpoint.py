"""The files of a run folder: written whole or not at all, read without trust.

    RUN/config.json                   the header: septum version, model, config, recipe, data, seed
    RUN/environment.json              where the run was last started
    RUN/metrics.jsonl                 one line of numbers every few steps
    RUN/checkpoints/last.safetensors  weights and optimiser states, the header and the step
    RUN/model.safetensors             weights of the finished run, and the header

Everything is JSON and safetensors: no file can run code. A file is written beside its place, synced
to the disk and renamed, so that at any moment the old or the new one is there, complete.
The state of a model is its parameters and persistent buffers; no two of them may share memory.
"""

import json
import math
import os
import platform
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn
from torch.optim import Optimizer

from septum import __version__
from septum.contract import BadInput

Header = Mapping[str, Any]
Slots = dict[str, Tensor]
"""Tensors by name, as they lie in a model or optimiser: to write into is to restore."""

CONFIG = "config.json"
ENVIRONMENT = "environment.json"
METRICS = "metrics.jsonl"
WEIGHTS = "model.safetensors"
LAST = "checkpoints/last.safetensors"

_MAX_HEADER_BYTES = 1 << 20


def write_bytes(path: Path, data: bytes) -> None:
    """Replace a file as a whole; its folders are made.

    Raises:
        BadInput: The disk is full or the folder cannot be written; the old content stands.
    """
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        _sync_folder(path.parent)
    except OSError as error:
        if temporary.exists():
            temporary.unlink()
        raise _cannot_write(path, error) from error


def _cannot_write(path: Path, error: OSError) -> BadInput:
    """What to tell the user when a file of a run cannot be written."""
    return BadInput(
        f"{path} cannot be written ({error.strerror}), all that was saved before is intact; "
        "make room or choose another folder."
    )


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Replace a JSON file as a whole."""
    write_bytes(path, json.dumps(content, indent=2).encode() + b"\n")


def read_header(run: Path) -> dict[str, Any]:
    """What `config.json` says.

    Raises:
        BadInput: The folder holds no run, or one of another version of septum.
    """
    path = run / CONFIG
    try:
        if path.stat().st_size > _MAX_HEADER_BYTES:
            raise BadInput(f"{path} is too large to be the header of a run; restore the file.")
        text = path.read_bytes()
    except OSError as error:
        raise BadInput(
            f"{run} holds no run ({CONFIG}: {error.strerror}); give the folder that "
            "`septum train --out` wrote."
        ) from error
    return _parse_header(text, path)


def write_environment(run: Path, *, device: torch.device, processes: int, precision: str) -> None:
    """Write `environment.json`: versions, processor, device; no name of person or host."""
    facts = {
        "septum": __version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "system": platform.system(),
        "machine": platform.machine(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
        "processes": processes,
        "precision": precision,
    }
    write_json(run / ENVIRONMENT, facts)


def refuse_other(found: Header, wanted: Header, path: Path) -> None:
    """Refuse a file that was written by a run with other settings.

    Raises:
        BadInput: The model, config, recipe, data or seed differs.
    """
    there, here = _flat(found), _flat(json.loads(json.dumps(wanted)))
    for key in sorted(there.keys() | here.keys()):
        if key not in ("septum", "step") and there.get(key) != here.get(key):
            raise BadInput(
                f"{path} was written with {key} = {there.get(key)!r}, not {here.get(key)!r}; "
                "use the same settings or another run folder."
            )


def refuse_taken(run: Path, header: Header, *, resume: bool) -> None:
    """Refuse a folder that holds a run, unless to resume that very run.

    Raises:
        BadInput: There is a run and `resume` is not set, or it has other settings.
    """
    taken = [name for name in (CONFIG, METRICS, LAST, WEIGHTS) if (run / name).exists()]
    if taken and not resume:
        raise BadInput(
            f"{run} already holds a run ({taken[0]}); continue it with --resume or choose "
            "another folder."
        )
    if taken:
        refuse_other(read_header(run), header, run / CONFIG)


def append_metrics(run: Path, line: Mapping[str, Any]) -> None:
    """Add a line to `metrics.jsonl`."""
    path = run / METRICS
    try:
        with path.open("a") as file:
            file.write(json.dumps(line, allow_nan=False) + "\n")
    except OSError as error:
        raise _cannot_write(path, error) from error


def cut_metrics(run: Path, step: int) -> None:
    """Drop the lines of `metrics.jsonl` beyond a step: those steps will be done again."""
    path = run / METRICS
    lines = path.read_bytes().splitlines(keepends=True) if path.exists() else []
    write_bytes(path, b"".join(line for line in lines if _step_of(line) <= step))


def save_weights(run: Path, model: nn.Module) -> None:
    """Write `model.safetensors`, with the header of the run inside."""
    _write(run / WEIGHTS, _model_slots(model), read_header(run))


def load_weights(run: Path, model: nn.Module) -> None:
    """Fill the model from `model.safetensors`.

    Raises:
        BadInput: The training has not finished, or the weights are of another model; the
            given model is then as it was.
    """
    header = read_header(run)
    _restore(_finished(run), _model_slots(model), header)


def load_alike(run: Path, model: nn.Module) -> None:
    """Fill from the weights of another run what has the same name and shape in the model.

    Raises:
        BadInput: The training has not finished, the file is damaged, or nothing fits.
    """
    header, slots = read_header(run), _model_slots(model)
    path = _finished(run)
    _, tensors = _read(path, header)
    fitting = {k: t for k, t in tensors.items() if k in slots and t.shape == slots[k].shape}
    if not fitting:
        raise BadInput(f"{path} has no weight that fits this model; give a run of one like it.")
    for name, tensor in fitting.items():
        slots[name].detach().copy_(tensor)


def _finished(run: Path) -> Path:
    """The weights of a run whose training has ended."""
    path = run / WEIGHTS
    if not path.exists():
        raise BadInput(f"{run} holds no finished training; continue it with --resume.")
    return path


def save_training(
    run: Path, step: int, model: nn.Module, optimisers: Mapping[str, Optimizer]
) -> None:
    """Write the checkpoint: all that the steps from `step` on depend on."""
    slots = _model_slots(model) | _optimiser_slots(model, optimisers)
    _write(run / LAST, slots, {**read_header(run), "step": step})


def load_training(run: Path, model: nn.Module, optimisers: Mapping[str, Optimizer]) -> int:
    """Fill model and optimisers from the checkpoint; how many steps it has behind it.

    A run that was stopped before its first checkpoint stands at step 0.

    Raises:
        BadInput: The checkpoint is of another run or model, or damaged; nothing is filled then.
    """
    path = run / LAST
    if not path.exists():
        return 0
    slots = _model_slots(model) | _optimiser_slots(model, optimisers)
    step = _restore(path, slots, read_header(run)).get("step")
    if not isinstance(step, int):
        raise BadInput(f"{path} does not say its step; restore it or train again.")
    return step


def _model_slots(model: nn.Module) -> Slots:
    return {f"model/{name}": tensor for name, tensor in model.state_dict().items()}


def _optimiser_slots(model: nn.Module, optimisers: Mapping[str, Optimizer]) -> Slots:
    """States of every parameter: at zero, as AdamW starts them, where none exists yet."""
    names = {parameter: name for name, parameter in model.named_parameters()}
    return {
        f"optimiser/{phase}/{names[parameter]}/{key}": state
        for phase, optimiser in optimisers.items()
        for group in optimiser.param_groups
        for parameter in group["params"]
        for key, state in _adam_state(optimiser, parameter).items()
    }


def _adam_state(optimiser: Optimizer, parameter: nn.Parameter) -> Slots:
    if not optimiser.state.get(parameter):
        optimiser.state[parameter] = {
            "step": torch.zeros((), device=parameter.device),
            "exp_avg": torch.zeros_like(parameter, requires_grad=False),
            "exp_avg_sq": torch.zeros_like(parameter, requires_grad=False),
        }
    return optimiser.state[parameter]


def _write(path: Path, slots: Slots, header: Header) -> None:
    tensors = {name: slot.detach().cpu().contiguous() for name, slot in slots.items()}
    write_bytes(path, save(tensors, metadata={"header": json.dumps(header)}))


def _restore(path: Path, slots: Slots, wanted: Header) -> dict[str, Any]:
    """Copy a file into the slots once all of it is found to fit; its header."""
    header, tensors = _read(path, wanted)
    _refuse_other_names(set(tensors), set(slots), path)
    for name, slot in slots.items():
        _refuse_other_kind(name, tensors[name], slot, path)
    for name, slot in slots.items():
        slot.detach().copy_(tensors[name])
    return header


def _read(path: Path, wanted: Header) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Header and tensors of a file of the run with this header."""
    try:
        with safe_open(path, framework="pt") as file:
            header = _parse_header((file.metadata() or {}).get("header", ""), path)
            refuse_other(header, wanted, path)
            return header, {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise BadInput(
            f"{path} is damaged or cannot be read ({error}); restore it or train again."
        ) from error


def _parse_header(text: str | bytes, path: Path) -> dict[str, Any]:
    try:
        header = json.loads(text)
    except (ValueError, RecursionError):
        header = None
    if not isinstance(header, dict):
        raise BadInput(f"{path} has no header that can be read; restore it or train again.")
    version = str(header.get("septum"))
    if version.split(".")[:2] != __version__.split(".")[:2]:
        raise BadInput(
            f"{path} was written by septum {version}, this is {__version__}; "
            "install that version or train again."
        )
    return header


def _refuse_other_names(found: set[str], wanted: set[str], path: Path) -> None:
    if found != wanted:
        odd = min(found ^ wanted)
        lack = "lacks" if odd in wanted else "has an unknown"
        raise BadInput(
            f"{path} {lack} tensor {odd} and belongs to another model; restore it or train again."
        )


def _refuse_other_kind(name: str, found: Tensor, wanted: Tensor, path: Path) -> None:
    if found.shape != wanted.shape or found.dtype != wanted.dtype:
        raise BadInput(
            f"{path} holds {name} as {found.dtype} {list(found.shape)}, the model has "
            f"{wanted.dtype} {list(wanted.shape)}, so it belongs to another "
            "model; restore it or train again."
        )


def _flat(value: Any, path: str = "") -> dict[str, Any]:
    """Leaves of nested dictionaries, by dotted path."""
    if not isinstance(value, dict):
        return {path: value}
    nested = [_flat(inner, f"{path}.{key}" if path else key) for key, inner in value.items()]
    return {key: leaf for leaves in nested for key, leaf in leaves.items()}


def _step_of(line: bytes) -> float:
    """The step of a line; infinite for one that a killed process left unfinished."""
    try:
        return float(json.loads(line)["step"]) if line.endswith(b"\n") else math.inf
    except (ValueError, KeyError, TypeError):
        return math.inf


def _processor() -> str:
    """Name of the processor; on Linux the kernel knows better than Python."""
    path = Path("/proc/cpuinfo")
    names = re.findall(r"model name\s*: (.*)", path.read_text()) if path.exists() else []
    return names[0] if names else platform.processor()


def _sync_folder(folder: Path) -> None:
    """Make a rename survive a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
