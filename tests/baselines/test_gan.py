"""U-Net with a critic: what each of the three steps sees, and what it moves."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from septum.baselines import gan
from septum.baselines.gan import GAN, GANConfig
from septum.contract import Batch, Model, Recipe, Segments
from septum.models import sdnet
from septum.nn.critic import POOLED
from septum.train import Updates

SIDE = 32
TINY = GANConfig(structures=2, image_size=(SIDE, SIDE), width=4, critic_width=4)
NETWORKS = ("net", "critic")
UNET = {"net"}


class Fixed(nn.Module):
    """A critic that gives every mask one score."""

    def __init__(self, score):
        super().__init__()
        self.value = nn.Parameter(torch.tensor(score))

    def forward(self, mask):
        return self.value.expand(len(mask), 1)


class Means(nn.Module):
    """A critic whose score is the mean of a mask; it remembers what it was shown."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def forward(self, mask):
        self.seen.append(mask.detach())
        return mask.mean((1, 2, 3))[:, None]


def built(config=TINY):
    torch.manual_seed(0)
    return GAN(config)


@pytest.fixture
def batch():
    """Three images with a mask, three without, two masks alone."""
    generator = torch.Generator().manual_seed(0)
    mask = torch.randint(0, 3, (6, SIDE, SIDE), generator=generator)
    mask[3:] = -1
    image = torch.rand(6, 1, SIDE, SIDE, generator=generator)
    unpaired = torch.randint(0, 3, (2, SIDE, SIDE), generator=generator)
    return Batch(image=image, mask=mask, unpaired=unpaired, ids=list("abcdef"))


def shapes(module):
    return {name: tuple(value.shape) for name, value in module.state_dict().items()}


def terms(model, batch):
    return {phase.name: phase.loss(batch, 0.5) for phase in model.phases()}


def test_keeps_its_promises():
    assert isinstance(built(), Model)
    assert isinstance(built(), Segments)


def test_the_published_size_has_the_encoder_and_the_critic_of_sdnet():
    with torch.device("meta"):
        model = GAN(gan.PAPER.sizes["paper"].config)
        theirs = sdnet.SDNet(sdnet.PAPER.sizes["paper"].config)
    assert shapes(model.net.body) == shapes(theirs.f_anatomy.body)
    assert shapes(model.critic) == shapes(theirs.critic)
    unet = sum(p.numel() for p in (*model.net.body.parameters(), *model.net.head.parameters()))
    assert unet == 34_526_344 - 4 * (64 + 1)  # 4 classes instead of 8 channels


def test_the_small_size_has_the_encoder_and_the_critic_of_sdnet():
    model, theirs = GAN(gan.PAPER.sizes["small"].config), sdnet.SDNet(sdnet.SMALL)
    assert shapes(model.net.body) == shapes(theirs.f_anatomy.body)
    assert shapes(model.critic) == shapes(theirs.critic)


def test_the_steps_are_those_of_sdnet_without_its_steps_on_z():
    names = [phase.name for phase in sdnet.SDNet(sdnet.SMALL).phases()]
    assert [phase.name for phase in built().phases()] == [n for n in names if "_z" not in n]


REACH = {
    ("labelled", "dice"): UNET,
    ("unlabelled", "adversarial"): {*UNET, "critic"},
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
    owners = {"labelled": UNET, "unlabelled": UNET, "critic": {"critic"}}
    recipe = Recipe(data="none", steps=4, lr=1e-2, precision="fp32")
    with Updates(model, recipe, seed=0) as updates:
        for phase in updates.phases:
            before = {name: p.clone() for name, p in model.named_parameters()}
            updates._update(phase, 0, batch)
            after = dict(model.named_parameters())
            moved = {n.split(".")[0] for n, p in before.items() if not torch.equal(p, after[n])}
            assert moved == owners[phase.name], phase.name


def test_each_image_belongs_to_one_step(batch):
    for name, seen in (("labelled", slice(0, 3)), ("unlabelled", slice(3, 6))):
        image = batch.image.clone().requires_grad_()
        (term,) = terms(built(), replace(batch, image=image))[name].values()
        term.backward()
        used = image.grad.flatten(1).any(1)
        assert used[seen].all()
        assert used.sum() == 3


def test_terms_are_squared_distances_of_scores(batch):
    model = built()
    model.critic = Fixed(0.25)
    found = terms(model, batch)
    assert found["unlabelled"]["adversarial"].item() == pytest.approx(10 * 0.75**2)
    assert found["critic"]["real"].item() == pytest.approx(0.75**2)
    assert found["critic"]["fake"].item() == pytest.approx(0.25**2)


def test_the_critic_is_shown_masks_alone_and_remembered_predictions(batch):
    model = built(replace(TINY, rotation_deg=0.0))
    model.critic = Means()
    terms(model, batch)
    judged, real, fake = model.critic.seen
    assert torch.equal(real, torch.stack([batch.unpaired == k for k in (1, 2)], 1).float())
    assert len(fake) == len(real)
    for mask in fake:
        assert min((mask - guess).abs().max() for guess in judged) <= 0.5 / 255 + 1e-6


def test_the_critic_waits_for_real_masks_and_for_predictions(batch):
    model = built()
    assert model.judge(batch, 0.0) == {}
    model.unsupervised(batch, 0.0)
    assert model.judge(replace(batch, unpaired=None), 0.0) == {}
    assert set(model.judge(batch, 0.0)) == {"real", "fake"}


def test_a_batch_that_is_all_annotated_or_not_at_all_is_learnt_from(batch):
    known = replace(batch, image=batch.image[:3], mask=batch.mask[:3], ids="abc", unpaired=None)
    assert [name for name, found in terms(built(), known).items() if found] == ["labelled"]
    bare = replace(batch, mask=None, unpaired=None)
    assert [name for name, found in terms(built(), bare).items() if found] == ["unlabelled"]


def test_the_last_predictions_are_remembered_with_the_weights(batch):
    model = built()
    for _ in range(POOLED // 3 + 2):
        model.unsupervised(batch, 0.0)
    assert int(model.pool.filled) == POOLED
    again = GAN(TINY)
    again.load_state_dict(model.state_dict())
    assert torch.equal(again.pool.masks, model.pool.masks)


@pytest.mark.parametrize("training", [True, False])
def test_asking_leaves_statistics_pool_and_mode_alone(batch, training):
    model = built().train(training)
    before = [value.clone() for value in model.buffers()]
    features, drawn = model.encode(batch.image), model.segment(batch.image)
    assert drawn.shape == (6, 3, SIDE, SIDE)
    torch.testing.assert_close(drawn.sum(1), torch.ones(6, SIDE, SIDE))
    assert torch.equal(model.net.head(features.content).argmax(1), drawn.argmax(1))
    for value, now in zip(before, model.buffers(), strict=True):
        assert torch.equal(value, now)
    assert model.training is model.net.body.training is training


def test_the_images_decide_what_the_config_leaves_open():
    class Images:
        name, split, records, classes = "some", "train", (), ("background", "a", "b", "c", "d")

        def batch(self, indices):
            return Batch(image=torch.zeros(len(indices), 1, 32, 64))

    assert gan.adapted(TINY, Images()) == replace(TINY, structures=4, image_size=(32, 64))
