"""Masks and estimates of still pictures."""

import numpy as np
import pytest

from septum.explore import stills
from septum.explore.shown import shown
from septum.explore.stills import Masked


@pytest.fixture(scope="module")
def one(made, explored_root):
    return shown([made("unet")], cache=explored_root / "cache")[0]


def test_a_mask_has_areas_and_overlap(one):
    said, true = np.zeros((2, 64, 96), np.uint8)
    said[:10, :10] = 1
    true[:10, 5:15] = 1
    found = Masked(said=said, true=true)
    area, dice = stills.structures(one, 0, found)
    assert dice["said"] == pytest.approx(0.5)  # 2 · 50 / 200
    assert area["said"] == area["true"]
    assert area["said"] == pytest.approx(100 * _pixel(one))
    assert {row["measure"] for row in stills.structures(one, 0, Masked(said=said, true=None))} == {
        area["measure"]
    }


def _pixel(one):
    labels = one.records[0].labels
    return labels.get("spacing_y_mm", 1.0) * labels.get("spacing_x_mm", 1.0)


def test_the_masks_are_those_of_the_model_and_of_the_data(one):
    found = stills.masked(one, 5)
    batch = one.batch(5)
    said = one.run.model.segment(batch.image).argmax(1)[0].numpy()
    assert np.array_equal(found.said, said)
    assert np.array_equal(found.true, batch.mask[0].numpy())


def test_structures_are_laid_over_the_picture():
    picture = np.full((2, 2), 100, np.uint8)
    mask = np.array([[0, 1], [2, 0]], np.uint8)
    found = stills.over(picture, mask, ["background", "a", "b"]).astype(int)
    assert found[0, 0].tolist() == [100, 100, 100]
    assert found[0, 1].tolist() != found[1, 0].tolist()


def test_far_places_are_orange():
    found = stills.warm(np.full((1, 3), 100, np.uint8), np.array([[np.nan, 0.0, 2.0]])).astype(int)
    assert found[0, 0].tolist() == found[0, 1].tolist() == [100, 100, 100]
    assert found[0, 2, 0] > found[0, 2, 2] + 100
