"""The supervised baseline: SDNet's encoder, which learns from annotated images alone."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from septum import train
from septum.baselines import unet
from septum.baselines.unet import UNetConfig, UNetSegmentor
from septum.contract import Batch, Model, Recipe, Segments
from septum.models import sdnet

SIDE = 32
TINY = UNetConfig(structures=2, width=4)
STILL = replace(TINY, rotation_deg=0.0)
RECIPE = Recipe(data="none", steps=80, lr=1e-2, precision="fp32")


def built(config=TINY):
    torch.manual_seed(0)
    return UNetSegmentor(config)


@pytest.fixture
def batch():
    """Three images with a mask of two bars, three without."""
    generator = torch.Generator().manual_seed(0)
    mask = torch.zeros(6, SIDE, SIDE, dtype=torch.int64)
    mask[:, 4:14, 6:24] = 1
    mask[:, 14:26, 8:20] = 2
    image = 0.4 * mask[:, None] + 0.2 * torch.rand(6, 1, SIDE, SIDE, generator=generator)
    mask[3:] = -1
    return Batch(image=image, mask=mask, ids=list("abcdef"))


def shapes(module):
    return {name: tuple(value.shape) for name, value in module.state_dict().items()}


def loss(model, batch):
    torch.manual_seed(1)
    return model.loss(batch, 0.5)


def test_keeps_its_promises():
    assert isinstance(built(), Model)
    assert isinstance(built(), Segments)


def test_the_published_size_is_the_anatomy_encoder_of_sdnet():
    with torch.device("meta"):
        model = UNetSegmentor(unet.PAPER.sizes["paper"].config)
        encoder = sdnet.AnatomyEncoder(sdnet.PAPER.sizes["paper"].config)
    assert shapes(model.net.body) == shapes(encoder.body)
    # the published encoder ends in 8 channels, this in 3 structures and the background
    assert sum(p.numel() for p in model.parameters()) == 34_526_344 - 4 * (64 + 1)


def test_the_small_size_is_the_small_encoder_of_sdnet():
    model = UNetSegmentor(unet.PAPER.sizes["small"].config)
    assert shapes(model.net.body) == shapes(sdnet.AnatomyEncoder(sdnet.SMALL).body)


def test_images_without_a_mask_change_nothing(batch):
    other = replace(batch, image=torch.cat([batch.image[:3], torch.rand(3, 1, SIDE, SIDE)]))
    one, two = built(), built()
    torch.testing.assert_close(loss(one, batch), loss(two, other), rtol=0, atol=0)
    for a, b in zip(one.buffers(), two.buffers(), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=0)


def test_gradients_reach_annotated_images_alone(batch):
    image = batch.image.clone().requires_grad_()
    loss(built(), replace(batch, image=image))["dice"].backward()
    assert image.grad[:3].flatten(1).any(1).all()
    assert not image.grad[3:].any()


def test_a_batch_without_annotated_images_has_no_loss(batch):
    assert loss(built(), replace(batch, mask=None)) == {}
    assert loss(built(), replace(batch, mask=torch.full_like(batch.mask, -1))) == {}


def test_the_loss_is_the_weighted_dice_of_the_drawn_structures(batch):
    model = built(replace(STILL, segmentation=3.0)).eval()
    drawn = model.segment(batch.image[:3]).double().numpy()[:, 1:]
    truth = np.stack([batch.mask[:3].numpy() == k for k in (1, 2)], axis=1)
    over = (1, 2, 3)
    ratio = 2 * ((drawn * truth).sum(over) + 0.1) / (drawn.sum(over) + truth.sum(over) + 0.1)
    assert loss(model, batch)["dice"].item() == pytest.approx(3 * (1 - ratio.mean()), rel=1e-5)


def test_an_image_is_turned_with_its_mask():
    """Of an image that is its own mask, a network that copies it has the same loss at any angle."""
    model = built(replace(TINY, structures=1))
    model.net.body, model.net.head = torch.nn.Identity(), torch.nn.Conv2d(1, 2, 1)
    with torch.no_grad():
        model.net.head.weight[:, 0, 0, 0] = torch.tensor([-20.0, 20.0])
        model.net.head.bias.zero_()
    y, x = torch.meshgrid(torch.arange(SIDE), torch.arange(SIDE), indexing="ij")
    bar = ((abs(y - 15.5) < 3) & (abs(x - 15.5) < 12)).long()[None].expand(4, -1, -1)
    copied = Batch(image=bar[:, None].float(), mask=bar, ids=list("abcd"))
    assert loss(model, copied)["dice"].item() < 0.2
    unrelated = replace(copied, mask=bar.transpose(1, 2).contiguous())
    assert loss(model, unrelated)["dice"].item() > 3


def test_content_is_what_the_last_layer_sees(batch):
    model = built()
    features = model.encode(batch.image)
    assert features.content.shape == (6, 4, SIDE, SIDE)
    assert features.style is None
    torch.testing.assert_close(features.pooled, features.content.mean((2, 3)))
    drawn = model.segment(batch.image)
    assert drawn.shape == (6, 3, SIDE, SIDE)
    torch.testing.assert_close(drawn.sum(1), torch.ones(6, SIDE, SIDE))
    assert torch.equal(model.net.head(features.content).argmax(1), drawn.argmax(1))


@pytest.mark.parametrize("training", [True, False])
def test_asking_leaves_statistics_and_mode_alone(batch, training):
    model = built().train(training)
    before = [value.clone() for value in model.buffers()]
    alone = model.segment(batch.image[:1])
    torch.testing.assert_close(model.segment(batch.image)[:1], alone)
    model.encode(batch.image)
    for value, now in zip(before, model.buffers(), strict=True):
        assert torch.equal(value, now)
    assert model.training is model.net.body.training is training


def test_learns_two_structures(batch):
    model = built(STILL)
    with train.Updates(model, RECIPE, seed=0) as updates:
        for i in range(RECIPE.steps):
            updates(i, batch)
    found = model.segment(batch.image[3:]).argmax(1)
    assert (found == batch.mask[:3]).float().mean() > 0.9


def test_the_images_decide_the_structures():
    class Images:
        name, split, records, classes = "some", "train", (), ("background", "a", "b", "c", "d")

        def batch(self, indices):
            return Batch(image=torch.zeros(len(indices), 1, 32, 64))

    assert unet.adapted(TINY, Images()) == replace(TINY, structures=4)
