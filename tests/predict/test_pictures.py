"""A value of a picture is an index, whatever its colour."""

import io

import numpy as np
from PIL import Image

from septum import palette
from septum.data import read
from septum.predict import pictures

INDEX = np.array([[0, 1, 2], [3, 40, 255]], np.uint8)


def test_indices_survive_and_have_the_colours_of_concepts(tmp_path):
    (tmp_path / "i.png").write_bytes(pictures.indexed(INDEX))
    with Image.open(tmp_path / "i.png") as picture:
        assert np.array_equal(np.asarray(picture), INDEX)
        red, green, blue = picture.convert("RGB").getpixel((1, 0))
    assert f"#{red:02x}{green:02x}{blue:02x}" == palette.colour(1)
    (tmp_path / "j.png").write_bytes(pictures.indexed(INDEX % 255))
    assert np.array_equal(read.mask(tmp_path / "j.png"), INDEX % 255)


def test_an_overlay_mixes_grey_and_colour_where_there_is_a_structure():
    grey = np.full(INDEX.shape, 200, np.uint8)
    found = pictures.tinted(grey, INDEX, opacity=0.25)
    assert found[0, 0].tolist() == [200, 200, 200]
    orange = np.array([0xE6, 0x9F, 0x00])
    assert found[0, 1].tolist() == np.round(0.75 * 200 + 0.25 * orange).astype(int).tolist()
    shown = np.asarray(Image.open(io.BytesIO(pictures.overlay(grey, INDEX))))
    assert np.array_equal(shown, pictures.tinted(grey, INDEX, opacity=pictures.TINT))
