from functools import reduce
from operator import add

import numpy as np
import pytest
import torch
from scipy.stats import multivariate_normal
from sklearn.covariance import oas
from sklearn.decomposition import PCA
from sklearn.neighbors import NearestNeighbors
from torch import Tensor

from septum.metrics import density
from septum.metrics.mixture import mixture


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.manual_seed(seed), dtype=torch.float64)


def correlated(n: int, d: int = 5, seed: int = 0) -> Tensor:
    """Vectors with a mean and a covariance of their own."""
    return noise(n, d, seed=seed) @ noise(d, d, seed=1) + noise(d, seed=2)


def probabilities(n: int, classes: int = 4, cells: int = 3) -> Tensor:
    """Some cells of class probabilities side by side: as many sums are 1."""
    return (2 * noise(n, cells, classes)).softmax(2).flatten(1)


def test_moments_of_parts_are_those_of_the_whole():
    x = correlated(100) + 1e4

    whole = reduce(add, map(density.moments, x.split([1, 29, 70])))

    assert whole.count == 100
    np.testing.assert_allclose(whole.mean, x.mean(0))
    np.testing.assert_allclose(whole.covariance, np.cov(x.T, bias=True), rtol=1e-8)


@pytest.mark.parametrize("n", [3, 20, 1_000])
def test_shrinkage_is_that_of_scikit_learn(n: int):
    x = correlated(n)

    _, theirs = oas(x.numpy())

    assert density.oracle_shrinkage(density.moments(x)) == pytest.approx(theirs)


def test_the_flow_without_shrinkage_is_the_gaussian_of_scipy():
    x, asked = correlated(200), correlated(10, seed=9)

    flow = density.linear_flow(density.moments(x), shrinkage=0.0)

    theirs = multivariate_normal(x.mean(0).numpy(), np.cov(x.T, bias=True)).logpdf(asked.numpy())
    np.testing.assert_allclose(flow.log_density(asked), theirs)


def test_the_flow_with_shrinkage_is_the_gaussian_of_scikit_learn_and_scipy():
    x, asked = correlated(8), correlated(10, seed=9)
    seen = density.moments(x)

    flow = density.linear_flow(seen, shrinkage=density.oracle_shrinkage(seen))

    covariance, _ = oas(x.numpy())
    theirs = multivariate_normal(x.mean(0).numpy(), covariance).logpdf(asked.numpy())
    np.testing.assert_allclose(flow.log_density(asked), theirs)


def test_gradients_end_at_the_closed_form_and_never_pass_it():
    x = correlated(500)
    closed = density.linear_flow(density.moments(x), shrinkage=0.0).log_density(x).mean()
    flow = density.LinearFlow(A=torch.eye(5).double(), b=torch.zeros(5).double())
    optimiser = torch.optim.Adam([flow.A.requires_grad_(), flow.b.requires_grad_()], lr=0.05)
    reached: list[float] = []
    for _ in range(500):
        likelihood = flow.log_density(x).mean()
        optimiser.zero_grad()
        (-likelihood).backward()
        optimiser.step()
        reached.append(likelihood.item())

    assert reached[0] < closed - 1
    assert max(reached) <= closed + 1e-9
    assert reached[-1] == pytest.approx(closed.item(), abs=1e-3)


def test_an_affine_change_of_the_vectors_leaves_the_ranking():
    x, asked, change = correlated(200), correlated(50, seed=9), noise(5, 5, seed=4)

    before = density.linear_flow(density.moments(x), shrinkage=0.0).log_density(asked)
    after = density.linear_flow(density.moments(x @ change + 7), shrinkage=0.0).log_density(
        asked @ change + 7
    )

    np.testing.assert_allclose(before - after, torch.linalg.slogdet(change).logabsdet.expand(50))


def test_it_does_not_matter_which_class_is_left_out():
    x = probabilities(300).unflatten(1, (3, 4))

    first, last = (
        density.linear_flow(density.moments(kept), shrinkage=0.0).log_density(kept)
        for kept in (x[:, :, 1:].flatten(1), x[:, :, :-1].flatten(1))
    )

    np.testing.assert_allclose(first, last)


@pytest.mark.parametrize("x", [probabilities(300), torch.ones(4, 3), correlated(1)])
def test_shrinkage_bears_a_singular_covariance(x: Tensor):
    seen = density.moments(x)
    assert torch.linalg.matrix_rank(seen.covariance) < x.shape[1]

    flow = density.linear_flow(seen, shrinkage=density.oracle_shrinkage(seen))

    assert flow.log_density(x).isfinite().all()
    assert (flow.log_density(x) > flow.log_density(x + 1)).all()


def test_principal_axes_are_those_of_scikit_learn():
    x = correlated(100)

    found = density.principal_axes(density.moments(x), axes=3)(x)

    np.testing.assert_allclose(found.abs(), np.abs(PCA(3).fit_transform(x.numpy())), atol=1e-9)


def test_there_are_no_more_axes_than_dimensions():
    axes = density.principal_axes(density.moments(correlated(9)), axes=16)

    assert axes(noise(2, 3, 5)).shape == (2, 3, 5)


def test_a_mixture_finds_clusters_that_no_gaussian_fits():
    centres = torch.tensor([[-9.0, 0.0], [9.0, 0.0]], dtype=torch.float64)
    x = (centres + noise(1_000, 1, 2)).flatten(0, 1)

    found = mixture(x, components=2, seed=0).log_density(
        torch.cat([centres, torch.zeros(1, 2, dtype=torch.float64)])
    )

    at_a_centre = np.log(0.5 / (2 * np.pi))
    assert found[:2].tolist() == pytest.approx([at_a_centre] * 2, abs=0.15)
    assert found[2] < at_a_centre - 30


def test_few_vectors_make_one_gaussian():
    x = correlated(60)

    found = mixture(x, components=24, seed=0).log_density(x)

    ridge = 1e-3 * x.var(0, correction=0).mean() * torch.eye(5)
    theirs = multivariate_normal(x.mean(0).numpy(), np.cov(x.T, bias=True) + ridge.numpy())
    np.testing.assert_allclose(found, theirs.logpdf(x.numpy()))


def test_neighbours_are_sought_at_a_place_and_beside_it():
    maps, asked = noise(9, 4, 5, 2), noise(3, 4, 5, 2, seed=1)
    inside = torch.rand(9, 4, 5, generator=torch.manual_seed(2)) < 0.7

    found = density.Neighbours(maps=maps, inside=inside, k=4).distance(asked)

    for row, column in np.ndindex(4, 5):
        window = np.s_[:, max(0, row - 1) : row + 2, max(0, column - 1) : column + 2]
        theirs = NearestNeighbors(n_neighbors=4).fit(maps[window][inside[window]].numpy())
        distance, _ = theirs.kneighbors(asked[:, row, column].numpy())
        np.testing.assert_allclose(found[:, row, column], distance[:, 3])


def test_where_little_was_seen_neighbours_come_from_further_away():
    maps = torch.arange(6.0, dtype=torch.float64).view(1, 1, 6, 1)
    inside = torch.tensor([[[False, False, False, True, True, True]]])

    found = density.Neighbours(maps=maps, inside=inside, k=2).distance(torch.zeros_like(maps))

    # seen are 3, 4 and 5; from column 0 the second is four columns away, from column 4 all are near
    assert found.flatten().tolist() == [4, 4, 4, 4, 4, 5]


def test_with_fewer_vectors_than_k_the_last_is_the_nearest():
    maps = torch.tensor([1.0, 5.0], dtype=torch.float64).view(1, 1, 2, 1)
    seen = density.Neighbours(maps=maps, inside=torch.ones(1, 1, 2, dtype=torch.bool), k=9)

    assert seen.distance(torch.zeros_like(maps)).flatten().tolist() == [5, 5]
