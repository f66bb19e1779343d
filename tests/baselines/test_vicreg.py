"""VICReg is the published network and loss, and leaves no trace when it is only asked."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from septum import train
from septum.baselines.vicreg import PAPER, VICReg, VICRegConfig, grid_sector
from septum.contract import Batch, Model, Monitors, Recipe
from septum.nn.augment import Ranges

TINY = VICRegConfig(width=4, layers=(1, 1, 1, 1), expander=(12, 12, 6))
STILL = Ranges(
    rotation_deg=0.0, shear=0.0, zoom=(1.0, 1.0), translation_cells=0, gamma=(1.0, 1.0), blur_px=0.0
)
RECIPE = Recipe(data="noise", steps=4, batch_size=6, lr=0.5, optimiser="lars", precision="fp32")


def noise(seed: int) -> Batch:
    rng = torch.Generator().manual_seed(seed)
    sector = torch.zeros(6, 1, 64, 80, dtype=torch.bool)
    sector[..., 16:, 16:64] = True
    image = torch.rand(6, 1, 64, 80, generator=rng) * sector
    return Batch(image=image, sector=sector, ids=[str(i) for i in range(6)])


@pytest.fixture
def batch():
    return noise(0)


@pytest.fixture
def model():
    torch.manual_seed(0)
    return VICReg(TINY)


def statistics(model):
    return {name: value.clone() for name, value in model.named_buffers()}


def same(one, other):
    return all(torch.equal(one[name], other[name]) for name in one)


def test_keeps_its_promises(model):
    assert isinstance(model, Model)
    assert isinstance(model, Monitors)


@pytest.mark.parametrize(
    ("part", "count"),
    [("trunk", 23_508_032 - 2 * 64 * 7 * 7), ("expander", 2048 * 8192 + 2 * 8192**2 + 4 * 8192)],
)
def test_parameters_of_the_paper_size(part, count):
    with torch.device("meta"):
        model = VICReg(PAPER.sizes["paper"].config)
    assert sum(p.numel() for p in getattr(model, part).parameters()) == count


def test_features_of_the_paper_size():
    with torch.device("meta"):
        model = VICReg(PAPER.sizes["paper"].config)
        features = model.encode(torch.empty(2, 1, 256, 320))
    assert features.content.shape == (2, 1024, 16, 20)
    assert features.style is None
    assert features.pooled.shape == (2, 2048)


def test_content_is_the_stage_before_the_last_and_pooled_the_mean_of_the_last(model, batch):
    features = model.encode(batch.image)
    model.eval()
    stages = model.trunk(2 * batch.image - 1)
    torch.testing.assert_close(features.content, stages[2])
    torch.testing.assert_close(features.pooled, stages[3].mean((2, 3)))


def test_terms_are_those_of_numpy_on_the_embeddings_of_two_views(model, batch):
    torch.manual_seed(1)
    a, b = (model.embed(view).detach().double().numpy() for view in model.views(batch))
    hinge = [np.maximum(0, 1 - np.sqrt(z.var(0, ddof=1) + 1e-4)).mean() for z in (a, b)]
    off = [np.cov(z.T) * (1 - np.eye(6)) for z in (a, b)]
    expected = {
        "invariance": 25 * np.mean((a - b) ** 2),
        "variance": 25 * np.mean(hinge),
        "covariance": sum((c**2).sum() / 6 for c in off),
    }
    torch.manual_seed(1)
    found = {name: term.item() for name, term in model.loss(batch, 0.0).items()}
    assert found == pytest.approx(expected, rel=1e-4)


def test_weights_multiply_their_terms(batch):
    def terms(**weights):
        torch.manual_seed(0)
        return VICReg(replace(TINY, **weights)).loss(batch, 0.0)

    once = terms(invariance=1.0, variance=1.0, covariance=1.0)
    more = terms(invariance=2.0, variance=3.0, covariance=4.0)
    for name, weight in (("invariance", 2), ("variance", 3), ("covariance", 4)):
        torch.testing.assert_close(more[name], weight * once[name])


def test_the_two_views_are_different_and_both_are_augmented(model, batch):
    one, other = model.views(batch)
    assert all((a - b).abs().max() > 0.1 for a, b in zip(one, other, strict=True))
    assert all((a - b).abs().max() > 0.1 for a, b in zip(one, batch.image, strict=True))
    assert all((a - b).abs().max() > 0.1 for a, b in zip(other, batch.image, strict=True))


def test_views_without_any_change_leave_nothing_to_be_invariant_to(batch):
    torch.manual_seed(0)
    model = VICReg(replace(TINY, augmentation=STILL))
    for view in model.views(batch):
        torch.testing.assert_close(view, batch.image)
    terms = model.loss(batch, 0.0)
    assert terms["invariance"].item() == pytest.approx(0, abs=1e-6)
    assert terms["variance"] > 0


def test_encoding_an_image_does_not_depend_on_its_neighbours(model, batch):
    together, alone = model.encode(batch.image), model.encode(batch.image[:1])
    torch.testing.assert_close(together.content[:1], alone.content)
    torch.testing.assert_close(together.pooled[:1], alone.pooled)


@pytest.mark.parametrize("training", [True, False])
def test_asking_changes_neither_statistics_nor_mode_nor_random_numbers(model, batch, training):
    model.train(training)
    before = statistics(model)
    torch.manual_seed(5)
    model.encode(batch.image)
    model.monitors(batch)
    after = torch.rand(3)
    torch.manual_seed(5)
    assert torch.equal(after, torch.rand(3))
    assert same(before, statistics(model))
    assert model.training is model.trunk.training is training


def test_statistics_are_moving_averages_of_both_views(model, batch):
    seen = []
    stem = model.trunk.stem[0]
    stem[0].register_forward_hook(lambda *call: seen.append(call[2].detach().mean((0, 2, 3))))
    for _ in range(3):
        model.loss(batch, 0.0)
    expected = torch.zeros(4)
    for mean in seen:
        expected = 0.9 * expected + 0.1 * mean
    assert len(seen) == 6
    torch.testing.assert_close(stem[1].running_mean, expected)


def test_the_loop_trains_the_statistics(model, batch):
    with train.Updates(model.eval(), RECIPE, seed=0) as updates:
        updates(0, batch)
    assert all(
        norm.num_batches_tracked == 2
        for norm in model.modules()
        if isinstance(norm, nn.BatchNorm1d | nn.BatchNorm2d)
    )


def test_monitors_of_a_collapse(model, batch):
    healthy = model.monitors(batch)
    assert healthy == model.monitors(batch)
    assert min(healthy.values()) > 0
    with torch.no_grad():
        model.expander[-1].weight.zero_()
    collapsed = model.monitors(batch)
    assert collapsed["embedding_std"] == pytest.approx(0.01)
    assert collapsed["embedding_covariance"] == 0
    assert collapsed["embedding_invariance"] == 0


def test_stopped_and_resumed_it_ends_the_same_however_often_it_is_monitored(tmp_path):
    def fit(folder, *, stop=None, resume=False, monitor=4):
        def load(start: int) -> Iterator[Batch]:
            for i in range(start, 9):
                if i == stop:
                    raise InterruptedError
                yield noise(i)

        torch.manual_seed(0)
        train.fit(
            VICReg(TINY),
            load,
            RECIPE,
            run=tmp_path / folder,
            header={"model": "vicreg"},
            resume=resume,
            every=train.Every(log=1, monitor=monitor, save=1),
        )

    fit("whole")
    with pytest.raises(InterruptedError):
        fit("parts", stop=2, monitor=1)
    fit("parts", resume=True, monitor=1)
    whole, parts = ((tmp_path / n / "model.safetensors").read_bytes() for n in ("whole", "parts"))
    assert whole == parts


def test_training_spreads_the_embeddings(batch):
    torch.manual_seed(0)
    model = VICReg(replace(TINY, augmentation=STILL))
    recipe = replace(RECIPE, optimiser="adamw", lr=1e-2)
    with train.Updates(model, recipe, seed=0) as updates:
        first, *_, last = [updates(i, batch) for i in range(12)]
    assert last["pretrain/variance"] < 0.5 * first["pretrain/variance"]


def test_a_cell_is_inside_when_half_of_it_is():
    sector = torch.zeros(1, 1, 32, 32, dtype=torch.bool)
    sector[..., :8, :16] = True  # half of cell (0, 0)
    sector[..., 16:23, 16:] = True  # less than half of cell (1, 1)
    cells = grid_sector(Batch(image=torch.zeros(1, 1, 32, 32), sector=sector))
    assert cells[0, 0].tolist() == [[True, False], [False, False]]
    assert grid_sector(Batch(image=torch.zeros(2, 1, 32, 48))).shape == (2, 1, 2, 3)
    assert grid_sector(Batch(image=torch.zeros(2, 1, 32, 48))).all()
