from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor, nn
from torch.nn import functional as F

from septum.contract import BadInput, Regresses, Segments
from septum.tasks import area

CLASSES = ("background", "left_ventricle")
LABEL = "left_ventricle_px"
MM = {"spacing_y_mm": 2.0, "spacing_x_mm": 1.5, "spacing_z_mm": 10.0}
VOXEL_ML = 0.03
OFF = torch.tensor([5.0, -3.0, 8.0, 0.0, 2.0, 1.0])
"""Error of the estimate of every slice: of volumes 2, 8 and 3."""


@dataclass(frozen=True)
class Estimates:
    """A model that knows the areas, and adds to them what a function of the batch says."""

    said: Callable[[Tensor], dict[str, Tensor]]

    def phases(self):
        return ()

    def after_step(self, progress: float) -> None:
        pass

    def encode(self, image):
        raise NotImplementedError

    def regress(self, image: Tensor) -> dict[str, Tensor]:
        return self.said(image[:, 0].sum((1, 2)))


@dataclass(frozen=True)
class EstimatesAndDraws(Estimates):
    """One that also draws, a column too few."""

    def segment(self, image: Tensor) -> Tensor:
        mask = (image[:, 0] > 0).long()
        mask[:, :, 5] = 0
        return F.one_hot(mask, 2).movedim(3, 1).float()


def exact(pixels):
    return {LABEL: pixels}


def off(pixels):
    return {LABEL: pixels + OFF[: len(pixels)]}


@pytest.fixture
def stacks(toys):
    """Two slices of three subjects, with ventricles of 20, 30, ... 70 pixels."""

    def build(*, masked: bool = True, labels=({},) * 6):
        mask = torch.zeros(6, 16, 24, dtype=torch.int64)
        for k, frame in enumerate(mask):
            frame[3:13, 5 : 5 + 2 + k] = 1
        records = [
            toys.record(f"s{k // 2}z{k % 2}", f"s{k // 2}", slice=float(k % 2), **labels[k])
            for k in range(6)
        ]
        return toys.stills(
            image=mask[:, None].float(),
            mask=mask if masked else None,
            records=records,
            classes=CLASSES,
        )

    return build


def test_the_truth_is_perfect_and_in_ml(stacks):
    report = area.run(Estimates(exact), stacks(), stacks(labels=(MM,) * 6), 0)

    value = {path: metric.value for path, metric in report.metrics.items()}
    mean_ml = (50 + 90 + 130) / 3 * VOXEL_ML
    assert value == {
        f"mae/{LABEL}": 0,
        f"pearson/{LABEL}": pytest.approx(1),
        "volume_ml/left_ventricle/true": pytest.approx(mean_ml),
        "volume_ml/left_ventricle/estimated": pytest.approx(mean_ml),
        "difference_ml/left_ventricle/estimated": 0,
        "p_value/left_ventricle/estimated": 1,
    }
    assert {path: metric.unit for path, metric in report.metrics.items()} == {
        path: {"mae": "px", "volume_ml": "ml", "difference_ml": "ml"}.get(path.split("/")[0], "")
        for path in value
    }
    assert {path: metric.n for path, metric in report.metrics.items()} == {
        path: 6 if path.endswith("_px") else 3 for path in value
    }


def test_errors_by_hand(stacks):
    metrics = area.run(Estimates(off), stacks(), stacks(), 0).metrics

    truth = np.arange(20.0, 80.0, 10.0)
    theirs = stats.ttest_rel([52, 98, 133], [50, 90, 130])
    found = metrics["difference_px/left_ventricle/estimated"]
    p_value = metrics["p_value/left_ventricle/estimated"]
    assert metrics[f"mae/{LABEL}"].value == pytest.approx((5 + 3 + 8 + 0 + 2 + 1) / 6)
    assert metrics[f"pearson/{LABEL}"].value == pytest.approx(
        stats.pearsonr(truth, truth + OFF.numpy()).statistic
    )
    assert metrics["volume_px/left_ventricle/true"].value == pytest.approx(90)
    assert metrics["volume_px/left_ventricle/estimated"].value == pytest.approx(283 / 3)
    assert (found.value, found.low, found.high) == pytest.approx(
        (13 / 3, *theirs.confidence_interval(0.95))
    )
    assert p_value.value == pytest.approx(theirs.pvalue)
    assert (found.n, p_value.n) == (3, 3)


def test_what_is_drawn_stands_beside(stacks):
    report = area.run(EstimatesAndDraws(exact), stacks(), stacks(labels=(MM,) * 6), 0)

    volume = report.metrics["volume_ml/left_ventricle/drawn"].value
    assert volume == pytest.approx((90 - 20) * VOXEL_ML)
    assert report.metrics["difference_ml/left_ventricle/drawn"].value == pytest.approx(-0.6)
    assert report.metrics["p_value/left_ventricle/drawn"].value == pytest.approx(0, abs=1e-9)
    assert report.rows[0] == {
        "id": "s0",
        "subject": "s0",
        "structure": "left_ventricle",
        "slices": 2.0,
        "true_ml": pytest.approx(1.5),
        "estimated_ml": pytest.approx(1.5),
        "drawn_ml": pytest.approx(0.9),
    }


def test_a_stated_area_beats_the_mask_and_stands_in_for_it(stacks):
    stated = [{LABEL: 21.0}, {}, {LABEL: float("nan")}, {}, {}, {LABEL: 68.0}]

    both = area.measured(Estimates(exact), stacks(labels=stated), LABEL)
    alone = area.measured(Estimates(exact), stacks(labels=stated, masked=False), LABEL)

    assert both.true.tolist() == [21, 30, 40, 50, 60, 68]
    assert alone.true.tolist() == [21, 68]
    assert alone.said["estimated"].tolist() == [20, 70]
    assert [record.id for record in alone.records] == ["s0z0", "s2z1"]


def test_one_volume_without_a_spacing_leaves_all_in_pixels(stacks):
    samples = stacks(labels=[*[MM] * 4, *[{}] * 2])

    report = area.run(Estimates(exact), samples, samples, 0)

    assert report.metrics["volume_px/left_ventricle/true"].value == 90
    assert not any("_ml" in path for path in report.metrics)


def test_one_subject_has_volumes_but_no_test(stacks):
    stated = [{LABEL: 20.0}, {LABEL: 20.0}, *[{}] * 4]
    samples = stacks(labels=stated, masked=False)

    metrics = area.run(Estimates(exact), samples, samples, 0).metrics

    # nor has a truth that does not vary a correlation
    assert set(metrics) == {
        f"mae/{LABEL}",
        "volume_px/left_ventricle/true",
        "volume_px/left_ventricle/estimated",
    }


def test_every_area_that_is_estimated_is_asked_for(stacks):
    def two(pixels):
        return {LABEL: pixels, "scar_px": pixels / 2, "apex_x_px": pixels, "age_years": pixels}

    samples = stacks(labels=[{"scar_px": float(k)} for k in range(6)])

    report = area.run(EstimatesAndDraws(two), samples, samples, 0)

    assert {path.split("/")[1] for path in report.metrics} == {
        LABEL, "left_ventricle", "scar_px", "scar",
    }  # fmt: skip
    assert "volume_px/scar/drawn" not in report.metrics
    assert len(report.figures["area"].axes) == 4


def test_a_network_estimates_in_evaluation_mode_and_returns_to_its_own(stacks):
    class Net(nn.Module):
        phases = after_step = encode = lambda *_: None

        def regress(self, image):
            assert not self.training
            return {LABEL: image.sum((1, 2, 3)).double()}

    net = Net().train()
    assert isinstance(net, Regresses)
    assert not isinstance(net, Segments)

    assert area.run(net, stacks(), stacks(), 0).metrics[f"mae/{LABEL}"].value == 0
    assert net.training


def test_pictures_show_slices_and_volumes(stacks):
    figure = area.run(Estimates(off), stacks(), stacks(), 0).figures["area"]

    scatter, differences = figure.axes
    assert scatter.lines[1].get_xdata().tolist() == [20, 30, 40, 50, 60, 70]
    assert scatter.lines[1].get_ydata().tolist() == [25, 27, 48, 50, 62, 71]
    _, points, mean, low, high = (line.get_ydata() for line in differences.lines)
    assert points.tolist() == [2, 8, 3]
    spread = 1.96 * np.std([2, 8, 3], ddof=1)
    assert mean[0] == pytest.approx(13 / 3)
    assert (low[0], high[0]) == pytest.approx((13 / 3 - spread, 13 / 3 + spread))


def test_a_model_that_does_not_regress_is_told_what_it_does(toys, stacks):
    with pytest.raises(BadInput, match=r"does not regress, it encodes; choose"):
        area.run(toys.says(content=lambda image: image), stacks(), stacks(), 0)


@pytest.mark.parametrize(
    ("said", "words"),
    [({}, "nothing"), ({"age_years": 1.0, "apex_x_px": 2.0}, "age_years, apex_x")],
)
def test_a_model_without_an_area_is_refused(stacks, said, words):
    model = Estimates(lambda pixels: {k: v + pixels for k, v in said.items()})

    with pytest.raises(BadInput, match=f"estimates {words}.* no area of a structure"):
        area.run(model, stacks(), stacks(), 0)


def test_a_split_that_knows_no_area_is_refused(stacks):
    bare = stacks(masked=False)

    with pytest.raises(BadInput, match=r"No image of stills \(val\) knows its left_ventricle_px"):
        area.run(Estimates(exact), bare, bare, 0)
