import struct
import zlib

import numpy as np
import pytest
import SimpleITK
from PIL import Image

from septum.contract import BadInput
from septum.data import read


def empty_png(width: int, height: int) -> bytes:
    """The header of a picture of that size, and no pixels."""
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)), (b"IDAT", b"")]
    body = (
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(body)


INDEX = np.array([[0, 1, 2], [3, 3, 254]], np.uint8)


@pytest.fixture
def save(tmp_path):
    def save(pixels, name, mode=None):
        picture = Image.fromarray(pixels)
        (picture.convert(mode) if mode else picture).save(tmp_path / name)
        return tmp_path / name

    return save


@pytest.fixture
def volume(tmp_path):
    def volume(pixels, name="a.mhd", spacing=(0.3, 0.15)):
        image = SimpleITK.GetImageFromArray(pixels)
        image.SetSpacing(spacing[: pixels.ndim])
        SimpleITK.WriteImage(image, str(tmp_path / name))
        return tmp_path / name

    return volume


@pytest.mark.parametrize("name", ["a.png", "a.bmp"])
def test_grey_pictures_come_back_as_saved(save, name):
    np.testing.assert_array_equal(read.image(save(INDEX, name)).grey, INDEX)


def test_colours_become_luma(save):
    # ITU-R 601: 0.299 R + 0.587 G + 0.114 B
    grey = read.image(save(np.full((2, 2, 3), (200, 100, 50), np.uint8), "a.png")).grey
    assert (grey == round(0.299 * 200 + 0.587 * 100 + 0.114 * 50)).all()


def test_a_colour_jpeg_becomes_grey(tmp_path):
    Image.new("RGB", (16, 16), (200, 100, 50)).save(tmp_path / "a.jpg", quality=100)
    grey = read.image(tmp_path / "a.jpg").grey
    assert (grey.shape, grey.dtype) == ((16, 16), np.uint8)
    assert abs(grey.astype(int) - 124).max() <= 2


def test_deep_images_keep_more_than_256_levels_apart_in_order(save):
    ramp = np.arange(0, 65536, 16, dtype=np.uint16).reshape(64, 64)
    grey = read.image(save(ramp, "a.png")).grey
    np.testing.assert_array_equal(grey, np.round(ramp / 65520 * 255))  # nothing is clipped


def test_deep_images_are_stretched_from_their_range(save):
    grey = read.image(save(np.array([[100, 1100], [600, 350]], np.uint16), "a.png")).grey
    assert grey.tolist() == [[0, 255], [128, 64]]


def test_a_constant_deep_image_is_black(save):
    assert not read.image(save(np.full((2, 2), 700, np.uint16), "a.png")).grey.any()


def test_a_palette_is_an_index_for_masks_and_a_colour_for_images(tmp_path):
    picture = Image.fromarray(INDEX).convert("P")
    picture.putdata(INDEX.ravel().tolist())
    picture.putpalette([200] * 768)
    picture.save(tmp_path / "a.png")
    np.testing.assert_array_equal(read.mask(tmp_path / "a.png"), INDEX)
    assert (read.image(tmp_path / "a.png").grey == 200).all()


def test_a_two_tone_mask_holds_0_and_1(save):
    assert read.mask(save(INDEX * 200, "a.png", "1")).max() == 1


@pytest.mark.parametrize("name", ["a.mhd", "a.nii.gz", "a.nii"])
def test_medical_files_keep_pixels_and_spacing(volume, name):
    pixels = read.image(volume(INDEX, name))
    np.testing.assert_array_equal(pixels.grey, INDEX)
    assert pixels.spacing_mm == pytest.approx((0.15, 0.3))
    np.testing.assert_array_equal(read.mask(volume(INDEX, name)), INDEX)


def test_a_single_frame_may_have_three_axes(volume):
    pixels = read.image(volume(INDEX[None], spacing=(0.3, 0.15, 1.0)))
    np.testing.assert_array_equal(pixels.grey, INDEX)


def test_real_camus_frames(shared_data):
    path = shared_data / "camus_native" / "patient0001" / "patient0001_2CH_ED.mhd"
    pixels = read.image(path)
    raw = np.fromfile(path.with_suffix(".raw"), np.uint8).reshape(778, 549)
    np.testing.assert_array_equal(pixels.grey, raw)
    assert pixels.spacing_mm == (0.154, 0.308)
    assert set(np.unique(read.mask(path.with_stem(path.stem + "_gt")))) == {0, 1, 2, 3}


def test_missing_truncated_and_foreign_files_are_named(tmp_path, save):
    sound = save(np.random.default_rng(0).integers(255, size=(40, 40)).astype(np.uint8), "a.png")
    (tmp_path / "cut.png").write_bytes(sound.read_bytes()[:700])
    (tmp_path / "text.png").write_text("no picture")
    Image.fromarray(INDEX).save(tmp_path / "gif.png", format="GIF")
    for name in ("missing.png", "cut.png", "text.png", "gif.png"):
        with pytest.raises(BadInput, match=rf"{name}.*;"):
            read.image(tmp_path / name)


def test_files_over_a_cap_are_refused_before_they_are_decoded(tmp_path, monkeypatch, volume):
    Image.new("L", (5000, 4000)).save(tmp_path / "wide.png")
    (tmp_path / "bomb.png").write_bytes(empty_png(40_000, 40_000))
    (tmp_path / "frames.mhd").write_text(
        "NDims = 3\nDimSize = 99999 99999 9\nElementType = MET_UCHAR\nElementDataFile = a.raw\n"
    )
    volume(INDEX)
    for name in ("wide.png", "bomb.png", "frames.mhd"):
        with pytest.raises(BadInput, match="larger than"):
            read.image(tmp_path / name)
    monkeypatch.setattr(read, "MAX_BYTES", 10)
    with pytest.raises(BadInput, match="larger than"):
        read.image(tmp_path / "wide.png")


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("NDims = 3\nNDims = -1\nElementDataFile = a.raw\n", "2 or 3 axes"),
        ("NDims = 3\nNDims: -1\nElementDataFile = a.raw\n", "2 or 3 axes"),
        ("NDims = 4\nElementDataFile = a.raw\n", "2 or 3 axes"),
        ("ElementDataFile = a.raw\n", "2 or 3 axes"),
        ("NDims = 3\nElementDataFile = a.raw\nElementDataFile = b.raw\n", "names no data file"),
        ("NDims = 3\nComment = ElementDataFile = a.raw\n", "names no data file"),
        ("NDims = 3\nElementDataFile = b/a.raw\n", "names no data file"),
        ("NDims = 3\n", "names no data file"),
    ],
)
def test_a_header_says_once_what_it_must(tmp_path, said, words):
    (tmp_path / "a.mhd").write_text(said)
    with pytest.raises(BadInput, match=words):
        read.raw_file(tmp_path / "a.mhd")


def test_a_header_names_the_file_beside_it(volume, tmp_path):
    assert read.raw_file(volume(INDEX)) == (tmp_path / "a.raw").resolve()


def test_clips_and_colour_volumes_are_refused(volume, tmp_path):
    with pytest.raises(BadInput, match="single grey frame"):
        read.image(volume(np.zeros((4, 3, 3), np.uint8), spacing=(1.0, 1.0, 1.0)))
    colours = SimpleITK.GetImageFromArray(np.zeros((3, 3, 3), np.uint8), isVector=True)
    SimpleITK.WriteImage(colours, str(tmp_path / "c.mhd"))
    with pytest.raises(BadInput, match="single grey frame"):
        read.image(tmp_path / "c.mhd")


def test_an_impossible_spacing_is_refused(volume):
    with pytest.raises(BadInput, match="spacing of"):
        read.image(volume(INDEX, spacing=(5000.0, 1.0)))


def test_undefined_intensities_are_refused(volume):
    with pytest.raises(BadInput, match="undefined"):
        read.image(volume(np.array([[0, np.nan]], np.float32)))


@pytest.mark.parametrize(
    "data",
    ["../secret.raw", "/etc/passwd", "LOCAL", "LIST", "a%d.raw 1 2 1", "a.raw\nElementDataFile=b"],
)
def test_a_header_may_only_name_a_file_beside_it(volume, data):
    path = volume(INDEX)
    path.write_text(path.read_text().replace("a.raw", data))
    with pytest.raises(BadInput, match="ElementDataFile"):
        read.image(path)


def test_masks_must_hold_indices(save, volume):
    with pytest.raises(BadInput, match="indices"):
        read.mask(volume(np.array([[0.5, 1]], np.float32)))
    with pytest.raises(BadInput, match="indices"):
        read.mask(volume(np.array([[np.nan, 1e9]], np.float32)))
    with pytest.raises(BadInput, match="indices"):
        read.mask(save(np.array([[0, 255]], np.uint8), "a.png"))
    for colours in (np.eye(2, 3), np.eye(2, 4)):  # red or see-through somewhere
        pixels = np.stack([colours.astype(np.uint8)] * 2)
        with pytest.raises(BadInput, match=r"a\.png.*indices"):
            read.mask(save(pixels, "a.png"))


def test_a_grey_mask_may_be_saved_in_colour(save):
    for mode in ("RGB", "RGBA", "LA"):
        np.testing.assert_array_equal(read.mask(save(INDEX, "a.png", mode)), INDEX)


def test_codes_are_turned_into_indices(volume, save):
    codes = {205: 2, 500: 1, 421: 3, 420: 3}
    values = np.array([[0, 205, 500], [421, 420, 0]], np.int16)
    assert read.mask(volume(values), codes).tolist() == [[0, 2, 1], [3, 3, 0]]
    assert read.mask(volume(values.astype(np.float32)), codes).tolist() == [[0, 2, 1], [3, 3, 0]]
    assert read.mask(save(values.astype(np.uint16), "a.png"), codes).max() == 3


@pytest.mark.parametrize("value", [1, 499, -205, 205.5, np.nan])
def test_a_value_that_is_no_code_is_named_with_its_file_and_what_to_do(volume, value):
    path = volume(np.array([[0, 205, value]], np.float32))
    told = rf"a\.mhd holds the value {value:g}, .*; correct it to one of 0, 205, 500\."
    with pytest.raises(BadInput, match=told):
        read.mask(path, {500: 1, 205: 2})


@pytest.mark.parametrize("name", ["../a", "/a", "b/../../a", "a\x00", "a\\b", "a" * 2000, "out/a"])
def test_paths_stay_inside(tmp_path, name):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "out").symlink_to(tmp_path)
    with pytest.raises(BadInput):
        read.inside(tmp_path / "in", name)


def test_a_path_inside_is_found(tmp_path):
    assert read.inside(tmp_path, "b/a.png") == tmp_path.resolve() / "b" / "a.png"
