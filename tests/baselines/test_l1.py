"""L1: the network of CoReEcho, taught by its estimates alone."""

from dataclasses import asdict, replace

import pytest
import torch

from septum.baselines import l1
from septum.baselines.l1 import L1Config, build
from septum.contract import Batch, Model, Regresses
from septum.models import coreecho
from septum.nn import clip_views

TINY = L1Config(
    widths=(8, 8, 16, 16), depths=(1, 1, 1, 1), head_dim=8, encoder_dropout=0.0, dropout=0.0,
    views=clip_views.STILL,
)  # fmt: skip


@pytest.fixture
def batch():
    return Batch(
        image=torch.rand(4, 1, 4, 32, 32, generator=torch.Generator().manual_seed(0)),
        labels={"ef_percent": torch.tensor([60.0, 30.0, torch.nan, 52.0])},
        ids=list("abcd"),
    )


def built(config=TINY):
    torch.manual_seed(0)
    return build(config)


def shapes(module):
    return {name: tuple(value.shape) for name, value in module.state_dict().items()}


def test_keeps_its_promises():
    assert isinstance(built(), Model)
    assert isinstance(built(), Regresses)


@pytest.mark.parametrize("size", ["small", "paper"])
def test_network_clips_and_steps_are_those_of_coreecho(size):
    ours, theirs = l1.PAPER.sizes[size], coreecho.PAPER.sizes[size]
    with torch.device("meta"):
        assert shapes(build(ours.config)) == shapes(coreecho.CoReEcho(theirs.config))
    assert asdict(ours.config).items() <= asdict(theirs.config).items()
    if size == "small":
        assert replace(ours.recipe, lr=theirs.recipe.lr) == theirs.recipe
    else:
        share = 1 - theirs.config.second_stage
        assert ours.recipe.steps == round(share * theirs.recipe.steps)
        assert ours.recipe.clip == theirs.recipe.clip


def test_the_loss_is_the_mean_error_of_the_clips_with_a_label(batch):
    model = built().eval()
    found = model.regress(batch.image)["ef_percent"]
    known = [0, 1, 3]
    expected = (found - batch.labels["ef_percent"]).abs()[known].mean()
    torch.testing.assert_close(model.loss(batch, 0.5)["l1"], expected)


def test_the_error_teaches_encoder_and_head(batch):
    model = built()
    model.loss(batch, 0.0)["l1"].backward()
    assert [name for name, p in model.named_parameters() if p.grad is None] == []
    for part in (model.net.encoder, model.net.head):
        assert any(p.grad.any() for p in part.parameters())


def test_fewer_than_two_labels_give_no_loss(batch):
    lonely = torch.tensor([60.0, torch.nan, torch.nan, torch.nan])
    assert built().loss(replace(batch, labels={"ef_percent": lonely}), 0.0) == {}
    assert built().loss(replace(batch, labels={}), 0.0) == {}


def test_views_are_drawn(batch):
    with_views = built(replace(TINY, views=clip_views.Ranges(pad_px=4)))
    torch.manual_seed(0)
    assert with_views.loss(batch, 0.0)["l1"] != built().loss(batch, 0.0)["l1"]
