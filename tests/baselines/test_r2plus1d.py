"""R(2+1)D-18 and one linear layer, end to end."""

from dataclasses import replace

import pytest
import torch

from septum.baselines import r2plus1d
from septum.baselines.r2plus1d import R2Plus1DConfig, build
from septum.contract import Batch, Model, Regresses
from septum.models import coreecho
from septum.nn import clip_views

TINY = R2Plus1DConfig(width=4, views=clip_views.STILL)


@pytest.fixture
def batch():
    return Batch(
        image=torch.rand(4, 1, 8, 32, 32, generator=torch.Generator().manual_seed(0)),
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
        model = build(r2plus1d.PAPER.sizes["paper"].config)
    assert sum(p.numel() for p in model.parameters()) == 31_300_125 + 513
    assert built().net.head.bias.item() == pytest.approx(55.6)


def test_small_sees_as_many_clips_as_coreecho():
    ours, theirs = (paper.PAPER.sizes["small"].recipe for paper in (r2plus1d, coreecho))
    assert ours.batch_size * ours.clip.per_film == theirs.batch_size * theirs.clip.per_film
    assert ours.steps == theirs.steps


def test_the_loss_is_the_squared_error_of_the_clips_with_a_label(batch):
    model = built().eval()
    found = model.regress(batch.image)["ef_percent"]
    expected = (found - batch.labels["ef_percent"])[[0, 1, 3]].square().mean()
    torch.testing.assert_close(model.loss(batch, 0.5)["mse"], expected)


def test_the_error_teaches_encoder_and_head(batch):
    model = built()
    model.loss(batch, 0.0)["mse"].backward()
    assert [name for name, p in model.named_parameters() if not p.grad.any()] == []


def test_it_is_trained_in_float32():
    """Because of what `septum.nn.r2plus1d` says of bf16."""
    assert {size.recipe.precision for size in r2plus1d.PAPER.sizes.values()} == {"fp32"}


def test_fewer_than_two_labels_give_no_loss(batch):
    lonely = torch.tensor([60.0, torch.nan, torch.nan, torch.nan])
    assert built().loss(replace(batch, labels={"ef_percent": lonely}), 0.0) == {}
    assert built().loss(replace(batch, labels={}), 0.0) == {}


def test_views_are_drawn(batch):
    with_views = built(replace(TINY, views=clip_views.Ranges(pad_px=4)))
    torch.manual_seed(0)
    assert with_views.loss(batch, 0.0)["mse"] != built().loss(batch, 0.0)["mse"]
