"""EchoCoTr: UniFormer and one linear layer, end to end."""

from dataclasses import replace

import pytest
import torch

from septum.baselines import echocotr
from septum.baselines.echocotr import EchoCoTrConfig, build
from septum.contract import Batch, Model, Regresses
from septum.models import coreecho
from septum.nn import clip_views

TINY = EchoCoTrConfig(
    widths=(8, 8, 16, 16), depths=(1, 1, 1, 1), head_dim=8, encoder_dropout=0.0,
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


def test_keeps_its_promises():
    assert isinstance(built(), Model)
    assert isinstance(built(), Regresses)


def test_the_published_size_has_the_published_number_of_parameters():
    with torch.device("meta"):
        model = build(echocotr.PAPER.sizes["paper"].config)
    assert sum(p.numel() for p in model.parameters()) == 21_195_713
    assert built().net.head.bias.item() == pytest.approx(55.6)


def test_small_sees_as_many_clips_as_coreecho_through_the_same_encoder():
    ours, theirs = echocotr.PAPER.sizes["small"], coreecho.PAPER.sizes["small"]
    clip, other = ours.recipe.clip, theirs.recipe.clip
    assert clip == replace(other, per_film=1)
    seen = theirs.recipe.batch_size * other.per_film
    assert ours.recipe == replace(theirs.recipe, batch_size=seen, clip=clip)
    with torch.device("meta"):
        ours, theirs = build(ours.config), coreecho.CoReEcho(theirs.config)
    assert str(ours.net.encoder) == str(theirs.net.encoder)


def test_the_loss_is_the_squared_error_of_the_clips_with_a_label(batch):
    model = built().eval()
    found = model.regress(batch.image)["ef_percent"]
    expected = (found - batch.labels["ef_percent"])[[0, 1, 3]].square().mean()
    torch.testing.assert_close(model.loss(batch, 0.5)["mse"], expected)


def test_the_error_teaches_encoder_and_head(batch):
    model = built()
    model.loss(batch, 0.0)["mse"].backward()
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
    assert with_views.loss(batch, 0.0)["mse"] != built().loss(batch, 0.0)["mse"]
