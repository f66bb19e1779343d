from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from septum.contract import BadInput, Segments
from septum.tasks import delineate

CLASSES = ("background", "left_ventricle", "myocardium")
MM = {"spacing_y_mm": 2.0, "spacing_x_mm": 1.5, "spacing_z_mm": 10.0}
SIDE = 32


@dataclass(frozen=True)
class Draws:
    """A model that draws what a function of the true mask says; the image shows the truth."""

    guess: Callable[[Tensor], Tensor]
    classes: int = 3

    def phases(self):
        return ()

    def after_step(self, progress: float) -> None:
        pass

    def encode(self, image):
        raise NotImplementedError

    def segment(self, image: Tensor) -> Tensor:
        mask = (image[:, 0] * 2).round().long()
        return F.one_hot(self.guess(mask), self.classes).movedim(3, 1).float()


def truth(mask):
    return mask


def shifted(mask):
    return mask.roll(3, dims=2)


def nothing(mask):
    return torch.zeros_like(mask)


@pytest.fixture(autouse=True)
def few_pictures(monkeypatch: pytest.MonkeyPatch):
    """Most tests look at numbers; pictures take longer."""
    monkeypatch.setattr(delineate, "EXAMPLES", 1)


@pytest.fixture
def stacks(toys):
    """Two slices of both phases of three subjects: a 10 x 10 ventricle over a 4 x 10 wall."""

    def build(mask=None, **labels):
        if mask is None:
            mask = torch.zeros(12, SIDE, SIDE, dtype=torch.int64)
            mask[:, 6:16, 5:15] = 1
            mask[:, 20:24, 5:15] = 2
        records = [
            toys.record(f"s{i}{phase}{z}", f"s{i}", phase=phase, slice=float(z), **labels)
            for i in range(3)
            for phase in ("ED", "ES")
            for z in range(2)
        ]
        image = mask.clamp(min=0)[:, None] / 2.0
        return toys.stills(image=image, mask=mask, records=records, classes=CLASSES)

    return build


def values(model, samples) -> dict[str, float]:
    report = delineate.run(model, samples, samples, 0)
    return {path: metric.value for path, metric in report.metrics.items()}


def test_the_truth_is_perfect(stacks):
    report = delineate.run(Draws(truth), stacks(), stacks(**MM), 0)

    for path, metric in report.metrics.items():
        perfect = 0 if path.startswith("hd95") else 1
        assert metric.value == metric.low == metric.high == perfect, path
        assert metric.n == 6


def test_names_units_rows_and_figures(stacks):
    report = delineate.run(Draws(shifted), stacks(), stacks(**MM), 0)

    names = CLASSES[1:]
    assert {path: metric.unit for path, metric in report.metrics.items()} == {
        **{f"dice/{name}": "" for name in ("mean", *names)},
        **{f"dice_slice/{name}": "" for name in ("mean", "joint", *names)},
        **{f"hd95_mm/{name}": "mm" for name in names},
    }
    assert [(row["id"], row["subject"], row["slices"]) for row in report.rows] == [
        (f"s{i} {phase}", f"s{i}", 2.0) for i in range(3) for phase in ("ED", "ES")
    ]
    assert set(report.rows[0]) == {"id", "subject", "slices", *report.metrics}
    assert set(report.figures) == {"examples", "worst"}


def test_a_shift_by_three_pixels(stacks):
    """Seven of ten columns stay: Dice 0.7; the side columns lie 3 pixels off, in slices and 3-D."""
    found = values(Draws(shifted), stacks(**MM))

    assert found["dice/left_ventricle"] == pytest.approx(0.7)
    assert found["dice/myocardium"] == pytest.approx(0.7)
    assert found["dice/mean"] == pytest.approx(0.7)
    assert found["dice_slice/left_ventricle"] == pytest.approx((140 + 0.1) / (200 + 0.1))
    assert found["dice_slice/myocardium"] == pytest.approx((56 + 0.1) / (80 + 0.1))
    assert found["dice_slice/joint"] == pytest.approx((196 + 0.1) / (280 + 0.1))
    assert found["hd95_mm/left_ventricle"] == 4.5


def test_where_no_size_is_known_distances_are_in_pixels(stacks):
    found = values(Draws(shifted), stacks())

    assert found["hd95_px/left_ventricle"] == 3
    assert not any(path.startswith("hd95_mm") for path in found)


def test_in_space_the_slice_below_may_be_nearer_than_the_one_it_is_in(stacks):
    """The model draws the wall 18 rows up in the lower slice; the upper one is right."""

    def torn(mask):
        guess = mask.clone()
        guess[1::2] = torch.where(mask[1::2] == 2, 0, mask[1::2])
        guess[1::2, 2:6, 5:15] = 2
        return guess

    flat = values(Draws(torn), stacks(spacing_y_mm=1.0, spacing_x_mm=1.0))
    solid = values(Draws(torn), stacks(spacing_y_mm=1.0, spacing_x_mm=1.0, spacing_z_mm=2.0))

    assert flat["hd95_mm/myocardium"] == (0 + 18) / 2
    # the wall in the truth of the lower slice has one 2 mm above it; one that is drawn there has
    # none: 18 rows and no slice away, as the wall above is 18 rows and 2 mm away
    assert solid["hd95_mm/myocardium"] == 18
    assert solid["hd95_mm/left_ventricle"] == 0


def test_nothing_drawn_has_no_overlap_and_no_distance(stacks):
    report = delineate.run(Draws(nothing), stacks(), stacks(**MM), 0)

    value = {path: metric.value for path, metric in report.metrics.items()}
    assert value["dice/mean"] == value["dice/left_ventricle"] == 0
    assert value["dice_slice/left_ventricle"] == pytest.approx(0.1 / 100.1)
    assert not any(path.startswith("hd95") for path in value)
    assert "hd95_mm/left_ventricle" not in report.rows[0]


def test_a_class_in_neither_mask_is_left_out_of_the_volume_and_counts_one_in_a_slice(stacks):
    mask = stacks().mask.clone()
    mask[:2][mask[:2] == 2] = 0  # no wall in the first volume
    mask[2][mask[2] == 2] = 0  # nor in one of two slices of the second
    samples = stacks(mask, **MM)

    report = delineate.run(Draws(shifted), samples, samples, 0)

    assert report.metrics["dice/myocardium"].n == 5
    assert report.metrics["dice/myocardium"].value == pytest.approx(0.7)
    assert report.metrics["dice/mean"].n == 6
    assert report.metrics["hd95_mm/myocardium"].n == 5
    sliced = [row["dice_slice/myocardium"] for row in report.rows]
    once = 56.1 / 80.1
    assert sliced == pytest.approx([1, (1 + once) / 2, *[once] * 4])


def test_a_volume_counts_its_voxels_and_not_its_slices(stacks):
    """One slice is right, one is missed: 2 * 100 / (100 + 200)."""

    def upper(mask):
        return torch.where(torch.arange(len(mask))[:, None, None] % 2 == 0, mask, 0)

    found = values(Draws(upper), stacks())

    assert found["dice/left_ventricle"] == pytest.approx(2 / 3)
    assert found["dice_slice/left_ventricle"] == pytest.approx((1 + 0.1 / 100.1) / 2)
    assert found["hd95_px/left_ventricle"] == 0


def test_joint_dice_weighs_probabilities(stacks):
    class Unsure(Draws):
        def segment(self, image):
            return 0.5 * super().segment(image) + 0.5 * F.one_hot(torch.tensor(0), 3)[:, None, None]

    found = values(Unsure(truth), stacks())

    assert found["dice_slice/joint"] == pytest.approx((140 + 0.1) / (70 + 140 + 0.1))


def test_the_interval_is_that_of_subjects(stacks):
    """One of three subjects is missed: a resample of three may hold 0 to 3 of it."""

    def missed(mask):
        return torch.where(torch.arange(len(mask))[:, None, None] < 4, 0, mask)

    metric = delineate.run(Draws(missed), stacks(), stacks(), 0).metrics["dice/mean"]

    assert (metric.value, metric.low, metric.high) == pytest.approx((2 / 3, 0, 1))
    assert metric.n == 6


def test_images_without_a_mask_are_left_out(stacks):
    mask = stacks().mask.clone()
    mask[[0, 1, 5]] = -1

    report = delineate.run(Draws(truth), stacks(), stacks(mask, **MM), 0)

    assert [(row["id"], row["slices"]) for row in report.rows][:3] == [
        ("s0 ES", 2.0),
        ("s1ED0", 1.0),
        ("s1 ES", 2.0),
    ]


@pytest.mark.parametrize("fill", [None, -1, 0])
def test_a_split_without_masks_is_refused(stacks, fill):
    mask = None if fill is None else torch.full_like(stacks().mask, fill)
    bare = replace(stacks(), mask=mask)

    with pytest.raises(BadInput, match=r"No image of stills \(val\) has a mask .* such as acdc"):
        delineate.run(Draws(truth), bare, bare, 0)


def test_other_classes_are_refused(stacks):
    with pytest.raises(
        BadInput, match=r"draws 7 structures, but stills has 2 \(left_ventricle, myocardium\)"
    ):
        delineate.run(Draws(truth, classes=8), stacks(), stacks(), 0)


def test_a_model_that_does_not_segment_is_told_what_it_does(toys, stacks):
    with pytest.raises(BadInput, match=r"does not segment, it encodes; choose"):
        delineate.run(toys.says(content=lambda image: image), stacks(), stacks(), 0)


def test_a_network_draws_in_evaluation_mode_and_returns_to_its_own(stacks):
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.norm = nn.BatchNorm2d(3)
            self.modes: list[bool] = []

        phases = after_step = encode = lambda *_: None

        def segment(self, image):
            self.modes.append(self.norm.training)
            return self.norm(Draws(truth).segment(image))

    net = Net().train()
    assert isinstance(net, Segments)

    found = values(net, stacks())

    assert found["dice/mean"] == 1
    assert net.modes == [False]
    assert net.training
    assert net.norm.num_batches_tracked == 0


def test_pictures_show_truth_over_prediction_and_the_worst_first(stacks, monkeypatch):
    monkeypatch.setattr(delineate, "EXAMPLES", 5)

    def worse(mask):
        guess = shifted(mask)
        guess[4:6] = 0
        return guess

    figures = delineate.run(Draws(worse), stacks(), stacks(), 0).figures

    titles = [axes.get_title() for axes in figures["worst"].axes[:5]]
    assert titles[:2] == ["s1 ED\nDice 0.00", "s0 ED\nDice 0.70"]
    examples = figures["examples"]
    assert [axes.get_title() for axes in examples.axes[:5]] == [
        "s0ED0", "s0ES1", "s1ES0", "s2ED0", "s2ES1",
    ]  # fmt: skip
    drawn = [axes.images[1].get_array()[..., 3] > 0 for axes in examples.axes]
    assert drawn[0][:, 5:15].sum() == drawn[5][:, 8:18].sum() == 140
    assert [axes.get_ylabel() for axes in examples.axes if axes.get_ylabel()] == [
        "truth",
        "prediction",
    ]
