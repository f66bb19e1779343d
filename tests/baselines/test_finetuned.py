"""A ViT that learns on to tell the value of a label."""

from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch
from torch.nn import functional as F

from septum import checkpoint, train
from septum.baselines import finetuned
from septum.baselines.finetuned import PAPER, Finetuned, FinetunedConfig, adapted
from septum.contract import BadInput, Batch, Classifies, Model, Recipe, Record
from septum.nn import patch_views
from septum.nn.vit import Vit, VitConfig

VIT = VitConfig(patch_px=8, width=32, depth=3, heads=2)
TINY = FinetunedConfig(vit=VIT, values=("bright", "dark"), drop_path=0.0)
STILL = replace(TINY, views=patch_views.STILL)
"""What is shown in training is the image itself."""


@pytest.fixture
def batch():
    """Images whose left or right half is bright; of one of them nobody says which."""
    torch.manual_seed(0)
    side = torch.tensor([0, 1, 0, 1, 1])
    image = 0.3 * torch.rand(5, 1, 16, 16)
    for i, right in enumerate(side):
        image[i, :, :, 8 * right : 8 * right + 8] += 0.6
    texts = {"label": ["bright", "dark", "", "dark", "dark"], "organ": ["lung"] * 5}
    return Batch(image=image, texts=texts, ids=list("abcde"))


def built(config=TINY, *, seed=0):
    torch.manual_seed(seed)
    return Finetuned(config)


def loss(model, batch):
    torch.manual_seed(1)
    return model.loss(batch, 0.5)


def test_keeps_its_promises(batch):
    model = built()
    assert isinstance(model, Model)
    assert isinstance(model, Classifies)
    assert model.classified() == ("label", ("bright", "dark"))
    said = model.classify(batch.image)
    torch.testing.assert_close(said.sum(1), torch.ones(5))
    assert not said.requires_grad


def test_the_loss_is_the_smoothed_cross_entropy_of_the_known():
    """By hand: q = (1 - eps) one-hot + eps / 3."""
    model = built(replace(STILL, values=("a", "b", "c"), smoothing=0.3))
    image = torch.rand(3, 1, 16, 16, generator=torch.manual_seed(0))
    with torch.no_grad():
        model.head.weight.mul_(50)
    log_p = model.classify(image).log()
    expected = -(0.8 * log_p[0, 2] + 0.1 * log_p[0, 0] + 0.1 * log_p[0, 1]) / 2
    expected -= (0.8 * log_p[2, 0] + 0.1 * log_p[2, 1] + 0.1 * log_p[2, 2]) / 2
    said = Batch(image=image, texts={"label": ["c", "", "a"]}, ids=list("xyz"))
    assert loss(model, said)["cross_entropy"].item() == pytest.approx(expected.item(), rel=1e-4)


def test_an_image_of_no_known_value_teaches_nothing(batch):
    other = batch.image.clone()
    other[2] = 0
    one, two = loss(built(STILL), batch), loss(built(STILL), replace(batch, image=other))
    assert torch.equal(one["cross_entropy"], two["cross_entropy"])
    assert loss(built(), replace(batch, texts={})) == {}
    assert loss(built(), replace(batch, texts={"label": ["", "", "grey", "", ""]})) == {}


def test_training_shows_views_asking_shows_the_image(batch):
    seen, model = [], built()
    model.encoder.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    known = batch.image[[0, 1, 3, 4]]

    model.loss(batch, 0.0)
    model.classify(known)

    assert not torch.equal(seen[0], known)
    assert torch.equal(seen[1], known)


def test_all_but_the_mask_vector_learns(batch):
    model = built().train()
    loss(model, batch)["cross_entropy"].backward()
    none = {name for name, p in model.named_parameters() if p.grad is None or not p.grad.any()}
    assert none == {"encoder.mask_token"}
    (phase,) = model.phases()
    assert {id(p) for p in phase.parameters} == {
        id(p) for name, p in model.named_parameters() if name != "encoder.mask_token"
    }


def test_a_layer_moves_as_far_as_its_rate_says(batch):
    """The first step of Adam moves every number by the learning rate of its layer."""
    model = built(replace(TINY, layer_decay=0.5))
    recipe = Recipe(data="none", steps=1, lr=1e-3, precision="fp32")
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    with train.Updates(model, recipe, seed=0) as updates:
        updates(0, batch)
    moved = {n: (p - before[n]).abs().max().item() for n, p in model.named_parameters()}

    expected = {"encoder.cls": 1 / 16, "encoder.patches.weight": 1 / 16, "head.weight": 1}
    expected |= {f"encoder.blocks.{i}.mlp.fc2.weight": 0.5 ** (3 - i) for i in range(3)}
    assert {n: moved[n] for n in expected} == pytest.approx(
        {n: 1e-3 * rate for n, rate in expected.items()}, rel=0.02
    )


def test_the_size_from_scratch_moves_all_layers_alike():
    tuned, anew = (PAPER.sizes[name].config for name in ("tiny", "tiny_scratch"))
    assert replace(anew, layer_decay=0.65) == tuned
    (phase,) = built(anew).phases()
    assert set(phase.rates) == {1.0}


@pytest.mark.parametrize("values", [("bright", "dark"), ("dark", "bright")])
def test_it_learns_which_half_is_bright_and_says_so_in_the_order_of_the_values(batch, values):
    model = built(replace(STILL, values=values, layer_decay=1.0))
    recipe = Recipe(data="none", steps=40, lr=2e-3, precision="fp32")
    with train.Updates(model, recipe, seed=0) as updates:
        for i in range(recipe.steps):
            updates(i, batch)
    fresh = torch.rand(2, 1, 16, 16, generator=torch.manual_seed(3)) * 0.3
    fresh[0, :, :, :8] += 0.6
    fresh[1, :, :, 8:] += 0.6
    said = model.classify(fresh)
    assert [values[i] for i in said.argmax(1)] == ["bright", "dark"]
    assert said.max(1).values.min() > 0.7


def test_features_are_what_the_layer_reads(batch):
    model = built()
    features = model.encode(batch.image)
    assert features.content.shape == (5, 32, 2, 2)
    torch.testing.assert_close(features.pooled[:, 32:], features.content.mean((2, 3)))
    torch.testing.assert_close(model.head(features.pooled).softmax(1), model.classify(batch.image))


@pytest.mark.parametrize("training", [True, False])
def test_asking_draws_nothing_and_leaves_the_mode_alone(batch, training):
    model = built(replace(TINY, drop_path=0.5)).train(training)
    torch.testing.assert_close(model.classify(batch.image)[:1], model.classify(batch.image[:1]))
    model.encode(batch.image)
    assert model.training is model.encoder.training is training


def deforming(organ):
    config = replace(TINY, vit=replace(VIT, deforms=True), organs=("heart", "lung"), organ=organ)
    model = built(config)
    for p in model.parameters():  # no displacement at first, so no organ either
        torch.nn.init.normal_(p, std=0.2)
    return model


def test_blocks_are_told_the_organ_that_all_images_show(batch):
    told, twin = deforming("lung"), deforming("")
    lung = torch.tensor([[0.0, 1.0]]).expand(5, -1)
    cls, cells = twin.encoder(batch.image, organ=lung)
    logits = twin.head(torch.cat([cls, cells.mean((2, 3))], 1))
    torch.testing.assert_close(told.classify(batch.image), logits.softmax(1))
    expected = F.cross_entropy(
        logits[[0, 1, 3, 4]], torch.tensor([0, 1, 1, 1]), label_smoothing=0.1
    )
    told.config = replace(told.config, views=patch_views.STILL)
    torch.testing.assert_close(loss(told, batch)["cross_entropy"], expected)
    assert not torch.allclose(told.classify(batch.image), twin.classify(batch.image))


def test_it_begins_with_any_encoder_and_a_head_of_its_own(tmp_path):
    trained = torch.nn.Module()
    trained.encoder, trained.decoder = Vit(VIT), torch.nn.Linear(32, 64)
    checkpoint.write_json(tmp_path / checkpoint.CONFIG, {"septum": checkpoint.__version__})
    checkpoint.save_weights(tmp_path, trained)
    model = built()
    head = model.head.weight.detach().clone()

    checkpoint.load_alike(tmp_path, model)

    theirs = trained.encoder.state_dict()
    assert all(torch.equal(v, theirs[name]) for name, v in model.encoder.state_dict().items())
    assert torch.equal(model.head.weight, head)


def test_the_published_size_is_vit_b_with_one_layer():
    """Dosovitskiy et al., Table 1: 86 M; here of one channel, with fixed positions."""
    with torch.device("meta"):
        model = Finetuned(PAPER.sizes["paper"].config)
    d = 768
    block = 4 * (d * d + d) + 8 * d * d + 4 * d + d + 4 * d
    encoder = 12 * block + (256 * d + d) + d + d + 2 * d  # patches, [CLS], [MASK], norm
    assert sum(p.numel() for p in model.parameters()) == encoder + 2 * (2 * d + 1)


@dataclass(frozen=True)
class Images:
    """One image per subject and value of the label."""

    stated: list[tuple[str, str | float]]
    organs: tuple[str, ...] = ("breast",)
    name, split, classes = "some", "train", ("background",)

    @property
    def records(self):
        of = zip(self.stated, self.organs * len(self.stated), strict=False)
        return [
            Record(id="", subject=s, image=Path(), labels={"label": v, "organ": organ})
            for (s, v), organ in of
        ]

    def batch(self, indices):
        return Batch(image=torch.zeros(len(indices), 1, 16, 16))


PAIRS = [("p1", "normal"), ("p2", "benign"), ("p3", "normal"), ("p4", "benign"), ("p5", "")]


def test_the_images_decide_values_and_organ():
    assert adapted(replace(TINY, organs=("heart",)), Images(PAIRS)) == replace(
        TINY, values=("benign", "normal"), organ="breast", organs=("heart", "breast")
    )
    several = adapted(TINY, Images(PAIRS, organs=("breast", "lung")))
    assert (several.organ, several.organs) == ("", ())


@pytest.mark.parametrize(
    ("stated", "message"),
    [
        ([("p1", ""), ("p2", "")], r"some \(train\) state nothing as the text label 'label'"),
        ([("p1", 0.0), ("p2", 1.0)], "state nothing as the text label"),
        ([("p1", "benign"), ("p2", "benign")], "state benign as the text label .* two values"),
        ([*PAIRS, ("p6", "malignant")], "Only one subject .* label = 'malignant'"),
        ([*PAIRS, *[("p6", "malignant")] * 3], "Only one subject .* label = 'malignant'"),
    ],
)
def test_images_that_tell_too_little_are_refused(stated, message):
    with pytest.raises(BadInput, match=message):
        adapted(TINY, Images(stated))


def test_another_label_is_looked_for_where_one_is_set():
    with pytest.raises(BadInput, match="'view'"):
        adapted(replace(TINY, label="view"), Images(PAIRS))
    found = adapted(replace(TINY, label="organ"), Images(PAIRS, organs=("lung", "hip")))
    assert found.values == ("hip", "lung")


def test_recipes_are_those_of_fine_tuning():
    recipe, c = PAPER.sizes["paper"].recipe, PAPER.sizes["paper"].config
    assert (c.layer_decay, c.drop_path, c.smoothing) == (0.65, 0.1, 0.1)
    assert (recipe.weight_decay, recipe.clip_norm, recipe.batch_size) == (0.05, 5.0, 64)
    assert recipe.lr * 512 / recipe.batch_size == pytest.approx(1.25e-3)
    assert recipe.steps / recipe.warmup_steps == pytest.approx(10, rel=0.01)
    assert finetuned.TINY.config.vit == VitConfig(patch_px=8, width=192, depth=6, heads=3)
