"""What A-ViT is compared with: MAE, masked modelling alone, DINO."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from septum.baselines.dino import DINO, DINOConfig
from septum.baselines.mae import MAE, MAEConfig
from septum.baselines.masked_vit import MaskedVit, MaskedVitConfig
from septum.contract import Batch, Inpaints, Recipe
from septum.models.anatomy_vit import AnatomyViT, AnatomyViTConfig
from septum.nn import distil, masking, patch_views
from septum.nn.vit import VitConfig
from septum.train import Every, fit

VIT = VitConfig(patch_px=4, width=24, depth=2, heads=2)
DECODER = {"decoder_width": 16, "decoder_depth": 1, "decoder_heads": 2}
STILL = patch_views.STILL
HEAD = {"head": 24, "bottleneck": 32, "prototypes": 64}
BUILD = {
    "mae": lambda: MAE(MAEConfig(vit=VIT, **DECODER, views=STILL)),
    "masked_vit": lambda: MaskedVit(MaskedVitConfig(vit=VIT, **DECODER, views=STILL)),
    "dino": lambda: DINO(DINOConfig(vit=VIT, **HEAD)),
}
CELLS = 36


@pytest.fixture
def batch():
    """Five grainy images of 6 x 6 patches."""
    image = torch.rand(5, 1, 24, 24, generator=torch.manual_seed(0))
    return Batch(image=image, texts={"organ": ["heart", "lung", "", "lung", "heart"]}, ids="abcde")


def built(name):
    torch.manual_seed(0)
    return BUILD[name]()


def loss(model, batch, progress=0.5):
    torch.manual_seed(1)
    (term,) = model.loss(batch, progress).values()
    return term


def hidden_of(count, *, share, unit):
    """The patches that `loss` hides where views are the images themselves."""
    torch.manual_seed(1)
    patch_views.sample(count, STILL, torch.device("cpu"))
    return masking.sample(count, (6, 6), share=share, unit=unit, device=torch.device("cpu"))


def pixels(cells):
    return cells.repeat_interleave(4, 1).repeat_interleave(4, 2)[:, None]


def patches_of(image):
    """Pixels of every patch, one after the other."""
    for y in range(6):
        for x in range(6):
            yield y, x, image[0, 4 * y : 4 * y + 4, 4 * x : 4 * x + 4].reshape(-1).double().numpy()


def seen_as_drawn(model, batch):
    """What the decoder draws in `loss`, and the loss."""
    drawn = []
    handle = model.decoder.register_forward_hook(lambda _, __, out: drawn.append(out))
    value = loss(model, batch)
    handle.remove()
    drawn[0].retain_grad()
    return drawn[0], value


def test_only_visible_patches_pass_the_encoder_of_mae(batch):
    model, tokens = built("mae"), []
    for block in model.encoder.blocks:
        block.register_forward_pre_hook(lambda _, args: tokens.append(args[0].shape))
    loss(model, batch)
    assert tokens == [(5, 1 + CELLS // 4, 24)] * 2


def test_the_loss_of_mae_is_the_error_of_normed_hidden_patches(batch):
    """Section 4.1: by hand, patch by patch."""
    model = built("mae")
    drawn, value = seen_as_drawn(model, batch)
    errors = []
    for i, hidden in enumerate(hidden_of(5, share=0.75, unit=1)):
        shown = patch_views.varied(batch.image, STILL)[i]
        for y, x, patch in patches_of(shown):
            if hidden[y, x]:
                wanted = (patch - patch.mean()) / math.sqrt(patch.var(ddof=1) + 1e-6)
                errors.append(np.mean((drawn[i, y, x].detach().double().numpy() - wanted) ** 2))
    assert len(errors) == 5 * 27
    assert value.item() == pytest.approx(np.mean(errors), rel=1e-4)


@pytest.mark.parametrize(("name", "share", "unit"), [("mae", 0.75, 1), ("masked_vit", 0.6, 2)])
def test_drawing_is_taught_where_it_was_hidden_and_nowhere_else(batch, name, share, unit):
    drawn, value = seen_as_drawn(built(name), batch)
    value.backward()
    assert torch.equal(drawn.grad.any(3), hidden_of(5, share=share, unit=unit))


def test_a_hidden_pixel_does_not_reach_the_encoder_of_mae(batch):
    model, hidden = built("mae"), hidden_of(5, share=0.75, unit=1)
    seen = model.seen(batch.image, hidden)
    other = torch.where(pixels(hidden), 1 - batch.image, batch.image)
    assert torch.equal(model.seen(other, hidden), seen)
    shown = torch.where(pixels(hidden), batch.image, 1 - batch.image)
    assert not torch.equal(model.seen(shown, hidden), seen)


def test_what_mae_does_not_hide_is_seen_as_by_a_vit_of_the_visible_patches(batch):
    """By hand, image by image; with nothing hidden it is the encoder itself."""
    model, hidden = built("mae"), hidden_of(5, share=0.75, unit=1)
    seen, cells = model.seen(batch.image, hidden), model.encoder.embed(batch.image)
    for i in range(5):
        visible = cells[i, :, ~hidden[i]].T[None]
        x = torch.cat([model.encoder.cls, visible], dim=1)
        for block in model.encoder.blocks:
            x = block(x)
        wanted = model.encoder.norm(x)[0, 1:].T
        torch.testing.assert_close(seen[i, :, ~hidden[i]], wanted, atol=1e-5, rtol=1e-4)
    whole = model.seen(batch.image, torch.zeros_like(hidden))
    torch.testing.assert_close(whole, model.encoder(batch.image)[1], atol=1e-5, rtol=1e-4)


def test_one_vector_stands_where_mae_saw_nothing(batch):
    model, hidden = built("mae"), hidden_of(5, share=0.75, unit=1)
    before = model.seen(batch.image, hidden)
    with torch.no_grad():
        model.hole += 1
    after = model.seen(batch.image, hidden)
    here = hidden[:, None].expand_as(after)
    assert torch.equal(after[~here], before[~here])
    torch.testing.assert_close(after[here], before[here] + 1)
    assert (after.movedim(1, 3)[hidden] == model.hole).all()


def test_the_loss_of_masked_modelling_is_the_error_of_hidden_pixels(batch):
    """L_MIM pixel by pixel, of images whose hidden units are of 2 x 2 patches."""
    model, hidden = built("masked_vit"), hidden_of(5, share=0.6, unit=2)
    drawn, value = seen_as_drawn(model, batch)
    shown = patch_views.varied(batch.image, STILL)
    canvas = masking.joined(drawn.detach(), 4)
    off = ((canvas - shown) ** 2)[pixels(hidden)]
    assert hidden.sum((1, 2)).tolist() == [4 * round(0.6 * 9)] * 5
    assert value.item() == pytest.approx(16 * off.mean().item(), rel=1e-4)


def test_masked_modelling_fills_in_hidden_patches_and_keeps_the_others(batch):
    model = built("masked_vit").train()
    assert isinstance(model, Inpaints)
    hidden = hidden_of(5, share=0.6, unit=2)
    where = pixels(hidden)
    found = model.inpaint(batch.image, hidden)
    assert model.training
    assert torch.equal(found[~where], batch.image[~where])
    _, cells = model.encoder(batch.image, hidden=hidden)
    drawn = masking.joined(model.decoder(cells).clamp(0, 1), model.patch_px())
    torch.testing.assert_close(found[where], drawn[where])
    other = model.inpaint(torch.where(where, 1 - batch.image, batch.image), hidden)
    assert torch.equal(other[where], found[where])


def test_masked_modelling_is_a_vit_with_nothing_beside(batch, monkeypatch):
    """The lowest rung of the ladder: blocks that do not deform, no critic and no teacher."""
    c = AnatomyViTConfig(
        vit=VIT, organs=("heart", "lung"), **DECODER, views=STILL, adversarial=0.0,
        distillation=0.0, recognition=0.0,
    )  # fmt: skip
    torch.manual_seed(0)
    full, alone = AnatomyViT(c), built("masked_vit")
    missing, unexpected = alone.load_state_dict(full.state_dict(), strict=False)
    assert missing == []
    assert {name.partition(".")[0] for name in unexpected} == {"recogniser"}
    hidden = hidden_of(5, share=0.6, unit=2)
    monkeypatch.setattr(masking, "sample", lambda *_, **__: hidden)

    torch.manual_seed(1)
    terms = full.represent(batch, 0.5)
    value = loss(alone, batch)
    assert torch.equal(terms["mim"], value)
    sum(terms.values()).backward()
    value.backward()
    wanted = {n: p.grad for n, p in full.named_parameters() if not n.startswith("recogniser")}
    found = {n: p.grad for n, p in alone.named_parameters()}
    torch.testing.assert_close(found, wanted)
    torch.testing.assert_close(
        alone.inpaint(batch.image, hidden), full.inpaint(batch.image, hidden)
    )


def crossed(student, teacher, temperature):
    """-z_t log z_s of every image, by hand."""
    student, teacher = student.double().numpy() / 0.1, teacher.double().numpy() / temperature
    z = np.exp(teacher) / np.exp(teacher).sum(1, keepdims=True)
    return -(z * (student - np.log(np.exp(student).sum(1, keepdims=True)))).sum(1)


@torch.no_grad()
def test_the_loss_of_dino_crosses_both_views(batch):
    """Algorithm 1, with a centre that is not zero and a teacher that is not the student."""
    model = built("dino")
    d, generator = model.distilled, torch.manual_seed(7)
    d.centre.value.copy_(0.1 * torch.randn(64, generator=generator))
    d.teacher.cls.add_(0.1)
    found = loss(model, batch, 0.15)
    torch.manual_seed(1)
    views = [patch_views.varied(batch.image, model.config.views) for _ in range(2)]
    assert not torch.equal(*views)
    s1, s2 = (d.prototypes(model.encoder(view)[0]) for view in views)
    t1, t2 = (d.teacher_prototypes(d.teacher(view)[0]) - d.centre.value for view in views)
    wanted = (crossed(s2, t1, 0.055) + crossed(s1, t2, 0.055)) / 2
    assert found.item() == pytest.approx(wanted.mean(), rel=1e-4)


def test_the_teacher_of_dino_gets_no_gradient(batch):
    model = built("dino")
    loss(model, batch).backward()
    reached = {n for n, p in model.named_parameters() if p.grad is not None and p.grad.any()}
    teacher = {n for n, _ in model.named_parameters() if n.startswith("distilled.teacher")}
    everything = {n for n, _ in model.named_parameters()}
    assert teacher
    assert reached == everything - teacher - {"encoder.mask_token"}
    (phase,) = model.phases()
    assert {id(p) for p in phase.parameters} == {
        id(p) for n, p in model.named_parameters() if n in reached
    }


def test_the_teacher_and_the_centre_of_dino_are_moving_averages(batch):
    model, progress = built("dino"), 0.25
    d = model.distilled
    d.centre.value += 0.2
    loss(model, batch, progress)
    with torch.no_grad():
        for p in (*model.encoder.parameters(), *d.prototypes.parameters()):
            p.add_(0.3)
        torch.manual_seed(1)
        views = [patch_views.varied(batch.image, model.config.views) for _ in range(2)]
        said = torch.cat([d.teacher_prototypes(d.teacher(view)[0]) for view in views])
    before = {n: p.clone() for n, p in d.named_parameters() if n.startswith("teacher")}

    model.after_step(progress)

    m = 1 - 0.004 * (math.cos(math.pi * progress) + 1) / 2
    after, student = dict(d.named_parameters()), dict(model.encoder.named_parameters())
    student |= {f"prototypes.{n}": p for n, p in d.prototypes.named_parameters()}
    for name, value in before.items():
        own = student[name.removeprefix("teacher.").removeprefix("teacher_")]
        torch.testing.assert_close(after[name], m * value + (1 - m) * own, atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(d.centre.value, 0.9 * 0.2 + 0.1 * said.mean(0), atol=1e-6, rtol=1e-5)


def test_dino_says_how_sure_its_teacher_is(batch):
    model = built("dino")
    loss(model, batch, 0.1)
    said = distil.sharpened(model.distilled._said, torch.zeros(64), distil.teacher_temperature(0.1))
    model.after_step(0.1)
    z = said.double().numpy()
    found = model.monitors(batch)
    assert found["teacher_entropy"] == pytest.approx(-(z * np.log(z)).sum(1).mean(), rel=1e-4)
    mean = z.mean(0)
    assert found["teacher_marginal_entropy"] == pytest.approx(
        -(mean * np.log(mean)).sum(), rel=1e-4
    )


@pytest.mark.parametrize("name", BUILD)
def test_a_run_that_is_cut_and_resumed_ends_with_the_same_bytes(name, tmp_path, batch):
    recipe = Recipe(data="here", steps=3, batch_size=5, lr=1e-3, warmup_steps=2)

    def ended(folder, *stops):
        for stop in (*stops, recipe.steps):

            def load(start, stop=stop):
                yield from [batch] * (stop - start)

            options = {"header": {}, "resume": True, "every": Every(log=1, monitor=2, save=1)}
            try:
                fit(built(name), load, recipe, run=tmp_path / folder, **options)
            except RuntimeError:
                assert stop < recipe.steps
        return (tmp_path / folder / "model.safetensors").read_bytes()

    assert ended("whole") == ended("cut", 2)


def test_views_are_drawn_anew_for_every_batch(batch):
    for build in (MAE, MaskedVit):
        config = MAEConfig if build is MAE else MaskedVitConfig
        model = build(replace(config(vit=VIT, **DECODER), hidden=0.5))
        shown = []
        model.encoder.patches.register_forward_pre_hook(
            lambda _, args, to=shown: to.append(args[0])
        )
        model.loss(batch, 0.0)
        model.loss(batch, 0.0)
        assert not torch.equal(*shown)
