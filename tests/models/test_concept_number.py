"""Fewer concepts: what a model says with some of them, and how many it needs."""

from dataclasses import replace

import pytest
import torch

from septum import train
from septum.contract import Batch, Recipe
from septum.models.concept_vae import ConceptVAE, ConceptVAEConfig
from septum.nn.quantise import one_hot

TINY = ConceptVAEConfig(concepts=7, stem=4, middle=(4, 4, 8), embedding=16)
KEPT = [0, 2, 3, 6]


@pytest.fixture
def batch():
    image = torch.rand(3, 1, 64, 80, generator=torch.Generator().manual_seed(0))
    return Batch(image=image, ids=("a", "b", "c"))


@pytest.fixture
def model():
    torch.manual_seed(0)
    return ConceptVAE(TINY)


def test_cells_of_the_others_fall_to_the_next_likeliest(model, batch):
    p = model.encode(batch.image).content
    fewer = model.with_concepts([2, 6, 3])
    said = fewer.encode(batch.image).content
    torch.testing.assert_close(said, p[:, KEPT] / p[:, KEPT].sum(dim=1, keepdim=True))
    assert p.argmax(dim=1).unique().tolist() != said.argmax(dim=1).unique().tolist()


def test_what_is_kept_means_what_it_meant(model, batch):
    fewer = model.with_concepts(KEPT)
    y = one_hot(torch.rand(2, 4, 4, 5))
    whole = torch.zeros(2, 7, 4, 5)
    whole[:, KEPT] = y
    style = torch.randn(2, 8, 4, 5)
    assert torch.equal(fewer.decode(y, style), model.decode(whole, style))
    assert torch.equal(fewer.restyle(batch.image[:2], y), model.restyle(batch.image[:2], whole))


def test_fewer_concepts_are_a_model_of_that_many(model):
    before = {name: value.clone() for name, value in model.state_dict().items()}
    fewer = model.with_concepts(KEPT)
    fresh = ConceptVAE(replace(TINY, concepts=4))
    assert fewer.config == fresh.config
    fresh.load_state_dict(fewer.state_dict())
    with torch.no_grad():
        for p in fewer.parameters():
            p.zero_()
    assert all(torch.equal(model.state_dict()[name], value) for name, value in before.items())


def test_the_background_always_stays(model):
    assert torch.equal(model.with_concepts([6]).embedding, model.embedding[[0, 6]])


def test_training_goes_on_with_fewer(model, batch, monkeypatch):
    monkeypatch.setenv("LT_ACCELERATOR", "cpu")
    recipe = Recipe(data="toy", steps=2, batch_size=3, lr=1e-3, precision="fp32")
    with train.Updates(model, recipe, seed=0) as updates:
        updates(0, batch)
    fewer = model.with_concepts(KEPT)
    start = fewer.embedding.clone()
    with train.Updates(fewer, recipe, seed=0) as updates:
        assert "pretrain/prior" in updates(1, batch)
    assert fewer.embedding.shape == (4, 16)
    assert not torch.equal(fewer.embedding, start)
