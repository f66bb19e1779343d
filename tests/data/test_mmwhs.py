import numpy as np
import pytest

from septum.contract import BadInput
from septum.data import decode, miniature, mmwhs, nifti, volume
from septum.data.prepare import prepare

LABEL = "ct_train/ct_train_1001_label.nii.gz"


@pytest.fixture
def folder(tmp_path):
    mmwhs.sketch(tmp_path / "mmwhs")
    yield tmp_path / "mmwhs"
    volume.forget()


def voxels(path):
    return nifti.voxels(path, nifti.header(path))[0]


def test_every_axial_slice_of_every_volume(folder):
    records = list(mmwhs.records(folder))
    names = ["ct_test_2001", "ct_train_1001", "ct_train_1002", "mr_train_1001", "mr_train_1002"]
    assert list(dict.fromkeys(r.subject for r in records)) == names
    assert len(records) == 5 * 6
    assert [r.at for r in records[:6]] == [(z,) for z in range(6)]
    assert {r.subject for r in records if r.mask is None} == {"ct_test_2001"}
    assert records[-1].id == "mr_train_1002_z005"
    assert records[-1].labels == {
        "modality": "MR",
        "plane": "axial",
        "volume": "mr_train_1002",
        "slice": 5.0,
        "n_slices": 6.0,
        "spacing_z_mm": 4.0,
    }


def test_sagittal_files_become_the_same_axial_slices(folder):
    """Both first hearts of the sketch have the same label, stored in other axes."""
    records = {r.id: r for r in mmwhs.records(folder)}
    assert voxels(folder / LABEL).shape == (6, 60, 64)
    assert voxels(folder / "mr_train" / "mr_train_1001_label.nii.gz").shape == (64, 6, 60)
    for z in range(6):
        ct, mr = (records[f"{m}_train_1001_z00{z}"] for m in ("ct", "mr"))
        expected = decode.mask(ct, mmwhs.CODES)
        np.testing.assert_array_equal(decode.mask(mr, mmwhs.CODES), expected)
        assert decode.image(mr).spacing_mm == decode.image(ct).spacing_mm == (2.0, 2.5)
    assert set(np.unique(expected)) <= set(range(8))


def test_every_published_value_has_its_class(folder):
    row = np.array([[[0, 500, 600, 420, 421, 550, 205, 820, 850]]], np.int16)
    miniature.write(folder / LABEL, np.tile(row, (6, 60, 1)), spacing_mm=(4.0, 2.0, 2.5))
    miniature.write(
        folder / "ct_train/ct_train_1001_image.nii.gz",
        np.tile(row, (6, 60, 1)),
        spacing_mm=(4.0, 2.0, 2.5),
    )
    record = next(r for r in mmwhs.records(folder) if r.mask)
    names = [mmwhs.CLASSES[k] for k in decode.mask(record, mmwhs.CODES)[0]]
    assert names == [
        *("background", "left_ventricle", "right_ventricle", "left_atrium", "left_atrium"),
        *("right_atrium", "myocardium", "aorta", "pulmonary_artery"),
    ]


def test_a_value_that_stands_for_no_structure_is_refused(folder, tmp_path):
    label = voxels(folder / LABEL).copy()
    label[3, 0, 0] = 422
    miniature.write(folder / LABEL, label, spacing_mm=(4.0, 2.0, 2.5))
    told = r"ct_train_1001_label\.nii\.gz holds the value 422, which stands for no class; correct"
    with pytest.raises(BadInput, match=told):
        prepare("mmwhs", folder.parent, size=(32, 32), cache=tmp_path / "c")


def test_files_may_lie_flat_and_uncompressed(folder, tmp_path):
    home = tmp_path / "flat"
    home.mkdir()
    for kind in ("image", "label"):
        stack = voxels(folder / f"ct_train/ct_train_1001_{kind}.nii.gz")
        miniature.write(home / f"ct_train_1001_{kind}.nii", stack, spacing_mm=(4.0, 2.0, 2.5))
    (home / "ct_train_1001_image.nii.txt").write_text("no volume")
    assert len(list(mmwhs.records(home))) == 6


def test_what_is_wrong_is_named(folder, tmp_path):
    label = voxels(folder / LABEL)
    back = (1.0, 0.0, 0.0, 0.0, -1.0, 0.0, 0.0, 0.0, -1.0)
    for change in ({"spacing_mm": (4.0, 2.0, 2.6)}, {"direction": back}):
        miniature.write(folder / LABEL, label, **{"spacing_mm": (4.0, 2.0, 2.5), **change})
        with pytest.raises(BadInput, match=r"_label.* has .*_image.*; export both alike"):
            list(mmwhs.records(folder))
    (folder / LABEL).unlink()
    with pytest.raises(BadInput, match=r"lacks ct_train_1001_label\.nii\.gz"):
        list(mmwhs.records(folder))
    with pytest.raises(BadInput, match=r"no ct_train_10NN_image\.nii\.gz"):
        list(mmwhs.records(tmp_path))
    path = folder / "ct_test" / "ct_test_2001_image.nii.gz"
    path.rename(tmp_path / "elsewhere.nii.gz")
    path.symlink_to(tmp_path / "elsewhere.nii.gz")
    with pytest.raises(BadInput, match="leads out of"):
        list(mmwhs.records(folder))


def test_both_modalities_are_prepared_with_seven_structures(folder, tmp_path):
    samples = prepare("mmwhs", folder.parent, size=(60, 80), cache=tmp_path / "c").split("all")
    batch = samples.batch(range(len(samples.records)))
    of = np.array([r.subject for r in samples.records])
    assert (batch.mask[of == "ct_test_2001"] == -1).all()
    for modality in ("ct", "mr"):
        seen = batch.mask[of == f"{modality}_train_1001"].unique().tolist()
        assert seen == list(range(8))
        assert samples.records[0].labels["spacing_y_mm"] == 2.0
        assert samples.records[0].labels["spacing_x_mm"] == 2.0
    dark = batch.image[:, 0][batch.mask == 5]
    assert dark.mean() < batch.image[:, 0][batch.mask == 1].mean() - 0.4
