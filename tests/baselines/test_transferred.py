import math
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from septum import checkpoint
from septum.baselines.transferred import PAPER, SMALL, Transferred, adapted
from septum.contract import BadInput, Batch, Clip, Record
from septum.models import coreecho
from septum.nn import clip_views

TINY = replace(SMALL, widths=(8, 8, 16, 16), depths=(1, 1, 1, 1), head_dim=8)
CALM = replace(TINY, views=clip_views.STILL, dropout=0.0)
"""Neither views nor dropout: what is estimated in training follows from the clips alone."""


@pytest.fixture
def batch():
    image = torch.rand(5, 1, 4, 32, 32, generator=torch.manual_seed(0))
    labels = {
        "ef_percent": torch.tensor([60.0, 30.0, math.nan, 45.0, 55.0]),
        "infarct": torch.tensor([1.0, 0.0, math.nan, 1.0, 0.0]),
    }
    return Batch(image=image, labels=labels, ids=list("abcde"))


def built(config, *, seed=0):
    torch.manual_seed(seed)
    return Transferred(config)


def step(model, batch):
    (phase,) = model.phases()
    optimiser = torch.optim.AdamW(phase.parameters, lr=1e-2, weight_decay=0)
    torch.stack([*phase.loss(batch, 0.5).values()]).sum().backward()
    optimiser.step()


def state(module: nn.Module):
    return {name: value.clone() for name, value in module.state_dict().items()}


def test_a_probe_leaves_the_encoder_and_its_norms_as_they_are(batch):
    model = built(TINY).train()
    before, head = state(model.net.encoder), state(model.net.head)

    step(model, batch)

    for name, value in model.net.encoder.state_dict().items():
        assert torch.equal(value, before[name]), name
    assert all(
        not torch.equal(value, head[name]) for name, value in model.net.head.state_dict().items()
    )
    assert model.net.encoder.training


def test_fine_tuning_moves_everything(batch):
    model = built(replace(TINY, frozen=False)).train()
    before = state(model)

    step(model, batch)

    still = [name for name, value in model.state_dict().items() if torch.equal(value, before[name])]
    assert still == []


@pytest.mark.parametrize("frozen", [True, False])
def test_a_probe_learns_from_running_statistics_fine_tuning_from_the_batch(batch, frozen):
    model = built(replace(CALM, frozen=frozen)).train()
    known = torch.tensor([0, 1, 3, 4])
    twin = built(replace(CALM, frozen=frozen)).train()
    if frozen:
        twin.net.encoder.eval()
    expected = F.mse_loss(twin.net(batch.image[known]), batch.labels["ef_percent"][known])

    assert model.loss(batch, 0.0)["mse"].item() == pytest.approx(expected.item(), rel=1e-6)


def test_a_label_of_two_kinds_is_learnt_by_cross_entropy_and_told_as_a_probability(batch):
    model = built(replace(CALM, label="infarct", start=0.0)).train()
    twin = built(replace(CALM, label="infarct", start=0.0)).train()
    twin.net.encoder.eval()
    known = torch.tensor([0, 1, 3, 4])
    p, y = twin.net(batch.image[known]).sigmoid(), batch.labels["infarct"][known]
    expected = -(y * p.log() + (1 - y) * (1 - p).log()).mean()

    assert model.loss(batch, 0.0)["cross_entropy"].item() == pytest.approx(expected.item())
    said = model.regress(batch.image)
    assert set(said) == {"infarct"}
    torch.testing.assert_close(said["infarct"], model.eval().net(batch.image).sigmoid())


@pytest.mark.parametrize("label", ["ef_percent", "infarct"])
def test_fewer_than_two_known_clips_teach_nothing(batch, label):
    model = built(replace(TINY, label=label))
    one = replace(batch, labels={label: torch.tensor([1.0, *[math.nan] * 4])})

    assert model.loss(one, 0.0) == {}
    assert model.loss(replace(batch, labels={}), 0.0) == {}


def test_training_shows_views_drawn_per_clip(batch):
    seen = []
    model = built(TINY)
    model.net.encoder.register_forward_pre_hook(lambda _, args: seen.append(args[0]))

    torch.manual_seed(1)
    model.loss(batch, 0.0)
    model.loss(batch, 0.0)
    model.regress(batch.image[:4])

    plain = clip_views.normalised(batch.image[:4])
    assert not torch.equal(seen[0], seen[1])
    assert torch.equal(seen[2], plain)


def test_it_begins_with_the_encoder_of_coreecho_and_a_head_of_its_own(tmp_path):
    torch.manual_seed(1)
    sizes = {"widths": TINY.widths, "depths": TINY.depths, "head_dim": TINY.head_dim}
    trained = coreecho.CoReEcho(replace(coreecho.SMALL, **sizes))
    for buffer in trained.net.encoder.buffers():
        buffer.add_(1)
    checkpoint.write_json(tmp_path / checkpoint.CONFIG, {"septum": checkpoint.__version__})
    checkpoint.save_weights(tmp_path, trained)
    model = built(TINY)
    head = state(model.net.head)

    checkpoint.load_alike(tmp_path, model)

    theirs = trained.net.encoder.state_dict()
    for name, value in model.net.encoder.state_dict().items():
        assert torch.equal(value, theirs[name]), name
    for name, value in model.net.head.state_dict().items():
        assert torch.equal(value, head[name]), name


@pytest.mark.parametrize("size", ["paper", "camus_probe", "hmc_qu_finetuned"])
def test_published_sizes_have_the_encoder_and_head_of_the_paper(size):
    with torch.device("meta"):
        model = Transferred(PAPER.sizes[size].config)

    count = sum(p.numel() for p in model.net.encoder.parameters())
    assert count == 21_195_200  # 21,195,713 with a linear layer of 512 and its bias
    assert sum(p.numel() for p in model.net.head.parameters()) == 265_217


def test_recipes_are_those_of_the_supplement():
    recipes = {name: size.recipe for name, size in PAPER.sizes.items()}
    config = {name: size.config for name, size in PAPER.sizes.items()}

    assert {n for n, c in config.items() if c.label == "infarct"} == {
        "hmc_qu_probe", "hmc_qu_finetuned",
    }  # fmt: skip
    assert {n for n, c in config.items() if c.frozen} == {"small", "camus_probe", "hmc_qu_probe"}
    said = {n: (r.lr, r.batch_size, r.weight_decay, r.clip.frames) for n, r in recipes.items()}
    assert said["camus_probe"] == (2e-4, 16, 1e-4, 16)
    assert said["camus_finetuned"] == said["paper"] == (1e-4, 8, 1e-4, 16)
    assert said["hmc_qu_probe"] == said["hmc_qu_finetuned"] == (1e-5, 16, 0, 12)
    assert recipes["hmc_qu_probe"].optimiser == "madgrad"
    assert recipes["camus_probe"].image_size == (112, 112)
    assert recipes["hmc_qu_probe"].image_size == (224, 224)
    assert recipes["camus_probe"].steps * 16 // 450 == 99  # 100 epochs of 28.1 steps


def test_what_it_explains_is_the_logit_which_never_saturates(batch):
    model = built(replace(TINY, label="infarct")).eval()
    image = batch.image.requires_grad_()

    maps, said = model.explained(image)
    on_map, on_clip = torch.autograd.grad(said["infarct"].sum(), [maps, image])

    logit = said["infarct"].detach()
    torch.testing.assert_close(logit.sigmoid(), model.regress(image)["infarct"])
    assert torch.equal(maps.detach(), model.encode(image).content)
    assert on_map.abs().sum() > 0
    assert on_clip.abs().sum() > 0


@dataclass(frozen=True)
class Films:
    """Three films that state their EF; two, whether there is an infarct."""

    name = "films"
    split = "train"
    classes = ("background",)
    clip = Clip(frames=4)

    @property
    def records(self):
        facts = [
            {"ef_percent": 60.0, "infarct": 1.0},
            {"ef_percent": 35.0, "infarct": 0.0},
            {"ef_percent": 40.0},
        ]
        return [Record(id="", subject=f"{i}", image=Path(), labels=f) for i, f in enumerate(facts)]

    def lengths(self):
        return [4] * 3

    def batch(self, indices):
        return self.clips(indices, [0] * len(indices))

    def clips(self, indices, starts):  # noqa: ARG002
        return Batch(image=torch.zeros(len(indices), 1, 4, 32, 32))


def test_the_first_estimate_is_the_mean_of_the_films_or_one_half():
    assert adapted(TINY, Films()).start == 45.0
    binary = adapted(replace(TINY, label="infarct"), Films())
    assert binary.start == 0.0
    assert built(binary).net.head.anew[-1].bias.item() == 0.0
    with pytest.raises(BadInput, match="age_years"):
        adapted(replace(TINY, label="age_years"), Films())
