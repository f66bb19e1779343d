"""Edits of rings whose areas are their codes, so that every answer is known."""

import math
from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from scipy.ndimage import binary_dilation
from torch import nn
from torch.nn import functional as F

from septum.contract import BadInput, Edits, Features
from septum.metrics.interval import mean_by_subject
from septum.tasks import edit
from septum.tasks.ruler import Ruler
from septum.tasks.segmenter import Schedule, UNet
from septum.tasks.witness import Witness

CLASSES = ("background", "left_ventricle", "myocardium")
CAVITY, WALL = "left_ventricle_area_px", "myocardium_area_px"
GREYS = torch.tensor([0.0, 0.9, 0.4])
LOW, HIGH = torch.tensor([40.0, 200.0]), torch.tensor([180.0, 400.0])
"""Bounds of both areas in edits."""
SIDE = 40
N = 9


def disc(area):
    y, x = torch.meshgrid(torch.arange(SIDE), torch.arange(SIDE), indexing="ij")
    far = torch.hypot(y - 19.3, x - 20.1)
    return torch.sigmoid(((area / math.pi).sqrt()[:, None, None] - far) / 0.3)


def ring(code):
    """A cavity of .9 in a wall of .4, of these two areas."""
    inner, outer = disc(code[:, 0]), disc(code.sum(1))
    return (0.4 * outer + 0.5 * inner)[:, None]


@dataclass(frozen=True)
class Rings:
    """Edits as in the paper: from the code to a bound, with a kink at 0."""

    way: int = 1
    says: int = 1
    names: tuple[str, ...] = (CAVITY, WALL)

    def phases(self):
        return ()

    def after_step(self, progress: float) -> None:
        pass

    def encode(self, image):
        return Features(content=image, style=None, pooled=self.code(image))

    def code(self, image):
        with torch.inference_mode():
            index = Greys()(image).argmax(1)
            return torch.stack([(index == k).sum((1, 2)).float() for k in (1, 2)], dim=1)

    def render(self, code):
        return ring(code)

    def attributes(self):
        return self.names

    def proxies(self, code):
        return self.says * code

    def edited(self, code, attribute, amount):
        k = self.names.index(attribute)
        end = torch.where(self.way * amount > 0, HIGH[k], LOW[k])
        changed = code.clone()
        changed[:, k] = (1 - amount.abs()) * code[:, k] + amount.abs() * end
        return changed


class Greys(UNet):
    """Segments by grey level: what a ruler should learn."""

    def __init__(self):
        super().__init__((1, 1), len(GREYS))

    def forward(self, image):
        return -(image - GREYS[:, None, None]).abs()


def hearts(toys, *, n=N, split="val", **fields):
    draw = torch.Generator().manual_seed(len(split))
    code = torch.tensor([60.0, 220.0]) + torch.rand(n, 2, generator=draw) * 80
    image = ring(code)
    mask = Greys()(image).argmax(1)
    records = [
        toys.record(f"{split}{i}", f"{split}{i // 3}", **{
            name: float((mask[i] == k).sum()) for k, name in ((1, CAVITY), (2, WALL))
        })
        for i in range(n)
    ]  # fmt: skip
    stills = {"image": image, "mask": mask, "records": records, "classes": CLASSES}
    return toys.stills(**{**stills, "split": split, **fields})


def true_ruler(attributes, train, **how):
    del attributes, how
    table = np.array([[record.labels[name] for name in (CAVITY, WALL)] for record in train.records])
    return Ruler(
        seen=Witness(net=Greys(), shrink=1, device=torch.device("cpu")),
        classes=CLASSES,
        names=[CAVITY, WALL],
        low=table.min(0),
        high=table.max(0),
    )


@pytest.fixture(scope="module")
def splits(toys):
    return hearts(toys, split="train", n=24), hearts(toys)


@pytest.fixture
def exact(monkeypatch):
    monkeypatch.setattr(edit, "ruler", true_ruler)


@pytest.fixture(scope="module")
def report(splits):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(edit, "ruler", true_ruler)
        return edit.run(Rings(), *splits, 0)


def values(report):
    return {path: metric.value for path, metric in report.metrics.items()}


def areas(splits):
    return np.array([[r.labels[name] for name in (CAVITY, WALL)] for r in splits[1].records])


def test_rings_edit():
    assert isinstance(Rings(), Edits)


def test_a_good_editor_moves_the_attribute_and_no_other(report, splits):
    found, true = values(report), areas(splits)

    for name in (CAVITY, WALL):
        assert found[f"monotone/{name}"] == 1
        assert found[f"proxy_monotone/{name}"] == 1
    # from bound to bound, whatever the image
    assert found[f"moved/{CAVITY}"] == pytest.approx(np.median(140 / true[:, 0]), rel=0.05)
    assert found[f"moved/{WALL}"] == pytest.approx(np.median(200 / true[:, 1]), rel=0.05)
    assert found[f"moved/{CAVITY}/{WALL}"] == pytest.approx(0, abs=0.04)
    assert found[f"leak/{CAVITY}"] == found[f"leak/{CAVITY}/{WALL}"] < 0.05
    assert f"leak/{CAVITY}/{CAVITY}" not in found


def test_what_is_counted_agrees_with_labels(report):
    for name in (CAVITY, WALL):
        assert report.metrics[f"ruler/{name}"].value == 1
        assert report.metrics[f"ruler_rendered/{name}"].value > 0.98
        assert report.metrics[f"ruler/{name}"].n == N


def test_share_within_the_labels_of_training(report, splits):
    low, high = (f(r.labels[CAVITY] for r in splits[0].records) for f in (min, max))
    alpha = torch.tensor([a for a in edit.ALPHAS if a])
    code = Rings().code(splits[1].image)
    inside = []
    for cavity, wall in code.tolist():
        area = (1 - alpha.abs()) * cavity + alpha.abs() * torch.where(alpha > 0, 180.0, 40.0)
        drawn = ring(torch.stack([area, torch.full_like(area, wall)], 1))
        count = (Greys()(drawn).argmax(1) == 1).sum((1, 2))
        inside.append(((count >= low) & (count <= high)).float().mean())

    assert 0.2 < np.mean(inside) < 0.8
    assert values(report)[f"within/{CAVITY}"] == pytest.approx(np.mean(inside))


def test_attention_lies_on_what_moves(report, splits):
    found = values(report)

    # of a change of the cavity .5 is at its border and .4 at the outer one, which moves along
    assert found[f"focus/{CAVITY}"] == pytest.approx(5 / 9, abs=0.03)
    assert found[f"focus/{WALL}"] > 0.99
    wide = [binary_dilation(mask == 1, np.ones((5, 5))).mean() for mask in splits[1].mask]
    assert found[f"focus_chance/{CAVITY}"] == pytest.approx(np.mean(wide))


def test_attention_is_the_derivative_on_both_sides_of_the_kink():
    model, code = Rings(), torch.tensor([[100.0, 300.0]])

    def ahead(alpha):
        return ring(model.edited(code.double(), CAVITY, torch.tensor([alpha])))[:, 0]

    step = 1e-4
    sides = (ahead(step) - ahead(0.0)).abs() + (ahead(0.0) - ahead(-step)).abs()
    heat = edit.attention(model, code, CAVITY, 0.0)
    torch.testing.assert_close(heat, (sides / 2 / step).float(), atol=0.02, rtol=0.05)
    assert heat.max() > 0.5


def test_attention_goes_through_layers_of_attention():
    class Attends(Rings):
        def render(self, code):
            image = ring(code)
            # every row asks itself alone
            own = torch.where(torch.eye(SIDE).bool(), 0.0, -torch.inf)
            return F.scaled_dot_product_attention(image, image, image, attn_mask=own)

    code = torch.tensor([[100.0, 300.0]])

    torch.testing.assert_close(
        edit.attention(Attends(), code, CAVITY, 0.0), edit.attention(Rings(), code, CAVITY, 0.0)
    )


def test_attention_of_what_never_changes_is_none():
    class Fixed(Rings):
        def render(self, code):
            return ring(code.detach() * 0 + 100)

    heat = edit.attention(Fixed(), torch.tensor([[100.0, 300.0]]), CAVITY, 0.5)

    assert heat.shape == (1, SIDE, SIDE)
    assert not heat.any()


@pytest.mark.usefixtures("exact")
def test_an_editor_that_goes_the_other_way_is_found_out(splits):
    found = values(edit.run(Rings(way=-1), *splits, 0, images=4))

    assert found[f"monotone/{CAVITY}"] == found[f"proxy_monotone/{CAVITY}"] == 0
    assert -140 / 60 < found[f"moved/{CAVITY}"] < -1


@pytest.mark.usefixtures("exact")
def test_proxies_that_lie_do_not_deceive_the_ruler(splits):
    found = values(edit.run(Rings(way=-1, says=-1), *splits, 0, images=4))

    assert found[f"proxy_monotone/{CAVITY}"] == 1
    assert found[f"monotone/{CAVITY}"] == 0


@pytest.mark.usefixtures("exact")
def test_what_moves_along_is_a_leak(splits):
    class Swells(Rings):
        def edited(self, code, attribute, amount):
            # both areas by the same share
            del attribute
            return code * (1 + 0.4 * amount[:, None])

    found = values(edit.run(Swells(), *splits, 0, images=4))

    assert found[f"moved/{CAVITY}"] == pytest.approx(0.8, abs=0.05)
    assert found[f"leak/{CAVITY}/{WALL}"] == pytest.approx(1, abs=0.08)


@pytest.mark.usefixtures("exact")
def test_an_edit_that_does_nothing_has_no_leak_and_no_focus(splits):
    class Idle(Rings):
        def edited(self, code, attribute, amount):
            del attribute, amount
            return code

    found = values(edit.run(Idle(), *splits, 0, images=4))

    assert found[f"monotone/{CAVITY}"] == found[f"proxy_monotone/{CAVITY}"] == 0
    assert found[f"moved/{CAVITY}"] == 0
    assert not any(path.startswith(("leak", "focus")) for path in found)


@pytest.mark.usefixtures("exact")
def test_a_cavity_that_is_lost_has_no_relative_change(splits):
    class Bare(Rings):
        def render(self, code):
            return 0.4 * disc(code.sum(1))[:, None]

    found = values(edit.run(Bare(), *splits, 0, images=4))

    assert f"moved/{CAVITY}" not in found
    assert found[f"monotone/{CAVITY}"] == 0
    assert found[f"moved/{WALL}"] > 0


def test_intervals_are_over_subjects_and_rows_say_the_same(report):
    rows = [row for row in report.rows if row["attribute"] == CAVITY]
    within = np.array([row["within"] for row in rows])

    assert len(report.rows) == 2 * N
    assert report.metrics[f"within/{CAVITY}"] == mean_by_subject(
        within, [row["subject"] for row in rows], unit="", seed=0
    )
    assert [rows[0][f"at/{a:g}"] for a in edit.ALPHAS] == sorted(
        rows[0][f"at/{a:g}"] for a in edit.ALPHAS
    )
    assert rows[0]["moved"] == pytest.approx((rows[0]["at/1"] - rows[0]["at/-1"]) / rows[0]["at/0"])
    assert {f"moved/{WALL}", "monotone", "focus", "focus_chance"} <= set(rows[0])


def test_a_ruler_is_trained_on_the_masks_of_the_training_split(splits):
    quick = Schedule(widths=(8, 16), steps=60, lr=3e-2)

    found = values(edit.run(Rings(), *splits, 0, images=4, schedule=quick))

    assert found[f"ruler/{CAVITY}"] > 0.9
    assert found[f"monotone/{CAVITY}"] == 1
    assert found[f"leak/{CAVITY}"] < 0.2


def test_images_are_spread_over_subjects_and_drawn_by_the_seed(toys):
    records = [toys.record(f"{i}", s) for i, s in enumerate("aaaaabbbcc")]

    chosen = edit.spread(records, range(10), 5, seed=0)

    assert sorted(records[i].subject for i in chosen) == ["a", "a", "b", "b", "c"] or sorted(
        records[i].subject for i in chosen
    ) in (["a", "a", "b", "c", "c"], ["a", "b", "b", "c", "c"])
    assert chosen == sorted(chosen) == edit.spread(records, range(10), 5, seed=0)
    assert {tuple(edit.spread(records, range(10), 5, seed=s)) for s in range(5)} != {tuple(chosen)}
    assert edit.spread(records, range(10), 99, seed=0) == list(range(10))


@pytest.mark.usefixtures("exact")
def test_images_without_a_structure_are_not_edited(splits):
    train, test = splits
    mask = test.mask.clone()
    mask[0], mask[1] = 0, -1

    found = edit.run(Rings(), train, replace(test, mask=mask), 0, images=N)

    assert {row["id"] for row in found.rows} == {f"val{i}" for i in range(2, N)}


def test_structures_have_a_rim_of_two_pixels():
    mask = torch.zeros(1, 9, 9, dtype=torch.int64)
    mask[0, 4, 4], mask[0, 0, 0] = 1, 2

    cavity, wall = (edit.structure(name, mask, CLASSES) for name in (CAVITY, WALL))

    assert cavity.sum() == 25
    assert cavity[0, 2:7, 2:7].all()
    assert wall.sum() == 9
    torch.testing.assert_close(edit.structure("eccentricity", mask, CLASSES), cavity)


def test_figures_show_every_attribute(report):
    strips = report.figures["edits"].axes
    assert [len(axes.images) for axes in strips] == [1, 2, 1, 2, 0]
    wide = np.asarray(strips[0].images[0].get_array())

    assert wide.shape == (SIDE, 10 * SIDE + 9 * 3)
    labels = [tick.get_text() for tick in strips[0].get_xticklabels()]
    assert labels == ["image", "-1", "-0.75", "-0.5", "-0.25", "0", "+0.25", "+0.5", "+0.75", "+1"]
    # the picture in the frame is the one that is not edited
    frame = strips[0].patches[0]
    at = round(frame.get_x() + 1)
    assert at == 5 * (SIDE + 3)
    first = wide[:, :SIDE]
    assert np.abs(wide[:, at : at + SIDE] - first).mean() < 0.02
    assert np.abs(wide[:, -SIDE:] - first).mean() > 0.02
    panels = report.figures["along"].axes
    assert [panel.get_title() for panel in panels] == [
        "edited: left ventricle area (px)", "edited: myocardium area (px)",
    ]  # fmt: skip
    middle = panels[0].lines[0].get_ydata()
    assert middle[4] == 0
    assert list(middle) == sorted(middle)


def test_a_model_without_attributes_is_refused(toys, splits):
    with pytest.raises(BadInput, match="stand for no attributes"):
        edit.run(toys.says(content=lambda image: image), *splits, 0)


def test_images_without_masks_are_refused(toys, splits):
    with pytest.raises(BadInput, match=r"No image of stills \(val\) has a mask that says where"):
        edit.run(Rings(), splits[0], hearts(toys, mask=None), 0)


def test_a_network_edits_in_evaluation_mode_and_returns_to_its_own(splits, exact):  # noqa: ARG001
    class Net(nn.Module, Rings):
        def __init__(self):
            nn.Module.__init__(self)
            object.__setattr__(self, "scale", 1)

        phases = after_step = encode = lambda *_: None
        way, says, names = 1, 1, (CAVITY, WALL)

        def render(self, code):
            assert not self.training
            return F.relu(ring(code))

    net = Net().train()

    assert values(edit.run(net, *splits, 0, images=3))[f"monotone/{CAVITY}"] == 1
    assert net.training
