from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from septum.contract import BadInput, Features
from septum.metrics.interval import mean_by_subject
from septum.tasks import synthesise
from septum.tasks.augmentations import Noise
from septum.tasks.segmenter import Schedule

CELL = 8
CLASSES = ("background", "left_ventricle", "left_atrium")
QUICK = Schedule(widths=(4, 8), steps=6, batch_size=4, lr=1e-2)
NAMES = ("none", "classical", "style", "both")


@dataclass(frozen=True)
class Draws:
    """Content: cell means. Style: what is left of the upper left pixel of a cell."""

    def phases(self):
        return ()

    def after_step(self, progress: float) -> None:
        pass

    def encode(self, image) -> Features:
        content = F.avg_pool2d(image, CELL)
        style = image[:, :, ::CELL, ::CELL] - content
        return Features(content=content, style=style, pooled=content.mean((2, 3)))

    def decode(self, content, style):
        return F.interpolate(content + style, scale_factor=CELL).clamp(0, 1)


def hearts(toys, subjects, *, split):
    draw = torch.Generator().manual_seed(subjects)
    n = 2 * subjects
    mask = torch.zeros(n, 32, 48, dtype=torch.int64)
    for frame in mask:
        y, x = torch.randint(2, 16, (2,), generator=draw).tolist()
        frame[y : y + 8, x : x + 14] = 1
        frame[y + 8 : y + 14, x + 2 : x + 12] = 2
    image = torch.tensor([0.2, 0.8, 0.5])[mask][:, None]
    image = (image + 0.1 * torch.randn(image.shape, generator=draw)).clamp(0, 1)
    records = [toys.record(f"{split}{i}", subject=f"{split}{i // 2}") for i in range(n)]
    return toys.stills(image=image, mask=mask, records=records, classes=CLASSES, split=split)


@pytest.fixture(scope="module")
def splits(toys):
    return hearts(toys, 10, split="train"), hearts(toys, 6, split="val")


@pytest.fixture(scope="module")
def report(splits):
    return synthesise.run(Draws(), *splits, 0, schedule=QUICK)


def test_shares_of_subjects_are_whole_and_nested(toys):
    records = [toys.record(f"{s}_{i}", subject=f"s{s}") for s in range(40) for i in range(3)]

    shares = synthesise.nested(records, 0)

    subjects = {percent: {records[i].subject for i in rows} for percent, rows in shares.items()}
    assert {percent: len(found) for percent, found in subjects.items()} == {5: 2, 20: 8, 100: 40}
    assert {percent: len(rows) for percent, rows in shares.items()} == {5: 6, 20: 24, 100: 120}
    assert subjects[5] < subjects[20] < subjects[100]
    assert synthesise.nested(records, 1)[5] != shares[5]


def test_the_smallest_share_holds_one_subject(toys):
    records = [toys.record(f"r{i}", subject=f"s{i}") for i in range(3)]

    assert [len(rows) for rows in synthesise.nested(records, 0).values()] == [1, 1, 3]


def test_names_rows_and_figures(report):
    dice = {f"dice/{name}/{p}_percent" for name in NAMES for p in (5, 20, 100)}
    gain = {f"dice_gain/{name}/{p}_percent" for name in NAMES[1:] for p in (5, 20, 100)}
    assert set(report.metrics) == dice | gain
    assert all(metric.n == 12 for metric in report.metrics.values())
    assert set(report.figures) == {"dice", "augmentations", "style_levels", "style_draws"}
    assert [row["id"] for row in report.rows] == [f"val{i}" for i in range(12)]
    for path in dice:
        mean = np.mean([row[path] for row in report.rows])
        assert mean == pytest.approx(report.metrics[path].value)


@pytest.mark.parametrize(
    ("name", "over"), [("style", "none"), ("both", "classical"), ("classical", "none")]
)
def test_a_gain_is_the_mean_difference_on_the_same_images(report, name, over):
    def column(of):
        return np.array([row[f"dice/{of}/20_percent"] for row in report.rows])

    subjects = [row["subject"] for row in report.rows]
    expected = mean_by_subject(column(name) - column(over), subjects, unit="", seed=0)
    got = report.metrics[f"dice_gain/{name}/20_percent"]
    assert (got.value, got.low, got.high) == pytest.approx(
        (expected.value, expected.low, expected.high)
    )


def test_noise_on_no_image_gains_exactly_nothing(splits):
    metrics = synthesise.run(Draws(), *splits, 0, schedule=QUICK, noise=Noise(share=0.0)).metrics

    for name in ("style", "both"):
        gain = metrics[f"dice_gain/{name}/20_percent"]
        assert (gain.value, gain.low, gain.high) == (0, 0, 0)
    assert metrics["dice_gain/classical/20_percent"].value != 0


def test_noise_makes_a_difference_and_the_seed_decides(splits, report):
    again = synthesise.run(Draws(), *splits, 0, schedule=QUICK)

    assert again.metrics == report.metrics
    assert again.rows == report.rows
    assert all(report.metrics[f"dice_gain/style/{p}_percent"].value != 0 for p in (5, 20, 100))


def test_figures_7_and_8_start_from_the_reconstruction(splits, report):
    titles = [axes.get_title() for axes in report.figures["style_levels"].axes]
    pictures = {
        axes.get_title(): np.asarray(axes.images[0].get_array())
        for axes in report.figures["style_levels"].axes[:5]
    }

    image = splits[1].image[:1]
    features = Draws().encode(image)
    clean = Draws().decode(features.content, features.style)[0, 0].numpy()
    assert titles[:5] == ["image", "β = 0", "β = 0.2", "β = 0.4", "β = 0.6"]
    np.testing.assert_array_equal(pictures["image"], image[0, 0].numpy())
    np.testing.assert_allclose(pictures["β = 0"], clean, atol=1e-6)
    far = [np.abs(pictures[f"β = {beta}"] - clean).mean() for beta in (0.2, 0.4, 0.6)]
    assert 0 < far[0] < far[1] < far[2]
    draws = [np.asarray(axes.images[0].get_array()) for axes in report.figures["style_draws"].axes]
    assert len({draw.tobytes() for draw in draws[:4]}) == 4


@pytest.mark.parametrize("lacks", ["decode", "style"])
def test_a_model_that_draws_nothing_is_told_what_it_can_be_asked(toys, splits, lacks):
    class Styleless(Draws):
        def encode(self, image):
            return replace(super().encode(image), style=None)

    model = toys.says(content=lambda image: image) if lacks == "decode" else Styleless()

    with pytest.raises(BadInput, match="ask it segment, retrieve"):
        synthesise.run(model, *splits, 0, schedule=QUICK)


def test_masks_are_asked_for_in_both_splits(splits):
    train, test = splits

    with pytest.raises(BadInput, match=r"\(val\) has a mask"):
        synthesise.run(Draws(), train, replace(test, mask=None), 0, schedule=QUICK)
