import importlib.util
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from septum.contract import BadInput, Batch, Clip, Record
from septum.tasks import attribution
from septum.tasks.attribution import Estimate, Explains, heats

T, SIDE = 8, 32
CLIP = Clip(frames=T, stride=1)


@dataclass(frozen=True)
class Hearts:
    """Films of a dark disc that shrinks in grey tissue; the sector has no corners at the top."""

    records: list[Record]
    traced: bool = True
    short: bool = False
    clip: Clip = CLIP
    name: str = "hearts"
    split: str = "val"
    classes: tuple[str, ...] = ("background", "left_ventricle")

    def lengths(self):
        return [T] * len(self.records)

    def batch(self, indices):
        return self.clips(indices, [0] * len(indices))

    def clips(self, indices, starts):
        del starts
        y, x = torch.meshgrid(torch.arange(SIDE), torch.arange(SIDE), indexing="ij")
        sector = (x - SIDE // 2).abs() <= y
        image = torch.zeros(len(indices), 1, T, SIDE, SIDE)
        mask = torch.full((len(indices), SIDE, SIDE), -1)
        for out, place, index in zip(image, mask, indices, strict=True):
            noise = torch.rand(T, SIDE, SIDE, generator=torch.manual_seed(index))
            for t in range(T - 3 * self.short):
                out[0, t] = sector * (0.5 + 0.3 * noise[t]) * ~self.disc(index, 1 - 0.05 * t)
            if self.traced and index % 4:
                place[:] = self.disc(index, 1.0)
        return Batch(image=image, mask=mask, sector=sector.expand(len(indices), 1, -1, -1))

    @staticmethod
    def disc(index, size):
        y, x = torch.meshgrid(torch.arange(SIDE), torch.arange(SIDE), indexing="ij")
        return (y - 18) ** 2 + (x - 14 - index % 3) ** 2 < (7 * size) ** 2


class Net(nn.Module):
    """A layer at a quarter of the resolution, its mean, a bent read-out."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.net = nn.Conv3d(1, 3, (2, 4, 4), (2, 4, 4))
        self.norm = nn.BatchNorm3d(3)
        self.head = nn.Linear(3, 1)

    phases = after_step = encode = lambda *_: None

    def explained(self, image):
        maps = self.norm(self.net(image)).relu()
        return maps, {"ef_percent": 50 + 9 * self.head(maps.mean((2, 3, 4)))[:, 0].tanh()}


class Looks(Net):
    """Looks at pixels that are chosen, and at nothing else."""

    def __init__(self, where: Tensor):
        super().__init__()
        self.register_buffer("where", where.float())

    def explained(self, image):
        maps = image * self.where
        return maps, {"ef_percent": maps.mean((1, 2, 3, 4))}


def hearts(n=8, **how):
    records = [
        Record(id=f"h{i}", subject=f"s{i // 2}", image=Path(), labels={"ef_percent": 40.0 + i})
        for i in range(n)
    ]
    return Hearts(records, **how)


@pytest.fixture(autouse=True)
def small_pictures(monkeypatch):
    """Pictures take longer than all else."""
    monkeypatch.setattr(attribution, "EXAMPLES", 2)
    monkeypatch.setattr(attribution, "FRAMES", 3)


@pytest.fixture
def clips():
    return hearts().batch([1, 2, 3]).image


def test_the_stand_in_keeps_the_protocol():
    assert isinstance(Net(), Explains)


def test_gradcam_by_the_formula(clips):
    net = Net().eval()

    said, found = heats(Estimate(net, "ef_percent"), clips)

    for i in range(len(clips)):
        maps, estimate = net.explained(clips[i : i + 1])
        (grad,) = torch.autograd.grad(estimate["ef_percent"].sum(), maps)
        cam = torch.zeros(maps.shape[2:])
        for d in range(maps.shape[1]):
            cam += grad[0, d].mean() * maps[0, d].detach()
        up = F.interpolate(cam[None, None], (T, SIDE, SIDE), mode="trilinear")[0, 0]
        torch.testing.assert_close(found["gradcam"][i], up)
        assert said[i] == pytest.approx(estimate["ef_percent"].item())


def test_saliency_is_what_a_small_change_of_a_pixel_does(clips):
    net = Net().eval().double()
    image = clips[:1].double()

    _, found = heats(Estimate(net, "ef_percent"), image)

    for t, y, x in [(0, 0, 0), (3, 18, 14), (7, 31, 31), (4, 9, 20)]:
        ends = []
        for change in (-1e-5, 1e-5):
            moved = image.clone()
            moved[0, 0, t, y, x] += change
            ends.append(net.explained(moved)[1]["ef_percent"].item())
        slope = abs(ends[1] - ends[0]) / 2e-5
        assert found["saliency"][0, t, y, x].item() == pytest.approx(slope, rel=1e-4, abs=1e-8)


def test_both_signs_of_gradcam_are_kept(clips):
    class Minus(Net):
        def explained(self, image):
            maps, said = super().explained(image)
            return maps, {"ef_percent": -said["ef_percent"]}

    plus, minus = (heats(Estimate(net.eval(), "ef_percent"), clips)[1] for net in (Net(), Minus()))

    torch.testing.assert_close(plus["gradcam"], -minus["gradcam"])
    torch.testing.assert_close(plus["saliency"], minus["saliency"])


def test_a_model_that_looks_at_the_ventricle_alone_has_all_its_focus_there():
    films = hearts()
    disc = films.disc(1, 1.0)  # of films 1, 4, 7, ...: asked about are 1 and 7
    only = Hearts([films.records[0], films.records[1]])

    metrics = attribution.run(Looks(disc), only, only, 0).metrics
    away = attribution.run(Looks(~disc), only, only, 0).metrics

    assert metrics["focus/saliency"].value == pytest.approx(1)
    assert metrics["in_sector/saliency"].value == pytest.approx(1)
    assert away["focus/saliency"].value == pytest.approx(0)


def test_what_looks_evenly_at_the_sector_has_chance():
    films = hearts()
    sector = films.batch([0]).sector[0, 0]

    metrics = attribution.run(Looks(sector), films, films, 0).metrics

    area = np.mean([float(films.disc(i, 1.0).sum() / sector.sum()) for i in range(8) if i % 4])
    assert metrics["focus/chance"].value == pytest.approx(area)
    assert metrics["focus/saliency"].value == pytest.approx(area)
    assert metrics["above_chance/saliency"].value == pytest.approx(0, abs=1e-6)
    assert metrics["in_sector/saliency"].value == pytest.approx(1)
    assert all(metric.n == 6 for metric in metrics.values())  # two have no trace


def test_black_frames_after_the_end_do_not_count():
    films = hearts(short=True)
    film = next(attribution.explained(Estimate(Net(), "ef_percent"), films, [1], 0))

    assert film.shown.tolist() == [True] * 5 + [False] * 3
    shares = attribution._shares(film)
    heat = film.heat["gradcam"][:5].double().abs()
    assert shares["focus/gradcam"] == pytest.approx(
        float(heat[:, film.ventricle].sum() / heat.sum())
    )


def test_rows_say_what_was_estimated_and_the_truth():
    films, net = hearts(), Net().train()

    report = attribution.run(net, films, films, 0)

    assert net.training
    assert {row["id"] for row in report.rows} == {f"h{i}" for i in range(8) if i % 4}
    row = next(row for row in report.rows if row["id"] == "h3")
    net.eval()
    said = net.explained(films.batch([3]).image)[1]["ef_percent"].item()
    assert row["ef_percent"] == 43
    assert row["said"] == pytest.approx(said)
    assert row["focus/gradcam"] - row["focus/chance"] == pytest.approx(row["above_chance/gradcam"])


def test_no_more_films_than_asked_for_and_the_same_for_the_same_seed(monkeypatch):
    monkeypatch.setattr(attribution, "FILMS", 3)
    monkeypatch.setattr(attribution, "BATCH", 2)
    films = hearts(20)
    ids = [
        [row["id"] for row in attribution.run(Net(), films, films, seed).rows] for seed in (0, 0, 1)
    ]

    assert len(ids[0]) == 3
    assert ids[0] == ids[1] != ids[2]


def test_pictures_show_frames_heat_and_outline():
    films = hearts(short=True)

    figures = attribution.run(Net(), films, films, 0).figures

    assert set(figures) == {"gradcam", "saliency"}
    *panels, bar = figures["gradcam"].axes
    assert len(panels) == 2 * 3  # two films, three of the five frames that both of them show
    assert [axes.get_title() for axes in panels[:3]] == ["frame 0", "frame 2", "frame 4"]
    assert all(len(axes.images) == 2 for axes in panels)
    assert panels[0].get_ylabel().startswith("said ")
    assert bar.get_ylabel().startswith("Grad-CAM")


def test_a_map_of_one_cell_has_no_gradcam():
    class Coarse(Net):
        def explained(self, image):
            return super().explained(F.avg_pool3d(image, (1, 8, 8)))

    films = hearts()

    report = attribution.run(Coarse(), films, films, 0)

    assert set(report.figures) == {"saliency"}
    assert {path for path in report.metrics if path.startswith("focus/")} == {
        "focus/chance",
        "focus/saliency",
    }


def test_gradients_of_parameters_are_left_alone(clips):
    net = Net()

    heats(Estimate(net, "ef_percent"), clips)

    assert all(p.grad is None for p in net.parameters())


def test_films_without_a_trace_are_refused():
    films = hearts(traced=False)

    with pytest.raises(BadInput, match=r"No film of hearts \(val\) has a traced left ventricle"):
        attribution.run(Net(), films, films, 0)


def test_a_model_that_does_not_explain_is_refused(toys):
    films = hearts()

    with pytest.raises(BadInput, match="does not show the feature map"):
        attribution.run(toys.estimates(None), films, films, 0)


def test_without_captum_the_way_out_is_said(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: {"captum": None}[name])
    films = hearts()

    with pytest.raises(BadInput, match="pip install captum"):
        attribution.run(Net(), films, films, 0)
