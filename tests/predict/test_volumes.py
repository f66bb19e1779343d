"""Masks lie on the voxels of their input, as another library reads both."""

import gzip

import numpy as np
import pytest
import SimpleITK

from septum.predict import inputs
from septum.predict.card import Card
from septum.predict.volumes import as_nifti

DIRECTION = np.linalg.qr(np.array([[0.9, 0.3, 0.1], [-0.2, 0.8, 0.5], [0.1, -0.4, 0.9]]))[0]


def volume(path, shape=(5, 7, 6), direction=DIRECTION):
    """A volume `z y x` in an oblique place; every voxel has a value of its own."""
    values = np.arange(np.prod(shape), dtype=np.int16).reshape(shape)
    image = SimpleITK.GetImageFromArray(values, isVector=False)
    sides = len(shape)
    image.SetSpacing((0.8, 1.1, 2.5, 40.0)[:sides])
    image.SetOrigin((11.0, -7.0, 3.5, 0.0)[:sides])
    whole = np.eye(sides)
    whole[:3, :3] = np.asarray(direction)[: min(3, sides), : min(3, sides)]
    image.SetDirection(whole.ravel().tolist())
    SimpleITK.WriteImage(image, str(path))
    return values


def written(tmp_path, path, card=None, value=lambda frames: frames):
    """What another library reads of the mask, and the geometry of the input."""
    (one,) = inputs([path], card=card)
    mask = tmp_path / "mask.nii.gz"
    mask.write_bytes(as_nifti(one, value(one.frames)))
    return one, SimpleITK.ReadImage(str(mask)), SimpleITK.ReadImage(str(path))


def same_place(mask, source):
    assert mask.GetSize() == source.GetSize()
    for name in ("GetSpacing", "GetOrigin", "GetDirection"):
        assert np.allclose(getattr(mask, name)(), getattr(source, name)(), atol=1e-6)


@pytest.mark.parametrize("ending", ["nii", "nii.gz", "mhd"])
def test_a_mask_has_the_place_of_its_volume(ending, tmp_path):
    path = tmp_path / f"v.{ending}"
    volume(path)
    one, mask, source = written(tmp_path, path)
    same_place(mask, source)
    assert one.frames.dtype == mask_of(mask).dtype
    assert np.array_equal(mask_of(mask), one.frames)


def mask_of(mask):
    return SimpleITK.GetArrayFromImage(mask)


@pytest.mark.parametrize("shape", [(7, 6), (3, 5, 7, 6)], ids=["a picture", "a cine of volumes"])
def test_two_and_four_axes_stay_so(shape, tmp_path):
    volume(tmp_path / "v.nii.gz", shape, np.eye(3))
    one, mask, source = written(tmp_path, tmp_path / "v.nii.gz")
    same_place(mask, source)
    assert np.array_equal(mask_of(mask).ravel(), one.frames.ravel())


def test_a_volume_that_was_turned_is_turned_back(tmp_path):
    permuted = DIRECTION[:, [2, 0, 1]] * [1, -1, -1]
    values = volume(tmp_path / "v.nii.gz", direction=permuted)
    card = Card(slices=True, axial=True)
    one, mask, source = written(
        tmp_path, tmp_path / "v.nii.gz", card, value=lambda x: (x > 100).astype(np.uint8)
    )
    same_place(mask, source)
    turned = SimpleITK.GetArrayFromImage(SimpleITK.DICOMOrient(source, "LPS"))
    assert turned.shape == one.grid.shape[1:] != values.shape
    low, high = np.percentile(values, (5, 95))
    expected = np.round(((values - low) / (high - low)).clip(0, 1) * 255) > 100
    assert np.array_equal(mask_of(mask), expected)


def test_texts_of_the_header_are_not_taken_over(tmp_path):
    path = tmp_path / "v.nii"
    volume(path)
    head = bytearray(path.read_bytes())
    for place in (4, 14, 148, 228, 328):  # data_type, db_name, descrip, aux_file, intent_name
        head[place : place + 7] = b"MUELLER"
    path.write_bytes(head)
    (one,) = inputs([path])
    data = gzip.decompress(as_nifti(one, one.frames))
    assert b"MUELLER" not in data
    assert len(data) == 352 + one.frames.size
