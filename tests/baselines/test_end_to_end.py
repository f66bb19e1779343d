"""The baselines of films that learn end to end: EchoCoTr, L1, R(2+1)D."""

from dataclasses import asdict, replace

import pytest
import torch

from septum.baselines import echocotr, l1, r2plus1d
from septum.baselines.echocotr import EchoCoTrConfig
from septum.baselines.l1 import L1Config
from septum.baselines.r2plus1d import R2Plus1DConfig
from septum.contract import Batch, Explains, Model, Regresses
from septum.models import coreecho
from septum.nn import clip_views

SIZES = {
    "widths": (8, 8, 16, 16), "depths": (1, 1, 1, 1), "head_dim": 8, "encoder_dropout": 0.0,
    "views": clip_views.STILL,
}  # fmt: skip
TINY = {
    echocotr: EchoCoTrConfig(**SIZES),
    l1: L1Config(**SIZES, dropout=0.0),
    r2plus1d: R2Plus1DConfig(width=4, views=clip_views.STILL),
}
ALL = pytest.mark.parametrize("baseline", TINY, ids=["echocotr", "l1", "r2plus1d"])
EF = torch.tensor([60.0, 30.0, torch.nan, 52.0])
KNOWN = [0, 1, 3]


@pytest.fixture
def batch():
    image = torch.rand(4, 1, 8, 32, 32, generator=torch.Generator().manual_seed(0))
    return Batch(image=image, labels={"ef_percent": EF}, ids=list("abcd"))


def built(baseline, **changes):
    torch.manual_seed(0)
    return baseline.build(replace(TINY[baseline], **changes))


def published(paper):
    with torch.device("meta"):
        return paper.build(paper.sizes["paper"].config)


def shapes(module):
    return {name: tuple(value.shape) for name, value in module.state_dict().items()}


@ALL
def test_keeps_its_promises(baseline):
    for promise in (Model, Regresses, Explains):
        assert isinstance(built(baseline), promise)


@pytest.mark.parametrize(
    ("baseline", "count"),
    [(echocotr, 21_195_713), (l1, 21_195_200 + 265_217), (r2plus1d, 31_300_125 + 513)],
    ids=["echocotr", "l1", "r2plus1d"],
)
def test_the_published_size_has_the_published_number_of_parameters(baseline, count):
    assert sum(p.numel() for p in published(baseline.PAPER).parameters()) == count


@ALL
def test_the_first_estimates_lie_about_the_start(baseline, batch):
    found = built(baseline, start=40.0).regress(batch.image)["ef_percent"]
    assert (found - 40).abs().max() < 5


@pytest.mark.parametrize("size", ["small", "paper"])
def test_l1_has_the_network_of_coreecho_and_its_config(size):
    ours, theirs = l1.PAPER.sizes[size], coreecho.PAPER.sizes[size]
    with torch.device("meta"):
        assert shapes(l1.build(ours.config)) == shapes(coreecho.CoReEcho(theirs.config))
    assert asdict(ours.config).items() <= asdict(theirs.config).items()


def test_l1_trains_as_long_as_the_encoder_of_coreecho():
    ours, theirs = l1.PAPER.sizes["paper"], coreecho.PAPER.sizes["paper"]
    assert ours.recipe.steps == round((1 - theirs.config.second_stage) * theirs.recipe.steps)
    assert ours.recipe.clip == theirs.recipe.clip


def test_echocotr_has_the_encoder_of_coreecho():
    ours, theirs = echocotr.PAPER.sizes["small"].config, coreecho.PAPER.sizes["small"].config
    with torch.device("meta"):
        ours, theirs = echocotr.build(ours), coreecho.CoReEcho(theirs)
    assert str(ours.net.encoder) == str(theirs.net.encoder)


@ALL
def test_small_sees_as_many_clips_as_coreecho(baseline):
    """In other numbers of steps and at other rates; else they train alike."""
    ours, theirs = (paper.PAPER.sizes["small"].recipe for paper in (baseline, coreecho))
    seen, other = (r.steps * r.batch_size * r.clip.per_film for r in (ours, theirs))
    assert seen == other
    for name in ("data", "image_size", "weight_decay", "warmup_steps", "final_lr"):
        assert getattr(ours, name) == getattr(theirs, name)
    assert replace(ours.clip, per_film=2) == theirs.clip


def test_r2plus1d_is_trained_in_float32():
    """Because of what `septum.nn.r2plus1d` says of bf16."""
    assert {size.recipe.precision for size in r2plus1d.PAPER.sizes.values()} == {"fp32"}


@pytest.mark.parametrize(
    ("baseline", "term", "error"),
    [(echocotr, "mse", torch.square), (l1, "l1", torch.abs), (r2plus1d, "mse", torch.square)],
    ids=["echocotr", "l1", "r2plus1d"],
)
def test_the_loss_is_the_error_of_the_clips_with_a_label(baseline, term, error, batch):
    model = built(baseline).eval()
    found = model.regress(batch.image)["ef_percent"]
    loss = model.loss(batch, 0.5)
    assert set(loss) == {term}
    torch.testing.assert_close(loss[term], error(found - EF)[KNOWN].mean())


@ALL
def test_the_error_teaches_encoder_and_head(baseline, batch):
    model = built(baseline)
    (term,) = model.loss(batch, 0.0).values()
    term.backward()
    assert [name for name, p in model.named_parameters() if p.grad is None] == []
    for part in (model.net.encoder, model.net.head):
        assert any(p.grad.any() for p in part.parameters())


@ALL
def test_what_is_explained_is_what_is_said(baseline, batch):
    """And it hangs on the map, at every place."""
    model = built(baseline).eval()
    maps, said = model.explained(batch.image)
    torch.testing.assert_close(said["ef_percent"], model.regress(batch.image)["ef_percent"])
    torch.testing.assert_close(maps, model.encode(batch.image).content)
    (by_map,) = torch.autograd.grad(said["ef_percent"].sum(), maps)
    assert by_map.abs().amax(1).min() > 0


@ALL
def test_fewer_than_two_labels_give_no_loss(baseline, batch):
    lonely = torch.tensor([60.0, torch.nan, torch.nan, torch.nan])
    for labels in ({"ef_percent": lonely}, {}):
        assert built(baseline).loss(replace(batch, labels=labels), 0.0) == {}


@ALL
def test_views_are_drawn(baseline, batch):
    drawn = built(baseline, views=clip_views.Ranges(pad_px=4))
    losses = []
    for model in (drawn, built(baseline)):
        torch.manual_seed(0)
        losses += model.loss(batch, 0.0).values()
    assert losses[0] != losses[1]
