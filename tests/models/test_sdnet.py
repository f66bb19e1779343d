"""SDNet against its paper: shapes, sizes, what reaches what, and what can carry what."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from septum.contract import BadInput, Batch, Recipe, Record
from septum.models import sdnet
from septum.models.sdnet import SDNet, SDNetConfig, binarised
from septum.nn import anatomy_parts as parts
from septum.train import Every, Updates, fit

SIDE = 48
TINY = SDNetConfig(
    structures=2, image_size=(SIDE, SIDE), width=4, segmentor_width=4, critic_width=4
)


@pytest.fixture
def batch():
    """Three images with a mask, three without, two masks alone."""
    generator = torch.Generator().manual_seed(0)
    mask = torch.randint(0, 3, (6, SIDE, SIDE), generator=generator)
    mask[3:] = -1
    image = torch.rand(6, 1, SIDE, SIDE, generator=generator)
    return Batch(image=image, mask=mask, unpaired=mask[:2], ids=list("abcdef"))


def built(config=TINY):
    torch.manual_seed(0)
    return SDNet(config)


def count(module):
    return sum(p.numel() for p in module.parameters())


def test_the_published_size_has_the_published_numbers_of_parameters():
    with torch.device("meta"):
        model = SDNet(SDNetConfig())
    assert count(model.f_anatomy) == 34_526_344
    assert count(model.f_modality) == 95_552
    assert count(model.h) == 42_116
    assert count(model.g) == 6_409
    with torch.device("meta"):
        assert count(SDNet(SDNetConfig(channels=16)).f_anatomy) == 34_526_864


@pytest.mark.parametrize("channels", [8, 16])
@pytest.mark.parametrize("structures", [2, 3, 7])
def test_shapes(channels, structures):
    config = replace(TINY, channels=channels, structures=structures, modality=5)
    model, image = built(config), torch.rand(2, 1, SIDE, SIDE)
    features = model.encode(image)
    assert features.content.shape == (2, channels, SIDE, SIDE)
    assert features.style.shape == (2, 5, SIDE, SIDE)
    assert features.pooled.shape == (2, 5)
    assert model.segment(image).shape == (2, structures + 1, SIDE, SIDE)
    assert model.decode(features.content, features.style).shape == image.shape


def test_images_need_not_be_square_nor_of_one_size():
    model = built(replace(TINY, image_size=(32, 64)))
    for size in ((32, 64), (64, 64), (96, 48)):
        assert model.encode(torch.rand(1, 1, *size)).content.shape[2:] == size


def test_every_pixel_is_in_one_channel():
    s = built().encode(torch.rand(2, 1, SIDE, SIDE)).content
    assert set(s.unique().tolist()) == {0, 1}
    assert (s.sum(1) == 1).all()


def test_masks_are_probabilities():
    p = built().segment(torch.rand(2, 1, SIDE, SIDE))
    torch.testing.assert_close(p.sum(1), torch.ones(2, SIDE, SIDE))


@pytest.mark.parametrize("how", ["argmax", "round"])
def test_binarising_lets_gradients_through_as_if_it_were_not_there(how):
    log_p = torch.randn(2, 8, 4, 4).log_softmax(1)
    p = log_p.exp().requires_grad_()
    binarised(p.log(), how=how, training=True).backward(weights := torch.randn(2, 8, 4, 4))
    torch.testing.assert_close(p.grad, weights)


def test_rounding_is_the_printed_operator_and_leaves_pixels_empty():
    log_p = torch.randn(2, 8, 32, 32).log_softmax(1)
    s = binarised(log_p, how="round", training=True)
    torch.testing.assert_close(s, (log_p.exp() + 0.5).floor(), atol=1e-6, rtol=0)
    assert 0.7 < (s.sum(1) < 0.5).float().mean() < 0.95
    assert (binarised(log_p, how="argmax", training=True).sum(1) - 1).abs().max() < 1e-6


def test_gumbel_samples_in_training_and_decides_afterwards():
    log_p = torch.tensor([0.7, 0.3]).log()[None, :, None, None].expand(1, 2, 100, 100)
    torch.manual_seed(0)
    drawn = binarised(log_p, how="gumbel", training=True)
    assert drawn[:, 0].mean().item() == pytest.approx(0.7, abs=0.02)
    assert (binarised(log_p, how="gumbel", training=False)[:, 0] == 1).all()


def test_film_of_1_and_0_is_the_identity():
    maps = torch.randn(2, 3, 4, 4)
    same = parts.film(maps, torch.ones(2, 3), torch.zeros(2, 3))
    torch.testing.assert_close(same, maps)
    shifted = parts.film(maps, torch.full((2, 3), 2.0), torch.full((2, 3), 0.5))
    torch.testing.assert_close(shifted, 2 * maps + 0.5)


def test_a_decoder_whose_film_is_silent_does_not_hear_z():
    g = parts.Decoder(channels=8, length=8)
    s, z = torch.rand(1, 8, 16, 16), torch.randn(2, 8)
    assert not torch.equal(g(s, z[:1]), g(s, z[1:]))
    for block in g.blocks:
        torch.nn.init.zeros_(block.pair[-1].weight)
    torch.testing.assert_close(g(s, z[:1]), g(s, z[1:]))


def test_z_carries_no_shape():
    g = parts.Decoder(channels=8, length=8)
    flat = torch.rand(1, 8, 1, 1).expand(1, 8, 40, 40)
    for z in 3 * torch.randn(5, 1, 8):
        inner = g(flat, z)[..., 9:-9, 9:-9]  # nine convolutions of 3 x 3 see the border
        assert (inner.max() - inner.min()).item() < 1e-5


def test_the_area_head_counts_wherever_it_lies():
    torch.manual_seed(0)
    head = parts.AreaHead(channels=4)
    s = torch.zeros(1, 4, 64, 64)
    s[:, 1, 10:20, 10:20] = 1
    moved, double = s.roll((25, 20), (2, 3)), s + s.roll(30, 2)
    torch.testing.assert_close(head(s), head(moved))
    none, one, two = (head.maps(x).mean((2, 3)) for x in (torch.zeros_like(s), s, double))
    torch.testing.assert_close(two - none, 2 * (one - none), atol=1e-5, rtol=1e-4)


NETWORKS = ("f_anatomy", "f_modality", "h", "g", "critic")
REACH = {
    ("labelled", "dice"): {"f_anatomy", "h"},
    ("labelled", "reconstruction"): {"f_anatomy", "f_modality", "g"},
    ("labelled", "kl"): {"f_anatomy", "f_modality"},
    ("labelled_z", "zrec"): {"f_modality", "g"},
    ("unlabelled", "adversarial"): {"f_anatomy", "h", "critic"},
    ("unlabelled", "reconstruction"): {"f_anatomy", "f_modality", "g"},
    ("unlabelled", "kl"): {"f_anatomy", "f_modality"},
    ("unlabelled_z", "zrec"): {"f_modality", "g"},
    ("critic", "real"): {"critic"},
    ("critic", "fake"): {"critic"},
}
"""Which loss reaches which network. The critic's gradient of `adversarial` goes to no optimiser."""


def test_every_loss_reaches_its_networks_and_no_other(batch):
    model, reach = built(), {}
    for phase in model.phases():
        for name, term in phase.loss(batch, 0.5).items():
            model.zero_grad()
            term.backward(retain_graph=True)
            reach[phase.name, name] = {
                net
                for net in NETWORKS
                if any(
                    p.grad is not None and p.grad.any() for p in getattr(model, net).parameters()
                )
            }
    assert reach == REACH


def test_every_step_moves_its_networks_alone(batch):
    model = built()
    recipe = Recipe(data="none", steps=4, lr=1e-2, precision="fp32")
    owners = {
        "labelled": {"f_anatomy", "f_modality", "h", "g"},
        "labelled_z": {"f_modality", "g"},
        "unlabelled": {"f_anatomy", "f_modality", "h", "g"},
        "unlabelled_z": {"f_modality", "g"},
        "critic": {"critic"},
    }
    with Updates(model, recipe, seed=0) as updates:
        for phase in updates.phases:
            before = {name: p.clone() for name, p in model.named_parameters()}
            updates._update(phase, 0, batch)
            after = dict(model.named_parameters())
            moved = {n.split(".")[0] for n, p in before.items() if not torch.equal(p, after[n])}
            assert moved == owners[phase.name], phase.name


def test_the_order_of_the_steps_is_that_of_the_authors():
    names = [phase.name for phase in built().phases()]
    assert names == ["labelled", "labelled_z", "unlabelled", "unlabelled_z", "critic"]


def test_what_a_batch_lacks_is_left_out(batch):
    model = built()
    known = replace(batch, image=batch.image[:3], mask=batch.mask[:3], ids="abc", unpaired=None)
    told = {phase.name: phase.loss(known, 0.0) for phase in model.phases()}
    assert [name for name, terms in told.items() if terms] == ["labelled", "labelled_z"]
    bare = replace(batch, mask=None, unpaired=None)
    told = {phase.name: phase.loss(bare, 0.0) for phase in model.phases()}
    assert [name for name, terms in told.items() if terms] == ["unlabelled", "unlabelled_z"]


def test_the_critic_may_be_kept_from_masks_of_other_images(batch):
    model = built(replace(TINY, real_masks="labelled"))
    without = replace(batch, unpaired=None)
    for phase in model.phases():
        terms = phase.loss(without, 0.0)
    assert set(terms) == {"real", "fake"}


@pytest.mark.parametrize("anatomy", ["input", "reencoded"])
@pytest.mark.parametrize("target", ["mean", "sample"])
def test_z_is_sought_as_the_config_says(batch, anatomy, target):
    model = built(replace(TINY, zrec_anatomy=anatomy, zrec_target=target))
    model.supervised(batch, 0.0)
    term = model.regress_z("labelled", batch, 0.0)["zrec"]
    assert term.item() > 0


def test_the_reconstruction_is_that_of_the_image_that_was_shown(batch):
    model = built(replace(TINY, rotation_deg=0.0)).eval()
    model.supervised(batch, 0.0)
    x, s = model._seen["labelled"]
    torch.testing.assert_close(x, 2 * batch.image[:3] - 1)
    torch.testing.assert_close(s, model.encode(batch.image[:3]).content)


def test_anatomy_and_z_are_read_from_different_tones_of_one_image(batch):
    model = built(replace(TINY, rotation_deg=0.0, toned=1.0)).eval()
    shown = []
    model.f_anatomy.register_forward_pre_hook(lambda _, x: shown.append(x[0].clone()))
    model.supervised(batch, 0.0)
    rebuilt, _ = model._seen["labelled"]
    plain = (2 * batch.image[:3] - 1).flatten(1)
    for toned in (shown[0].flatten(1), rebuilt.flatten(1)):
        assert (toned - plain).abs().mean() > 0.1
        ordered = toned.gather(1, plain.argsort(1)).diff(dim=1)
        assert ordered.min() > -1e-6  # a rising curve of each image
    assert (shown[0] - rebuilt).abs().mean() > 0.1


def test_a_single_image_is_encoded_with_finite_numbers():
    features = built().train().encode(torch.rand(1, 1, SIDE, SIDE))
    assert features.content.isfinite().all()
    assert features.pooled.isfinite().all()


def test_monitors_tell_a_dead_z():
    model = built()
    for head in (model.f_modality.mean, model.f_modality.log_variance):
        torch.nn.init.zeros_(head.weight)
        torch.nn.init.zeros_(head.bias)
    health = model.monitors(Batch(image=torch.rand(4, 1, SIDE, SIDE), ids=list("abcd")))
    assert health["variance"] == health["variance_least"] == 1
    assert health["kl"] == 0


def test_an_area_is_learnt_from_images_without_a_mask(batch):
    model = built(replace(TINY, area="cavity_px"))
    known = torch.tensor([torch.nan, torch.nan, torch.nan, 100.0, 200.0, torch.nan])
    told = replace(batch, labels={"cavity_px": known})
    terms = {phase.name: phase.loss(told, 0.0) for phase in model.phases()}
    assert terms["labelled"]["area"].item() == 0
    assert terms["unlabelled"]["area"].item() > 0
    share = model.regress(batch.image)["cavity_px"] / SIDE**2
    assert ((share > 0) & (share < 5)).all()
    assert built().regress(batch.image) == {}


def test_the_images_decide_what_the_config_leaves_open():
    class Images:
        name, split, records, classes = "some", "train", (), ("background", "a", "b", "c", "d")

        def batch(self, indices):
            return Batch(image=torch.zeros(len(indices), 1, 32, 64))

    config = sdnet.adapted(TINY, Images())
    assert (config.structures, config.image_size) == (4, (32, 64))


def test_an_area_that_no_image_states_is_refused():
    class Images:
        name, split, classes = "some", "train", ("background", "a")
        records = (Record(id="0", subject="0", image=Path("none"), labels={"a_px": 3.0}),)

        def batch(self, indices):
            return Batch(image=torch.zeros(len(indices), 1, 32, 64))

    assert sdnet.adapted(replace(TINY, area="a_px"), Images()).area == "a_px"
    with pytest.raises(BadInput, match="label 'b_px' to learn an area from; choose one of a_px"):
        sdnet.adapted(replace(TINY, area="b_px"), Images())


class Stop(Exception):  # noqa: N818 - as it is
    """A training is cut off."""


@pytest.mark.parametrize("config", [TINY, replace(TINY, consistency=1.0)])
def test_a_training_that_was_stopped_ends_where_it_would_have(config, batch, tmp_path):
    recipe = Recipe(data="none", steps=4, batch_size=6, lr=1e-3, precision="fp32")

    def train(run, *, stop=None, resume=False):
        def load(start):
            for step in range(start, recipe.steps):
                if step == stop:
                    raise Stop
                yield replace(batch, image=batch.image.roll(step, 0))

        model, every = built(config), Every(log=1, monitor=1, save=1)
        fit(model, load, recipe, run=run, header={"model": "sdnet"}, resume=resume, every=every)
        return model.state_dict()

    whole = train(tmp_path / "whole")
    with pytest.raises(Stop):
        train(tmp_path / "cut", stop=2)
    resumed = train(tmp_path / "cut", resume=True)
    assert int(whole["pool.filled"]) == 12
    assert [name for name in whole if not torch.equal(whole[name], resumed[name])] == []


def test_a_teacher_that_agrees_on_what_it_is_sure_of_costs_least(batch):
    model = built(replace(TINY, consistency=2.0, sure=0.0))
    image = batch.image[3:]
    assert model.consistent(image, 0.0)["consistency"].item() == 0  # it comes in by and by
    half, full = (model.consistent(image, p)["consistency"].item() for p in (0.125, 1.0))
    assert half != 0
    assert abs(full) > abs(half)
    unsure = built(replace(TINY, consistency=2.0, sure=1.0))
    assert unsure.consistent(image, 1.0)["consistency"].item() == -2  # nothing to draw: both empty
    assert built().consistent(image, 1.0) == {}


def test_the_teacher_follows_and_draws(batch):
    model = built(replace(TINY, consistency=1.0))
    before = model.segment(batch.image)
    with torch.no_grad():
        for p in model.h.parameters():
            p.add_(1.0)
    torch.testing.assert_close(model.segment(batch.image), before)
    for _ in range(400):
        model.after_step(0.0)
    s = model.encode(batch.image).content
    torch.testing.assert_close(model.segment(batch.image), model.eval().drawn(s), atol=1e-4, rtol=0)
    trained = {id(p) for phase in model.phases() for p in phase.parameters}
    assert not trained & {id(p) for p in model.teacher.parameters()}
