import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

WORKER = Path(__file__).with_name("train_worker.py")
STRIDES = "Grad strides do not match bucket view strides"
"""What torch says of channels-last kernels of size 1: a matter of speed, not of value."""


def weights(run: Path) -> bytes:
    return (run / "model.safetensors").read_bytes()


def lines(run: Path) -> list[dict[str, float]]:
    """The log, without what depends on the clock."""
    found = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [line | {"images_per_s": 0, "waiting_share": 0} for line in found]


def finish(process: subprocess.Popen[str], *, timeout_s: float = 300) -> str:
    """What a worker that ended well has printed."""
    answer, _ = process.communicate(timeout=timeout_s)
    assert process.returncode == 0
    return answer


def start_worker(*words: object, **environment: str) -> subprocess.Popen[str]:
    quiet = ["-W", "error", "-W", f"ignore:{STRIDES}:UserWarning"]
    command = [sys.executable, *quiet, WORKER, *map(str, words)]
    one_thread = {"OMP_NUM_THREADS": "1", "LT_ACCELERATOR": "cpu"}
    return subprocess.Popen(
        command, env=os.environ | one_thread | environment, stdout=subprocess.PIPE, text=True
    )


def as_one_and_as_two(what: str, folder: Path) -> None:
    """Train for five steps in one process, and in two on the same batches."""
    if not in_two(what, folder / "two"):
        shutil.rmtree(folder / "two")
        assert in_two(what, folder / "two")
    finish(start_worker(what, folder / "one", 5))


def in_two(what: str, run: Path) -> bool:
    """Whether both processes come to their end; gloo now and then does not let go of its last."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    group = {"WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2", "MASTER_PORT": port}
    group |= {"MASTER_ADDR": "127.0.0.1", "TORCHELASTIC_RUN_ID": "test"}
    both = [start_worker(what, run, 5, RANK=rank, LOCAL_RANK=rank, **group) for rank in ("0", "1")]
    try:
        for process in both:
            finish(process, timeout_s=90)
    except subprocess.TimeoutExpired:
        return False
    finally:
        for process in both:
            process.kill()
            process.communicate()
    return True


@pytest.mark.slow
def test_two_processes_train_as_one(tmp_path: Path) -> None:
    as_one_and_as_two("fit", tmp_path)
    for one, two in zip(lines(tmp_path / "one"), lines(tmp_path / "two"), strict=True):
        for name in (name for name in one if not name.startswith("monitor/")):
            assert two[name] == pytest.approx(one[name], rel=1e-5), name
    one, two = (load_file(tmp_path / n / "model.safetensors") for n in ("one", "two"))
    for name, value in one.items():
        torch.testing.assert_close(two[name], value, rtol=1e-4, atol=1e-6)


@pytest.mark.slow
def test_every_term_of_concept_vae_is_that_of_the_whole_batch(tmp_path: Path) -> None:
    as_one_and_as_two("concepts", tmp_path)
    for one, two in zip(lines(tmp_path / "one"), lines(tmp_path / "two"), strict=True):
        for name in (name for name in one if name.startswith("pretrain/")):
            assert two[name] == pytest.approx(one[name], rel=1e-3), name


@pytest.mark.slow
def test_a_run_that_is_killed_at_any_moment_ends_with_the_same_bytes(tmp_path: Path) -> None:
    ends = json.loads(finish(start_worker("kill", tmp_path, 20)))
    killed = [name for name, status in ends.items() if status == -signal.SIGKILL]
    assert sum(name.startswith("random") for name in killed) >= 15
    assert sum(name.startswith("rename") for name in killed) == 28
    for name in ends:
        assert weights(tmp_path / name) == weights(tmp_path / "whole"), name
        assert lines(tmp_path / name) == lines(tmp_path / "whole"), name
