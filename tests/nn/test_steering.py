"""Attributes of soft masks, and how far an edit misses."""

import math

import numpy as np
import pytest
import torch

from septum.contract import Batch
from septum.metrics.attributes import of_slice
from septum.nn import steering

CLASSES = ("background", "left_ventricle", "myocardium", "infarction", "no_reflow")


def ring(inner=8.0, outer=13.0, scar=0.0):
    """A cavity in a wall, whose first `scar` of the turn is infarct."""
    y, x = np.mgrid[:48, :48] - 23.5
    far, turn = np.hypot(y, x), (np.arctan2(y, x) / (2 * math.pi)) % 1
    mask = np.zeros((48, 48), np.int64)
    mask[far < outer] = 2
    mask[(far < outer) & (turn < scar)] = 3
    mask[far < inner] = 1
    return mask


def soft(mask):
    return torch.nn.functional.one_hot(torch.from_numpy(mask)[None], 5).movedim(3, 1).float()


@pytest.mark.parametrize("name", steering.OTHERS)
def test_hard_masks_measure_what_the_clinical_measure_says(name):
    mask = ring(scar=0.3)
    known = {steering.stem(k): v for k, v in of_slice(mask, CLASSES, pixel_mm=None).items()}
    found = float(steering.measured(soft(mask), CLASSES, name))
    assert found == pytest.approx(known[name], rel=0.02 if "thickness" not in name else 0.06)


def test_measures_have_gradients_also_where_there_is_nothing():
    mask = soft(np.zeros((8, 8), np.int64)).requires_grad_()
    for name in steering.OTHERS:
        (grad,) = torch.autograd.grad(steering.measured(mask, CLASSES, name).sum(), mask)
        assert grad.isfinite().all()
        assert grad.any()


def test_what_hits_its_aim_and_stays_elsewhere_misses_nothing():
    before, after = soft(ring(8, 13)), soft(ring(10, math.sqrt(13**2 + 10**2 - 8**2)))
    area = steering.measured(after, CLASSES, "left_ventricle_area")
    one = torch.ones(1)
    missed = steering.missed(
        before, after, CLASSES, "left_ventricle_area", amount=one, low=0 * one, high=area
    )
    assert float(missed) < 0.02  # the wall is some pixels off


def test_a_miss_is_by_the_range_and_a_shift_by_the_size():
    before = soft(ring(8, 13))
    now = {n: float(steering.measured(before, CLASSES, n)) for n in steering.OTHERS}
    after = soft(ring(8, 14))
    wall = float(steering.measured(after, CLASSES, "myocardium_area"))
    one = torch.ones(1)
    missed = steering.missed(
        before, after, CLASSES, "left_ventricle_area", amount=0.5 * one, low=100 * one,
        high=500 * one,
    )  # fmt: skip
    aside = (wall - now["myocardium_area"]) / (now["myocardium_area"] + steering.STEADY_PX)
    aim = 0.5 * (500 - now["left_ventricle_area"]) / 400
    assert float(missed) == pytest.approx(aim + steering.STAY * aside, rel=1e-5)


def test_images_whose_pixels_are_unknown_do_not_count():
    batch = Batch(
        image=torch.zeros(2, 1, 4, 4),
        labels={
            "spacing_y_mm": torch.tensor([2.0, math.nan]),
            "spacing_x_mm": torch.tensor([3.0, 1.0]),
        },
    )
    area = steering.pixel("left_ventricle_area_mm2", batch)
    assert float(area[0]) == 6
    assert area[1].isnan()
    assert steering.pixel("left_ventricle_area_px", batch).tolist() == [1, 1]
    assert float(steering.pixel("wall_thickness_mean_mm", batch)[0]) == pytest.approx(6**0.5)
    masks = soft(ring()).expand(2, -1, -1, -1)
    one = torch.ones(2)
    missed = steering.missed(
        masks, masks, CLASSES, "left_ventricle_area", amount=one, low=0 * area, high=600 / area
    )
    now = float(steering.measured(masks[:1], CLASSES, "left_ventricle_area"))
    assert float(missed) == pytest.approx(abs(100 - now) / 100, rel=1e-4)
