"""Parameters of one phase with learning rates of their own."""

import importlib.util
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from septum import train
from septum.contract import Batch

WORKER = Path(__file__).with_name("train_worker.py")
_SPEC = importlib.util.spec_from_file_location("train_worker", WORKER)
assert _SPEC is not None
assert _SPEC.loader is not None
worker = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(worker)


@pytest.fixture(autouse=True)
def cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bytes are promised on CPUs alone."""
    monkeypatch.setenv("LT_ACCELERATOR", "cpu")


def with_rates(*rates: float) -> nn.Module:
    """The toy, whose encoder has these factors of the learning rate: of its weight, its bias."""
    model = worker.toy()
    encoder, critic = model.phases()
    model.phases = lambda: (replace(encoder, rates=rates), critic)
    return model


def moved(*rates: float) -> tuple[Tensor, Tensor]:
    """By how much weight and bias of the encoder move in a first step without weight decay."""
    model = with_rates(*rates)
    before = [p.detach().clone() for p in model.encoder.parameters()]
    updates = train.Updates(model, replace(worker.RECIPE, weight_decay=0.0, warmup_steps=0), seed=0)
    updates(0, next(worker.batches(0)))
    weight, bias = (
        p.detach() - old for p, old in zip(model.encoder.parameters(), before, strict=True)
    )
    return weight, bias


def test_a_parameter_moves_by_its_share_of_the_learning_rate() -> None:
    weight, bias = moved(1.0, 1.0)
    for whole in (weight, bias):  # the first step of Adam has the length of the learning rate
        torch.testing.assert_close(
            whole.abs(), torch.full_like(whole, worker.RECIPE.lr), rtol=1e-3, atol=0
        )
    for whole, alone in zip((weight, bias), moved(), strict=True):
        assert torch.equal(whole, alone)
    still, half = moved(0.0, 0.5)
    assert not still.any()
    torch.testing.assert_close(half, bias / 2, rtol=1e-5, atol=1e-7)
    half, still = moved(0.5, 0.0)
    torch.testing.assert_close(half, weight / 2, rtol=1e-5, atol=1e-7)
    assert not still.any()


def test_rates_do_not_mix_up_what_is_resumed(tmp_path: Path) -> None:
    straight, halted, plain = (tmp_path / name for name in ("straight", "halted", "plain"))

    def until_17(start: int) -> Iterator[Batch]:
        yield from islice(worker.batches(start), 17 - start)
        raise KeyboardInterrupt

    worker.fit(straight, model=with_rates(0.25, 1.0))
    with pytest.raises(KeyboardInterrupt):
        worker.fit(halted, model=with_rates(0.25, 1.0), load=until_17)
    worker.fit(halted, model=with_rates(0.25, 1.0), resume=True)
    worker.fit(plain)
    ended = [(run / "model.safetensors").read_bytes() for run in (straight, halted, plain)]
    assert ended[0] == ended[1] != ended[2]
