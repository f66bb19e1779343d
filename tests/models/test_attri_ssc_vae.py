"""Attri-SSC-VAE: its stages, which loss reaches which part, and edits of codes."""

import math
from dataclasses import replace

import pytest
import torch

from septum import runs
from septum.contract import Batch, Edits
from septum.models.attri_ssc_vae import PAPER, AttriSscVae, AttriSscVaeConfig

NAMES = ("left_ventricle_area_px", "age_years")
CLASSES = ("background", "left_ventricle", "myocardium")
TINY = AttriSscVaeConfig(
    names=NAMES, low=(0.0, 20.0), high=(800.0, 90.0), classes=CLASSES, widths=(8, 16), channels=8,
    atoms=24, groups=4, second_stage=0.4, third_stage=0.6, top=3, remembered=16, flips=0.0,
)  # fmt: skip
FIRST, SECOND, THIRD = 0.1, 0.5, 0.9


def model(**changes):
    torch.manual_seed(0)
    return AttriSscVae(replace(TINY, **changes))


def discs(n=6):
    """Discs in rings, the larger ones of older hearts."""
    y, x = torch.meshgrid(torch.arange(32.0), torch.arange(32.0), indexing="ij")
    far = ((y - 15.5) ** 2 + (x - 15.5) ** 2).sqrt()
    radius = torch.linspace(4, 10, n)[:, None, None]
    mask = 2 * (far < radius + 4).long() - (far < radius).long()
    noise = torch.rand(n, 32, 32, generator=torch.Generator().manual_seed(0))
    image = (0.2 + 0.6 * (mask == 1) + 0.1 * noise).clamp(0, 1)
    labels = {NAMES[0]: (mask == 1).flatten(1).sum(1).float(), NAMES[1]: torch.linspace(30, 80, n)}
    return Batch(image=image[:, None], mask=mask, labels=labels, ids=[str(i) for i in range(n)])


def terms(net, batch, progress):
    return {
        f"{phase.name}/{name}": value
        for phase in net.phases()
        for name, value in phase.loss(batch, progress).items()
    }


def reached(net, loss):
    """Parts in which a loss has a gradient."""
    net.zero_grad()
    loss.backward(retain_graph=True)
    return {
        name.split(".")[0]
        for name, p in net.named_parameters()
        if p.grad is not None and bool(p.grad.any())
    }


def test_each_stage_has_its_terms_and_its_phase():
    net = model(edits=1.0)
    first = {"code/reconstruction", "code/latent", "code/sparsity"}
    assert set(terms(net, discs(), FIRST)) == first
    second = {"map/reconstruction", "map/latent", "map/sparsity", "map/attributes"}
    assert set(terms(net, discs(), SECOND)) == second
    third = first | {"code/attributes", "code/drift", "code/edits", "reshape/fields"}
    assert set(terms(net, discs(), THIRD)) == third


def test_which_loss_reaches_which_part():
    net = model(edits=1.0)
    terms(net, discs(), FIRST)  # usages to begin W with
    coder = {"encoder", "alpha", "lista"}
    assert reached(net, terms(net, discs(), SECOND)["map/attributes"]) == {*coder, "mapper"}
    loss = terms(net, discs(), THIRD)
    assert reached(net, loss["code/reconstruction"]) == {*coder, "decoder"}
    assert reached(net, loss["code/latent"]) == coder
    assert reached(net, loss["code/sparsity"]) == coder
    assert reached(net, loss["code/attributes"]) == {*coder, "mapper"}
    assert reached(net, loss["code/edits"]) == {*coder, "decoder"}
    assert reached(net, loss["reshape/fields"]) == {"reshaper"}


def test_only_atoms_that_were_kept_learn_in_the_third_stage_and_these_stay_the_same():
    net = model()
    terms(net, discs(), FIRST)
    loss = terms(net, discs(), THIRD)
    assert net.mapper is not None
    support = net.mapper.support.clone()
    assert support.sum(1).tolist() == [TINY.top] * len(NAMES)
    loss["code/attributes"].backward()
    assert net.mapper.weight.grad is not None
    assert not net.mapper.weight.grad[~support].any()
    terms(net, discs(), 0.95)
    assert torch.equal(net.mapper.support, support)


def test_drift_is_0_when_rows_are_frozen():
    net = model()
    terms(net, discs(), FIRST)
    assert terms(net, discs(), THIRD)["code/drift"].item() == 0


def test_w_begins_with_few_atoms_that_fit():
    net = model(remembered=64)
    for _ in range(4):
        terms(net, discs(), FIRST)
    terms(net, discs(), SECOND)
    assert net.mapper is not None
    assert int((net.mapper.weight != 0).sum(1).max()) <= TINY.top
    usage, true = net.memory.kept()
    order = torch.stack([net.mapper(usage)[:, 0].detach(), true[:, 0]])
    assert float(torch.corrcoef(order)[0, 1]) > 0.9


def test_the_proximal_step_shrinks_w_by_rate_times_weights():
    net = model(proximal_step=0.01, rows=3.0, columns=4.0)
    assert net.mapper is not None
    before = net.mapper.weight.detach().clone()
    net.after_step(FIRST)
    assert torch.equal(net.mapper.weight, before)
    net.after_step(SECOND)
    wanted = before.sign() * (before.abs() - 0.07).clamp(min=0)
    torch.testing.assert_close(net.mapper.weight.detach(), wanted)
    net.after_step(THIRD)
    torch.testing.assert_close(net.mapper.weight.detach(), wanted)


def test_as_printed_nothing_but_shrinkage_acts_on_w_in_the_second_stage():
    net = model(second="printed")
    terms(net, discs(), FIRST)
    assert "map/attributes" not in terms(net, discs(), SECOND)


def test_one_to_one_ties_every_attribute_to_an_atom_of_its_own():
    net = model(mapping="one")
    terms(net, discs(), FIRST)
    terms(net, discs(), THIRD)
    assert net.mapper is not None
    assert torch.equal(net.mapper.support, torch.eye(2, TINY.atoms, dtype=torch.bool))


def test_an_image_without_labels_teaches_its_pixels_alone():
    net, batch = model(), discs()
    terms(net, batch, FIRST)
    unknown = {name: torch.full((6,), math.nan) for name in NAMES}
    loss = terms(net, replace(batch, labels=unknown), THIRD)
    assert loss["code/attributes"].item() == 0
    net.zero_grad()
    loss["code/attributes"].backward()
    assert all(p.grad is None or not p.grad.any() for p in net.parameters())


def trained(**changes):
    net = model(**changes)
    terms(net, discs(), FIRST)
    terms(net, discs(), THIRD)
    net.eval()
    return net


def test_rendering_is_the_decoder_of_the_atoms_times_the_code():
    net = trained()
    z = net.code(discs().image)
    assert isinstance(net, Edits)
    assert float(z.min()) >= 0
    dz = torch.einsum("ck,bkhw->bchw", net.lista.dictionary, z)
    torch.testing.assert_close(net.render(z), net.decoder(dz).float())


def test_no_edit_is_the_identity_and_the_ends_are_the_bounds():
    net = trained()
    z, one = net.code(discs().image), torch.ones(6)
    assert net.mapper is not None
    torch.testing.assert_close(net.edited(z, NAMES[0], 0 * one), z)
    row = net.mapper.effective()[0].detach()
    most, least = (net.edited(z, NAMES[0], sign * one) for sign in (1, -1))
    for k, weight in enumerate(row.tolist()):
        if not weight:
            assert torch.equal(most[:, k], z[:, k])
            continue
        high, low = (most, least) if weight > 0 else (least, most)
        torch.testing.assert_close(high[:, k], net.bounds.most[k].expand_as(high[:, k]))
        torch.testing.assert_close(low[:, k], net.bounds.least[k].expand_as(low[:, k]))


def test_half_an_edit_is_half_way():
    net = trained()
    z, one = net.code(discs().image), torch.ones(6)
    whole = net.edited(z, NAMES[1], one)
    torch.testing.assert_close(net.edited(z, NAMES[1], 0.5 * one), (z + whole) / 2)


def test_the_proxy_rises_along_an_edit():
    net = trained()
    z = net.code(discs().image)
    along = [
        net.proxies(net.edited(z, NAMES[0], torch.full((6,), a)))[:, 0]
        for a in torch.linspace(-1, 1, 9).tolist()
    ]
    assert (torch.stack(along).diff(dim=0) >= -1e-5).all()
    assert (along[-1] > along[0]).all()


@pytest.mark.parametrize(("dims", "grid"), [(2, (4, 6)), (3, (2, 4, 6))])
def test_shapes_in_slices_and_volumes(dims, grid):
    net = model(dims=dims, names=(), low=(), high=())
    image = torch.rand(2, 1, *(8 * side for side in grid))
    z = net.code(image)
    assert z.shape == (2, TINY.atoms, *grid)
    assert net.render(z).shape == image.shape
    features = net.encode(image)
    torch.testing.assert_close(features.pooled.sum(1), torch.ones(2))
    assert set(terms(net, Batch(image=image), THIRD)) == {
        "code/reconstruction", "code/latent", "code/sparsity",
    }  # fmt: skip


def test_atoms_have_unit_norm_after_a_step():
    net = model()
    with torch.no_grad():
        net.lista.dictionary.mul_(3)
    net.after_step(FIRST)
    torch.testing.assert_close(net.lista.dictionary.norm(dim=0), torch.ones(TINY.atoms))


def test_the_published_size_has_the_published_weights():
    with torch.device("meta"):
        net = PAPER.build(PAPER.sizes["paper_slices"].config)
    count = sum(p.numel() for p in net.parameters())
    assert count == pytest.approx(22.95e6, rel=1e-3)


def test_the_rate_of_the_second_stage_is_four_times_that_of_the_others():
    assert [phase.rate for phase in model().phases()] == [1.0, 4.0]


def test_usages_do_not_depend_on_the_brightness_of_the_code():
    net = trained()
    z = net.code(discs().image)
    torch.testing.assert_close(net.proxies(3 * z), net.proxies(z), rtol=1e-4, atol=1e-4)


def test_monitors_count_by_hand():
    net = trained()
    health = net.monitors(discs())
    z = net.code(discs().image)
    assert health["active"] == pytest.approx(float((z > 1e-6).float().mean()))
    dead = float((z.amax(dim=(0, 2, 3)) <= 1e-6).float().mean())
    assert health["dead"] == pytest.approx(dead)
    error = (net.render(z) - discs().image).square().mean().item()
    assert health["psnr_db"] == pytest.approx(-10 * math.log10(error), abs=0.2)


@pytest.mark.slow
def test_taught_edits_make_discs_larger_and_leave_the_picture_as_it_is_without_one():
    """Measured by counting bright pixels, which no loss does."""
    net, batch = model(edits=2.0, reconstruction=1000.0, latent=0.1), discs(24)
    rates = {"code": 2e-3, "map": 2e-3, "reshape": 5e-3}
    pairs = [(p, torch.optim.Adam(p.parameters, lr=rates[p.name])) for p in net.phases()]
    for step in range(300):
        progress = max(FIRST, step / 300) if step < 100 else max(SECOND, min(0.99, step / 150))
        for phase, optimiser in pairs:
            if found := phase.loss(batch, progress):
                optimiser.zero_grad()
                sum(found.values()).backward()
                optimiser.step()
        net.after_step(progress)
    net.eval()
    z = net.code(batch.image)
    with torch.no_grad():
        along = torch.stack([
            net.render(net.edited(z, NAMES[0], torch.full((24,), a)))[:, 0]
            for a in torch.linspace(-1, 1, 5).tolist()
        ])  # fmt: skip
        untouched = net.decoder(net.lista.synthesise(z))[:, 0]
    area = (along > 0.55).float().sum((2, 3))
    rising = (area.diff(dim=0) > 0).all(0)
    assert rising.float().mean() > 0.8
    assert (along[2] - untouched).abs().mean() < 0.02


@pytest.mark.slow
def test_learns_slices_of_phantom_hearts(tmp_path):
    """More is said of held-out slices than their mean says, and their cavities are ordered."""
    from scipy.stats import spearmanr  # noqa: PLC0415

    from septum.data import SOURCES  # noqa: PLC0415
    from septum.data.prepare import prepare  # noqa: PLC0415

    draw = SOURCES["emidec"].drawn
    assert draw is not None
    (tmp_path / "emidec").mkdir()
    draw(tmp_path / "emidec", 16, 0)
    images = prepare("emidec:hearts", tmp_path, size=(64, 64), cache=tmp_path / "cache")
    runs.train("attri_ssc_vae", images, tmp_path / "run", steps=300)
    run = runs.load(tmp_path / "run")
    seen = runs.as_seen(run, images).split("all")
    batch = seen.batch([i for i, r in enumerate(seen.records) if r.split != "train"])
    net = run.model
    assert isinstance(net, AttriSscVae)
    z = net.code(batch.image)
    error = (net.render(z).detach() - batch.image).square().mean()
    plain = (batch.image - batch.image.mean(0)).square().mean()
    assert float(error) < 0.4 * float(plain)
    name = net.attributes()[0]
    order = spearmanr(net.proxies(z)[:, 0].detach(), batch.labels[name])[0]
    assert order > 0.3
