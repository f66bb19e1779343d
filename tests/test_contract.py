"""One promise, one test: every registered model and baseline keeps the contract."""

import dataclasses
import json
import math
import re

import pytest
import torch
from safetensors.torch import load_file, save_file

from septum import runs
from septum.baselines import BASELINES
from septum.contract import Batch, Decodes, Features, Model, Monitors
from septum.models import MODELS

PAPERS = {**MODELS, **BASELINES}
SIDE = 64
FRAMES = 6


@pytest.fixture(params=PAPERS.values(), ids=PAPERS.keys())
def paper(request):
    return request.param


@pytest.fixture
def model(paper):
    return built(paper, seed=0)


@pytest.fixture
def batch(paper):
    """Four noisy discs, each in a sector that leaves a corner dark; two have a mask.

    For a model of films every frame of a disc is a little brighter than the one before.
    """
    stills = discs()
    if smallest(paper).recipe.clip is None:
        return stills
    rise = torch.linspace(0.8, 1.0, FRAMES)[:, None, None]
    return dataclasses.replace(stills, image=stills.image[:, :, None] * rise)


def discs():
    rng = torch.Generator().manual_seed(0)
    y, x = torch.meshgrid(torch.arange(SIDE), torch.arange(SIDE), indexing="ij")
    sector = (x + y > SIDE // 2).expand(4, 1, SIDE, SIDE)
    centres = torch.randint(SIDE // 3, 2 * SIDE // 3, (4, 2), generator=rng)
    far = (y - centres[:, :1, None]) ** 2 + (x - centres[:, 1:, None]) ** 2
    disc = (far < (SIDE // 5) ** 2).long()
    noise = torch.rand(4, 1, SIDE, SIDE, generator=rng)
    known = torch.tensor([True, True, False, False])[:, None, None]
    return Batch(
        image=sector * (0.3 * noise + 0.5 * disc[:, None]),
        sector=sector,
        mask=disc.where(known, -1),
        unpaired=disc[2:],
        labels={"ef_percent": torch.tensor([60.0, 30.0, math.nan, 45.0])},
        texts={
            "label": ["benign", "malignant", "", "benign"],
            "organ": ["heart", "lung", "heart", ""],
        },
        ids=["a", "b", "c", "d"],
    )


def built(paper, *, seed):
    torch.manual_seed(seed)
    return paper.build(taught(smallest(paper).config))


def smallest(paper):
    """The size of a paper that a test can afford."""
    return next(paper.sizes[name] for name in ("tiny", "small") if name in paper.sizes)


def taught(config):
    """A config as the images of these tests decide it: attributes of a code, a table of organs."""
    told = {}
    if hasattr(config, "attributes"):
        told |= {"names": ("ef_percent",), "low": (0.0,), "high": (100.0,)}
        if hasattr(config, "classes"):
            told["classes"] = ("background", "left_ventricle")
    if hasattr(config, "edits"):
        told["edits"] = 0.0  # of hearts alone, which these discs are not: its own tests teach them
    if hasattr(config, "organs"):
        told["organs"] = ("heart", "lung")
    return dataclasses.replace(config, **told)


def step(model, batch):
    """One optimiser step of every phase, without weight decay."""
    for phase in model.phases():
        optimiser = torch.optim.AdamW(phase.parameters, lr=1e-3, weight_decay=0)
        if terms := phase.loss(batch, 0.5):  # some come late in a training
            torch.stack(list(terms.values())).sum().backward()
            optimiser.step()
            model.zero_grad()
    model.after_step(0.5)


def test_says_what_to_cite_and_comes_in_both_sizes(paper):
    assert paper.title
    assert re.search(r"\b(19|20)\d\d\b", paper.cite)
    assert {"small", "paper"} <= set(paper.sizes)


def test_config_and_recipe_survive_json(paper, tmp_path):
    for size in paper.sizes.values():
        for part in (size.config, size.recipe):
            said = json.loads(json.dumps(dataclasses.asdict(part)))
            assert runs.restored(part, said, tmp_path) == part


def test_keeps_the_protocol(model):
    assert isinstance(model, Model)


def test_every_trainable_parameter_is_in_a_phase_and_no_other_is(model):
    phases = [[id(p) for p in phase.parameters] for phase in model.phases()]
    assert all(len(owned) == len(set(owned)) for owned in phases)
    assert {id(p) for p in model.parameters() if p.requires_grad} == {p for o in phases for p in o}


def test_every_parameter_moves_without_weight_decay(model, batch):
    """In one of two steps: what lies before a layer that is zero at first does in the second."""
    still = {name for name, p in model.named_parameters() if p.requires_grad}
    for _ in range(2):
        before = {name: p.clone() for name, p in model.named_parameters()}
        step(model, batch)
        still -= {n for n, p in model.named_parameters() if not torch.equal(p, before[n])}
    assert still == set()


def test_loss_terms_are_finite_scalars_with_a_gradient(model, batch):
    for phase in model.phases():
        at = (phase.loss(batch, progress) for progress in (0.0, 0.27, 0.999))
        terms = next(filter(None, at), {})  # some come late in a training
        assert terms
        assert all(term.shape == () and term.isfinite() for term in terms.values())
        assert any(term.requires_grad for term in terms.values())


def test_a_batch_without_mask_and_labels_will_do(model, batch):
    bare = Batch(image=batch.image, ids=batch.ids)
    for phase in model.phases():
        assert all(term.isfinite() for term in phase.loss(bare, 0.0).values())


def test_same_seed_same_numbers(paper, batch):
    a, b = (losses_of(built(paper, seed=3), batch) for _ in range(2))
    torch.testing.assert_close(a, b, rtol=0, atol=0)


def test_features_lie_on_one_grid_and_carry_no_gradient(model, batch):
    features = model.encode(batch.image)
    assert features.content.shape[0] == features.pooled.shape[0] == len(batch.ids)
    if features.style is not None:
        assert features.style.shape[2:] == features.content.shape[2:]
    assert not any(tensor.requires_grad for tensor in parts(features))


def test_encode_draws_nothing(model, batch):
    torch.manual_seed(1)
    first = model.encode(batch.image)
    torch.manual_seed(2)
    assert_same(model.encode(batch.image), first)


def test_encode_leaves_no_trace(model, batch):
    """It may be called amid a training: of modes, buffers and chance nothing changes."""
    for training in (True, False):
        model.train(training)
        modes = [module.training for module in model.modules()]
        state = {name: value.clone() for name, value in model.state_dict().items()}
        chance = torch.get_rng_state()
        model.encode(batch.image)
        assert [module.training for module in model.modules()] == modes
        torch.testing.assert_close({**model.state_dict()}, state, rtol=0, atol=0, equal_nan=True)
        assert torch.equal(torch.get_rng_state(), chance)


def test_what_is_trained_in_bf16_has_finite_losses_and_gradients_there(paper, model, batch):
    if smallest(paper).recipe.precision != "bf16":
        pytest.skip("skipped: it is trained in fp32")
    with torch.autocast("cpu", torch.bfloat16):
        terms = [t for phase in model.phases() for t in phase.loss(batch, 0.5).values()]
    torch.stack([term.float() for term in terms]).sum().backward()
    gradients = [p.grad for p in model.parameters() if p.grad is not None]
    assert gradients
    assert all(value.isfinite().all() for value in (*terms, *gradients))


def test_the_features_of_an_image_do_not_depend_on_its_neighbours(model, batch):
    together, alone = model.encode(batch.image), model.encode(batch.image[2:3])
    for a, b in zip(parts(together), parts(alone), strict=True):
        torch.testing.assert_close(a[2:3], b, rtol=1e-4, atol=1e-4)


def test_weights_survive_safetensors(paper, batch, tmp_path):
    one, other = built(paper, seed=0), built(paper, seed=1)
    step(one, batch)
    save_file(one.state_dict(), tmp_path / "model.safetensors")
    other.load_state_dict(load_file(tmp_path / "model.safetensors"))
    assert_same(other.encode(batch.image), one.encode(batch.image))
    a, b = (losses_of(model, batch) for model in (one, other))  # a training goes on from there
    torch.testing.assert_close(a, b, rtol=0, atol=0)


def test_what_decodes_draws_an_image_in_range(model, batch):
    if not isinstance(model, Decodes):
        pytest.skip("skipped: it does not decode")
    features = model.encode(batch.image)
    image = model.decode(features.content, features.style)
    assert image.shape == batch.image.shape
    assert 0 <= image.min() <= image.max() <= 1


def test_what_monitors_says_finite_numbers(model, batch):
    if not isinstance(model, Monitors):
        pytest.skip("skipped: it has no monitors")
    health = model.monitors(batch)
    assert health
    assert all(math.isfinite(value) for value in health.values())


def losses_of(model, batch):
    torch.manual_seed(4)
    return [phase.loss(batch, 0.0) for phase in model.phases()]


def parts(features: Features):
    style = [] if features.style is None else [features.style]
    return [features.content, *style, features.pooled]


def assert_same(one: Features, other: Features):
    for a, b in zip(parts(one), parts(other), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=0)
