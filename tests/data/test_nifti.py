import gzip
import struct
import time
import zlib

import numpy as np
import pytest
import SimpleITK

from septum.contract import BadInput
from septum.data import nifti

INTEGERS = {np.uint8: 2, np.int8: 256, np.int16: 4, np.uint16: 512, np.int32: 8, np.uint32: 768}
KINDS = {**INTEGERS, np.int64: 1024, np.uint64: 1280, np.float32: 16, np.float64: 64}
VOXELS = np.arange(24, dtype=np.int16).reshape(1, 2, 3, 4)


@pytest.fixture
def save(tmp_path):
    """Write the bytes that the NIfTI-1 specification asks for."""

    def save(voxels=VOXELS, name="a.nii", *, order="<", change=None, cut=0):
        t, z, y, x = voxels.shape
        head = bytearray(352)
        fields = {
            0: ("i", (348,)),
            40: ("8h", (4 if t > 1 else 3, x, y, z, t, 1, 1, 1)),
            70: ("2h", (KINDS[voxels.dtype.type], 8 * voxels.itemsize)),
            76: ("8f", (1.0, 1.5, 1.25, 10.0, 1.0, 0.0, 0.0, 0.0)),
            108: ("3f", (352.0, 1.0, 0.0)),
            123: ("B", (2,)),
            252: ("2h", (1, 0)),
            344: ("4s", (b"n+1\0",)),
            **(change or {}),
        }
        for place, (kind, values) in fields.items():
            struct.pack_into(order + kind, head, place, *values)
        data = bytes(head) + voxels.astype(voxels.dtype.newbyteorder(order)).tobytes()
        data = data[: len(data) - cut]
        (tmp_path / name).write_bytes(gzip.compress(data) if name.endswith("gz") else data)
        return tmp_path / name

    return save


def read(path):
    return nifti.voxels(path, nifti.header(path))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
def test_voxels_are_those_another_library_reads(save, kind, order, name):
    voxels = np.random.default_rng(0).integers(0, 120, (3, 2, 4, 5)).astype(kind)
    path = save(voxels, name, order=order)
    np.testing.assert_array_equal(read(path), voxels)
    np.testing.assert_array_equal(SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(path)), voxels)
    head = nifti.header(path)
    assert (head.shape, head.spacing_mm) == ((3, 2, 4, 5), (10, 1.25, 1.5))


def test_slope_and_intercept_are_applied(save):
    scaled = read(save(change={112: ("2f", (0.5, -3.0))}))
    np.testing.assert_array_equal(scaled, VOXELS * 0.5 - 3)
    for unused in (0.0, np.nan):
        np.testing.assert_array_equal(read(save(change={112: ("2f", (unused, 7.0))})), VOXELS)


@pytest.mark.parametrize(("unit", "factor"), [(0, 1), (1, 1000), (3, 0.001), (2 | 8, 1)])
def test_spacing_is_told_in_mm_whatever_the_unit(save, unit, factor):
    path = save(change={123: ("B", (unit,)), 80: ("3f", (0.25, 0.5, 0.75))})
    assert nifti.header(path).spacing_mm == (0.75 * factor, 0.5 * factor, 0.25 * factor)


@pytest.mark.parametrize("mm", [0.0, -1.5, float("nan"), float("inf"), 5000.0])
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_missing_or_impossible_spacing_is_refused(save, mm, axis):
    path = save(change={80 + 4 * axis: ("f", (mm,))})
    with pytest.raises(BadInput, match=r"a\.nii states a voxel spacing of .*; correct its header"):
        nifti.header(path)


@pytest.mark.parametrize("cut", [1, 47, 60, 300])
@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
def test_a_file_that_ends_early_is_refused(save, cut, name):
    path = save(name=name, cut=cut)
    with pytest.raises(BadInput, match=r"a\.nii.* is damaged or incomplete"):
        read(path)


def test_damaged_compression_is_refused(save):
    path = save(name="a.nii.gz")
    sound = path.read_bytes()
    wrong_checksum = sound[:-8] + struct.pack("<I", zlib.crc32(b"")) + sound[-4:]
    for data in (sound[:-9], sound[:30], wrong_checksum, b"", b"text", sound[:40] + sound[60:]):
        path.write_bytes(data)
        with pytest.raises(BadInput, match="is damaged or incomplete"):
            read(path)


@pytest.mark.parametrize(
    "change",
    [
        {0: ("i", (540,))},  # NIfTI-2
        {344: ("4s", (b"ni1\0",))},  # voxels in another file
        {70: ("h", (32,))},  # complex numbers
        {70: ("h", (128,))},  # colours
        {108: ("f", (float("nan"),))},
        {108: ("f", (3e9,))},
        {40: ("h", (0,))},
        {40: ("h", (9,))},
        {42: ("h", (-4,))},
        {44: ("h", (0,))},
        {40: ("6h", (5, 4, 3, 2, 1, 2))},  # a fifth axis
    ],
)
def test_what_is_no_volume_of_grey_levels_is_refused(save, change):
    with pytest.raises(BadInput, match=r"a\.nii is .*; (convert it|export it again)\."):
        nifti.header(save(change=change))


def test_undefined_intensities_are_refused(save):
    for value in (np.nan, np.inf, 1e35):
        with pytest.raises(BadInput, match="undefined intensities"):
            read(save(np.full((1, 1, 2, 2), value, np.float64)))


def test_files_over_a_cap_are_refused_before_they_are_decoded(save, monkeypatch):
    started = time.perf_counter()
    with pytest.raises(BadInput, match="larger than 512 MiB or 268435456 voxels"):
        nifti.header(save(change={42: ("3h", (30_000, 30_000, 30_000))}))
    assert time.perf_counter() - started < 1
    path = save()
    monkeypatch.setattr(nifti, "MAX_BYTES", 100)
    with pytest.raises(BadInput, match="larger than"):
        nifti.header(path)
    with pytest.raises(BadInput, match="is missing; restore"):
        nifti.header(path.with_name("b.nii"))


def test_damaged_headers_are_read_or_refused(save):
    rng = np.random.default_rng(0)
    sound = save(VOXELS.astype(np.float32)).read_bytes()
    said = []
    for _ in range(400):
        data = bytearray(sound)
        for place in rng.integers(0, 352, 3):
            data[place] ^= 1 << int(rng.integers(8))
        path = save()
        path.write_bytes(data)
        try:
            said.append(read(path).shape)
        except BadInput as error:
            said.append(str(error))
    refused = [text for text in said if isinstance(text, str)]
    assert 40 < len(refused) < 360
    assert all(text.endswith(".") and "\n" not in text for text in refused)
