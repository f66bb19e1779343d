"""The table of ACDT times blocks of one size, both forwards and backwards."""

import pytest
import torch

from septum.bench import acdt, timing


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr(acdt, "SIZES", {"tiny": (24, 2, 4, 2)})
    monkeypatch.setattr(acdt, "ORGANS", 2)
    monkeypatch.setattr(acdt, "TURNS", 2)


@pytest.mark.parametrize("side", timing.SIDES)
def test_a_step_reaches_all_parameters_of_its_block(side, monkeypatch):
    built = []
    for name in ("Block", "AcdtBlock"):
        kind = getattr(acdt, name)
        monkeypatch.setattr(acdt, name, lambda kind=kind, **o: built.append(kind(**o)) or built[-1])
    acdt.stepping(side, "tiny")()
    moved = [all(p.grad is not None and p.grad.any() for p in b.parameters()) for b in built]
    assert moved == [side == "plain", side == "septum"]


@pytest.mark.parametrize("side", timing.SIDES)
def test_every_side_says_how_long_it_took(side):
    taken = acdt.seconds(side, "tiny")
    assert len(taken) == 2
    assert all(seconds > 0 for seconds in taken)
    assert torch.get_num_threads() == 1
