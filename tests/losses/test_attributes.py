"""Losses on attributes against the authors' numbers, double loops, and what must not matter."""

import math

import numpy as np
import pytest
import torch
from scipy.optimize import minimize_scalar

from septum.losses import attributes as losses


def drawn(n=9, attributes=3, *, seed=0, ties=True):
    generator = torch.Generator().manual_seed(seed)
    said, true = torch.randn(2, n, attributes, generator=generator, dtype=torch.float64)
    return said, (2 * true).round() if ties else true


def brute_force(said, true, others_said=None, others_true=None, *, delta):
    """The printed formula: a loop over attributes and known ordered pairs."""
    others_said = said if others_said is None else others_said
    others_true = true if others_true is None else others_true
    found = []
    for m in range(said.shape[1]):
        terms = []
        for p in range(len(said)):
            for q in range(len(others_said)):
                apart = float(true[p, m] - others_true[q, m])
                if not math.isnan(apart):
                    soft = math.tanh(delta * float(said[p, m] - others_said[q, m]))
                    terms.append(abs(soft - (apart > 0) + (apart < 0)))
        found.append(sum(terms) / len(terms) if terms else 0.0)
    return torch.tensor(found, dtype=torch.float64)


@pytest.mark.parametrize(
    ("delta", "expected"), [(1.0, 1.0272712921085299), (10.0, 1.059103638878197)]
)
def test_the_value_is_that_of_the_authors_code(delta, expected):
    # utils/trainer.py of ashispati/ar-vae at 0d7f351, run once in float64
    said = torch.sin(0.8 * torch.arange(7, dtype=torch.float64))[:, None]
    true = torch.tensor([3, 1, 4, 1, 5, 9, 2], dtype=torch.float64)[:, None]
    found = losses.attribute_regularisation(said, true, delta=delta)
    assert found.item() == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("delta", [0.5, 10.0])
def test_regularisation_is_a_double_loop(delta):
    said, true = drawn()
    true[[0, 4], [1, 2]] = math.nan
    found = losses.attribute_regularisation(said, true, delta=delta)
    torch.testing.assert_close(found, brute_force(said, true, delta=delta))


def test_others_take_the_place_of_the_second_of_a_pair():
    said, true = drawn()
    more, of_more = drawn(5, seed=1)
    of_more[2, 0] = true[3, 0] = math.nan
    found = losses.attribute_regularisation(said, true, more, of_more, delta=2.0)
    torch.testing.assert_close(found, brute_force(said, true, more, of_more, delta=2.0))
    torch.testing.assert_close(
        losses.attribute_regularisation(said, true, said, true, delta=2.0),
        losses.attribute_regularisation(said, true, delta=2.0),
        equal_nan=True,
    )


def test_the_right_order_costs_nothing_and_the_reverse_two_per_pair():
    true = torch.tensor([4.0, -1.0, 2.5, 7.0, 3.0])[:, None]
    right, reverse = (
        losses.attribute_regularisation(sign * true, true, delta=50.0).item() for sign in (1, -1)
    )
    assert right == pytest.approx(0, abs=1e-6)
    assert reverse == pytest.approx(2 * 20 / 25)  # all pairs but the diagonal


def test_ties_are_to_be_said_alike():
    true = torch.ones(3, 1)
    assert losses.attribute_regularisation(torch.ones(3, 1), true, delta=10.0).item() == 0
    apart = losses.attribute_regularisation(torch.tensor([[0.0], [9.0], [9.0]]), true, delta=10.0)
    assert apart.item() == pytest.approx(4 / 9)


def test_only_the_order_of_the_truth_counts():
    said, true = drawn(ties=False)
    value = losses.attribute_regularisation(said, true, delta=3.0)
    for grown in (true.exp(), true**3, 1000 * true - 7):
        assert torch.equal(losses.attribute_regularisation(said, grown, delta=3.0), value)
    other = torch.randperm(len(said), generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(
        losses.attribute_regularisation(said[other] + 5, true[other], delta=3.0), value
    )


def test_its_gradient_is_right():
    said, true = drawn(5)
    more, of_more = drawn(4, seed=1)
    true[1, 0] = math.nan
    said.requires_grad_()
    more.requires_grad_()
    assert torch.autograd.gradcheck(
        lambda a, b: losses.attribute_regularisation(a, true, b, of_more, delta=0.7), (said, more)
    )


def test_an_unknown_attribute_costs_and_moves_nothing():
    said, true = (x.float() for x in drawn())
    true[:, 1] = math.nan
    true[:-1, 2] = math.nan  # a single known image has but the pair with itself
    said.requires_grad_()
    value = losses.attribute_regularisation(said, true, delta=10.0)
    value.sum().backward()
    assert value[0] > 0
    assert value[1:].tolist() == [0, 0]
    assert said.grad.isfinite().all()
    assert said.grad[:, 0].abs().sum() > 0
    assert said.grad[:, 1:].abs().sum() == 0


def test_no_image_at_all_costs_nothing():
    none = torch.zeros(0, 2)
    assert losses.attribute_regularisation(none, none, delta=1.0).tolist() == [0, 0]


def test_regularisation_is_single_precision_for_half():
    said, true = (x.bfloat16() for x in drawn())
    value = losses.attribute_regularisation(said, true, delta=1.0)
    assert value.dtype == torch.float32
    torch.testing.assert_close(value, brute_force(said.double(), true, delta=1.0).float())


def test_group_sparsity_is_twenty_times_the_sum_of_magnitudes():
    w = drawn()[0]
    rows = sum(float(row.abs().sum()) for row in w)
    columns = sum(float(column.abs().sum()) for column in w.T)
    found = losses.group_sparsity(w, rows=10.0, columns=10.0).item()
    assert found == pytest.approx(10 * rows + 10 * columns)
    assert found == pytest.approx(20 * float(w.abs().sum()))
    assert losses.group_sparsity(w, rows=1.0, columns=0.5).item() == pytest.approx(
        rows + 0.5 * columns
    )


def test_group_lasso_is_the_sum_of_the_norms_of_rows_and_of_columns():
    w = drawn()[0]
    rows = sum(math.hypot(*row) for row in w.tolist())
    columns = sum(math.hypot(*column) for column in w.T.tolist())
    found = losses.group_lasso(w, rows=3.0, columns=0.5).item()
    assert found == pytest.approx(3 * rows + columns / 2)


def test_group_lasso_knows_rows_and_columns_and_the_printed_one_does_not():
    row, spread = torch.zeros(3, 3), torch.eye(3)
    row[0] = 1
    for other in (row, spread):
        assert losses.group_sparsity(other, rows=1.0, columns=1.0).item() == 6
    by_row = [losses.group_lasso(w, rows=1.0, columns=0.0).item() for w in (row, spread)]
    assert by_row == pytest.approx([math.sqrt(3), 3])


def test_group_lasso_of_zeros_has_a_gradient():
    w = torch.zeros(2, 3)
    w[0, 0] = 2.0
    w.requires_grad_()
    losses.group_lasso(w, rows=5.0, columns=1.0).backward()
    assert w.grad.tolist() == [[6, 0, 0], [0, 0, 0]]


@pytest.mark.parametrize("threshold", [0.0, 0.3, 2.0])
def test_shrinking_is_the_proximal_step_of_the_sum_of_magnitudes(threshold):
    w = torch.tensor([[-1.7, -0.2, 0.0, 0.29, 0.31, 2.5]], dtype=torch.float64)

    def nearest(value):
        cost = minimize_scalar(
            lambda x: (x - value) ** 2 / 2 + threshold * abs(x), (-4, 4), tol=1e-10
        )
        return cost.x

    expected = [nearest(value) for value in w[0].tolist()]
    assert losses.shrink(w, threshold)[0].tolist() == pytest.approx(expected, abs=1e-6)
    torch.testing.assert_close(losses.shrink(-w, threshold), -losses.shrink(w, threshold))


@pytest.mark.parametrize("k", [0, 1, 3, 7])
def test_every_row_keeps_so_many_entries_of_largest_magnitude(k):
    w = drawn(4, 7)[0]
    kept = losses.kept_rows(w, k)
    assert kept.sum(1).tolist() == [k] * 4
    for row, of_row in zip(w.tolist(), kept.tolist(), strict=True):
        chosen = {i for i, is_kept in enumerate(of_row) if is_kept}
        assert chosen == {*sorted(range(7), key=lambda i: -abs(row[i]))[:k]}


def test_of_equal_entries_the_first_are_kept():
    w = torch.ones(2, 300) * torch.tensor([[1.0], [-1.0]])
    kept = losses.kept_rows(w, 5)
    assert kept[:, :5].all()
    assert not kept[:, 5:].any()
    assert losses.kept_rows(w, 999).all()


@pytest.mark.parametrize("grid", [(), (6,), (4, 5), (2, 3, 4)])
def test_usage_is_the_share_of_mean_magnitudes(grid):
    z = torch.randn(3, 7, *grid, generator=torch.Generator().manual_seed(0))
    flat = np.abs(z.numpy().astype(np.float64)).reshape(3, 7, -1)
    found = losses.usage(z)
    np.testing.assert_allclose(found, flat.sum(2) / flat.sum((1, 2))[:, None], rtol=1e-5)
    torch.testing.assert_close(found.sum(1), torch.ones(3))
    torch.testing.assert_close(losses.usage(-7 * z), found)


def test_a_code_of_zeros_uses_all_atoms_alike_with_a_finite_gradient():
    z = torch.randn(3, 4, 2, 2, generator=torch.Generator().manual_seed(0))
    z[1] = 0
    z[2] *= 1e-30
    z.requires_grad_()
    found = losses.usage(z)
    (found * torch.arange(4.0)).sum().backward()
    assert found[1].tolist() == found[2].tolist() == [0.25] * 4
    assert z.grad.isfinite().all()
    assert z.grad[0].abs().sum() > 0
    assert z.grad[1:].abs().sum() == 0


def test_the_gradient_of_usage_is_right():
    z = torch.randn(2, 3, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    assert torch.autograd.gradcheck(losses.usage, z.requires_grad_())
