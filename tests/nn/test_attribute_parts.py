"""The map from usages to attributes, the memory of a training, bounds of codes."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import LinearRegression

from septum.nn.attribute_parts import Bounds, Mapper, Memory, fitted


def usages(n=40, atoms=12, seed=0):
    rng = torch.Generator().manual_seed(seed)
    u = torch.rand(n, atoms, generator=rng)
    return u / u.sum(1, keepdim=True)


def test_proxies_are_a_linear_map_of_usages():
    mapper, u = Mapper(2, 12), usages()
    torch.testing.assert_close(mapper(u), u @ mapper.weight.T)


def test_frozen_rows_count_no_other_atom_and_learn_none():
    mapper, u = Mapper(2, 4), usages(atoms=4)
    support = torch.tensor([[True, False, False, True], [False, True, False, False]])
    mapper.freeze(support)
    assert mapper.drift().item() == 0
    mapper(u).sum().backward()
    assert mapper.weight.grad is not None
    assert torch.equal(mapper.weight.grad != 0, support)


def test_drift_is_the_squared_way_of_what_counts():
    mapper = Mapper(1, 3)
    mapper.start(torch.tensor([[1.0, 2.0, 3.0]]))
    mapper.freeze(torch.tensor([[True, True, False]]))
    mapper.start(torch.tensor([[2.0, 4.0, 100.0]]))
    assert mapper.drift().item() == pytest.approx(1 + 4)


def test_memory_keeps_the_last_and_begins_empty():
    memory = Memory(5, atoms=2, attributes=1)
    assert len(memory.kept()[0]) == 0
    rows = torch.arange(7.0)[:, None].expand(7, 2)
    for part in rows.split(3):
        memory.remember(part, part[:, :1])
    usage, true = memory.kept()
    assert sorted(usage[:, 0].tolist()) == [2, 3, 4, 5, 6]
    torch.testing.assert_close(usage[:, :1], true)


def test_memory_takes_a_batch_longer_than_itself():
    memory = Memory(2, atoms=1, attributes=1)
    memory.remember(torch.arange(5.0)[:, None], torch.arange(5.0)[:, None])
    assert sorted(memory.kept()[0][:, 0].tolist()) == [3, 4]


def test_bounds_span_all_places_and_images_and_forget():
    bounds, z = Bounds(3), torch.randn(4, 3, 2, 5)
    bounds.widen(z[:2])
    bounds.widen(z[2:])
    flat = z.numpy().transpose(1, 0, 2, 3).reshape(3, -1)
    np.testing.assert_allclose(bounds.most, np.maximum(flat.max(1), 0))
    np.testing.assert_allclose(bounds.least, np.minimum(flat.min(1), 0))
    bounds.forget()
    assert not bounds.most.any()
    assert not bounds.least.any()


def test_dense_start_is_the_least_squares_of_scikit_learn():
    u, w = usages().double(), torch.randn(2, 12, dtype=torch.float64)
    true = u @ w.T + 0.01 * torch.randn(40, 2, dtype=torch.float64)
    found = fitted(u, true, top=None)
    theirs = LinearRegression().fit(u, true).predict(u)
    ours = (u - u.mean(0)) @ found.T + true.mean(0)
    np.testing.assert_allclose(ours, theirs, atol=1e-8)


def test_sparse_start_finds_the_atoms_that_made_the_attribute():
    u = usages(n=200, seed=1)
    w = torch.zeros(2, 12)
    w[0, 3], w[0, 7], w[1, 5] = 20.0, -10.0, 8.0
    found = fitted(u, u @ w.T, top=2)
    assert set(found[0].nonzero()[:, 0].tolist()) == {3, 7}
    torch.testing.assert_close(found[0], w[0], rtol=1e-3, atol=1e-3)
    assert float(found[1, 5]) == pytest.approx(8.0, rel=1e-3)
    assert (found[1].abs() > 1e-6).sum() <= 2


def test_unknown_values_are_left_out_and_an_unknown_attribute_stays_0():
    u = usages(n=60)
    true = torch.stack([10 * u[:, 2], torch.full((60,), torch.nan)], dim=1)
    true[::3, 0] = torch.nan
    found = fitted(u, true, top=1)
    assert float(found[0, 2]) == pytest.approx(10, rel=1e-4)
    assert not found[1].any()


def test_an_atom_that_is_never_used_is_never_chosen():
    u = usages(n=30, atoms=4)
    u[:, 1] = 0
    assert not fitted(u, u[:, :1], top=4)[:, 1].any()


def test_no_attributes_give_no_rows():
    assert fitted(usages(), torch.zeros(40, 0), top=2).shape == (0, 12)
