from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch import distributed as dist

from septum.nn import ranks


@pytest.fixture
def group(tmp_path: Path) -> Iterator[None]:
    """A process group of this process alone."""
    store = dist.FileStore(str(tmp_path / "store"), 1)
    dist.init_process_group("gloo", store=store, rank=0, world_size=1)
    yield
    dist.destroy_process_group()


def pretend_second_of_two(monkeypatch: pytest.MonkeyPatch, other: list[Tensor]) -> None:
    """Be rank 1 of 2: each sum over processes takes the next value of `other` from rank 0."""
    given = iter(other)
    monkeypatch.setattr(dist, "is_initialized", lambda: True)
    monkeypatch.setattr(dist, "get_world_size", lambda: 2)
    monkeypatch.setattr(dist, "get_rank", lambda: 1)
    monkeypatch.setattr(dist, "all_reduce", lambda x: x.add_(next(given)))


def test_alone_a_global_sum_is_the_tensor_itself() -> None:
    x = torch.randn(3, 4, requires_grad=True)
    assert ranks.global_sum(x) is x
    assert ranks.count() == 1


@pytest.mark.usefixtures("group")
def test_the_gradient_of_a_sum_over_processes_is_right() -> None:
    x = torch.randn(5, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: ranks.global_sum(x.square().sum(0)), x)


def test_two_processes_find_the_gradient_of_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """By hand: two losses (sum of all x)^2, each with the derivative 2 * 13."""
    pretend_second_of_two(monkeypatch, other=[torch.tensor(10.0), torch.tensor(2 * 13.0)])
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    loss = ranks.global_sum(x.sum()).square()
    loss.backward()
    assert loss.item() == 13.0**2
    assert x.grad is not None
    assert (x.grad / 2).tolist() == [26.0, 26.0]  # halved by data parallel's mean of gradients


def test_a_global_sum_leaves_its_argument_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend_second_of_two(monkeypatch, other=[torch.ones(2)])
    x = torch.zeros(2)
    assert ranks.global_sum(x).tolist() == [1, 1]
    assert x.tolist() == [0, 0]


@pytest.mark.parametrize("sampler", [torch.rand, torch.randn, partial(torch.randint, 0, 9)])
def test_a_process_draws_its_rows_of_the_noise_for_all(
    sampler, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = ranks.draw(sampler, (6, 2, 5), generator=torch.Generator().manual_seed(3))
    pretend_second_of_two(monkeypatch, other=[])
    mine = ranks.draw(sampler, (3, 2, 5), generator=torch.Generator().manual_seed(3))
    assert torch.equal(mine, whole[3:])
