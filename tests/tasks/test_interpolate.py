"""Ways between subjects, with a model that knows bars by their place and size."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch

from septum.contract import BadInput, Features
from septum.metrics.interval import mean_by_subject
from septum.tasks import interpolate, witness
from septum.tasks.segmenter import UNet
from septum.tasks.witness import Witness

SIDE = 32
GRID = torch.arange(SIDE) - 15.5


def bar(code):
    """Bars in the middle row, round x, of some width; borders are one pixel wide.

    A bar that grows has at most one bright pixel less than before, wherever it goes.
    """
    x, width = code.T[:, :, None]
    image = torch.zeros(len(code), 1, SIDE, SIDE)
    image[:, 0, 16] = (width / 2 - (GRID - x).abs() + 0.5).clamp(0, 1)
    return image


@dataclass(frozen=True)
class Bars:
    """Codes: how far a bar is to the right, and its area in pixels."""

    def phases(self):
        return ()

    def after_step(self, progress: float) -> None:
        pass

    def encode(self, image) -> Features:
        return Features(content=image, style=None, pooled=image.flatten(1))

    def code(self, image):
        area = image.sum((1, 2, 3))
        return torch.stack([(image.sum((1, 2)) * GRID).sum(1) / area, area], 1)

    def render(self, code):
        return bar(code)


class Bright(UNet):
    """Sees a left ventricle where an image is brighter than a half."""

    def forward(self, image):
        return torch.cat([0.5 - image, image - 0.5], 1)


@pytest.fixture(autouse=True, scope="module")
def perfect_witness():
    def taught(train, **options):
        if train.mask is None:
            return None
        return Witness(net=Bright((1, 1), 2), shrink=1, device=options["device"])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(witness, "taught", taught)
        yield


def split(toys, *, n=12, masks=True):
    draw = np.random.default_rng(0)
    # left and right bars take turns: those of a pair lie apart, or one in the other
    code = [[-8 if i % 2 else 8, draw.uniform(3, 12)] for i in range(n)]
    image = bar(torch.tensor(code, dtype=torch.float32))
    mask = (image[:, 0] > 0.5).long() if masks else None
    records = [toys.record(f"i{i}", f"s{i}") for i in range(n)]
    return toys.stills(
        image=image, mask=mask, records=records, classes=("background", "left_ventricle")
    )


@pytest.fixture(scope="module")
def samples(toys):
    return split(toys)


@pytest.fixture(scope="module")
def report(samples):
    return interpolate.run(Bars(), samples, samples, 0)


def test_bars_that_move_and_grow_are_bars_all_the_way_and_faded_ones_are_not(report, samples):
    assert report.metrics["monotone_share/codes"].value == 1
    rows = {(row["id"], row["to"]): row["monotone/pixels"] for row in report.rows}
    # two bars that lie apart are both gone halfway
    code = {r.id: c for r, c in zip(samples.records, Bars().code(samples.image), strict=True)}
    for (start, end), found in rows.items():
        apart = bool((code[start][0] > 0) != (code[end][0] > 0))
        assert found == float(not apart)
    assert 0 < report.metrics["monotone_share/pixels"].value < 1


def test_pixels_fade_evenly_and_straight(report):
    for name in ("evenness/pixels", "straightness/pixels"):
        assert report.metrics[name].value == pytest.approx(1)


def test_numbers_are_those_of_the_rendered_images(report, samples):
    places = {record.id: i for i, record in enumerate(samples.records)}
    for row in report.rows:
        a, b = Bars().code(samples.image[[places[row["id"]], places[row["to"]]]]).numpy()
        way = np.stack([(1 - i / 8) * a + i / 8 * b for i in range(9)])
        images = bar(torch.tensor(way)).flatten(1).double().numpy()
        steps = [np.linalg.norm(images[k + 1] - images[k]) for k in range(8)]
        assert row["evenness/codes"] == pytest.approx(max(steps) / np.mean(steps), rel=1e-4)
        direct = np.linalg.norm(images[8] - images[0])
        assert row["straightness/codes"] == pytest.approx(sum(steps) / direct, rel=1e-4)
        ends = [(images[k] > 0.5).sum() for k in (0, 8)]
        assert [row[f"area_{end}_px/codes"] for end in ("start", "end")] == ends


def test_every_subject_is_in_one_pair_and_intervals_are_over_pairs(report):
    names = [row[end] for row in report.rows for end in ("id", "to")]
    assert sorted(names) == sorted(f"i{i}" for i in range(12))
    values = np.array([row["straightness/codes"] for row in report.rows])
    expected = mean_by_subject(values, [row["subject"] for row in report.rows], unit="", seed=0)
    assert report.metrics["straightness/codes"] == expected
    assert expected.n == 6


def test_the_seed_pairs_subjects(samples):
    assert interpolate.paired(samples, 0) == interpolate.paired(samples, 0)
    assert interpolate.paired(samples, 0) != interpolate.paired(samples, 1)
    assert len(interpolate.paired(replace(samples, records=samples.records[:5]), 0)) == 2


def test_a_subject_is_shown_where_its_ventricle_is_largest_else_in_the_middle(toys):
    def heart(subject, position, **labels):
        return toys.record(f"{subject}{position}", subject, slice=float(position), **labels)

    records = [
        *(heart("a", z, left_ventricle_area_mm2=area) for z, area in enumerate((5.0, 9.0, 7.0))),
        *(heart("b", z) for z in (2, 0, 1)),
        *(heart("c", z, left_ventricle_area_px=float("nan")) for z in (0, 1)),
    ]
    chosen = [records[place].id for place in interpolate.telling(records)]
    assert chosen == ["a1", "b1", "c1"]


def test_what_never_moves_has_no_way(samples):
    class Still(Bars):
        def render(self, code):
            return bar(0 * code + torch.tensor([0.0, 9.0]))

    report = interpolate.run(Still(), samples, samples, 0)

    assert not {"evenness/codes", "straightness/codes"} & set(report.metrics)
    assert report.metrics["monotone_share/codes"].value == 1
    assert "evenness/pixels" in report.metrics


def test_images_without_a_heart_are_not_counted(samples):
    class Dark(Bars):
        def render(self, code):
            return 0.4 * bar(code)

    metrics = interpolate.run(Dark(), samples, samples, 0).metrics

    assert "monotone_share/codes" not in metrics
    assert metrics["monotone_share/pixels"].n == 6


def test_without_masks_or_a_ventricle_nothing_is_said_of_areas(toys, samples):
    lacking = split(toys, masks=False), replace(samples, classes=("background", "atrium"))
    for train in lacking:
        report = interpolate.run(Bars(), train, samples, 0)
        assert set(report.metrics) == {
            f"{name}/{kind}"
            for name in ("evenness", "straightness")
            for kind in ("codes", "pixels")
        }
        notes = report.figures["interpolations"].axes[0].get_xticklabels()
        assert {note.get_text() for note in notes} == {""}


def test_turning_back_is_told_from_a_pixel_of_noise():
    for areas, expected in (
        ([1, 2, 3], True),
        ([3, 2, 1], True),
        ([5, 4, 6], True),
        ([5, 3, 6], False),
        ([5, 4, 3, 6], False),  # a pixel at a time
        ([5, 9, 6], False),  # past the end and back
        ([4, 4, 4], True),
        ([4, 8, 4], False),
    ):
        assert interpolate.is_monotone(torch.tensor(areas)) is expected, areas


def test_volumes_have_ways_too(toys):
    def stacked(image):
        return image[:, :, None].expand(-1, -1, 3, -1, -1)

    class Stacks(Bars):
        def code(self, image):
            return super().code(image[:, :, 1])

        def render(self, code):
            return stacked(super().render(code))

    flat = split(toys, masks=False)
    volumes = replace(flat, image=stacked(flat.image))

    found = interpolate.run(Stacks(), volumes, volumes, 0)

    expected = interpolate.run(Bars(), flat, flat, 0)
    values = {name: metric.value for name, metric in found.metrics.items()}
    assert values == pytest.approx({name: m.value for name, m in expected.metrics.items()})
    pictures = (of.figures["interpolations"].axes[0].images[0] for of in (found, expected))
    np.testing.assert_allclose(*(picture.get_array() for picture in pictures), atol=1e-6)


def test_the_figure_shows_both_ways_of_three_pairs(report, samples):
    axes = report.figures["interpolations"].axes

    assert [a.get_ylabel() for a in axes] == ["codes", "pixels"] * 3
    heads = axes[0].child_axes[0].get_xticklabels()
    assert [head.get_text() for head in heads][::4] == ["0", "0.5", "1"]
    strip = axes[1].images[0].get_array()
    first = report.rows[0]
    places = {record.id: i for i, record in enumerate(samples.records)}
    for end, seen in (("id", strip[:, :SIDE]), ("to", strip[:, -SIDE:])):
        np.testing.assert_allclose(seen, samples.image[places[first[end]], 0], atol=1e-6)
    note = axes[0].get_xticklabels()[0].get_text()
    assert note == f"{first['area_start_px/codes']} px"


def test_a_model_must_keep_codes(toys, samples):
    with pytest.raises(BadInput, match="keeps no codes"):
        interpolate.run(toys.says(content=lambda image: image), samples, samples, 0)


def test_one_subject_is_no_pair(toys, samples):
    alone = split(toys, n=1)
    with pytest.raises(BadInput, match="one subject"):
        interpolate.run(Bars(), samples, alone, 0)
