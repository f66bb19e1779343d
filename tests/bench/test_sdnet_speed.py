"""Both sides of the speed table of SDNet do the same work."""

import copy
from dataclasses import replace

import pytest
import torch

from septum import train
from septum.bench import sdnet_speed, timing
from septum.bench.table import Setting
from septum.contract import Batch, Recipe
from septum.models.sdnet import SDNet, SDNetConfig

SIDE = 32
STEPS = ("labelled", "labelled_z", "unlabelled", "unlabelled_z", "critic")
STILL = Recipe(data="", steps=1, lr=0.0, precision="fp32")


@pytest.fixture
def model():
    torch.manual_seed(0)
    return SDNet(
        SDNetConfig(
            image_size=(SIDE, SIDE), width=4, segmentor_width=4, critic_width=4, rotation_deg=20.0,
            sharpness=5.0,
        )
    )  # fmt: skip


@pytest.fixture
def batch():
    """Four images with a mask, four without, four masks alone."""
    generator = torch.Generator().manual_seed(0)
    mask = torch.randint(0, 4, (8, SIDE, SIDE), generator=generator)
    unpaired = mask[4:].clone()
    mask[4:] = -1
    image = torch.rand(8, 1, SIDE, SIDE, generator=generator)
    return Batch(image=image, mask=mask, unpaired=unpaired, ids=list("abcdefgh"))


def gradients(model, losses):
    """Terms of every step and the gradients of what it updates; the weights stay."""
    for phase, terms in zip(model.phases(), losses, strict=True):
        total = torch.stack([*terms.values()]).sum()
        yield terms, torch.autograd.grad(total, phase.parameters, materialize_grads=True)


def test_the_plain_iteration_has_the_same_losses_and_gradients(model, batch):
    other = copy.deepcopy(model)
    torch.manual_seed(1)
    ours = [*gradients(model, (phase.loss(batch, 0.0) for phase in model.phases()))]
    torch.manual_seed(1)
    plain = [*gradients(other, sdnet_speed.plain_losses(other, batch))]

    torch.testing.assert_close(plain, ours, atol=1e-6, rtol=1e-4)


def test_what_is_timed_computes_these_losses(model, batch, monkeypatch):
    """Also in the layout of the fast kernels; fp32 then rounds otherwise."""
    other = copy.deepcopy(model)
    monkeypatch.setattr(train, "_noise_seed", lambda *_: 1)
    ours = sdnet_speed.our_iteration(model, STILL, batch)()
    torch.manual_seed(1)
    plain = {
        f"{step}/{name}": float(value.detach())
        for step, terms in zip(STEPS, sdnet_speed.plain_losses(other, batch), strict=True)
        for name, value in terms.items()
    }

    assert plain == pytest.approx({k: v for k, v in ours.items() if k in plain}, rel=1e-3)
    assert {k for k in ours if not k.startswith("grad_norm/")} == {*plain}


@pytest.mark.parametrize("side", [sdnet_speed.plain_iteration, sdnet_speed.our_iteration])
def test_either_side_updates_every_weight(model, batch, side):
    before = copy.deepcopy(model)
    side(model, replace(STILL, lr=1e-3), batch)()
    pairs = zip(before.named_parameters(), model.parameters(), strict=True)
    assert [name for (name, old), new in pairs if torch.equal(old, new)] == []


@pytest.mark.slow
def test_memory_is_that_of_this_process_and_not_of_its_parent():
    held = bytearray(500_000_000)
    held[::4096] = b"1" * len(held[::4096])
    assert timing.alone(timing.peak_mb) < timing.peak_mb() - 250


@pytest.mark.slow
def test_every_row_has_an_interval(tmp_path, monkeypatch):
    for name, value in (("ROUNDS", 2), ("STEPS", 2), ("WARM", 1)):
        monkeypatch.setattr(sdnet_speed, name, value)
    rows = sdnet_speed.rows(
        Setting(out=tmp_path, data=(), prepared=lambda *_: pytest.fail("needs no images"))
    )
    assert [(row["name"], row["unit"], row["n"]) for row in rows] == [
        ("training iteration, plain", "s", 4),
        ("training iteration", "s", 4),
        ("plain / ours", "ratio", 4),
        ("peak memory of a training", "MB", 2),
    ]
    assert all(0 < row["low"] <= row["value"] <= row["high"] for row in rows)
