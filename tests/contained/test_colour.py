"""Which colours are stored is read from the pixels, then from the JPEG, then from the label."""

import io

import numpy as np
import pytest
from PIL import Image

from septum.contained import colour


def picture(seed=0):
    """Mostly grey, with a patch of colour, as ultrasound is."""
    rng = np.random.default_rng(seed)
    grey = rng.integers(0, 256, (48, 64, 1), dtype=np.uint8).repeat(3, -1)
    grey[:8, :8] = (250, 40, 10)
    return grey


def as_luma(pixels):
    return np.asarray(Image.fromarray(pixels).convert("YCbCr"))


def jpeg(pixels, **how):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=95, **how)
    return file.getvalue()


@pytest.mark.parametrize("stated", [False, True])
def test_what_most_pixels_say_is_believed(stated):
    assert not colour.is_luma(picture(), stated=stated)
    assert colour.is_luma(as_luma(picture()), stated=stated)


@pytest.mark.parametrize("stated", [False, True])
def test_black_is_told_apart_too(stated):
    black = np.zeros((8, 8, 3), np.uint8)
    assert not colour.is_luma(black, stated=stated)
    assert colour.is_luma(as_luma(black), stated=stated)


@pytest.mark.parametrize("stated", [False, True])
def test_pixels_that_do_not_tell_leave_it_to_what_is_stated(stated):
    coloured = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    middle = np.full((8, 8, 3), 128, np.uint8)
    assert colour.is_luma(coloured, stated=stated) == stated
    assert colour.is_luma(middle, stated=stated) == stated


def test_luma_and_chroma_become_colours():
    """Numbers of ITU-R BT.601 in full range, by hand."""
    stored = np.array([[[76, 85, 255], [150, 44, 21], [29, 255, 107], [128, 128, 128]]], np.uint8)
    expected = [[[254, 0, 0], [0, 255, 1], [0, 0, 254], [128, 128, 128]]]
    assert np.abs(colour.rgb(stored).astype(int) - expected).max() <= 1


@pytest.mark.parametrize("keep_rgb", [False, True])
def test_components_come_out_of_a_jpeg_as_they_were_stored(keep_rgb):
    smooth = np.asarray(Image.fromarray(picture()).resize((64, 48), Image.Resampling.BOX))
    taken = colour.plain(jpeg(smooth, keep_rgb=keep_rgb, subsampling="4:4:4"))
    assert taken.is_luma == (not keep_rgb)
    with Image.open(io.BytesIO(taken.data)) as opened:
        found = np.asarray(opened).astype(int)
    stored = smooth if keep_rgb else as_luma(smooth)
    assert np.abs(found - stored).mean() < 4
    assert np.abs(found - (as_luma(smooth) if keep_rgb else smooth)).mean() > 15


def test_halved_chroma_gives_luma_away():
    encoded = jpeg(picture(), subsampling="4:2:2")
    at = encoded.index(b"\xff\xe0")
    bare = encoded[:at] + encoded[at + 2 + int.from_bytes(encoded[at + 2 : at + 4], "big") :]
    assert colour.plain(bare).is_luma is True
    full = jpeg(picture(), subsampling="4:4:4").replace(b"JFIF", b"ABCD")
    assert colour.plain(full).is_luma is None


def test_fill_bytes_before_a_marker_are_skipped():
    encoded = jpeg(picture())
    at = encoded.index(b"\xff\xdb")
    filled = encoded[:at] + b"\xff\xff" + encoded[at:]
    assert colour.plain(filled).data == colour.plain(encoded).data


@pytest.mark.parametrize("data", [b"", b"GIF89a", b"\xd8\xff"])
def test_what_is_no_jpeg_is_refused(data):
    with pytest.raises(ValueError, match="JPEG"):
        colour.plain(data)


@pytest.mark.parametrize("data", [b"\xff\xd8", b"\xff\xd8\xff\xe0\x00", b"\xff\xd8" + b"\xff" * 9])
def test_what_ends_too_early_is_left_to_the_decoder(data):
    assert colour.plain(data).is_luma is None
