import numpy as np
import pytest
from scipy import ndimage

from septum.data.letterbox import fit, show


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


@pytest.mark.parametrize(
    ("source", "size", "spacing_mm", "field_mm", "inner", "offset"),
    [
        ((10, 10), (4, 4), (1.0, 1.0), (8.0, 8.0), (5, 5), (-1, -1)),
        ((10, 10), (4, 4), (1.0, 1.0), (20.0, 20.0), (2, 2), (1, 1)),
        ((8, 20), (6, 10), (2.0, 0.5), (12.0, 20.0), (8, 5), (-1, 2)),  # cropped and padded
        ((256, 216), (224, 224), (1.5625, 1.5625), (306.88, 306.88), (292, 246), (-34, -11)),
        ((4, 4), (4, 4), (1.0, 1.0), (4.0, 8.0), (4, 2), (0, 1)),  # pixels of 1 x 2 mm
    ],
)
def test_a_field_is_cropped_or_padded(source, size, spacing_mm, field_mm, inner, offset):
    box = show(source, size, spacing_mm, field_mm)
    assert (box.inner, box.offset) == (inner, offset)
    for mm, scale, field, side, n in zip(spacing_mm, box.scale, field_mm, size, inner, strict=True):
        assert mm / scale == pytest.approx(field / side, rel=0.5 / n)


def test_a_field_of_the_size_of_the_pixels_is_a_plain_crop():
    grey = np.random.default_rng(0).integers(256, size=(20, 31), dtype=np.uint8)
    box = show((20, 31), (12, 40), (1.3, 1.3), (12 * 1.3, 40 * 1.3))
    expected = np.pad(grey[4:16], ((0, 0), (4, 5)))
    np.testing.assert_array_equal(box.image(grey), expected)
    np.testing.assert_array_equal(box.mask(grey), expected)


def test_a_crop_is_the_middle_of_the_whole_scaled_picture():
    grey = np.random.default_rng(0).integers(256, size=(40, 60), dtype=np.uint8)
    box = show((40, 60), (32, 32), (1.0, 1.0), (20.0, 20.0))
    assert (box.inner, box.offset) == ((64, 96), (-16, -32))
    whole = fit((40, 60), (64, 96), None)
    for part, full in ((box.image(grey), whole.image(grey)), (box.mask(grey), whole.mask(grey))):
        np.testing.assert_allclose(part.astype(int), full[16:48, 32:64].astype(int), atol=1)


def test_a_huge_spacing_costs_no_memory():
    box = show((256, 256), (64, 64), (900.0, 900.0), (64.0, 64.0))
    assert box.inner == (230_400, 230_400)
    assert (box.image(np.full((256, 256), 7, np.uint8)) == 7).all()


@pytest.mark.parametrize("field", [40.0, 77.0, 300.0])
def test_a_square_stays_where_its_mask_and_its_corner_are(field):
    index = np.zeros((80, 100), np.uint8)
    index[30:50, 40:64] = 1
    box = show((80, 100), (128, 96), (1.1, 0.9), (field, field))
    mask, image = box.mask(index), box.image(index * 200)
    rows, columns = np.nonzero(mask)
    assert mask[image == 200].all()
    assert not mask[image == 0].any()
    assert (image == 200).sum() > mask.sum() / 2
    for found, first, axis in ((rows, 30, 0), (columns, 40, 1)):
        edge = first * box.scale[axis] + box.offset[axis]  # of the square, in prepared pixels
        assert found.min() == pytest.approx(max(edge, 0), abs=0.51)
