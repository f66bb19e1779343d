"""ConceptVAE keeps the paper's shapes, fields of view and gradient wiring."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from septum.contract import Batch, Decodes, Discretises, Monitors
from septum.models.concept_vae import (
    PAPER,
    TERMS,
    ConceptVAE,
    ConceptVAEConfig,
    grid_sector,
)
from septum.nn import augment
from septum.nn.instance_norm import InstanceNorm

TINY = ConceptVAEConfig(stem=4, middle=(4, 4, 8), embedding=16, beta_independence=1.0)
PARTS = ("stem", "image_decoder", "middle", "head", "embedding", "stylizer", "feature_decoder")
MIRRORS = ("ema_stem", "ema_image_decoder", "ema_middle", "ema_head")
CONCEPT = {"middle", "head"}
DRAWN = {*CONCEPT, "embedding", "feature_decoder"}
REACHES = {
    "autoencode": {"stem", "image_decoder"},
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


@pytest.fixture
def batch():
    rng = torch.Generator().manual_seed(0)
    sector = torch.zeros(3, 1, 64, 80, dtype=torch.bool)
    sector[..., 16:, 16:64] = True
    return Batch(image=torch.rand(3, 1, 64, 80, generator=rng) * sector, sector=sector)


@pytest.fixture
def model():
    torch.manual_seed(0)
    return ConceptVAE(TINY)


def parameters(model, part):
    held = getattr(model, part)
    return [held] if isinstance(held, nn.Parameter) else list(held.parameters())


@pytest.mark.parametrize("term", REACHES)
def test_a_term_reaches_exactly_its_parts(model, batch, term):
    model.loss(batch, 0.0)[term].backward()
    reached = {
        part
        for part in (*PARTS, *MIRRORS)
        if any(p.grad is not None and p.grad.abs().max() > 0 for p in parameters(model, part))
    }
    assert reached == REACHES[term]


def test_terms_come_in_the_order_of_the_paper_and_weighted(batch):
    def terms(**changes):
        torch.manual_seed(0)
        model = ConceptVAE(ConceptVAEConfig(stem=4, middle=(4, 4, 8), embedding=16, **changes))
        torch.manual_seed(1)
        return model.loss(batch, 0.0)

    ones, doubled = terms(beta=(1.0,) * 9), terms(beta=tuple(map(float, range(2, 11))))
    assert tuple(ones) == (*TERMS, "independence")
    for weight, name in enumerate(TERMS, start=2):
        torch.testing.assert_close(doubled[name], weight * ones[name])


@pytest.mark.parametrize(
    ("part", "count"),
    [
        ("stem", 55_744),
        ("image_decoder", 59_585),
        ("middle", 4_268_608),
        ("head", 4_112),
        ("embedding", 512),
        ("stylizer", 45_768),
        ("feature_decoder", 1_691_072),
    ],
)
def test_parameters_of_the_paper_size(part, count):
    with torch.device("meta"):
        model = ConceptVAE(PAPER.sizes["paper"].config)
    assert sum(p.numel() for p in parameters(model, part)) == count


@pytest.mark.parametrize(("h", "w"), [(256, 320), (64, 96)])
def test_shapes(model, h, w):
    image = torch.rand(2, 1, h, w)
    features = model.encode(image)
    assert model.stem(image).shape == (2, 4, h // 4, w // 4)
    assert features.content.shape == (2, 16, h // 16, w // 16)
    assert features.style.shape == (2, 8, h // 16, w // 16)
    assert model.decode(features.content, features.style).shape == (2, 1, h, w)
    torch.testing.assert_close(features.content.sum(dim=1), torch.ones(2, h // 16, w // 16))


def field_of_view(layers, channels, size):
    """Height and width in which a change of the input can move the centre of the output."""
    net = nn.Sequential(*layers).double()
    for parent in list(net.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, InstanceNorm | nn.LeakyReLU):
                setattr(parent, name, nn.Identity())
            elif isinstance(child, nn.MaxPool2d):
                setattr(parent, name, nn.AvgPool2d(2))  # the same support, without a choice
            elif isinstance(child, nn.Conv2d):
                nn.init.constant_(child.weight, 1.0)
    x = torch.ones(1, channels, *size, dtype=torch.float64, requires_grad=True)
    y = net(x)
    y[0, 0, y.shape[2] // 2, y.shape[3] // 2].backward()
    seen = x.grad[0].abs().sum(dim=0) > 0
    return int(seen.any(dim=1).sum()), int(seen.any(dim=0).sum())


def test_fields_of_view_are_those_of_the_paper():
    model = ConceptVAE(ConceptVAEConfig(stem=2, middle=(1, 1, 4), embedding=16))
    assert field_of_view([model.stem], 1, (64, 64)) == (17, 17)
    assert field_of_view([model.stem, model.middle], 1, (352, 352)) == (293, 293)
    assert field_of_view(list(model.feature_decoder)[:3], 24, (16, 20)) == (5, 5)


def test_mirrors_start_equal_share_nothing_and_follow(model):
    start = [p.clone() for p in model.ema_middle.parameters()]
    for a, b in zip(model.ema_middle.parameters(), model.middle.parameters(), strict=True):
        assert torch.equal(a, b)
        assert a.data_ptr() != b.data_ptr()
    with torch.no_grad():
        for p in model.middle.parameters():
            p.add_(1.0)
    model.after_step(0.0)
    for a, b in zip(model.ema_middle.parameters(), start, strict=True):
        torch.testing.assert_close(a, b + 0.01)
    model.after_step(1.0)  # momentum has risen to 1: nothing moves any more
    for a, b in zip(model.ema_middle.parameters(), start, strict=True):
        torch.testing.assert_close(a, b + 0.01)


def test_both_passes_at_once_are_each_pass_alone(model, batch):
    concept, style = torch.rand(3, 16, 4, 5), torch.rand(3, 8, 4, 5)
    targets = torch.rand(6, 4, 16, 20)
    together = model.reconstruction(batch.image, targets, concept, style)
    full = model.feature_decoder(torch.cat([concept, style], dim=1))
    plain = model.feature_decoder(torch.cat([concept, 0 * style], dim=1))
    mse = nn.functional.mse_loss
    alone = [
        mse(model.ema_image_decoder(full), 2 * batch.image - 1),
        mse(model.ema_image_decoder(plain), 2 * model.plain(batch.image) - 1),
        mse(full, targets[:3]),
        mse(plain, targets[3:]),
    ]
    torch.testing.assert_close(together, alone)


def test_keeps_its_optional_promises(model, batch):
    assert isinstance(model, Decodes)
    assert isinstance(model, Discretises)
    assert isinstance(model, Monitors)
    features = model.encode(batch.image)
    greedy = model.discretise(features.content)
    torch.testing.assert_close(model.restyle(batch.image, greedy), features.style)


def test_another_concept_has_another_style(model, batch):
    greedy = model.discretise(model.encode(batch.image).content)
    other = greedy.roll(1, dims=1)
    assert not torch.allclose(model.restyle(batch.image, greedy), model.restyle(batch.image, other))


def test_monitors_of_a_perfect_background(model, batch):
    with torch.no_grad():
        model.head.weight.zero_()
        model.head.bias.zero_()
        model.head.bias[0] = 100.0
    seen = model.monitors(batch)
    assert seen["background_accuracy"] == 1.0
    assert seen["usage_perplexity"] == pytest.approx(1.0)
    assert seen["entropy"] == pytest.approx(0.0)
    assert seen["transition_share"] == 0.0


def test_monitors_of_uniform_concepts(model, batch):
    with torch.no_grad():
        model.head.weight.zero_()
        model.head.bias.zero_()
    seen = model.monitors(batch)
    assert seen["usage_perplexity"] == pytest.approx(16.0, rel=1e-4)
    assert seen["mutual_information"] == pytest.approx(0.0, abs=1e-5)


def test_a_cell_is_inside_when_half_of_it_is(batch):
    sector = torch.zeros(1, 1, 32, 32, dtype=torch.bool)
    sector[..., :8, :16] = True  # half of cell (0, 0)
    sector[..., 16:23, 16:] = True  # less than half of cell (1, 1)
    cells = grid_sector(Batch(image=torch.zeros(1, 1, 32, 32), sector=sector))
    assert cells[0, 0].tolist() == [[True, False], [False, False]]
    assert grid_sector(Batch(image=batch.image)).all()


def test_content_keeps_the_order_of_the_concepts_and_flattens_them(model, batch):
    p, _ = model.infer(batch.image)
    content = model.encode(batch.image).content
    torch.testing.assert_close(content.sum(dim=1), torch.ones_like(content[:, 0]))
    ratio = (content[:, :1] / content).log() * TINY.content_temperature
    torch.testing.assert_close(ratio, (p[:, :1] / p).log(), atol=1e-3, rtol=1e-3)


def test_drawing_takes_the_likeliest_concepts(model, batch):
    features = model.encode(batch.image)
    hard = model.discretise(features.content)
    assert not torch.equal(hard, features.content)
    soft, drawn = (model.decode(c, features.style) for c in (features.content, hard))
    torch.testing.assert_close(soft, drawn)


def test_consistency_at_one_cell_is_the_cross_entropy_of_one_pair_per_image(batch):
    config = replace(TINY, consistency_everywhere=False)
    log_p, p_ema = (torch.randn(3, 16, 4, 5).log_softmax(1) for _ in range(2))
    seen = augment.sample(grid_sector(batch), config.augmentation)
    pairs = [
        -(p_ema[b, :, moved[0], moved[1]].exp() * log_p[b, :, cell[0], cell[1]]).sum()
        for b, (cell, moved) in enumerate(zip(seen.cell, seen.moved, strict=True))
    ]
    got = ConceptVAE(config).consistency(log_p, p_ema.exp(), seen, grid_sector(batch))
    torch.testing.assert_close(got, torch.stack(pairs).mean())


def test_consistency_is_least_where_both_agree_after_the_move(model):
    """Concepts that are moved with the image agree; the same concepts left where they were do not.

    Only whole cells are moved, so that nothing is interpolated.
    """
    still = augment.Tracked(
        linear=torch.eye(2).repeat(3, 1, 1), cell=torch.tensor([[1, 1]] * 3),
        moved=torch.tensor([[1, 2]] * 3), gamma=torch.ones(3), blur_px=torch.zeros(3),
    )  # fmt: skip
    p = torch.randn(3, 16, 4, 5).mul(9).softmax(1)
    shifted = p.roll(1, dims=3)
    everywhere = torch.ones(3, 1, 4, 5, dtype=torch.bool)
    log_p = p.clamp(min=1e-9).log()
    together = model.consistency(log_p, shifted, still, everywhere)
    apart = model.consistency(log_p, p, still, everywhere)
    entropy = -(p * log_p).sum(1)[..., :-1].mean()  # the last column has left the image
    torch.testing.assert_close(together, entropy, atol=1e-4, rtol=1e-4)
    assert apart > 3 * together
