"""The network and the losses that four variational autoencoders share."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch.distributions import Normal, kl_divergence

from septum.contract import BadInput, Batch, Edits, Model, Record, Regresses
from septum.losses.anatomy import kl_to_unit
from septum.losses.attributes import attribute_regularisation
from septum.nn import attribute_vae
from septum.nn.attribute_vae import LEAK, AttributeVae, AttributeVaeConfig, adapted

SIDE, COUNT = 32, 6
TIED = AttributeVaeConfig(
    names=("a_px", "b_px"), low=(0.0, -1.0), high=(10.0, 1.0), diagnosis="ill", diagnosed=True,
    image_size=(SIDE, SIDE), widths=(4, 4, 8, 8), narrow=4, hidden=(16, 12), last=4, latent=8,
    dropout=0.0, beta=2.0, gamma=10.0, delta=3.0, weight_l1=1e-3, flips=0.0,
)  # fmt: skip
VOLUMES = replace(TIED, image_size=(16, 32, 48))


def built(config=TIED, *, seed=0):
    torch.manual_seed(seed)
    return AttributeVae(config, kl=kl_to_unit, order=attribute_regularisation)


def images(config=TIED, count=COUNT):
    generator = torch.Generator().manual_seed(0)
    return torch.rand(count, 1, *config.image_size, generator=generator)


@pytest.fixture
def batch():
    return Batch(
        image=images(),
        labels={
            "a_px": torch.tensor([0.0, 4.0, 4.0, torch.nan, 10.0, 7.0]),
            "b_px": torch.tensor([1.0, -1.0, 0.0, 0.5, torch.nan, 0.2]),
            "ill": torch.tensor([1.0, 0.0, 0.0, 1.0, torch.nan, 1.0]),
        },
        ids=list("abcdef"),
    )


def heard(model, monkeypatch):
    """What the decoder and the classifier are given, in the order of their calls."""
    given = []
    for part in filter(None, (model.decoder, model.classifier)):
        monkeypatch.setattr(
            part, "forward", lambda z, ask=part.forward: given.append(z.detach()) or ask(z)
        )
    return given


def test_keeps_its_promises():
    assert isinstance(built(), Model)
    assert isinstance(built(), Edits)
    assert isinstance(built(), Regresses)


def test_the_published_network_has_as_many_parameters_as_its_layers():
    """Counted by hand, layer by layer: kernel x kernel x kernel x in x out + out."""
    with torch.device("meta"):
        model = built(AttributeVaeConfig(diagnosed=True))
    convolutions = 224 + 3_472 + 13_856 + 55_360 + 3_458 + 2 * (8 + 16 + 32 + 64 + 2)
    dense = (250 * 128 + 128) + (128 * 96 + 96) + 2 * (96 * 64 + 64)
    wide = (64 * 250 + 250) + 3_520 + 110_656 + 55_328 + 13_840 + 3_464 + 868 + 109
    norms = 2 * (64 + 64 + 32 + 16 + 8 + 4)
    ending = (64 * 32 + 32) + (32 * 16 + 16) + (16 + 1) + 2 * (32 + 16)
    assert count(model.encoder) == convolutions + dense == 133_542
    assert count(model.decoder) == wide + norms == 204_411
    assert count(model.classifier) == ending == 2_721


def count(module):
    return sum(p.numel() for p in module.parameters())


@pytest.mark.parametrize("config", [TIED, VOLUMES], ids=["images", "volumes"])
def test_images_and_volumes_become_codes_and_images_again(config):
    model, x = built(config), images(config)
    code, features = model.code(x), model.encode(x)
    assert code.shape == features.pooled.shape == (COUNT, 8)
    assert features.content.shape == (COUNT, 8, *[1] * len(config.image_size))
    assert torch.equal(features.content.flatten(1), code)
    rendered = model.render(code)
    assert rendered.shape == x.shape
    assert 0 <= rendered.min() <= rendered.max() <= 1


def test_the_narrowest_map_has_a_sixteenth_of_the_sides():
    model = built(VOLUMES)
    x = images(VOLUMES)
    for layer in model.encoder.body:
        x = layer(x)
        if isinstance(layer, torch.nn.Flatten):
            assert x.shape == (COUNT, 4 * 1 * 2 * 3)


def test_first_weights_are_those_of_the_authors():
    convolution = built().encoder.body[0]
    assert (convolution.bias == 0.01).all()
    bound = (6 / (9 * (1 + 4))) ** 0.5  # Xavier: fan in 9 x 1, fan out 9 x 4
    assert 0.8 * bound < convolution.weight.abs().max() <= bound
    assert not built().encoder.mean.bias.any()


def test_the_head_is_the_logarithm_of_the_standard_deviation(monkeypatch):
    model = built(replace(TIED, names=(), diagnosed=False)).eval()
    given = heard(model, monkeypatch)
    one = images(count=1)
    mean, head = (found[0].detach() for found in model.encoder(one))
    model.loss(Batch(image=one.expand(2000, -1, -1, -1)), 0.0)
    torch.testing.assert_close(given[0].std(0), head.exp(), rtol=0.1, atol=0)
    assert ((given[0].mean(0) - mean).abs() < 5 * head.exp() / 2000**0.5).all()


def test_the_divergence_is_that_of_torch(batch):
    model = built().eval()
    with torch.no_grad():
        mean, head = model.encoder(batch.image)
        found = model.loss(batch, 0.0)["kl"]
    truth = kl_divergence(Normal(mean, head.exp()), Normal(0.0, 1.0)).sum(1).mean()
    torch.testing.assert_close(found, 2 * truth)


@pytest.mark.parametrize("balanced", [True, False])
def test_the_error_is_a_sum_over_pixels_and_a_mean_over_images(balanced):
    model = built(replace(TIED, balanced=balanced))
    x, y = images(), torch.zeros(COUNT, 1, SIDE, SIDE)
    plain = float((x.double() ** 2).sum()) / COUNT
    scale = 512_000 / 1_024 if balanced else 1.0
    assert model.error(x, y).item() == pytest.approx(scale * plain, rel=1e-5)
    volumes = torch.full((2, 1, 80, 80, 80), 0.5)
    assert model.error(volumes, torch.zeros_like(volumes)).item() == pytest.approx(128_000)


def test_first_dimensions_are_ordered_as_attributes_are(batch, monkeypatch):
    model = built().eval()
    given = heard(model, monkeypatch)
    found = model.loss(batch, 0.0)["order"].item()
    z, expected = given[0].double(), 0.0
    for m, name in enumerate(TIED.names):
        a, off = batch.labels[name].tolist(), []
        known = [i for i in range(COUNT) if a[i] == a[i]]
        for p in known:
            for q in known:
                sign = (a[p] > a[q]) - (a[p] < a[q])
                off.append(abs(torch.tanh(3.0 * (z[p, m] - z[q, m])).item() - sign))
        expected += sum(off) / len(off)
    assert found == pytest.approx(10 * expected, rel=1e-5)


def test_the_diagnosis_is_learnt_where_it_is_known(batch, monkeypatch):
    model = built().eval()
    given = heard(model, monkeypatch)
    found = model.loss(batch, 0.0)["diagnosis"]
    known = [0, 1, 2, 3, 5]
    assert torch.equal(given[1], given[0][known])
    p = built().eval().classifier(given[1]).sigmoid()[:, 0].double()
    truth = batch.labels["ill"][known].double()
    expected = -(truth * p.log() + (1 - truth) * (1 - p).log()).mean()
    assert found.item() == pytest.approx(expected.item(), rel=1e-5)


def test_all_parameters_are_shrunk(batch):
    model = built()
    expected = sum(float(p.detach().abs().double().sum()) for p in model.parameters())
    assert model.loss(batch, 0.0)["weights"].item() == pytest.approx(1e-3 * expected, rel=1e-5)


PARTS = ("encoder.body", "encoder.mean", "encoder.log_scale", "decoder", "classifier")
SEEN = {"encoder.body", "encoder.mean", "encoder.log_scale"}
REACH = {
    "reconstruction": SEEN | {"decoder"},
    "kl": SEEN,
    "order": SEEN,
    "diagnosis": SEEN | {"classifier"},
    "weights": SEEN | {"decoder", "classifier"},
}
"""Which loss reaches which part."""


def test_every_loss_reaches_its_parts_and_no_other(batch):
    model, reach = built(), {}
    for name, term in model.loss(batch, 0.0).items():
        model.zero_grad()
        term.backward(retain_graph=True)
        reach[name] = {
            part
            for part in PARTS
            if any(p.grad is not None and p.grad.any() for p in of(model, part).parameters())
        }
    assert reach == REACH


def of(model, part):
    return model.get_submodule(part)


def test_order_moves_the_dimensions_of_attributes_alone(batch):
    model = built()
    model.loss(batch, 0.0)["order"].backward()
    assert model.encoder.mean.weight.grad.any(1).tolist() == [True, True] + [False] * 6


def test_what_is_not_asked_for_is_not_lost(batch):
    plain = replace(TIED, names=(), low=(), high=(), diagnosed=False, weight_l1=0.0)
    model = built(plain)
    assert set(model.loss(batch, 0.0)) == {"reconstruction", "kl"}
    assert model.regress(batch.image) == {}
    assert model.attributes() == ()
    assert model.proxies(model.code(batch.image)).shape == (COUNT, 0)


def test_labels_that_are_nowhere_known_give_no_gradient(batch):
    nothing = torch.full((COUNT,), torch.nan)
    lonely = torch.tensor([1.0, *[torch.nan] * (COUNT - 1)])
    unknown = replace(batch, labels={"a_px": nothing, "ill": lonely})
    model = built()
    terms = model.loss(unknown, 0.0)
    assert set(terms) == {"reconstruction", "kl", "order", "weights"}
    terms["order"].backward()
    assert not any(p.grad is not None and p.grad.any() for p in model.parameters())
    assert not any(p.grad is not None and p.grad.isnan().any() for p in model.parameters())


def test_the_probability_of_the_diagnosis_is_that_of_the_mean(batch):
    model = built()
    (found,) = model.regress(batch.image).values()
    model.eval()
    expected = model.classifier(model.code(batch.image))[:, 0].sigmoid()
    torch.testing.assert_close(found, expected.detach())


def test_bounds_are_those_of_the_means_and_are_forgotten_slowly(batch):
    model = built(replace(TIED, latent=4))
    model.eval().loss(batch, 0.0)
    assert not model.least.any()
    assert not model.most.any()
    model.train()
    mean = model.encoder(batch.image)[0].detach()
    model.loss(batch, 0.0)
    torch.testing.assert_close(model.least, mean.amin(0).clamp(max=0))
    torch.testing.assert_close(model.most, mean.amax(0).clamp(min=0))
    model.most += 1.0
    before = model.most - model.least
    model.loss(batch, 0.0)
    torch.testing.assert_close(model.most, mean.amax(0).clamp(min=0) + 1 - LEAK * before)


def edits(model, code, attribute, amounts):
    return torch.stack(
        [model.edited(code, attribute, torch.full((len(code),), a)) for a in amounts]
    )


def test_an_edit_moves_one_dimension_to_its_bounds(batch):
    model = built()
    model.least.copy_(torch.linspace(-4, -3, 8))
    model.most.copy_(torch.linspace(3, 4, 8))
    code = model.code(batch.image)
    least, little, same, half, most = edits(model, code, "b_px", [-1.0, -0.25, 0.0, 0.5, 1.0])
    assert torch.equal(same, code)
    torch.testing.assert_close(least[:, 1], model.least[1].expand(COUNT))
    torch.testing.assert_close(most[:, 1], model.most[1].expand(COUNT))
    torch.testing.assert_close(little[:, 1], 0.75 * code[:, 1] + 0.25 * model.least[1])
    torch.testing.assert_close(half[:, 1], (code[:, 1] + model.most[1]) / 2)
    others = [0, *range(2, 8)]
    assert all(torch.equal(found[:, others], code[:, others]) for found in (least, half, most))


def test_the_proxy_of_an_attribute_grows_with_its_amount(batch):
    model = built()
    model.loss(batch, 0.0)
    amounts = torch.linspace(-1, 1, 9).tolist()
    found = edits(model, model.code(batch.image), "a_px", amounts)
    said = torch.stack([model.proxies(code) for code in found])
    assert (said[1:, :, 0] >= said[:-1, :, 0]).all()
    assert torch.equal(said[:, :, 1], said[:1, :, 1].expand(9, -1))


def test_edited_images_have_gradients(batch):
    model = built()
    model.loss(batch, 0.0)
    code = model.code(batch.image).requires_grad_()
    amount = torch.full((COUNT,), 0.3, requires_grad=True)
    model.render(model.edited(code, "a_px", amount)).sum().backward()
    assert code.grad.any()
    assert amount.grad.any()


@pytest.mark.parametrize("training", [True, False])
def test_asking_leaves_the_model_alone(batch, training):
    model = built().train(training)
    before = [value.clone() for value in model.buffers()]
    model.render(model.code(batch.image))
    model.regress(batch.image)
    assert all(torch.equal(a, b) for a, b in zip(before, model.buffers(), strict=True))
    assert model.training is model.encoder.training is training


def test_views_are_drawn_and_the_same_seed_draws_the_same(batch):
    def loss(flips, seed):
        model = built(replace(TIED, flips=flips)).eval()
        torch.manual_seed(seed)
        return model.loss(batch, 0.0)["kl"].item()

    assert loss(0.5, seed=1) == loss(0.5, seed=1)
    assert loss(0.5, seed=1) != loss(0.5, seed=2)
    assert loss(0.0, seed=1) == loss(0.0, seed=2)


class Some:
    """Samples of one size, in which `ill` is what it is told to be."""

    name, split, classes = "some", "train", ("background",)

    def __init__(self, shape, ill=(0.0, 1.0)):
        self.shape = shape
        self.records = [
            Record(
                id=f"{i}", subject=f"{i}", image=Path("none"),
                labels={"a_px": float(i % 7), "b_px": float(i**2 % 11)}
                | ({} if ill is None else {"ill": ill[i % len(ill)]}),
            )
            for i in range(20)
        ]  # fmt: skip

    def batch(self, indices):
        return Batch(image=torch.zeros(len(indices), 1, *self.shape))


ASKED = replace(TIED, names=(), low=(), high=(), attributes="a,b", diagnosed=False)


@pytest.mark.parametrize("shape", [(32, 64), (16, 32, 32)])
def test_the_images_decide_what_the_config_leaves_open(shape):
    found = adapted(ASKED, Some(shape))
    assert found == replace(
        ASKED, image_size=shape, names=("a_px", "b_px"), low=(0.0, 0.0), high=(6.0, 9.0),
        diagnosed=True,
    )  # fmt: skip


@pytest.mark.parametrize("ill", [None, (1.0,), (0.0, 0.0)])
def test_there_is_no_classifier_where_images_do_not_differ(ill):
    assert not adapted(ASKED, Some((32, 32), ill)).diagnosed


@pytest.mark.parametrize(
    ("config", "shape", "said"),
    [
        (ASKED, (32, 40), "32 x 40 pixels do not fit"),
        (ASKED, (8, 32, 32), "8 x 32 x 32 pixels do not fit"),
        (replace(ASKED, latent=1), (32, 32), "2 attributes do not fit into 1 dimensions"),
        (replace(ASKED, attributes="a,c"), (32, 32), "has the attribute 'c'"),
    ],
)
def test_images_that_do_not_fit_are_refused(config, shape, said):
    with pytest.raises(BadInput, match=said):
        adapted(config, Some(shape))


def test_both_sizes_have_the_weights_that_are_asked_for():
    small, paper = attribute_vae.sizes(beta=3.0).values()
    assert small.config.beta == paper.config.beta == 3.0
    assert paper.config == AttributeVaeConfig(beta=3.0)
    assert paper.recipe.batch_size == 16
    assert paper.recipe.lr == 1e-4
    assert paper.recipe.clip.frames == paper.recipe.image_size[0] == 80
