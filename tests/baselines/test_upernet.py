"""A ViT under a head that draws masks."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch

from septum import checkpoint, train
from septum.baselines import upernet
from septum.baselines.upernet import PAPER, UPerNetConfig, UPerNetSegmentor, adapted
from septum.contract import BadInput, Batch, Model, Recipe, Record, Segments
from septum.nn.vit import Vit, VitConfig
from septum.tasks import delineate

SIDE = 32
VIT = VitConfig(patch_px=8, width=32, depth=3, heads=2)
TINY = UPerNetConfig(
    vit=VIT, structures=2, width=32, auxiliary_width=16, dropout=0.0, drop_path=0.0
)
STILL = replace(TINY, rotation_deg=0.0)
RECIPE = Recipe(data="none", steps=40, lr=3e-3, precision="fp32")


def built(config=TINY, *, seed=0):
    torch.manual_seed(seed)
    return UPerNetSegmentor(config)


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


def loss(model, batch):
    torch.manual_seed(1)
    return model.loss(batch, 0.5)


def test_keeps_its_promises():
    assert isinstance(built(), Model)
    assert isinstance(built(), Segments)


@pytest.mark.parametrize("size", [(8, 8), (32, 32), (64, 32), (40, 56)])
def test_masks_have_the_size_of_the_image(size):
    drawn = built().segment(torch.rand(2, 1, *size))
    assert drawn.shape == (2, 3, *size)
    torch.testing.assert_close(drawn.sum(1), torch.ones(2, *size))


def test_the_terms_are_cross_entropy_dice_and_the_weighted_auxiliary_one(batch):
    model = built(replace(STILL, auxiliary=0.3)).eval()
    found = loss(model, batch)

    image, mask = batch.image[:3], batch.mask[:3].numpy()
    p = model.segment(image).double().numpy()
    right = np.take_along_axis(p, mask[:, None], axis=1)
    assert found["cross_entropy"].item() == pytest.approx(-np.log(right).mean(), rel=1e-5)
    truth = np.stack([mask == k for k in (1, 2)], axis=1)
    both, either = ((p[:, 1:] * truth).sum((1, 2, 3)), (p[:, 1:] + truth).sum((1, 2, 3)))
    ratio = 2 * (both + 0.1) / (either + 0.1)
    assert found["dice"].item() == pytest.approx(1 - ratio.mean(), rel=1e-5)
    aside = model.upernet.aside(model.levels(image), (SIDE, SIDE)).softmax(1)
    right = np.take_along_axis(aside.detach().double().numpy(), mask[:, None], axis=1)
    assert found["auxiliary"].item() == pytest.approx(-0.3 * np.log(right).mean(), rel=1e-5)
    assert set(found) == {"cross_entropy", "dice", "auxiliary"}


def test_pixels_of_unknown_class_do_not_count(batch):
    """A pixel that turns from one class to unknown counts no more in any term."""
    model = built(STILL).eval()
    mask = batch.mask[:3].clone()
    mask[:, :16] = -1
    found = model.terms(batch.image[:3], mask)

    p = model.segment(batch.image[:3])[:, :, 16:]
    log_right = p.gather(1, mask[:, None, 16:]).log()
    assert found["cross_entropy"].item() == pytest.approx(-log_right.mean().item(), rel=1e-5)
    truth = torch.stack([mask[:, 16:] == k for k in (1, 2)], dim=1).float()
    both, either = (p[:, 1:] * truth).sum((1, 2, 3)), (p[:, 1:] + truth).sum((1, 2, 3))
    expected = 1 - (2 * (both + 0.1) / (either + 0.1)).mean()
    assert found["dice"].item() == pytest.approx(expected.item(), rel=1e-5)


def test_images_without_a_mask_teach_nothing(batch):
    other = replace(batch, image=torch.cat([batch.image[:3], torch.rand(3, 1, SIDE, SIDE)]))
    one, two = loss(built(), batch), loss(built(), other)
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert loss(built(), replace(batch, mask=None)) == {}
    assert loss(built(), replace(batch, mask=torch.full_like(batch.mask, -1))) == {}


def test_all_that_draws_learns(batch):
    model = built().train()
    torch.stack([*loss(model, batch).values()]).sum().backward()
    none = {name for name, p in model.named_parameters() if p.grad is None or not p.grad.any()}
    assert none == {"encoder.mask_token", "encoder.norm.weight", "encoder.norm.bias"}
    (phase,) = model.phases()
    owned = {id(p) for p in phase.parameters}
    assert {name for name, p in model.named_parameters() if id(p) not in owned} == none
    assert len(phase.rates) == len(phase.parameters)


def test_rates_fall_towards_the_image():
    model = built(replace(TINY, layer_decay=0.5))
    (phase,) = model.phases()
    rate = dict(zip(map(id, phase.parameters), phase.rates, strict=True))
    blocks = [rate[id(block.mlp.fc1.weight)] for block in model.encoder.blocks]
    assert [rate[id(model.encoder.patches.weight)], *blocks] == [1 / 16, 1 / 8, 1 / 4, 1 / 2]
    assert {rate[id(p)] for p in model.upernet.parameters()} == {1.0}
    (anew,) = built(PAPER.sizes["tiny_scratch"].config).phases()
    assert set(anew.rates) == {1.0}


def test_maps_are_those_of_four_blocks(batch):
    model = built(replace(TINY, vit=replace(VIT, depth=6))).eval()
    seen = []
    for block in model.encoder.blocks:
        block.register_forward_hook(lambda _, args, out: seen.append(out))  # noqa: ARG005
    maps = model.levels(batch.image)
    for found, i in zip(maps, (1, 2, 3, 5), strict=True):
        assert torch.equal(found, seen[i][:, 1:].mT.unflatten(2, (4, 4)))


def test_content_is_what_the_last_layer_sees(batch):
    model = built()
    features = model.encode(batch.image)
    assert features.content.shape == (6, 32, 16, 16)  # cells of 8 pixels, four times finer
    assert features.style is None
    torch.testing.assert_close(features.pooled, features.content.mean((2, 3)))


@pytest.mark.parametrize("training", [True, False])
def test_asking_draws_nothing_and_leaves_the_mode_alone(batch, training):
    model = built(replace(TINY, dropout=0.5, drop_path=0.5)).train(training)
    alone = model.segment(batch.image[:1])
    torch.testing.assert_close(model.segment(batch.image)[:1], alone)
    assert model.training is model.encoder.training is training


def test_blocks_are_told_the_organ_that_all_images_show(batch):
    def drawn(organ):
        vit = replace(VIT, deforms=True)
        model = built(replace(TINY, vit=vit, organs=("heart", "lung"), organ=organ))
        for p in model.parameters():  # no displacement at first, so no organ either
            torch.nn.init.normal_(p, std=0.2)
        return model.segment(batch.image)

    assert not torch.allclose(drawn("lung"), drawn("heart"))
    assert not torch.allclose(drawn("lung"), drawn(""))


def test_it_begins_with_any_encoder_and_a_head_of_its_own(tmp_path):
    trained = torch.nn.Module()
    trained.encoder, trained.decoder = Vit(VIT), torch.nn.Linear(32, 64)
    checkpoint.write_json(tmp_path / checkpoint.CONFIG, {"septum": checkpoint.__version__})
    checkpoint.save_weights(tmp_path, trained)
    model = built()
    head = {name: value.clone() for name, value in model.upernet.state_dict().items()}

    checkpoint.load_alike(tmp_path, model)

    theirs = trained.encoder.state_dict()
    assert all(torch.equal(v, theirs[name]) for name, v in model.encoder.state_dict().items())
    assert all(torch.equal(v, head[name]) for name, v in model.upernet.state_dict().items())


@dataclass(frozen=True)
class Images:
    """Six images, each of a subject of its own."""

    shown: Batch
    classes: tuple[str, ...] = ("background", "upper", "lower")
    name, split = "some", "train"

    @property
    def records(self):
        labels = {"organ": "heart"}
        return [Record(id=i, subject=i, image=Path(), labels=labels) for i in self.shown.ids]

    def batch(self, indices):
        mask = self.shown.mask[list(indices)]
        return Batch(image=self.shown.image[list(indices)], mask=mask, ids=self.shown.ids)


def test_learns_two_structures_that_can_be_delineated(batch):
    model = built(replace(STILL, layer_decay=1.0))
    with train.Updates(model, RECIPE, seed=0) as updates:
        for i in range(RECIPE.steps):
            updates(i, batch)
    whole = replace(batch, mask=batch.mask[:3].repeat(2, 1, 1))
    report = delineate.run(model, Images(whole), Images(whole), 0)
    assert report.metrics["dice/mean"].value > 0.8
    assert report.metrics["hd95_px/upper"].value < 6


def test_the_images_decide_structures_and_organ(batch):
    found = adapted(replace(TINY, structures=7), Images(batch))
    assert found == replace(TINY, structures=2, organ="heart", organs=("heart",))
    with pytest.raises(BadInput, match="no masks"):
        adapted(TINY, Images(batch, classes=("background",)))
    with pytest.raises(BadInput, match="multiples of 12"):
        adapted(replace(TINY, vit=replace(VIT, patch_px=12)), Images(batch))


def test_recipes_and_sizes_are_those_that_are_stated():
    config, recipe = PAPER.sizes["paper"].config, PAPER.sizes["paper"].recipe
    assert config.vit == VitConfig()
    assert (config.width, config.auxiliary_width, config.auxiliary) == (768, 256, 0.4)
    assert (config.layer_decay, config.dropout, config.drop_path) == (0.65, 0.1, 0.1)
    assert (recipe.lr, recipe.weight_decay, recipe.clip_norm) == (3e-4, 0.05, 5.0)
    assert recipe.steps / recipe.warmup_steps == 20
    assert upernet.SIZES["tiny"].config.vit == VitConfig(patch_px=8, width=192, depth=6, heads=3)
