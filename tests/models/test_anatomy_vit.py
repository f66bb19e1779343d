"""A-ViT against its paper: what reaches what, what the organ changes, how a table grows."""

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch.nn import functional as F

from septum.contract import BadInput, Batch, Conditions, Deforms, Inpaints, Recipe, Record
from septum.models.anatomy_vit import PAPER, AnatomyViT, AnatomyViTConfig, adapted
from septum.nn import masking, patch_views
from septum.nn.distilled import SETTLED
from septum.nn.vit import VitConfig
from septum.train import Every, Updates, fit

ORGANS = ("heart", "lung", "breast")
CONFIG = AnatomyViTConfig(
    vit=VitConfig(patch_px=4, width=24, depth=2, heads=2, deforms=True), organs=ORGANS,
    decoder_width=16, decoder_depth=1, decoder_heads=2, critic_width=8, head=24, bottleneck=8,
    prototypes=32, begins=0.0,
)  # fmt: skip
PARTS = ("encoder", "decoder", "recogniser", "critic", "distilled.prototypes", "distilled.teacher")
REACHES = {
    "mim": {"encoder", "decoder"},
    "adversarial": {"encoder", "decoder", "critic"},
    "distillation": {"encoder", "distilled.prototypes"},
    "recognition": {"recogniser"},
    "real": {"critic"},
    "fake": {"critic"},
}


@pytest.fixture
def batch():
    """Six grainy images: four state an organ of the table, one another, one none."""
    generator = torch.Generator().manual_seed(0)
    image = torch.rand(6, 1, 24, 24, generator=generator)
    said = ["heart", "lung", "heart", "breast", "hip", ""]
    return Batch(image=image, texts={"organ": said}, ids=list("abcdef"))


def built(config=CONFIG, *, moved=True):
    """A model; its displacements are not all zero any more, if `moved`."""
    torch.manual_seed(0)
    model = AnatomyViT(config)
    if moved:
        for block in model.encoder.blocks:
            torch.nn.init.normal_(block.displace[-1].weight, std=0.3)
    return model


def terms_of(model, batch, progress=0.5):
    torch.manual_seed(1)
    return {k: v for phase in model.phases() for k, v in phase.loss(batch, progress).items()}


def told(*organs):
    return torch.tensor([[float(name == organ) for organ in ORGANS] for name in organs])


def test_which_loss_reaches_which_part(batch):
    model = built()
    found = {}
    for term, value in terms_of(model, batch).items():
        model.zero_grad()
        value.backward(retain_graph=True)
        moved = [n for n, p in model.named_parameters() if p.grad is not None and p.grad.any()]
        found[term] = {part for part in PARTS if any(n.startswith(part) for n in moved)}
    assert found == REACHES


def test_one_player_does_not_move_what_is_the_others():
    model = built()
    student, critic = model.phases()
    assert {id(p) for p in critic.parameters} == {id(p) for p in model.critic.parameters()}
    assert not {id(p) for p in student.parameters} & {id(p) for p in critic.parameters}
    assert (student.betas, critic.betas) == ((0.9, 0.95), (0.5, 0.9))


def test_the_terms_are_those_of_the_losses(batch):
    config = replace(CONFIG, views=patch_views.STILL, guessed=0.0, unnamed=0.0)
    model = built(config)
    found = terms_of(model, batch)
    torch.manual_seed(1)
    for _ in range(2):
        patch_views.sample(6, patch_views.STILL, batch.image.device)
    torch.rand(12, 1)  # who loses the label: nobody
    hidden = masking.sample(12, (6, 6), share=0.6, unit=2, device=batch.image.device)
    views = batch.image.repeat(2, 1, 1, 1)
    organ = told("heart", "lung", "heart", "breast", "hip", "").repeat(2, 1)
    cls, cells = model.encoder(views, organ=organ, hidden=hidden)
    drawn = model.decoder(cells)
    off = (masking.patched(views, 4) - drawn)[hidden].square().sum(1).mean()
    torch.testing.assert_close(found["mim"], off, atol=1e-5, rtol=1e-4)
    z = model.distilled.teacher_prototypes(model.distilled.teacher(views, organ=organ)[0])
    z = (z.detach() / 0.07).softmax(1)
    s = (model.distilled.prototypes(cls) / 0.1).log_softmax(1)
    crossed = -(z[6:] * s[:6]).sum(1).mean() / 2 - (z[:6] * s[6:]).sum(1).mean() / 2
    torch.testing.assert_close(found["distillation"], crossed, atol=1e-5, rtol=1e-4)
    logits = model.recogniser(views)[[0, 1, 2, 3, 6, 7, 8, 9]]
    entropy = F.cross_entropy(logits, torch.tensor([0, 1, 0, 2] * 2))
    torch.testing.assert_close(found["recognition"], entropy, atol=1e-5, rtol=1e-4)


def test_both_pull_alike_at_the_last_layer(batch):
    model = built()
    terms = terms_of(model, batch)
    last = model.decoder.last.weight
    mim, adversarial = (
        torch.autograd.grad(terms[k], last, retain_graph=True)[0].norm()
        for k in ("mim", "adversarial")
    )
    torch.testing.assert_close(adversarial, mim, rtol=0.01, atol=0)


def test_the_critic_steers_late_and_learns_from_the_start(batch):
    model = built(replace(CONFIG, begins=0.4))
    assert "adversarial" not in terms_of(model, batch, 0.39)
    assert {"real", "fake"} <= terms_of(model, batch, 0.0).keys()
    assert "adversarial" in terms_of(model, batch, 0.4)


def test_the_critic_sees_real_and_drawn_patches_of_the_same_places(batch, monkeypatch):
    model = built(replace(CONFIG, views=patch_views.STILL))
    shown = []
    monkeypatch.setattr(
        model.critic, "forward", lambda patches: shown.append(patches) or patches[:, 0]
    )
    student, critic = model.phases()
    student.loss(batch, 0.5)
    critic.loss(batch, 0.5)
    fooling, real, fake = shown
    assert torch.equal(fooling, fake)
    assert not fake.requires_grad
    everywhere = masking.patched(batch.image.repeat(2, 1, 1, 1), 4).flatten(0, 2)
    assert torch.cdist(real, everywhere).amin(1).amax() < 1e-2


@pytest.mark.parametrize(
    ("changes", "left"),
    [
        ({"adversarial": 0.0}, {"mim", "distillation", "recognition"}),
        ({"distillation": 0.0}, {"mim", "adversarial", "real", "fake", "recognition"}),
        ({"adversarial": 0.0, "distillation": 0.0}, {"mim", "recognition"}),
    ],
)
def test_rungs_of_the_ladder_leave_terms_out(batch, changes, left):
    assert terms_of(built(replace(CONFIG, **changes)), batch).keys() == left


def test_at_first_no_organ_makes_a_difference_and_after_a_step_it_does(batch):
    model = built(moved=False)
    heart, lung = (told(*[organ] * 6) for organ in ("heart", "lung"))
    a, b = (model.encode_as(batch.image, organ) for organ in (heart, lung))
    assert torch.equal(a.pooled, b.pooled)
    optimiser = torch.optim.AdamW(model.phases()[0].parameters, lr=1e-3, weight_decay=0)
    torch.stack([*model.phases()[0].loss(batch, 0.5).values()]).sum().backward()
    optimiser.step()
    a, b = (model.encode_as(batch.image, organ) for organ in (heart, lung))
    assert (a.pooled - b.pooled).abs().max() > 0


def test_permuted_organs_with_permuted_rows_change_nothing(batch):
    model, order = built(), [2, 0, 1]
    other = built(replace(CONFIG, organs=tuple(ORGANS[i] for i in order)))
    other.load_state_dict(model.state_dict())
    for new, old in (
        (other.encoder, model.encoder),
        (other.distilled.teacher, model.distilled.teacher),
    ):
        for block, was in zip(new.blocks, old.blocks, strict=True):
            for place, i in enumerate(order):
                block.context[place].data.copy_(was.context[i])
    for place, i in enumerate(order):
        other.recogniser.rows[place].data.copy_(model.recogniser.rows[i])
    torch.testing.assert_close(
        model.encode(batch.image).pooled, other.encode(batch.image).pooled, atol=1e-5, rtol=1e-4
    )


def test_without_a_label_the_recognised_distribution_drives_the_blocks(batch):
    model = built()
    found = model.recognise(batch.image)
    torch.testing.assert_close(found.sum(1), torch.ones(6))
    pooled = model.encode(batch.image).pooled
    torch.testing.assert_close(pooled, model.encode_as(batch.image, found).pooled)
    assert (pooled - model.encode_as(batch.image, 0 * found).pooled).abs().max() > 1e-4


def test_labels_are_taken_away_as_often_as_was_asked():
    model = built(replace(CONFIG, guessed=0.3, unnamed=0.2))
    named, logits = told(*["heart"] * 4000), torch.zeros(4000, 3)
    torch.manual_seed(0)
    found = model.told(named, logits)
    absent = (found == 0).all(1).float().mean()
    guessed = (found == 1 / 3).all(1).float().mean()
    assert abs(absent - 0.2) < 0.03
    assert abs(guessed - 0.3) < 0.03
    assert (found.sum(1) - 1).abs()[found.any(1)].max() < 1e-6


def test_the_teacher_follows_and_gets_no_gradient(batch):
    model = built()
    student, d = model.phases()[0], model.distilled
    assert not any(p.requires_grad for p in d.teacher.parameters())
    before = d.teacher.cls.clone()
    student.loss(batch, 0.5)
    model.encoder.cls.data += 1
    model.after_step(0.0)
    momentum = CONFIG.momentum
    torch.testing.assert_close(
        d.teacher.cls, momentum * before + (1 - momentum) * model.encoder.cls
    )


@pytest.mark.parametrize("how", ["one prototype", "all prototypes alike"])
def test_a_teacher_that_collapses_ends_the_training(how, monkeypatch):
    model = built()
    said = torch.zeros(12, 32)
    said[:, 0] = 100.0 * (how == "one prototype")
    monkeypatch.setattr(model.distilled.centre, "update", lambda _: None)
    for progress in (0.1, SETTLED):
        model.distilled._said = said
        model.after_step(progress)
    model.distilled._said = said
    with pytest.raises(BadInput, match=how):
        model.after_step(SETTLED + 0.01)


def test_health_is_told(batch):
    model = built()
    model.phases()[0].loss(batch, 0.5)
    model.after_step(0.5)
    health = model.monitors(batch)
    named = model.recognise(batch.image)[:4].argmax(1) == torch.tensor([0, 1, 0, 2])
    assert health["organ_accuracy"] == pytest.approx(named.float().mean().item())
    assert 0 < health["teacher_entropy"] <= health["teacher_marginal_entropy"] <= math.log(32)
    assert health["offset_spread"] > 0


def test_hidden_patches_are_drawn_and_others_kept(batch):
    model, hidden = built(), torch.zeros(6, 6, 6, dtype=torch.bool)
    hidden[:, 2:4, 1] = True
    drawn = model.inpaint(batch.image, hidden)
    where = hidden.repeat_interleave(4, 1).repeat_interleave(4, 2)[:, None]
    assert torch.equal(drawn[~where], batch.image[~where])
    assert not torch.equal(drawn[where], batch.image[where])
    assert (drawn >= 0).all()
    assert (drawn <= 1).all()


def test_what_is_hidden_does_not_reach_what_is_drawn_beside_the_organ(batch):
    model, hidden = built(), torch.zeros(6, 6, 6, dtype=torch.bool)
    hidden[:, 2:4, 1] = True
    where = hidden.repeat_interleave(4, 1).repeat_interleave(4, 2)[:, None]
    other = torch.where(where, 1 - batch.image, batch.image)
    organ = told(*["lung"] * 6)
    a, b = (model.encoder(x, organ=organ, hidden=hidden)[1] for x in (batch.image, other))
    assert torch.equal(a, b)


def test_keeps_the_protocols():
    model = built()
    assert isinstance(model, Conditions)
    assert isinstance(model, Deforms)
    assert isinstance(model, Inpaints)
    assert model.organs() == ORGANS


def test_tiny_has_at_most_six_million_parameters_to_learn_and_paper_is_a_vit_b():
    with torch.device("meta"):
        tiny = PAPER.build(replace(PAPER.sizes["tiny"].config, organs=ORGANS))
        paper = PAPER.build(replace(PAPER.sizes["paper"].config, organs=("organ",) * 16))
    assert sum(p.numel() for p in tiny.parameters() if p.requires_grad) <= 6e6
    assert sum(p.numel() for p in paper.encoder.parameters()) == pytest.approx(85.8e6, rel=0.005)


class Organs:
    """Samples that say no more than their organs."""

    name, split, classes = "here", "train", ("background",)

    def __init__(self, *said):
        self.records = [
            Record(
                id=str(i), subject=str(i), image=Path("x"), labels={"organ": organ} if organ else {}
            )
            for i, organ in enumerate(said)
        ]

    def batch(self, indices):
        raise NotImplementedError


def test_the_images_decide_the_table_and_new_organs_come_last():
    plain = replace(CONFIG, organs=())
    assert adapted(plain, Organs("lung", "", "heart", "lung")).organs == ("heart", "lung")
    assert adapted(CONFIG, Organs("hip", "lung", "arm")).organs == (*ORGANS, "arm", "hip")


def test_a_table_that_cannot_be_made_is_refused():
    with pytest.raises(BadInput, match="states its organ"):
        adapted(CONFIG, Organs("", ""))
    with pytest.raises(BadInput, match=r"2 organs are to be added.*1 that.*: hip"):
        adapted(replace(CONFIG, added=2), Organs("hip", "lung"))


def test_an_added_organ_is_learnt_without_touching_the_others(batch):
    model = built()
    wider = built(replace(CONFIG, organs=(*ORGANS, "hip"), added=1))
    known = {k: v for k, v in model.state_dict().items() if not k.startswith("critic.")}
    missing, unexpected = wider.load_state_dict(known, strict=False)
    assert unexpected == []
    assert all(name.endswith(("context.3", "rows.3")) for name in missing)
    zero = torch.zeros(6, 1)
    organ = told("heart", "lung", "heart", "breast", "heart", "lung")
    before = model.encode_as(batch.image, organ).pooled
    with Updates(wider, Recipe(data="here", steps=2, lr=0.1, weight_decay=0.1), seed=0) as updates:
        updates(0, batch)
        updates(1, batch)
    torch.testing.assert_close(
        wider.encode_as(batch.image, torch.cat([organ, zero], 1)).pooled, before
    )
    named = torch.cat([0 * organ, zero + 1], 1)
    old = built(replace(CONFIG, organs=(*ORGANS, "hip"))).encoder.blocks[0].context[3]
    assert not torch.equal(wider.encoder.blocks[0].context[3], old)
    assert (wider.encode_as(batch.image, named).pooled - before).abs().max() > 1e-4


def test_a_run_that_is_cut_and_resumed_ends_with_the_same_bytes(tmp_path, batch):
    recipe = Recipe(data="here", steps=4, batch_size=6, lr=1e-3, warmup_steps=2)

    def ended(name, *cuts):
        for steps in (*cuts, None):

            def load(start, steps=steps):
                for _ in range(start, 4 if steps is None else steps):
                    yield batch

            try:
                fit(built(), load, recipe, run=tmp_path / name, header={}, resume=True,
                    every=Every(log=1, monitor=2, save=1))  # fmt: skip
            except RuntimeError:
                continue
        return (tmp_path / name / "model.safetensors").read_bytes()

    assert ended("whole") == ended("cut", 2)


@pytest.mark.slow
def test_learns_to_fill_in_and_to_tell_organs_apart():
    generator = torch.Generator().manual_seed(0)
    y, x = torch.meshgrid(torch.arange(24), torch.arange(24), indexing="ij")
    grain = torch.stack([(y % 4 < 2), (x % 4 < 2), ((x + y) % 4 < 2)]).float()

    def drawn(count):
        kinds = torch.randint(0, 3, (count,), generator=generator)
        level = 0.2 + 0.6 * torch.rand(count, 1, 1, 1, generator=generator)
        image = level + 0.1 * grain[kinds][:, None]
        said = [ORGANS[k] for k in kinds.tolist()]
        return Batch(image=image, texts={"organ": said}, ids=said)

    model = built(
        replace(CONFIG, views=patch_views.STILL, adversarial=0.0, distillation=0.0),
        moved=False,
    )
    recipe = Recipe(data="here", steps=200, lr=3e-3, warmup_steps=10, final_lr=0.1, clip_norm=3.0)
    with Updates(model, recipe, seed=0) as updates:
        for step in range(200):
            updates(step, drawn(32))
    model.eval()
    batch = drawn(64)
    assert terms_of(model, batch)["mim"].item() < 0.16
    assert model.monitors(batch)["organ_accuracy"] > 0.95
