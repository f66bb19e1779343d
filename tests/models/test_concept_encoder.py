"""ConceptVAE on an encoder of one's own: frozen, normed, its own mirror, saved with the rest."""

from collections.abc import Iterator
from dataclasses import asdict

import pytest
import torch
from torch import nn

from septum import checkpoint, runs, train
from septum.baselines.vicreg import VICReg, VICRegConfig
from septum.contract import BadInput, Batch, Recipe
from septum.models.concept_vae import TERMS, ConceptVAE, ConceptVAEConfig, grid_sector
from septum.nn import augment
from septum.nn.frozen import Frozen
from septum.nn.instance_norm import EPSILON

TINY = ConceptVAEConfig(stem=6, middle=(4, 4, 8), embedding=16, beta_independence=1.0)
FEATURES_ALONE = (0.0, 0.0, 0.0, 1.0, 2.0, 1.0, 0.3, 1.0, 0.1)
RECIPE = Recipe(data="toy", steps=3, batch_size=3, lr=1e-2, weight_decay=0.1, precision="fp32")
CONCEPT = {"middle", "head"}
DRAWN = {*CONCEPT, "embedding", "feature_decoder"}
REACHES = {
    "autoencode": {"image_decoder"},
    "image": {*DRAWN, "stylizer"},
    "image_plain": DRAWN,
    "feature": {*DRAWN, "stylizer"},
    "feature_plain": DRAWN,
    "style": {*CONCEPT, "embedding", "stylizer"},
    "consistency": CONCEPT,
    "prior": CONCEPT,
    "cluster": CONCEPT,
    "independence": {"stylizer"},
}


def conv_encoder(channels=6, stride=4) -> nn.Module:
    """An encoder with all that must not move: weights, running statistics, dropout."""
    return nn.Sequential(
        nn.Conv2d(1, channels, stride, stride=stride),
        nn.BatchNorm2d(channels),
        nn.Dropout(0.5),
        nn.Conv2d(channels, channels, 3, padding=1),
    )


@pytest.fixture
def batch():
    rng = torch.Generator().manual_seed(0)
    sector = torch.zeros(3, 1, 64, 80, dtype=torch.bool)
    sector[..., 16:, 16:64] = True
    image = torch.rand(3, 1, 64, 80, generator=rng) * sector
    return Batch(image=image, sector=sector, ids=("a", "b", "c"))


@pytest.fixture
def encoder():
    torch.manual_seed(0)
    return conv_encoder()


@pytest.fixture
def model(encoder):
    return ConceptVAE(TINY, encoder=encoder)


def updated(model: ConceptVAE, batch: Batch) -> ConceptVAE:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LT_ACCELERATOR", "cpu")
        with train.Updates(model, RECIPE, seed=0) as updates:
            for step in range(RECIPE.steps):
                updates(step, batch)
    return model


@pytest.mark.parametrize("term", REACHES)
def test_a_term_reaches_exactly_its_parts_and_never_the_encoder(model, batch, term):
    model.loss(batch, 0.0)[term].backward()
    reached = {
        name.split(".")[0]
        for name, p in model.named_parameters()
        if p.grad is not None and p.grad.abs().max() > 0
    }
    assert reached == REACHES[term]


def test_no_step_moves_the_encoder(model, encoder, batch):
    given = {name: value.clone() for name, value in encoder.state_dict().items()}
    middle = model.middle[1].weight.clone()
    updated(model, batch)
    held = model.stem.encoder.state_dict()
    assert all(torch.equal(held[name], value) for name, value in given.items())
    assert not torch.equal(model.middle[1].weight, middle)
    owned = {id(p) for phase in model.phases() for p in phase.parameters}
    assert owned.isdisjoint(map(id, model.stem.parameters()))


def test_the_encoder_stays_in_evaluation_mode(model, batch):
    model.train()
    assert model.training
    assert not any(module.training for module in model.stem.modules())
    assert torch.equal(model.stem(batch.image), model.stem(batch.image))  # dropout is off


def test_the_given_module_stays_as_it_was(model, encoder):
    with torch.no_grad():
        encoder[0].weight.zero_()
    assert encoder.training
    assert all(p.requires_grad for p in encoder.parameters())
    assert model.stem.encoder[0].weight.abs().min() > 0


def test_its_features_are_normed_as_those_of_the_stem(encoder, batch):
    x = Frozen(encoder, channels=6)(batch.image)
    raw = encoder.eval()(batch.image)
    mean, variance = raw.mean((2, 3), keepdim=True), raw.var((2, 3), keepdim=True, correction=0)
    assert not x.requires_grad
    torch.testing.assert_close(x, (raw - mean) / (variance + EPSILON).sqrt())


def test_it_is_its_own_mirror(model, batch):
    assert {name.split(".")[0] for name in model.state_dict() if name.startswith("ema")} == {
        "ema_image_decoder",
        "ema_middle",
        "ema_head",
    }
    updated(model, batch)
    seen = model.stem(2 * torch.cat([batch.image, model.plain(batch.image)]) - 1)
    drawn = augment.sample(grid_sector(batch), TINY.augmentation)
    torch.testing.assert_close(model.targets(batch.image, drawn)[0], seen)


@pytest.mark.parametrize(("channels", "stride"), [(5, 4), (6, 8)])
def test_an_encoder_of_another_shape_is_refused(batch, channels, stride):
    model = ConceptVAE(TINY, encoder=conv_encoder(channels, stride))
    with pytest.raises(BadInput, match=r"not \(3, 6, 16, 20\); give one of stride 4"):
        model.encode(batch.image)


def test_without_pictures_concepts_learn_from_features(encoder, batch):
    config = ConceptVAEConfig(stem=6, middle=(4, 4, 8), embedding=16, beta=FEATURES_ALONE)
    model = ConceptVAE(config, encoder=encoder)
    terms = model.loss(batch, 0.0)
    assert tuple(terms) == (*TERMS[3:], "independence")
    assert {name.split(".")[0] for name in model.state_dict()} == {
        "stem", "middle", "head", "embedding", "stylizer", "feature_decoder", "ema_middle",
        "ema_head",
    }  # fmt: skip
    features = updated(model, batch).encode(batch.image)
    with pytest.raises(BadInput, match="draws nothing"):
        model.decode(features.content, features.style)


def test_without_pictures_the_other_terms_are_the_same(encoder, batch):
    def terms(beta):
        torch.manual_seed(1)
        whole = ConceptVAE(
            ConceptVAEConfig(stem=6, middle=(4, 4, 8), embedding=16), encoder=encoder
        )
        model = ConceptVAE(
            ConceptVAEConfig(stem=6, middle=(4, 4, 8), embedding=16, beta=beta), encoder=encoder
        )
        model.load_state_dict(whole.state_dict(), strict=False)
        torch.manual_seed(2)
        return model.loss(batch, 0.0)

    with_pictures, without = terms((1.0, *FEATURES_ALONE[1:])), terms(FEATURES_ALONE)
    for name, value in without.items():
        torch.testing.assert_close(with_pictures[name], value)


def test_a_run_is_saved_with_its_encoder_and_opened_by_giving_one(encoder, batch, tmp_path):
    def load(start: int) -> Iterator[Batch]:
        del start
        while True:
            yield batch

    model, run = ConceptVAE(TINY, encoder=encoder), tmp_path / "run"
    header = {"model": "concept_vae on conv_encoder", "config": asdict(TINY)}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LT_ACCELERATOR", "cpu")
        train.fit(model, load, RECIPE, run=run, header=header)
    torch.manual_seed(5)
    opened = ConceptVAE(TINY, encoder=conv_encoder())  # other weights
    checkpoint.load_weights(run, opened)
    for name, value in model.state_dict().items():
        assert torch.equal(opened.state_dict()[name], value)
    with pytest.raises(BadInput):
        runs.load(run)


def test_the_first_stage_of_a_vicreg_trunk_will_do(batch):
    torch.manual_seed(0)
    config = VICRegConfig(width=4, layers=(1, 1, 1, 1), expander=(8, 8, 8))
    trunk = VICReg(config).trunk
    encoder = nn.Sequential(trunk.stem, trunk.stages[0])
    model = ConceptVAE(ConceptVAEConfig(stem=16, middle=(4, 4, 8), embedding=16), encoder=encoder)
    features = updated(model, batch).encode(batch.image)
    assert features.content.shape == (3, 16, 4, 5)
    assert model.decode(features.content, features.style).shape == batch.image.shape
    trunk.eval()
    stem = nn.functional.instance_norm(trunk(2 * batch.image - 1)[0])
    torch.testing.assert_close(model.stem(2 * batch.image - 1), stem, rtol=1e-3, atol=1e-3)
