from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK
from PIL import Image

from septum.contract import BadInput, Record
from septum.data import decode, film, miniature


def record(image: Path, **options) -> Record:
    return Record(id="a", subject="s", image=image, **options)


def test_a_file_of_its_own_is_read_whole(tmp_path):
    pixels = np.array([[0, 9], [1, 2]], np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    told = {"spacing_y_mm": 0.5, "spacing_x_mm": 0.25}
    a = record(tmp_path / "a.png", mask=tmp_path / "a.png", labels=told)
    np.testing.assert_array_equal(decode.image(a).grey, pixels)
    assert decode.image(a).spacing_mm == (0.5, 0.25)
    np.testing.assert_array_equal(decode.mask(a), pixels)
    assert decode.mask(a, {9: 1, 1: 3, 2: 2}).tolist() == [[0, 1], [3, 2]]
    bare = record(tmp_path / "a.png")
    assert (decode.mask(bare), decode.image(bare).spacing_mm) == (None, None)


def test_a_slice_comes_with_the_spacing_in_its_plane_and_its_mask(tmp_path):
    voxels = np.arange(2 * 3 * 4, dtype=np.int16).reshape(2, 3, 4)
    for name, stack in (("image", voxels), ("mask", voxels % 5 * 100)):
        miniature.write(tmp_path / f"{name}.nii", stack, spacing_mm=(10.0, 1.25, 1.5))
    a = record(tmp_path / "image.nii", mask=tmp_path / "mask.nii", at=(1,))
    pixels = decode.image(a)
    assert pixels.spacing_mm == (1.25, 1.5)
    assert pixels.grey.shape == (3, 4)
    assert pixels.grey[2, 3] == 255
    codes = {100: 1, 200: 2, 300: 3, 400: 4}
    np.testing.assert_array_equal(decode.mask(a, codes), voxels[1] % 5)
    with pytest.raises(BadInput, match=r"mask\.nii holds values that are no class indices"):
        decode.mask(a)


def test_the_plane_of_a_record_turns_image_and_mask(tmp_path):
    voxels = np.arange(24, dtype=np.int16).reshape(2, 3, 4)
    image = SimpleITK.GetImageFromArray(voxels)
    image.SetSpacing((1.0, 2.0, 3.0))
    SimpleITK.WriteImage(SimpleITK.DICOMOrient(image, "ASL"), tmp_path / "a.nii")
    a = record(tmp_path / "a.nii", mask=tmp_path / "a.nii", at=(1,), labels={"plane": "axial"})
    np.testing.assert_array_equal(decode.mask(a), voxels[1])
    assert decode.image(a).spacing_mm == (2.0, 1.0)
    assert (np.diff(decode.image(a).grey.astype(int)) >= 0).all()


def test_a_single_picture_is_no_volume(tmp_path):
    Image.fromarray(np.zeros((9, 9), np.uint8)).save(tmp_path / "a.png")
    with pytest.raises(BadInput, match=r"a\.png is .*;"):
        decode.image(record(tmp_path / "a.png", at=(0,)))


def test_the_image_of_a_film_is_its_first_frame(tmp_path):
    frames = np.repeat(np.array([30, 90, 150], np.uint8), 64).reshape(3, 8, 8)
    film.write(tmp_path / "a.avi", frames, rate_hz=25.0)
    told = {"spacing_y_mm": 0.5, "spacing_x_mm": 0.25}
    a = record(tmp_path / "a.avi", film=[tmp_path / "a.avi"], labels=told)
    assert decode.image(a).grey.tolist() == [[30] * 8] * 8
    assert [(p.grey[0, 0], p.spacing_mm) for p in decode.frames(a)] == [
        (level, (0.5, 0.25)) for level in (30, 90, 150)
    ]


def test_a_still_image_is_one_frame(tmp_path):
    Image.fromarray(np.eye(9, dtype=np.uint8)).save(tmp_path / "a.png")
    (only,) = decode.frames(record(tmp_path / "a.png"))
    np.testing.assert_array_equal(only.grey, np.eye(9))


def test_a_span_is_what_is_meant_of_a_film(tmp_path):
    path = tmp_path / "a.avi"
    grey = np.arange(0, 240, 24, dtype=np.uint8)[:, None, None].repeat(32, 1).repeat(32, 2)
    film.write(path, grey, rate_hz=25.0)
    whole = Record(id="a", subject="a", image=path, film=(path,))
    cut = replace(whole, span=(3, 6))
    found = [pixels.grey.mean() for pixels in decode.frames(cut)]
    np.testing.assert_allclose(found, [72, 96, 120, 144], atol=2)
    assert len([*decode.frames(whole)]) == 10


def test_a_window_cuts_image_film_and_mask_alike(tmp_path):
    pixels = np.arange(20, dtype=np.uint8).reshape(4, 5)
    for name in ("a", "b"):
        Image.fromarray(pixels).save(tmp_path / f"{name}.png")
    paths = [tmp_path / "a.png", tmp_path / "b.png"]
    still = record(paths[0], mask=paths[1], window=(1, 3, 2, 3))
    expected = [[8, 9, 0], [13, 14, 0]]
    assert decode.image(still).grey.tolist() == decode.mask(still).tolist() == expected
    beat = replace(still, film=paths)
    assert [p.grey.tolist() for p in decode.frames(beat)] == [expected] * 2


def test_a_window_cuts_the_slice_of_a_volume(tmp_path):
    voxels = np.arange(24, dtype=np.int16).reshape(2, 3, 4)
    miniature.write(tmp_path / "a.nii", voxels, spacing_mm=(10.0, 1.25, 1.5))
    a = record(tmp_path / "a.nii", mask=tmp_path / "a.nii", at=(1,), window=(2, -1, 2, 3))
    assert decode.mask(a).tolist() == [[0, 20, 21], [0, 0, 0]]
    assert decode.image(a).spacing_mm == (1.25, 1.5)


def test_a_mask_of_another_size_is_told_before_it_is_cut(tmp_path):
    for name, size in (("a", (6, 6)), ("b", (6, 7))):
        Image.fromarray(np.ones(size, np.uint8)).save(tmp_path / f"{name}.png")
    a = record(tmp_path / "a.png", mask=tmp_path / "b.png", window=(1, 1, 3, 3))
    with pytest.raises(BadInput, match=r"b\.png has 6 x 7 pixels and its image 6 x 6; export"):
        decode.mask(a)
