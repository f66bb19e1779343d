"""Where models look, on offsets of which one knows every answer."""

from itertools import combinations

import numpy as np
import pytest
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from torch import nn

from septum.contract import BadInput, Deforms, Features
from septum.tasks import offsets

ORGANS = ("fetal_head", "heart", "lung")
KERNEL = torch.cartesian_prod(torch.arange(-1.0, 2), torch.arange(-1.0, 2))
"""The taps of a 3 x 3 kernel, (down, right)."""


class Looks(nn.Module):
    """Samples where a function of the image and the organ says: `b blocks taps 2 h w`."""

    def __init__(self, where, organs=ORGANS):
        super().__init__()
        self.where = where
        self.names = organs

    def phases(self):
        return ()

    def after_step(self, progress: float) -> None:
        pass

    def encode(self, image):
        return Features(content=image, style=None, pooled=image.flatten(1))

    def organs(self):
        return self.names

    def recognise(self, image):
        return torch.full((len(image), len(self.names)), 1 / len(self.names))

    def encode_as(self, image, organ):  # noqa: ARG002
        return self.encode(image)

    def offsets(self, image, organ):
        assert not self.training
        assert not torch.is_grad_enabled()
        return self.where(image, organ)


def grid(b, *, blocks=2, h=4, w=6):
    """An undeformed kernel everywhere."""
    return KERNEL[:, :, None, None].expand(b, blocks, 9, 2, h, w)


def still(image, organ):  # noqa: ARG001
    return grid(len(image))


def by_organ(image, organ):
    """A kernel that is moved by (3, 4) cells for every place of the organ in the table."""
    place = organ @ torch.arange(organ.shape[1]).float()
    move = torch.tensor([3.0, 4.0])[:, None, None] * place[:, None, None, None]
    return grid(len(image)) + move[:, None, None]


def by_image(image, organ):
    """A kernel that is moved by the image's brightness, whatever the organ."""
    return still(image, organ) + image.mean((1, 2, 3))[:, None, None, None, None, None]


def samples(toys, organs, *, subjects=None, seed=0):
    draw = torch.Generator().manual_seed(seed)
    records = [
        toys.record(f"i{i}", None if subjects is None else subjects[i], organ=name)
        for i, name in enumerate(organs)
    ]
    grey = torch.rand(len(organs), 1, 1, 1, generator=draw)
    image = grey.expand(-1, -1, 16, 24).contiguous()
    return toys.stills(image=image, mask=None, records=records, classes=("background",))


def ask(where, of, *, organs=ORGANS, **options):
    return offsets.run(Looks(where, organs), of, of, 0, **options)


def shaped(own):
    return offsets.shaped(own, own)


def test_the_stand_in_deforms():
    assert isinstance(Looks(still), Deforms)


def test_a_kernel_that_is_not_deformed_has_the_shape_computed_by_hand():
    found = shaped(grid(1))

    assert found.reach_cells.tolist() == [pytest.approx([(4 + 4 * 2**0.5) / 9] * 2)]
    assert found.reach_percent.tolist() == [pytest.approx([100 * 1.0730 / 6] * 2, rel=1e-4)]
    # four taps at a squared distance of 1, four of 2
    assert found.spread_cells.tolist() == [pytest.approx([(12 / 9) ** 0.5] * 2)]
    assert found.anisotropy.tolist() == [pytest.approx([0, 0], abs=1e-6)]


def test_a_kernel_that_moves_reaches_further_and_spreads_as_far():
    move = torch.tensor([30.0, 40.0])[:, None, None]

    found, before = shaped(grid(1) + move), shaped(grid(1))

    assert found.reach_cells[0, 0].item() == pytest.approx(50, abs=0.02)
    torch.testing.assert_close(found.spread_cells, before.spread_cells)
    assert found.anisotropy.max() < 1e-4


def test_taps_on_a_line_are_anisotropic_and_those_in_one_place_are_not():
    along = torch.tensor([3.0, 4.0])[:, None, None]
    line = torch.arange(-1.0, 2)[:, None, None, None] * along

    found = shaped(line.expand(1, 1, 3, 2, 2, 2))
    point = shaped(along.expand(1, 1, 5, 2, 2, 2))

    assert found.anisotropy.item() == pytest.approx(1)
    assert found.spread_cells.item() == pytest.approx((50 / 3) ** 0.5)
    assert (point.anisotropy.item(), point.spread_cells.item()) == (0, 0)
    assert point.reach_cells.item() == pytest.approx(5)


def test_the_shape_of_random_taps_is_that_of_a_loop_over_cells():
    own = torch.randn(2, 3, 5, 2, 4, 3, generator=torch.manual_seed(0))

    found = shaped(own)

    spread, anisotropy = np.zeros((2, 2, 3))
    for b, k, y, x in np.ndindex(2, 3, 4, 3):
        a, c = np.linalg.eigvalsh(np.cov(own[b, k, :, :, y, x].numpy().T, ddof=0))
        spread[b, k] += np.sqrt(a + c) / 12
        anisotropy[b, k] += (c - a) / (a + c) / 12
    np.testing.assert_allclose(found.spread_cells, spread, rtol=1e-5)
    np.testing.assert_allclose(found.anisotropy, anisotropy, rtol=1e-4)
    reach = np.hypot(*own.movedim(3, 0).numpy()).mean((2, 3, 4))
    np.testing.assert_allclose(found.reach_cells, reach, rtol=1e-5)


def test_the_effect_of_the_label_is_how_far_it_moves_the_taps(toys):
    of = samples(toys, ["fetal_head", "heart"] * 5)

    metrics = ask(by_organ, of, organs=ORGANS[:2]).metrics

    for block in ("block0", "block1", "mean"):
        metric = metrics[f"label_effect_cells/{block}"]
        assert (metric.value, metric.low, metric.high) == pytest.approx((5, 5, 5))
        assert metric.unit == "cells"


def test_a_model_that_ignores_the_organ_has_exactly_no_effect_of_the_label(toys):
    metrics = ask(by_image, samples(toys, [*ORGANS] * 5)).metrics

    metric = metrics["label_effect_cells/mean"]
    assert (metric.value, metric.low, metric.high, metric.n) == (0, 0, 0, 15)


def test_shapes_are_told_by_organ_and_block(toys):
    def where(image, organ):
        size = 1 + organ @ torch.arange(organ.shape[1]).float()
        block = torch.tensor([1.0, 10.0])[:, None, None, None, None]
        return still(image, organ) * size[:, None, None, None, None, None] * block

    metrics = ask(where, samples(toys, ["lung", "heart"] * 6)).metrics

    one = (4 + 4 * 2**0.5) / 9
    found = {path: m.value for path, m in metrics.items() if path.startswith("reach_cells/")}
    assert found == pytest.approx({
        "reach_cells/heart/block0": 2 * one,
        "reach_cells/heart/block1": 20 * one,
        "reach_cells/heart/mean": 11 * one,
        "reach_cells/lung/block0": 3 * one,
        "reach_cells/lung/block1": 30 * one,
        "reach_cells/lung/mean": 16.5 * one,
    })  # fmt: skip
    assert metrics["spread_cells/lung/block0"].value == pytest.approx(3 * (12 / 9) ** 0.5)
    assert metrics["reach_percent/heart/block0"].value == pytest.approx(100 * 2 * one / 6)
    assert metrics["reach_percent/heart/block0"].unit == "%"
    assert metrics["anisotropy/heart/block1"].value == pytest.approx(0, abs=1e-6)
    assert metrics["reach_cells/heart/block0"].n == 6


def test_organs_that_are_apart_are_told_apart_and_chance_is_low(toys):
    metrics = ask(by_organ, samples(toys, [*ORGANS] * 10)).metrics

    for name in ("block0", "block1", "all"):
        assert metrics[f"eta_squared/{name}"].value == pytest.approx(1)
        assert metrics[f"p_value/{name}"].value == 0.001
        assert metrics[f"eta_squared_chance/{name}"].high < 0.3


def test_chance_is_what_the_number_of_organs_gives(toys):
    metrics = ask(by_image, samples(toys, [*ORGANS] * 10)).metrics

    # over all permutations the mean of η² is (organs - 1) / (images - 1)
    assert metrics["eta_squared_chance/all"].value == pytest.approx(2 / 29, abs=0.006)
    assert metrics["p_value/all"].value > 0.01


def test_the_p_value_is_the_share_of_all_partitions_that_are_as_far_apart(toys):
    of = samples(toys, ["heart"] * 4 + ["lung"] * 4, seed=3)
    metrics = ask(by_image, of).metrics

    grey = of.image[:, 0, 0, 0].double().numpy()
    every = [abs(grey[list(c)].mean() - grey.mean()) for c in combinations(range(8), 4)]
    expected = np.mean(np.array(every) >= every[0] - 1e-12)
    assert 0.02 < expected < 0.98
    assert metrics["p_value/all"].value == pytest.approx(expected, abs=0.05)


def test_offsets_that_do_not_vary_are_not_apart(toys):
    metrics = ask(still, samples(toys, [*ORGANS] * 4)).metrics

    metric = metrics["eta_squared/all"]
    assert (metric.value, metric.low, metric.high) == (0, 0, 0)
    assert metrics["eta_squared_chance/all"].high == 0
    assert metrics["p_value/all"].value == 1


def test_organs_are_dealt_to_subjects_with_all_their_images():
    subjects = ["a", "a", "a", "b", "c", "c", "d", "e"]
    organ = np.array([0, 0, 0, 0, 1, 1, 1, 2])

    deals = offsets.dealt(organ, subjects, seed=0, deals=200)

    for deal in deals:
        assert len({*deal[:3]}) == len({*deal[4:6]}) == 1
        assert sorted(deal[[0, 3, 4, 6, 7]]) == [0, 0, 1, 1, 2]
    assert len({tuple(deal) for deal in deals}) == 30  # 5! / (2! 2!)


def test_one_organ_is_apart_from_none(toys):
    metrics = ask(by_organ, samples(toys, ["heart"] * 4)).metrics

    assert not [path for path in metrics if path.startswith(("eta_squared", "p_value"))]
    assert metrics["label_effect_cells/mean"].value == pytest.approx(5)
    alone = ask(by_image, samples(toys, ["heart"] * 4), organs=("heart",)).metrics
    assert {path.split("/")[0] for path in alone} == set(offsets.SHAPES)


def test_so_many_images_of_every_organ_are_asked_about(toys):
    of = samples(toys, ["heart"] * 9 + ["lung"] * 3 + ["tree"] * 5)

    report = ask(by_image, of, images=4)

    assert sorted(row["organ"] for row in report.rows) == ["heart"] * 4 + ["lung"] * 3
    ids = [row["id"] for row in report.rows]
    assert ids == sorted(ids, key=lambda name: int(name[1:]))
    assert report.metrics["label_effect_cells/mean"].n == 7


def test_the_most_deformed_block_is_the_one_whose_taps_vary_most():
    own = grid(4, blocks=3).clone()
    own[:, 0] *= 5  # large, and the same everywhere
    own[1, 1] += 2  # of one image
    own[:, 2, :, :, 0] += 0.1  # in one row

    assert offsets.most_deformed(shaped(own)) == 1
    assert offsets.most_deformed(shaped(own[:1])) == 2
    assert offsets.most_deformed(shaped(grid(2, blocks=3))) == 2


def test_rows_hold_what_the_metrics_are_made_of(toys):
    report = ask(by_organ, samples(toys, ["lung", "heart", "heart"]))

    reach = [row["reach_cells/block1"] for row in report.rows if row["organ"] == "heart"]
    assert np.mean(reach) == pytest.approx(report.metrics["reach_cells/heart/block1"].value)
    assert all(row["label_effect_cells/mean"] >= 4.99 for row in report.rows)


@pytest.fixture(scope="module")
def figures(toys):
    return ask(by_organ, samples(toys, ["lung", "fetal_head"] * 3)).figures


def test_taps_are_drawn_where_the_image_is_sampled(figures):
    first, second = figures["taps"].axes

    assert [axes.get_title() for axes in (first, second)] == ["fetal head", "lung"]
    # 4 x 6 cells of 4 x 4 pixels; the middle one, (2, 3), has its centre at (9.5, 13.5)
    crosses = [line.get_xydata()[0].tolist() for line in first.lines if line.get_marker() == "+"]
    assert crosses == [[5.5, 1.5], [17.5, 1.5], [13.5, 9.5], [5.5, 13.5], [17.5, 13.5]]
    dots = [line.get_xydata() for line in first.lines if line.get_marker() == "o"]
    expected = [[13.5 + 4 * x, 9.5 + 4 * y] for y in (-1, 0, 1) for x in (-1, 0, 1)]
    assert sorted(dots[2].tolist()) == sorted(expected)
    # the other organ is moved by (6, 8) cells: out of the picture, which stays as large
    moved = [line.get_xydata() for line in second.lines if line.get_marker() == "o"]
    assert sorted(moved[2].tolist()) == sorted([x + 32, y + 24] for x, y in expected)
    assert (second.get_xlim(), second.get_ylim()) == ((-0.5, 23.5), (15.5, -0.5))


def test_bars_are_as_high_as_the_reach(toys):
    report = ask(by_organ, samples(toys, ["lung", "fetal_head"] * 3))
    (axes,) = report.figures["reach"].axes

    assert [text.get_text() for text in axes.get_xticklabels()] == ["0", "1", "mean"]
    heights = [bar.get_height() for bar in axes.patches]
    assert heights == [
        report.metrics[f"reach_cells/{organ}/{block}"].value
        for organ in ("fetal_head", "lung")
        for block in ("block0", "block1", "mean")
    ]


def test_nothing_is_cut_off(figures):
    for figure in figures.values():
        canvas = FigureCanvasAgg(figure)
        canvas.draw()
        box = figure.get_tightbbox(canvas.get_renderer())
        width, height = figure.get_size_inches()
        assert min(box.x0, box.y0) >= -0.01
        assert box.x1 <= width + 0.01
        assert box.y1 <= height + 0.01


def test_a_model_that_does_not_deform_is_refused(toys):
    of = samples(toys, ["heart"])

    with pytest.raises(BadInput, match="same places for every organ"):
        offsets.run(toys.says(content=lambda image: image), of, of, 0)


def test_images_of_other_organs_are_refused(toys):
    with pytest.raises(BadInput, match="fetal_head, heart, lung"):
        ask(still, samples(toys, ["liver", ""]))
