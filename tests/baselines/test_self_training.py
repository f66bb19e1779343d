"""Self-training: when the labeller is copied, what it labels, and that it is never trained."""

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from septum import train
from septum.baselines import self_training
from septum.baselines.self_training import SelfTraining, SelfTrainingConfig
from septum.contract import Batch, Model, Recipe, Segments
from septum.models import sdnet

SIDE = 32
TINY = SelfTrainingConfig(structures=2, width=4)
STILL = replace(TINY, rotation_deg=0.0)
RECIPE = Recipe(data="none", steps=12, lr=1e-2, precision="fp32")


def noise(seed):
    """Two images with a mask, three without."""
    generator = torch.Generator().manual_seed(seed)
    mask = torch.randint(0, 3, (5, SIDE, SIDE), generator=generator)
    mask[2:] = -1
    image = torch.rand(5, 1, SIDE, SIDE, generator=generator)
    return Batch(image=image, mask=mask, ids=list("abcde"))


def built(config=TINY):
    torch.manual_seed(0)
    return SelfTraining(config)


def trained(model, steps):
    """After some steps of the recipe, none of which begins a round."""
    with train.Updates(model, replace(RECIPE, steps=1000), seed=0) as updates:
        for i in range(steps):
            updates(i, noise(i))
    return model


@pytest.fixture
def batch():
    return noise(0)


def shapes(module):
    return {name: tuple(value.shape) for name, value in module.state_dict().items()}


def state(module):
    return {name: value.clone() for name, value in module.state_dict().items()}


def same(one, other):
    return all(torch.equal(one[name], other[name]) for name in one)


def loss(model, batch):
    torch.manual_seed(1)
    return model.loss(batch, 0.5)


def test_keeps_its_promises():
    assert isinstance(built(), Model)
    assert isinstance(built(), Segments)


def test_the_published_size_is_the_anatomy_encoder_of_sdnet():
    with torch.device("meta"):
        model = SelfTraining(self_training.PAPER.sizes["paper"].config)
        encoder = sdnet.AnatomyEncoder(sdnet.PAPER.sizes["paper"].config)
    assert shapes(model.net.body) == shapes(encoder.body)
    learnt = sum(p.numel() for p in model.parameters() if p.requires_grad)
    assert learnt == 34_526_344 - 4 * (64 + 1)  # 4 classes instead of 8 channels


def test_the_small_size_is_the_small_encoder_of_sdnet():
    model = SelfTraining(self_training.PAPER.sizes["small"].config)
    assert shapes(model.net.body) == shapes(sdnet.AnatomyEncoder(sdnet.SMALL).body)


def test_images_without_a_mask_are_not_learnt_from_before_the_first_round(batch):
    one, two = built(), built()
    other = replace(batch, image=torch.cat([batch.image[:2], torch.rand(3, 1, SIDE, SIDE)]))
    found = loss(one, batch)
    assert set(found) == {"dice"}
    torch.testing.assert_close(found, loss(two, other), rtol=0, atol=0)
    one.after_step(0.249)
    assert set(loss(one, batch)) == {"dice"}
    one.after_step(0.25)
    assert set(loss(one, batch)) == {"dice", "dice_self"}


def test_three_rounds_begin_at_a_quarter_a_half_and_three_quarters(batch):
    model, begun = built(), []
    with train.Updates(model, RECIPE, seed=0) as updates:
        for i in range(RECIPE.steps):
            before = state(model.labeller)
            updates(i, batch)
            if not same(before, state(model.labeller)):
                begun.append(i)
                assert same(state(model.net), state(model.labeller))
    assert begun == [3, 6, 9]
    assert int(model.round) == 3


def test_the_number_of_rounds_is_that_of_the_config():
    model, rounds = built(replace(TINY, rounds=1)), []
    for progress in (0.0, 0.49, 0.5, 0.99):
        model.after_step(progress)
        rounds.append(int(model.round))
    assert rounds == [0, 0, 1, 1]


def test_the_labeller_is_a_frozen_copy(batch):
    model = trained(built(), 2)
    model.after_step(0.25)
    copied = state(model.labeller)
    assert same(copied, state(model.net))
    trained(model, 2)
    model.after_step(0.4)
    assert same(copied, state(model.labeller))
    assert not same(copied, state(model.net))
    learnt = {id(p) for phase in model.phases() for p in phase.parameters}
    assert learnt == {id(p) for p in model.net.parameters()}
    loss(model, batch)["dice_self"].backward()
    assert all(p.grad is None and not p.requires_grad for p in model.labeller.parameters())


def test_labels_are_the_likeliest_classes_of_the_labeller_in_evaluation(batch):
    model = trained(built(), 1)
    model.after_step(0.25)
    trained(model, 1)
    bare = replace(batch, image=batch.image[2:], mask=batch.mask[2:], ids="cde")
    x = 2 * bare.image - 1
    with torch.no_grad():  # no class should be the likeliest everywhere
        model.labeller.head.bias -= model.labeller.eval()(x).log().mean((0, 2, 3))
        wanted = model.labeller(x).argmax(1)
        in_training = copy.deepcopy(model.labeller).train()(x).argmax(1)
    model.train()
    before = state(model.labeller)
    found = model.labelled(bare)
    assert len(wanted.unique()) == 3
    assert torch.equal(found.mask, wanted)
    assert not torch.equal(found.mask, in_training)
    assert torch.equal(found.image, bare.image)
    assert same(before, state(model.labeller))
    assert model.labeller.training


def test_true_masks_are_not_relabelled(batch):
    model = built(replace(STILL, segmentation=3.0)).eval()
    model.after_step(0.25)
    with torch.no_grad():  # of every image the labeller says the same
        model.labeller.head.weight.zero_()
        model.labeller.head.bias.copy_(torch.tensor([0.0, 0.0, 1.0]))
    drawn = model.segment(batch.image).double().numpy()[:, 1:]
    truth = np.stack([batch.mask.numpy() == k for k in (1, 2)], axis=1)
    truth[2:] = np.array([False, True])[:, None, None]
    over = (1, 2, 3)
    ratio = 2 * ((drawn * truth).sum(over) + 0.1) / (drawn.sum(over) + truth.sum(over) + 0.1)
    found = loss(model, batch)
    assert found["dice"].item() == pytest.approx(3 * (1 - ratio[:2].mean()), rel=1e-5)
    assert found["dice_self"].item() == pytest.approx(3 * (1 - ratio[2:].mean()), rel=1e-5)


def test_a_batch_may_be_all_annotated_or_not_at_all(batch):
    model = built()
    assert loss(model, replace(batch, mask=None)) == {}
    model.after_step(0.25)
    assert set(loss(model, replace(batch, mask=None))) == {"dice_self"}
    known = replace(batch, image=batch.image[:2], mask=batch.mask[:2], ids="ab")
    assert set(loss(model, known)) == {"dice"}


def test_round_and_labeller_survive_safetensors(batch, tmp_path):
    model = trained(built(), 2)
    model.after_step(0.5)
    trained(model, 1)
    whole = {name: value.contiguous() for name, value in model.state_dict().items()}
    save_file(whole, tmp_path / "state.safetensors")
    again = SelfTraining(TINY)
    again.load_state_dict(load_file(tmp_path / "state.safetensors"))
    assert int(again.round) == 2
    assert same(state(model), state(again))
    torch.testing.assert_close(loss(model, batch), loss(again, batch), rtol=0, atol=0)


def test_stopped_and_resumed_within_a_round_it_ends_the_same(tmp_path):
    def fit(folder, *, stop=None, resume=False):
        def load(start):
            for i in range(start, RECIPE.steps):
                if i == stop:
                    raise InterruptedError
                yield noise(i)

        train.fit(
            built(),
            load,
            RECIPE,
            run=tmp_path / folder,
            header={"model": "self_training"},
            resume=resume,
            every=train.Every(log=1, monitor=4, save=1),
        )

    fit("whole")
    with pytest.raises(InterruptedError):
        fit("parts", stop=5)
    fit("parts", resume=True)
    whole, parts = ((tmp_path / n / "model.safetensors").read_bytes() for n in ("whole", "parts"))
    assert whole == parts


def test_asking_asks_the_net_and_leaves_it_alone(batch):
    model = trained(built(), 2)
    before = state(model)
    features, drawn = model.encode(batch.image), model.segment(batch.image)
    assert features.style is None
    torch.testing.assert_close(drawn.sum(1), torch.ones(5, SIDE, SIDE))
    assert torch.equal(model.net.head(features.content).argmax(1), drawn.argmax(1))
    assert same(before, state(model))
    assert model.training


def test_the_images_decide_the_structures():
    class Images:
        name, split, records, classes = "some", "train", (), ("background", "a", "b", "c", "d")

        def batch(self, indices):
            return Batch(image=torch.zeros(len(indices), 1, 32, 64))

    assert self_training.adapted(TINY, Images()) == replace(TINY, structures=4)
