import numpy as np
import pytest
import torch
from sklearn.neighbors import NearestNeighbors

from septum.models.concept_vae import ConceptVAE, ConceptVAEConfig
from septum.tasks import regions
from septum.tasks.regions import complete_descriptors, nearest, padded_descriptors


def maps(n=3, d=4, h=7, w=8):
    return torch.rand(n, d, h, w, generator=torch.manual_seed(0))


def test_a_descriptor_lists_its_window_row_by_row():
    content = maps()

    found = complete_descriptors(content)

    assert found.shape == (3, 3, 4, 100)
    expected = [content[1, :, 2 + i, 3 + j] for i in range(5) for j in range(5)]
    assert torch.equal(found[1, 2, 3], torch.cat(expected))


def test_the_paper_grid_has_14_x_18_padded_and_12_x_16_complete_key_points():
    content = maps(1, 16, 16, 20)

    assert padded_descriptors(content).shape == (1, 14, 18, 400)
    assert complete_descriptors(content).shape == (1, 12, 16, 400)
    assert torch.equal(padded_descriptors(content)[:, 1:-1, 1:-1], complete_descriptors(content))


def test_the_ring_is_pure_background():
    content = maps()

    corner = padded_descriptors(content)[0, 0, 0].reshape(5, 5, 4)

    background = torch.tensor([1.0, 0, 0, 0])
    assert (corner[0] == background).all()
    assert (corner[:, 0] == background).all()
    assert torch.equal(corner[1:, 1:], content[0, :, :4, :4].permute(1, 2, 0))


@pytest.mark.parametrize("describe", [complete_descriptors, padded_descriptors])
def test_search_equals_scikit_learn(describe, monkeypatch):
    monkeypatch.setattr(regions, "MAPS", 4)
    content = maps(10, 3, 8, 9)
    queries = torch.rand(20, 75, generator=torch.manual_seed(1))

    found = nearest(queries, content, describe, results=5)

    pool = describe(content)
    _, expected = (
        NearestNeighbors(n_neighbors=5, algorithm="brute")
        .fit(pool.flatten(0, 2))
        .kneighbors(queries)
    )
    n, y, x = np.unravel_index(expected, pool.shape[:3])
    assert np.array_equal(found, np.stack([n, y, x], -1))


def test_a_small_pool_gives_all_it_has():
    content = maps(1, 2, 5, 7)

    found = nearest(torch.zeros(2, 50), content, complete_descriptors, results=5)

    assert sorted(found[0, :, 2].tolist()) == [0, 1, 2]


def test_of_equal_key_points_the_first_is_found_first(monkeypatch):
    monkeypatch.setattr(regions, "MAPS", 2)
    content = maps().repeat(2, 1, 1, 1)
    content[4:] = content[0]

    found = nearest(
        complete_descriptors(content)[[3, 1], 1, 2], content, complete_descriptors, results=4
    )

    assert found[0].tolist() == [[0, 1, 2], [3, 1, 2], [4, 1, 2], [5, 1, 2]]
    assert found[1, 0].tolist() == [1, 1, 2]


def test_a_cell_alone_is_the_middle_of_its_window():
    content = torch.rand(2, 3, 6, 7)
    windows = regions.padded_descriptors(content).unflatten(3, (25, 3))
    assert torch.equal(regions.cell_descriptors(content), windows[..., 12, :])


def test_concepts_are_described_by_windows_and_features_by_cells(toys):
    discrete = ConceptVAE(ConceptVAEConfig(stem=4, middle=(4, 4, 8)))
    assert regions.of_model(discrete) is regions.padded_descriptors
    assert regions.of_model(toys.says(content=lambda x: x)) is regions.cell_descriptors
