import numpy as np
import pytest
import SimpleITK

from septum.contract import BadInput
from septum.data import miniature, nifti, volume


@pytest.fixture
def save(tmp_path):
    def save(voxels, name="a.nii.gz", spacing_mm=(10.0, 1.25, 1.5), **options):
        miniature.write(tmp_path / name, np.asarray(voxels), spacing_mm=spacing_mm, **options)
        return tmp_path / name

    yield save
    volume.forget()


def ramp(low, step):
    """101 values in one slice: percentile p is low + p step."""
    return (low + step * np.random.default_rng(0).permutation(101)).astype(np.int16)[None, None]


def test_percentiles_5_and_95_of_the_volume_are_black_and_white(save):
    grey = volume.load(save(ramp(-40, 2))).grey((0,))
    values = ramp(-40, 2)[0]
    assert (grey[values == -30], grey[values == 150]) == (0, 255)
    assert (grey[values == -28], grey[values == 148]) == (round(255 / 90), round(255 * 89 / 90))
    assert not grey[values < -30].any()
    assert (grey[values > 150] == 255).all()
    assert np.all(np.diff(grey.ravel()[np.argsort(values.ravel())].astype(int)) >= 0)


def test_the_scale_is_that_of_the_volume_and_not_of_a_slice(save):
    voxels = np.random.default_rng(0).integers(0, 1000, (5, 30, 30)).astype(np.int16)
    voxels[1] //= 4
    whole = volume.load(save(voxels))
    low, high = np.percentile(voxels, [5, 95])
    expected = np.round(255 * ((voxels - low) / (high - low)).clip(0, 1))
    np.testing.assert_array_equal([whole.grey((z,)) for z in range(5)], expected)
    assert whole.grey((1,)).max() < 70
    assert (expected.min(), expected.max()) == (0, 255)


def test_every_frame_of_a_cine_is_a_volume(save):
    voxels = np.stack([ramp(0, 1), ramp(500, 7), ramp(-9, 3)])
    cine = volume.load(save(voxels))
    assert cine.grid.shape == (3, 1, 1, 101)
    assert cine.grid.spacing_mm == (10.0, 1.25, 1.5)
    for frame in range(3):
        np.testing.assert_array_equal(cine.values((0, frame)), voxels[frame, 0])
        np.testing.assert_array_equal(cine.grey((0, frame)), cine.grey((0, 0)))


def test_a_constant_volume_is_black(save):
    assert not volume.load(save(np.full((2, 3, 3), 700, np.int16))).grey((1,)).any()


@pytest.mark.parametrize("at", [(3,), (-1,), (0, 1), (0, 0, 0)])
def test_a_slice_that_is_not_there_is_refused(save, at):
    flat = volume.load(save(np.zeros((3, 2, 2), np.int16)))
    with pytest.raises(BadInput, match=r"a\.nii\.gz has no slice at .* 3 slices in 1 frame"):
        flat.grey(at)


def test_a_slice_of_a_cine_needs_its_frame(save):
    cine = volume.load(save(np.zeros((2, 3, 2, 2), np.int16)))
    for at in ((1,), (1, 2), (3, 0), (0, -1)):
        with pytest.raises(BadInput, match="3 slices in 2 frame"):
            cine.values(at)


def test_slices_one_after_the_other_are_decoded_once(save, monkeypatch):
    paths = [save(np.zeros((3, 4, 4), np.int16), name) for name in ("a.nii", "b.nii", "c.nii.gz")]
    decoded, decode = [], nifti.voxels
    monkeypatch.setattr(nifti, "voxels", lambda p, h: decoded.append(p) or decode(p, h))
    for path in paths[1:]:
        for place in range(3):
            volume.load(paths[0]).values((place,))
            volume.load(path).values((place,))
    assert decoded == paths
    volume.forget()
    volume.load(paths[0])
    assert decoded == [*paths, paths[0]]


def test_a_file_that_has_changed_is_read_again(save):
    assert not volume.load(save(np.zeros((2, 3, 3), np.int16))).values((0,)).any()
    assert volume.load(save(np.ones((2, 3, 4), np.int16))).values((0,)).all()


@pytest.mark.parametrize("leads", ["LPS", "RAI", "RAS", "ASL", "PIR", "SPL", "IRA"])
def test_axial_slices_lead_left_back_and_up_whatever_the_file(tmp_path, leads):
    voxels = np.random.default_rng(0).integers(0, 99, (2, 3, 4)).astype(np.int16)
    image = SimpleITK.GetImageFromArray(voxels)
    image.SetSpacing((1.0, 2.0, 3.0))
    SimpleITK.WriteImage(SimpleITK.DICOMOrient(image, leads), tmp_path / "a.nii")
    whole = volume.load(tmp_path / "a.nii", axial=True)
    assert whole.grid == volume.Grid(shape=(1, 2, 3, 4), spacing_mm=(3.0, 2.0, 1.0), leads=leads)
    np.testing.assert_array_equal(whole.voxels[0], voxels)
    in_file = SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(tmp_path / "a.nii"))
    np.testing.assert_array_equal(volume.load(tmp_path / "a.nii").voxels[0], in_file)


def test_an_oblique_volume_is_turned_to_the_nearest_axes(save):
    c, s = np.cos(0.3), np.sin(0.3)
    voxels = np.arange(24, dtype=np.int16).reshape(2, 3, 4)
    path = save(voxels, direction=(0.0, s, c, 0.0, c, -s, -1.0, 0.0, 0.0))
    oriented = SimpleITK.DICOMOrient(SimpleITK.ReadImage(path), "LPS")
    turned = volume.load(path, axial=True)
    np.testing.assert_array_equal(turned.voxels[0], SimpleITK.GetArrayFromImage(oriented))
    assert turned.grid.spacing_mm == oriented.GetSpacing()[::-1]


def test_an_orientation_that_is_not_stated_is_refused(save):
    path = save(np.zeros((2, 3, 4), np.int16), "a.nii")
    data = bytearray(path.read_bytes())
    data[252:256] = bytes(4)  # neither qform nor sform
    path.write_bytes(data)
    assert volume.grid(path).shape == (1, 2, 3, 4)
    with pytest.raises(BadInput, match="does not state its orientation"):
        volume.load(path, axial=True)


@pytest.mark.parametrize("damage", [bytes(48), b"\xff" * 48, b"\x00\x00\x80?" * 12])
def test_an_orientation_that_is_unsound_is_refused(save, damage):
    path = save(np.zeros((2, 3, 4), np.int16), "a.nii")
    data = bytearray(path.read_bytes())
    data[252:254] = bytes(2)  # no qform
    data[280:328] = damage  # an sform of zeros, of what is no number, of ones
    path.write_bytes(data)
    with pytest.raises(BadInput, match=r"a\.nii (states no sound|does not state its) orientation"):
        volume.grid(path, axial=True)


def test_a_volume_that_cannot_be_written_is_told(tmp_path):
    with pytest.raises(BadInput, match=r"b\.nii cannot be written; make room"):
        miniature.write(tmp_path / "a" / "b.nii", np.zeros((1, 2, 2)), spacing_mm=(1.0, 1.0, 1.0))


def test_files_must_lie_on_each_other(save):
    zeros = np.zeros((2, 3, 4), np.int16)
    path = save(zeros)
    cine = save(np.stack([zeros] * 3), "cine.nii", spacing_mm=(10.0, 1.2501, 1.5))
    volume.check_same(path, cine)
    turned = (-1.0, 0.0, 0.0, 0.0, -1.0, 0.0, 0.0, 0.0, 1.0)
    others = {
        "shape.nii": save(np.zeros((2, 4, 3), np.int16), "shape.nii"),
        "spacing.nii": save(zeros, "spacing.nii", spacing_mm=(8.0, 1.25, 1.5)),
        "turned.nii": save(zeros, "turned.nii", direction=turned),
    }
    for name, other in others.items():
        with pytest.raises(BadInput, match=rf"{name} has .*a\.nii\.gz .*; export both alike"):
            volume.check_same(path, other, axial=True)
    volume.check_same(path, others["turned.nii"])


def test_a_volume_is_found_by_its_stem_and_inside_its_folder(save, tmp_path):
    path = save(np.zeros((2, 3, 4), np.int16))
    assert volume.find(tmp_path, "a") == path.resolve()
    assert volume.find(tmp_path, "b") is None
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.nii").symlink_to(path)
    with pytest.raises(BadInput, match="leads out of"):
        volume.find(tmp_path / "in", "a")
    with pytest.raises(BadInput, match="no plain path"):
        volume.find(tmp_path / "in", "../a")
