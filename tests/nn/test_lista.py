"""Sparse codes, against scikit-learn's Lasso, closed forms and singular values."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import Lasso

from septum.nn.lista import (
    SLACK,
    Lista,
    cosine_atoms,
    largest_eigenvalue,
    normalised,
    soft_threshold,
)

SIGNS = pytest.mark.parametrize("signed", [True, False])


def coder(dictionary, *, iterations=16, signed=True):
    """One that codes over a dictionary of our choice, in its precision."""
    found = Lista(*dictionary.shape, iterations=iterations, signed=signed).to(dictionary.dtype)
    found.dictionary.data = normalised(dictionary)
    found.refresh(500)
    return found.requires_grad_(False)


def problem(channels, atoms, *, share, seed=0, images=3, side=3):
    """Random maps, a random dictionary, and thresholds of a share of the largest response."""
    g = torch.Generator().manual_seed(seed)
    d = normalised(torch.randn(channels, atoms, generator=g, dtype=torch.float64))
    e = torch.randn(images, channels, side, side, generator=g, dtype=torch.float64)
    largest = torch.einsum("ck,bchw->bkhw", d, e).abs().amax(dim=1).mean()
    return e, d, share * float(largest)


def rows(maps):
    return maps.movedim(1, -1).flatten(0, -2).numpy()


def objective(e, d, z, alpha):
    """|e - D z|^2 / 2 + alpha |z|, one per place."""
    e, z = rows(e), rows(z)
    return ((e - z @ d.numpy().T) ** 2).sum(axis=1) / 2 + alpha * np.abs(z).sum(axis=1)


def by_scikit_learn(e, d, alpha, *, signed):
    # there the squares are divided by 2 x channels, not by 2
    lasso = Lasso(
        alpha=alpha / len(d), fit_intercept=False, positive=not signed, tol=1e-12, max_iter=10**6
    )
    codes = lasso.fit(d.numpy(), rows(e).T).coef_
    return torch.from_numpy(codes).view(len(e), *e.shape[2:], -1).movedim(-1, 1)


def code(lista, e, alpha):
    return lista(e, e.new_full((len(e), lista.dictionary.shape[1], *e.shape[2:]), alpha))


def test_soft_threshold_by_hand():
    v = torch.tensor([-3.0, -1.0, -0.2, 0.0, 0.2, 1.0, 3.0])
    t = torch.tensor([1.0, 1.0, 0.5, 0.0, 0.1, 0.0, 4.0])
    torch.testing.assert_close(
        soft_threshold(v, t), torch.tensor([-2.0, 0.0, 0.0, 0.0, 0.1, 1.0, 0.0])
    )
    torch.testing.assert_close(
        soft_threshold(v, t, signed=False), torch.tensor([0.0, 0.0, 0.0, 0.0, 0.1, 1.0, 0.0])
    )


def test_soft_threshold_is_odd():
    v, t = torch.randn(200), torch.rand(200)
    assert torch.equal(soft_threshold(-v, t), -soft_threshold(v, t))


def test_soft_threshold_is_the_proximal_map_of_the_l1_norm():
    v, t = 2 * torch.randn(2000), torch.rand(2000)
    z = soft_threshold(v, t)
    left = v - z  # in t times the subdifferential of |z|
    torch.testing.assert_close(left[z != 0], (t * z.sign())[z != 0])
    assert (left.abs() <= t)[z == 0].all()
    z = soft_threshold(v, t, signed=False)
    torch.testing.assert_close((v - z)[z > 0], t[z > 0])
    assert (z >= 0).all()
    assert (v <= t)[z == 0].all()


@pytest.mark.parametrize(("channels", "atoms"), [(256, 512), (64, 128), (32, 64)])
def test_cosine_atoms_are_unlike_and_a_tight_frame(channels, atoms):
    d = cosine_atoms(channels, atoms).double().numpy()
    np.testing.assert_allclose(np.linalg.norm(d, axis=0), 1, atol=1e-6)
    assert np.abs(d.T @ d - np.eye(atoms)).max() < 0.95
    assert np.linalg.norm(d, ord=2) ** 2 == pytest.approx(atoms / channels, rel=0.01)
    assert np.linalg.svd(d)[1].min() ** 2 == pytest.approx(atoms / channels, rel=0.02)


def test_a_square_dictionary_of_cosines_is_orthonormal():
    d = cosine_atoms(48, 48)
    torch.testing.assert_close(d.T @ d, torch.eye(48), atol=1e-5, rtol=0)


@pytest.mark.parametrize("shape", [(32, 64), (64, 20)])
def test_power_iteration_finds_the_largest_singular_value(shape):
    d = torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    u, s, _ = np.linalg.svd(d.numpy())
    value, vector = largest_eigenvalue(d, torch.ones(shape[0]).double(), iterations=1000)
    assert float(value) == pytest.approx(s[0] ** 2, rel=1e-9)
    assert abs(float(vector @ torch.from_numpy(u[:, 0]))) == pytest.approx(1, abs=1e-6)


def test_from_below_and_the_closer_the_longer():
    d = torch.randn(32, 64, dtype=torch.float64, generator=torch.Generator().manual_seed(4))
    start, truth = torch.ones(32, dtype=torch.float64), np.linalg.norm(d.numpy(), ord=2) ** 2
    found = [float(largest_eigenvalue(d, start, iterations=k)[0]) for k in (2, 4, 8, 16)]
    assert found == sorted(found)
    assert found[-1] <= truth


@SIGNS
@pytest.mark.parametrize(
    ("channels", "atoms", "share"), [(64, 128, 0.35), (256, 512, 0.3), (64, 64, 0.2)]
)
def test_16_steps_come_within_1_percent_of_scikit_learn(channels, atoms, share, *, signed):
    e, d, alpha = problem(channels, atoms, share=share)
    found = objective(e, d, code(coder(d, signed=signed), e, alpha), alpha)
    best = objective(e, d, by_scikit_learn(e, d, alpha, signed=signed), alpha)
    nothing = objective(e, d, torch.zeros(3, atoms, 3, 3), alpha)
    assert best.sum() < 0.95 * nothing.sum()  # there is something to find
    assert (found < 1.01 * best).all()


@SIGNS
@pytest.mark.parametrize("iterations", [1, 2, 5])
def test_steps_are_as_many_as_asked_for_and_start_from_0(iterations, *, signed):
    e, d, alpha = problem(12, 20, share=0.2)
    lista, z = coder(d, iterations=iterations, signed=signed), np.zeros((27, 20))
    step = 1 / float(lista.lipschitz)
    for _ in range(iterations):
        v = z + step * (rows(e) - z @ d.numpy().T) @ d.numpy()
        z = np.sign(v) * np.maximum(np.abs(v) - step * alpha, 0)
        z = z if signed else np.maximum(z, 0)
    np.testing.assert_allclose(rows(code(lista, e, alpha)), z, atol=1e-12)


@SIGNS
def test_many_steps_end_where_scikit_learn_does(*, signed):
    e, d, alpha = problem(32, 64, share=0.15)
    z = code(coder(d, iterations=4000, signed=signed), e, alpha)
    truth = by_scikit_learn(e, d, alpha, signed=signed)
    assert (truth != 0).double().mean() > 0.1
    torch.testing.assert_close(z, truth, atol=1e-5, rtol=0)


@SIGNS
def test_no_step_raises_the_objective(*, signed):
    e, d, alpha = problem(32, 64, share=0.1)
    steps = [
        objective(e, d, code(coder(d, iterations=k, signed=signed), e, alpha), alpha)
        for k in range(1, 17)
    ]
    assert (np.diff(steps, axis=0) <= 1e-12).all()


def test_a_code_is_0_exactly_where_the_threshold_covers_every_response():
    e, d, _ = problem(24, 48, share=1, side=4)
    largest = torch.einsum("ck,bchw->bkhw", d, e).abs().amax(dim=1, keepdim=True)
    factor = torch.ones_like(largest)
    factor[:, :, ::2] = 1.001
    factor[:, :, 1::2] = 0.999
    z = coder(d)(e, (factor * largest).expand(-1, 48, -1, -1))
    assert torch.equal((z == 0).all(dim=1, keepdim=True), factor > 1)


@SIGNS
def test_over_an_orthonormal_dictionary_it_is_the_closed_form(*, signed):
    e, _, _ = problem(40, 40, share=1)
    d = cosine_atoms(40, 40).double()
    alpha = torch.rand(3, 40, 3, 3, dtype=torch.float64)
    expected = soft_threshold(torch.einsum("ck,bchw->bkhw", d, e), alpha, signed=signed)
    torch.testing.assert_close(coder(d, signed=signed)(e, alpha), expected, atol=1e-6, rtol=0)


def test_over_an_orthonormal_dictionary_a_larger_threshold_keeps_no_more():
    e, _, _ = problem(40, 40, share=1)
    lista = coder(cosine_atoms(40, 40).double())
    kept = [code(lista, e, alpha) != 0 for alpha in (0.1, 0.3, 1.0)]
    assert not (kept[1] & ~kept[0]).any()
    assert not (kept[2] & ~kept[1]).any()


@SIGNS
def test_every_place_of_a_grid_is_coded_alone(*, signed):
    g = torch.Generator().manual_seed(1)
    lista = coder(torch.randn(6, 10, generator=g), signed=signed)
    e, alpha = torch.randn(2, 6, 2, 3, 4, generator=g), torch.rand(2, 10, 2, 3, 4, generator=g)
    z = lista(e, alpha)
    one = lista(e[1:, :, 1, 2, 3], alpha[1:, :, 1, 2, 3])
    torch.testing.assert_close(z[1:, :, 1, 2, 3], one)
    e_hat = torch.einsum("ck,bkdhw->bcdhw", lista.dictionary, z)
    torch.testing.assert_close(lista.synthesise(z), e_hat)


def test_the_step_of_a_fresh_one_and_of_one_that_learns():
    lista = Lista(32, 64)
    assert float(lista.lipschitz) == pytest.approx(2 * SLACK, rel=0.01)
    g = torch.Generator().manual_seed(2)
    towards = 0.02 * torch.randn(32, 64, generator=g)
    for _ in range(150):
        lista.dictionary.data += towards + 0.01 * torch.randn(32, 64, generator=g)
        lista.after_step()
        norm = torch.linalg.matrix_norm(lista.dictionary, ord=2).square().item()
        assert float(lista.lipschitz) == pytest.approx(SLACK * norm, rel=0.03)
    assert norm > 3  # it has come a long way
    torch.testing.assert_close(lista.dictionary.norm(dim=0), torch.ones(64))


def test_gradients_are_those_of_finite_differences():
    g = torch.Generator().manual_seed(5)
    lista = coder(torch.randn(3, 5, generator=g).double(), iterations=6)
    e = torch.randn(1, 3, 2, generator=g).double().requires_grad_()
    alpha = (0.1 * torch.rand(1, 5, 2, generator=g).double()).requires_grad_()
    d = lista.dictionary.detach().clone().requires_grad_()

    def coded(e, alpha, d):
        return torch.func.functional_call(lista, {"dictionary": d}, (e, alpha))

    assert torch.autograd.gradcheck(coded, (e, alpha, d))
    grads = torch.autograd.grad(coded(e, alpha, d).square().sum(), (e, alpha, d))
    assert all(grad.abs().sum() > 0 for grad in grads)


def test_codes_are_float32_under_autocast():
    e, alpha = torch.randn(1, 16, 2, 2), torch.rand(1, 32, 2, 2)
    lista = Lista(16, 32)
    with torch.autocast("cpu", torch.bfloat16):
        z = lista(e, alpha)
        e_hat = lista.synthesise(z)
    assert torch.equal(z, lista(e, alpha))
    assert torch.equal(e_hat, lista.synthesise(z))


def test_the_step_is_part_of_the_state():
    one, other = Lista(8, 16), Lista(8, 16)
    one.dictionary.data += torch.randn(8, 16)
    one.after_step()
    other.load_state_dict(one.state_dict())
    assert torch.equal(other.lipschitz, one.lipschitz)
    assert torch.equal(other.direction, one.direction)
