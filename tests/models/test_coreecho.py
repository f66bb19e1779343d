"""CoReEcho against its paper: sizes, what reaches what, and the two stages."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch.nn import functional as F

from septum.contract import (
    BadInput,
    Batch,
    Clip,
    Model,
    Monitors,
    Recipe,
    Record,
    Regresses,
)
from septum.losses.rank_n_contrast import rank_n_contrast
from septum.models import coreecho
from septum.models.coreecho import CoReEcho, CoReEchoConfig, first_clips
from septum.nn import clip_views
from septum.train import Every, Updates, fit, learning_rate

FILMS, SIDE, FRAMES = 4, 32, 4
TINY = CoReEchoConfig(
    widths=(8, 8, 16, 16), depths=(1, 1, 1, 1), head_dim=8, encoder_dropout=0.0, dropout=0.0,
    views=clip_views.Ranges(pad_px=2), second_stage=0.25,
)  # fmt: skip
STILL = replace(TINY, views=clip_views.STILL)
RECIPE = Recipe(data="none", steps=8, batch_size=FILMS, lr=1e-2, precision="fp32")
FIRST, SECOND = 0, 6
"""A step of stage one and the first of stage two, of the eight of `RECIPE`."""


def built(config=TINY):
    torch.manual_seed(0)
    return CoReEcho(config)


@pytest.fixture
def batch():
    """Two clips of four films, all first clips before all second."""
    generator = torch.Generator().manual_seed(0)
    return Batch(
        image=torch.rand(2 * FILMS, 1, FRAMES, SIDE, SIDE, generator=generator),
        labels={"ef_percent": torch.tensor([60.0, 30.0, 45.0, 52.0]).repeat(2)},
        ids=list("abcd") * 2,
    )


def terms(model, batch, progress):
    return {phase.name: phase.loss(batch, progress) for phase in model.phases()}


def reached(module):
    return {name for name, p in module.named_parameters() if p.grad is not None and p.grad.any()}


def state(module):
    return {name: value.clone() for name, value in module.state_dict().items()}


def test_keeps_its_promises():
    assert isinstance(built(), Model)
    assert isinstance(built(), Regresses)
    assert isinstance(built(), Monitors)


def test_the_published_size_has_the_published_numbers_of_parameters():
    with torch.device("meta"):
        model = CoReEcho(coreecho.PAPER.sizes["paper"].config)
    encoder, head = (
        sum(p.numel() for p in part.parameters()) for part in (model.net.encoder, model.net.head)
    )
    assert encoder == 21_195_713 - 513
    assert head == 265_217
    assert model.net.head[-1].bias.shape == (1,)
    assert CoReEchoConfig().start == 55.6


def test_the_published_schedule():
    recipe, config = (
        coreecho.PAPER.sizes["paper"].recipe, coreecho.PAPER.sizes["paper"].config
    )  # fmt: skip
    assert recipe.steps == 31 * (7465 // 16)
    begins = 26 * 466
    model = built(replace(TINY, second_stage=config.second_stage))
    assert not model.second((begins - 1) / recipe.steps)
    assert model.second(begins / recipe.steps)


def stage_rates(size):
    """Learning rates of the head in stage one and in stage two, in those of the beginning."""
    recipe, config = size.recipe, size.config
    begins = round((1 - config.second_stage) * recipe.steps)
    rates = [learning_rate(recipe, step) / recipe.lr for step in range(recipe.steps)]
    return rates[:begins], [config.second_rate * rate for rate in rates[begins:]]


def test_the_published_learning_rate_drops_in_stage_one_and_is_whole_in_stage_two():
    one, two = stage_rates(coreecho.PAPER.sizes["paper"])
    assert sorted({*one}) == pytest.approx([0.1, 1.0])
    assert one.count(1.0) == pytest.approx(15 * 466, abs=466)
    assert two == pytest.approx([1.0] * 5 * 466)


def test_the_head_learns_on_in_stage_two_of_small():
    _, two = stage_rates(coreecho.PAPER.sizes["small"])
    assert 0.3 < min(two) <= max(two) < 2


def test_every_loss_reaches_its_part_and_no_other(batch):
    """L_RnC teaches F_E alone, both L_1 teach F_R alone."""
    model, reach = built(), {}
    for progress in (0.0, 0.9):
        for phase in model.phases():
            for name, term in phase.loss(batch, progress).items():
                model.zero_grad()
                term.backward()
                reach[phase.name, name] = {
                    part for part in ("encoder", "head") if reached(getattr(model.net, part))
                }
    assert reach == {
        ("encoder", "rnc"): {"encoder"},
        ("head", "l1"): {"head"},
        ("second", "l1"): {"head"},
    }


def test_the_encoder_learns_the_same_if_the_head_does_not_learn(batch):
    with_head, without = built(), built()
    without.phases = lambda: CoReEcho.phases(without)[:1]
    for model in (with_head, without):
        with Updates(model, RECIPE, seed=0) as updates:
            for step in range(3):
                updates(step, batch)
    for name, value in state(with_head.net.encoder).items():
        assert torch.equal(value, without.net.encoder.state_dict()[name]), name
    assert not torch.equal(with_head.net.head[-1].weight, without.net.head[-1].weight)


@pytest.mark.parametrize(("step", "moved"), [(FIRST, {"encoder", "head"}), (SECOND, {"head"})])
def test_stage_two_moves_the_head_alone_and_no_norm_of_the_encoder(batch, step, moved):
    model = built()
    with Updates(model, RECIPE, seed=0) as updates:
        before = state(model.net)
        updates(step, batch)
    after = state(model.net)
    changed = {name.split(".")[0] for name in before if not torch.equal(before[name], after[name])}
    assert changed == moved
    assert model.training
    assert model.net.encoder.training


@pytest.mark.parametrize(("step", "seen"), [(FIRST, 2 * FILMS), (SECOND, FILMS)])
def test_the_encoder_sees_every_clip_once_and_one_of_a_film_in_stage_two(batch, step, seen):
    model, rows = built(), []
    model.net.encoder.register_forward_hook(lambda _module, given, _out: rows.append(len(given[0])))
    with Updates(model, RECIPE, seed=0) as updates:
        updates(step, batch)
    assert rows == [seen]


def test_a_stage_has_its_own_terms(batch):
    model = built()
    one, two = terms(model, batch, 0.0), terms(model, batch, 0.75)
    assert {name: set(found) for name, found in one.items()} == {
        "encoder": {"rnc"}, "head": {"l1"}, "second": set(),
    }  # fmt: skip
    assert {name: set(found) for name, found in two.items()} == {
        "encoder": set(), "head": set(), "second": {"l1"},
    }  # fmt: skip
    never = terms(built(replace(TINY, second_stage=0.0)), batch, 0.999)
    assert never["encoder"]
    assert never["second"] == {}


def test_the_terms_are_the_printed_losses(batch):
    model = built(replace(STILL, temperature=2.0)).eval()
    e, y = model.encode(batch.image).pooled, batch.labels["ef_percent"]
    one, two = terms(model, batch, 0.0), terms(model, batch, 0.9)
    expected = rank_n_contrast(e, y, temperature=2.0)
    torch.testing.assert_close(one["encoder"]["rnc"], expected, rtol=1e-4, atol=1e-5)
    found = model.regress(batch.image)["ef_percent"]
    torch.testing.assert_close(one["head"]["l1"], F.l1_loss(found, y))
    torch.testing.assert_close(two["second"]["l1"], F.l1_loss(found[:FILMS], y[:FILMS]))


def test_the_head_learns_from_what_the_encoder_has_just_seen_once(batch):
    model = built()
    assert model.follow(batch, 0.0) == {}
    model.contrast(batch, 0.0)
    assert set(model.follow(batch, 0.0)) == {"l1"}
    assert model.follow(batch, 0.0) == {}


def test_clips_without_a_label_teach_nothing(batch):
    y = batch.labels["ef_percent"].clone()
    y[[1, 5]] = torch.nan
    some = replace(batch, labels={"ef_percent": y})
    kept = [0, 2, 3, 4, 6, 7]
    rest = Batch(
        image=batch.image[kept], labels={"ef_percent": y[kept]}, ids=[batch.ids[i] for i in kept]
    )
    for progress in (0.0, 0.9):
        found, expected = (terms(built(STILL), one, progress) for one in (some, rest))
        torch.testing.assert_close(found, expected)


def test_fewer_than_two_labels_give_no_loss(batch):
    lonely = torch.full((2 * FILMS,), torch.nan)
    for labels in (
        {},
        {"ef_percent": lonely},
        {"ef_percent": lonely.index_fill(0, torch.tensor(2), 50.0)},
    ):
        for progress in (0.0, 0.9):
            found = terms(built(), replace(batch, labels=labels), progress)
            assert found == {"encoder": {}, "head": {}, "second": {}}


def test_first_clips_are_one_of_every_film(batch):
    assert first_clips(batch).ids == list("abcd")
    assert torch.equal(first_clips(batch).image, batch.image[:FILMS])


def test_both_stages_draw_views(batch):
    for progress in (0.0, 0.9):
        plain, drawn = built(STILL), built()
        torch.manual_seed(0)
        a, b = (terms(model, batch, progress) for model in (plain, drawn))
        assert [n for n in a if a[n] and a[n] != b[n]] == [n for n in a if a[n]]


def test_estimates_have_the_name_of_the_label(batch):
    model = built(replace(TINY, label="edv_ml", start=120.0))
    found = model.regress(batch.image)
    assert set(found) == {"edv_ml"}
    assert found["edv_ml"].shape == (2 * FILMS,)
    assert abs(found["edv_ml"].mean().item() - 120) < 5
    assert model.encode(batch.image).content.shape == (2 * FILMS, 16, 2, 1, 1)


def test_monitors_tell_order_and_collapse(batch):
    model = built()
    y = batch.labels["ef_percent"]
    model.net.maps = lambda image: y[: len(image), None, None, None, None].expand(-1, 3, 1, 1, 1)
    health = model.monitors(batch)
    assert health["order"] == pytest.approx(1.0)
    assert health["embedding_std"] == pytest.approx(y.std(correction=0).item())
    model.net.maps = lambda image: torch.ones(len(image), 3, 1, 1, 1)
    assert model.monitors(batch) == {"embedding_std": 0.0}
    assert set(model.monitors(replace(batch, labels={}))) == {"embedding_std"}


def test_the_films_decide_the_first_estimate():
    class Cines:
        name, split, classes, clip = "some", "train", ("background",), Clip(frames=4)
        records = tuple(
            Record(id=str(v), subject=str(v), image=Path("none"), labels={"edv_ml": v})
            for v in (90.0, 105.0)
        )

        def lengths(self):
            return [8, 8]

        clips = lengths

        def batch(self, indices):
            return Batch(image=torch.zeros(len(indices), 1, FRAMES, SIDE, SIDE))

    config = coreecho.adapted(replace(TINY, label="edv_ml"), Cines())
    assert config == replace(TINY, label="edv_ml", start=97.5)
    with pytest.raises(BadInput, match="No film of some"):
        coreecho.adapted(TINY, Cines())


class Stop(Exception):  # noqa: N818 - as it is
    """A training is cut off."""


def test_a_training_that_was_stopped_ends_where_it_would_have(batch, tmp_path):
    def train(run, *, stop=None, resume=False):
        def load(start):
            for step in range(start, RECIPE.steps):
                if step == stop:
                    raise Stop
                yield replace(batch, image=batch.image.roll(step, 2))

        model, every = built(), Every(log=1, monitor=8, save=1)
        fit(model, load, RECIPE, run=run, header={"model": "coreecho"}, resume=resume, every=every)
        return model.state_dict()

    whole = train(tmp_path / "whole")
    with pytest.raises(Stop):
        train(tmp_path / "cut", stop=7)
    resumed = train(tmp_path / "cut", resume=True)
    assert [name for name in whole if not torch.equal(whole[name], resumed[name])] == []


def beating(films, seed):
    """Discs that shrink once by a share of their area: what a heart does by its EF."""
    generator = torch.Generator().manual_seed(seed)
    ef = 20 + 50 * torch.rand(films, generator=generator)
    phase = torch.rand(films, 2, 1, generator=generator)
    wave = (1 - torch.cos(2 * torch.pi * (torch.arange(8) / 8 + phase))) / 2
    area = 110 * (1 - wave * ef[:, None, None] / 100)
    y, x = torch.meshgrid(torch.arange(SIDE) - 15.5, torch.arange(SIDE) - 15.5, indexing="ij")
    far = (x**2 + y**2)[None, None, None]
    disc = torch.sigmoid((area[..., None, None] / 3.14).sqrt() - far.sqrt())
    image = 0.6 * disc + 0.1 * torch.rand(disc.shape, generator=generator)
    return Batch(
        image=image.transpose(0, 1).flatten(0, 1)[:, None],
        labels={"ef_percent": ef.repeat(2)},
        ids=[str(i) for i in range(films)] * 2,
    )


@pytest.mark.slow
def test_embeddings_come_into_the_order_of_what_beats():
    config = replace(TINY, start=45.0)
    recipe = replace(RECIPE, steps=150, lr=3e-3)
    model, unseen = built(config), beating(32, seed=1000)
    before = model.monitors(unseen)["order"]
    with Updates(model, recipe, seed=0) as updates:
        for step in range(recipe.steps):
            updates(step, beating(16, seed=step))
    found = model.regress(unseen.image)["ef_percent"]
    assert model.monitors(unseen)["order"] > max(0.7, before + 0.2)
    assert (found - unseen.labels["ef_percent"]).abs().mean() < 7
