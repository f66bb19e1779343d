"""Arrays as pictures."""

import io

import numpy as np
import pytest
from PIL import Image

from septum.explore import pictures


def test_a_png_has_the_very_pixels():
    pixels = np.random.default_rng(0).integers(0, 256, (5, 7), dtype=np.uint8)
    with Image.open(io.BytesIO(pictures.png(pixels))) as read:
        assert np.array_equal(np.asarray(read), pixels)


def test_grey_levels_are_rounded_and_bounded():
    levels = pictures.grey(np.array([[-1.0, 0.0, 0.5, 1.0, 2.0]]))
    assert levels.tolist() == [[0, 0, 128, 255, 255]]


@pytest.mark.parametrize("frames", [1, 2, 5, 9, 10])
def test_every_frame_is_found_in_a_strip(frames):
    film = np.random.default_rng(0).integers(1, 256, (frames, 3, 4), dtype=np.uint8)
    whole, columns = pictures.strip(film), pictures.across(frames)
    for time, frame in enumerate(film):
        y, x = 3 * (time // columns), 4 * (time % columns)
        assert np.array_equal(whole[y : y + 3, x : x + 4], frame)
    assert np.count_nonzero(whole) == film.size


def test_a_thumbnail_keeps_its_shape_and_a_small_picture_its_size():
    assert pictures.thumbnail(np.zeros((100, 50), np.uint8), side=20).shape == (20, 10)
    assert pictures.thumbnail(np.zeros((10, 5), np.uint8), side=20).shape == (10, 5)


def test_colours_are_mixed_by_their_opacity():
    image = np.full((2, 4), 100, np.uint8)
    colours = np.zeros((1, 2, 4))
    colours[0, 1] = [1.0, 0.0, 0.0, 0.5]
    mixed = pictures.tinted(image, colours, opacity=0.5)
    assert mixed[:, :2].tolist() == [[[100, 100, 100]] * 2] * 2
    # three quarters of 100, and a quarter of 255 in red
    assert mixed[:, 2:].tolist() == [[[139, 75, 75]] * 2] * 2
