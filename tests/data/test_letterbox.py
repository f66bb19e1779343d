import numpy as np
import pytest
from scipy import ndimage

from septum.data.letterbox import fit


@pytest.mark.parametrize(
    ("source", "size", "spacing_mm", "inner", "offset"),
    [
        ((100, 200), (50, 50), None, (25, 50), (12, 0)),
        ((200, 100), (50, 50), None, (50, 25), (0, 12)),
        ((30, 30), (60, 80), None, (60, 60), (0, 10)),
        ((200, 100), (50, 50), (0.5, 1.0), (50, 50), (0, 0)),  # a square of the body
        ((778, 549), (256, 320), (0.154, 0.308), (227, 320), (14, 0)),
        ((1, 1000), (10, 10), None, (1, 10), (4, 0)),
    ],
)
def test_geometry(source, size, spacing_mm, inner, offset):
    box = fit(source, size, spacing_mm)
    assert (box.inner, box.offset) == (inner, offset)


def test_an_image_of_the_right_size_is_not_touched():
    grey = np.random.default_rng(0).integers(256, size=(20, 30), dtype=np.uint8)
    np.testing.assert_array_equal(fit((20, 30), (20, 30), None).image(grey), grey)


def test_shrinking_averages_and_does_not_alias():
    stripes = np.tile(np.array([0, 200], np.uint8), (40, 20))
    small = fit((40, 40), (10, 10), None).image(stripes)
    assert np.abs(small[:, 1:-1].astype(int) - 100).max() <= 1


def test_masks_get_no_new_values_and_background_around():
    mask = np.where(np.arange(33)[:, None] < 15, 1, 3).astype(np.uint8).repeat(70, 1)
    out = fit((33, 70), (32, 32), None).mask(mask)
    assert set(np.unique(out)) == {0, 1, 3}
    assert not out[:8].any()
    assert not out[24:].any()


@pytest.mark.parametrize("size", [(64, 64), (90, 50), (150, 200)])
def test_a_point_moves_with_its_blob(size):
    row, column = 31.0, 52.0
    grid = np.indices((80, 100))
    blob = 255 * np.exp(-((grid[0] - row) ** 2 + (grid[1] - column) ** 2) / 50)
    box = fit((80, 100), size, None)
    out = box.image(blob.astype(np.uint8)).astype(float)
    expected = [
        (c + 0.5) * s - 0.5 + o
        for c, s, o in zip((row, column), box.scale, box.offset, strict=True)
    ]
    assert ndimage.center_of_mass(out) == pytest.approx(expected, abs=0.1)
