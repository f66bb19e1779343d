"""Hearts with more or less of an attribute: areas, what stays, and what a batch is taught."""

import math

import numpy as np
import pytest
import torch

from septum.contract import Batch
from septum.metrics.attributes import of_slice
from septum.nn import counterfactual
from septum.nn.reshaping import changed

CLASSES = ("background", "left_ventricle", "myocardium", "infarction", "no_reflow")
SIDE = 96


def heart(inner=14.0, outer=22.0, scar=0.0, flat=1.0, at=(47.5, 47.5)):
    """An ellipse in a ring, whose first `scar` of the turn is infarct."""
    y, x = np.mgrid[:SIDE, :SIDE].astype(float)
    y, x = y - at[0], (x - at[1]) / flat
    far, turn = np.hypot(y, x), (np.arctan2(y, x) / (2 * math.pi)) % 1
    mask = np.zeros((SIDE, SIDE), np.int64)
    mask[far < outer] = 2
    mask[(far < outer) & (turn < scar)] = 3
    mask[far < inner] = 1
    return torch.from_numpy(mask)[None]


def painted(mask):
    """Blood .6, healthy wall .2, scar .9, around .4."""
    return torch.tensor([0.4, 0.6, 0.2, 0.9, 0.9])[mask][:, None]


def measured(mask):
    return {
        counterfactual.stem(name): value
        for name, value in of_slice(mask[0].numpy(), CLASSES, pixel_mm=None).items()
    }


def given(mask, name, wanted):
    field = counterfactual.given(
        painted(mask), mask, CLASSES, name, now=torch.tensor([measured(mask)[name]]),
        wanted=torch.tensor([float(wanted)]),
    )  # fmt: skip
    return field, counterfactual.carried(mask, field)


def area(part, field):
    """Of a part of a mask after a field, edges shared among pixels; by what it was."""
    return float(changed(part.float()[:, None], field).sum() / part.sum())


@pytest.mark.parametrize("shape", [{}, {"flat": 0.7}, {"at": (44.0, 51.0)}, {"scar": 0.4}])
@pytest.mark.parametrize("times", [0.5, 0.8, 1.5, 2.0])
def test_a_cavity_grows_by_the_factor_and_the_wall_keeps_its_area(shape, times):
    mask = heart(**shape)
    now = measured(mask)["left_ventricle_area"]
    field, _ = given(mask, "left_ventricle_area", times * now)
    assert area(mask == 1, field) == pytest.approx(times, rel=0.03)
    assert area(mask >= 2, field) == pytest.approx(1, rel=0.03)


@pytest.mark.parametrize("flat", [1.0, 0.7])
@pytest.mark.parametrize("times", [0.5, 1.5])
def test_a_wall_grows_by_the_factor_and_the_cavity_stays(flat, times):
    mask = heart(flat=flat)
    field, _ = given(mask, "myocardium_area", times * measured(mask)["myocardium_area"])
    assert area(mask >= 2, field) == pytest.approx(times, rel=0.05)
    assert area(mask == 1, field) == pytest.approx(1, rel=0.03)


@pytest.mark.parametrize("times", [0.6, 1.5])
def test_a_wall_thickens_by_the_factor(times):
    mask = heart()
    thick = measured(mask)["wall_thickness_mean"]
    _, after = given(mask, "wall_thickness_mean", times * thick)
    assert measured(after)["wall_thickness_mean"] / thick == pytest.approx(times, rel=0.06)


def test_walls_are_found_where_they_are():
    rays = counterfactual.seen(heart(inner=14.0, outer=22.0), CLASSES)
    assert rays.middle.flatten().tolist() == [47.5, 47.5]
    torch.testing.assert_close(rays.inner, torch.full_like(rays.inner, 14.0**2), rtol=0.04, atol=0)
    torch.testing.assert_close(rays.outer, torch.full_like(rays.outer, 22.0**2), rtol=0.04, atol=0)


@pytest.mark.parametrize("name", ["left_ventricle_area", "myocardium_area", "wall_thickness_mean"])
def test_what_is_wanted_already_or_far_away_stays(name):
    mask = heart()
    now = measured(mask)[name]
    field, _ = given(mask, name, now)
    assert field.abs().max() < 1e-3
    field, _ = given(mask, name, 1.5 * now)
    assert field.abs().max() > 2
    assert not field[..., 0, :].abs().gt(0.05).any()


def test_a_picture_goes_with_its_mask():
    mask = heart()
    field, after = given(mask, "left_ventricle_area", 1000)
    off = (changed(painted(mask), field) - painted(after)).abs()
    assert off.mean() < 0.02  # but for edges, which are between two intensities


@pytest.mark.parametrize("share", [0.0, 10.0, 45.0, 80.0])
def test_scar_covers_the_share_of_the_wall_and_is_as_bright_as_scar(share):
    mask = heart(scar=0.3)
    field, _ = given(mask, "infarct_share", share)
    assert not field[:, :2].any()
    wall = mask >= 2
    bright = changed(painted(mask), field)[:, 0] > 0.55
    found = 100 * float((bright & wall).sum() / wall.sum())
    assert found == pytest.approx(share, abs=3)
    assert field[:, 2][~wall].abs().mean() < 0.02


def test_scar_begins_where_the_wall_is_brightest():
    mask = heart()
    image = painted(mask)
    image[:, :, 60:] += 0.1
    field = counterfactual.given(
        image, mask, CLASSES, "infarction_area", now=torch.zeros(1), wanted=torch.tensor([150.0])
    )
    assert field[0, 2, 60:].sum() > 10 * field[0, 2, :40].abs().sum()
    assert float((field[0, 2] > 0.5 * field[0, 2].max()).sum()) == pytest.approx(150, rel=0.2)


def hearts(count=40):
    mask = heart(scar=0.3).repeat(count, 1, 1)
    labels = {f"{k}_px": torch.full((count,), v) for k, v in measured(mask[:1]).items()}
    labels["age_years"] = torch.full((count,), 60.0)
    return Batch(image=painted(mask), mask=mask, labels=labels, ids=[str(i) for i in range(count)])


NAMES = ["age_years", "left_ventricle_area_px", "infarction_area_px"]
RANGE = {"low": [20.0, 0.0, 0.0], "high": [90.0, 2000.0, 1000.0], "reach": 0.5}


def test_a_lesson_takes_each_image_its_share_of_the_way():
    torch.manual_seed(0)
    batch = hearts()
    lesson = counterfactual.lesson(batch, CLASSES, NAMES, **RANGE)
    assert lesson is not None
    assert lesson.rows.tolist() == list(range(40))
    assert set(lesson.which.tolist()) == {1, 2}  # an age cannot be drawn
    assert lesson.amount.abs().max() <= 1
    assert lesson.amount.min() < -0.5
    assert lesson.amount.max() > 0.5
    now = batch.labels[NAMES[1]][0].item()
    assert batch.mask is not None
    after = counterfactual.carried(batch.mask, lesson.field)
    for i in torch.nonzero(lesson.which == 1)[:, 0].tolist():
        amount = lesson.amount[i].item()
        wanted = now + 0.5 * abs(amount) * ((2000.0 if amount > 0 else 0.0) - now)
        times = area(batch.mask[[i]] == 1, lesson.field[[i]])
        assert times * now == pytest.approx(wanted, rel=0.03)
        assert lesson.inside[i, 0][(after[i] > 0) | (batch.mask[i] > 0)].all()
    assert 0.1 < float(lesson.inside.float().mean()) < 0.5


def test_images_without_a_whole_heart_or_a_label_are_no_lesson():
    batch = hearts(6)
    assert batch.mask is not None
    batch.mask[0] = -1
    batch.mask[1][batch.mask[1] == 1] = 0
    batch.mask[2] = torch.where(batch.mask[2] == 1, 1, 0)
    for name in NAMES:
        batch.labels[name][3] = math.nan
    lesson = counterfactual.lesson(batch, CLASSES, NAMES, **RANGE)
    assert lesson is not None
    assert lesson.rows.tolist() == [4, 5]
    assert lesson.field.isfinite().all()
    only = {"low": [20.0], "high": [90.0], "reach": 0.5}
    assert counterfactual.lesson(batch, CLASSES, NAMES[:1], **only) is None
    unmasked = Batch(image=batch.image, labels=batch.labels)
    assert counterfactual.lesson(unmasked, CLASSES, NAMES, **RANGE) is None


def test_physical_units_are_taken_by_the_size_of_pixels():
    batch = Batch(
        image=torch.zeros(2, 1, 4, 4),
        labels={
            "spacing_y_mm": torch.tensor([2.0, math.nan]),
            "spacing_x_mm": torch.tensor([3.0, 1.0]),
        },
    )
    area = counterfactual.pixel("left_ventricle_area_mm2", batch)
    assert float(area[0]) == 6
    assert area[1].isnan()
    assert counterfactual.pixel("left_ventricle_area_px", batch).tolist() == [1, 1]
    thick = counterfactual.pixel("wall_thickness_mean_mm", batch)
    assert float(thick[0]) == pytest.approx(6**0.5)
