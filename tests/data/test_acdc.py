from collections import Counter

import numpy as np
import pytest

from septum.contract import BadInput
from septum.data import acdc, miniature, nifti
from septum.data.prepare import prepare

HERE = "training/patient001/"


@pytest.fixture
def folder(tmp_path):
    acdc.sketch(tmp_path / "acdc")
    return tmp_path / "acdc"


def rewrite(path, *, spacing_mm=(8.0, 3.0, 3.0), shape=None, add=0):
    voxels = nifti.voxels(path, nifti.header(path))
    voxels = np.zeros(shape, np.int16) if shape else voxels + np.int16(add)
    miniature.write(path, voxels[0] if len(voxels) == 1 else voxels, spacing_mm=spacing_mm)


def test_every_slice_of_ed_and_es_and_a_pool_of_other_phases(folder):
    records = list(acdc.records(folder))
    # three patients: two frames of four slices with masks; 4 x (6 - 2) others, all fewer than 400
    outlined, pool = records[:24], records[24:]
    assert Counter(r.labels["phase"] for r in outlined) == {"ED": 12, "ES": 12}
    assert len(pool) == 3 * 4 * 4
    assert all(r.mask and len(r.at) == 1 for r in outlined)
    assert {(r.mask, r.labels["phase"], len(r.at)) for r in pool} == {(None, "other", 2)}
    assert {r.at[1] for r in pool} == {1, 2, 4, 5}  # frames 1 and 4 are ED and ES
    assert len({(r.subject, r.at) for r in pool}) == len(pool)
    assert [r.id for r in records[3:5]] == ["patient001_frame01_z03", "patient001_frame04_z00"]
    assert {r.subject: r.split for r in records} == {
        "patient001": None,
        "patient002": None,
        "patient101": "test",
    }


def test_the_facts_of_a_slice(folder):
    info = folder / HERE / "Info.cfg"
    info.write_text("ED: 1\nES: 4\nGroup: DCM\nHeight: 184.0\nNbFrame: 6\nWeight: nan\n")
    record = list(acdc.records(folder))[6]
    assert record.labels == {
        "modality": "MR",
        "sequence": "cine",
        "phase": "ES",
        "group": "DCM",
        "height_cm": 184.0,
        "volume": "patient001_frame04",
        "slice": 2.0,
        "n_slices": 4.0,
        "spacing_z_mm": 8.0,
    }
    assert record.image.name == "patient001_frame04.nii.gz"
    assert record.mask.name == "patient001_frame04_gt.nii.gz"


def test_patients_may_lie_at_the_top_uncompressed_and_without_a_cine(folder, tmp_path):
    home = tmp_path / "flat"
    (folder / "training").rename(home)
    for path in home.rglob("*.nii.gz"):
        voxels = nifti.voxels(path, nifti.header(path))
        if "4d" not in path.name:
            plain = path.with_suffix("")
            miniature.write(plain, voxels[0], spacing_mm=nifti.header(path).spacing_mm)
        path.unlink()
    records = list(acdc.records(home))
    assert len(records) == 2 * 2 * 4
    assert {r.labels["phase"] for r in records} == {"ED", "ES"}


@pytest.mark.parametrize("turn", range(5))
@pytest.mark.parametrize(("count", "slices", "frames"), [(12, 10, 28), (40, 9, 26), (7, 12, 20)])
def test_a_share_of_the_pool_covers_slices_and_phases(count, slices, frames, turn):
    pairs = acdc.spread(count, slices=slices, frames=frames, turn=turn)
    assert len(set(pairs)) == len(pairs) == count
    per_slice = Counter(place for place, _ in pairs)
    assert set(per_slice) <= set(range(slices))
    assert {per_slice[z] for z in range(slices)} <= {count // slices, -(-count // slices)}
    steps = np.diff([frame for _, frame in pairs])
    assert set(steps) <= {frames // count, -(-frames // count)}
    if count > 2 * slices:
        early = Counter(place for place, frame in pairs if frame < frames / 2)
        assert all(0.3 < early[z] / per_slice[z] < 0.7 for z in range(slices))
    assert pairs == acdc.spread(count, slices=slices, frames=frames, turn=turn)


def test_all_pairs_are_taken_where_there_are_few():
    pairs = acdc.spread(1000, slices=3, frames=5, turn=2)
    assert sorted(pairs) == [(z, f) for z in range(3) for f in range(5)]


@pytest.mark.parametrize("most", [1, 7, 10])
def test_the_pool_ends_at_its_cap_and_is_dealt_out_evenly(folder, monkeypatch, most):
    monkeypatch.setattr(acdc, "POOL", most)
    shares = Counter(r.subject for r in acdc.records(folder) if r.mask is None)
    assert sum(shares.values()) == most
    assert max(shares.values()) <= -(-most // 3)


@pytest.mark.parametrize("frame", ["frame01", "frame04"])
@pytest.mark.parametrize("kind", ["", "_gt"])
def test_a_missing_frame_or_mask_is_named(folder, frame, kind):
    name = f"patient001_{frame}{kind}.nii.gz"
    (folder / HERE / name).unlink()
    with pytest.raises(BadInput, match=rf"patient001 lacks {name}; fetch the patient again"):
        list(acdc.records(folder))


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("patient001_frame01_gt", {"spacing_mm": (8.0, 3.1, 3.0)}),
        ("patient001_frame04_gt", {"shape": (1, 4, 72, 80)}),
        ("patient001_frame04", {"spacing_mm": (10.0, 3.0, 3.0)}),
        ("patient001_frame01", {"shape": (1, 3, 80, 72)}),
        ("patient001_4d", {"spacing_mm": (8.0, 3.0, 3.2)}),
        ("patient001_4d", {"shape": (6, 4, 80, 70)}),
    ],
)
def test_files_of_a_patient_that_do_not_fit_are_refused(folder, name, change):
    rewrite(folder / HERE / f"{name}.nii.gz", **change)
    with pytest.raises(BadInput, match=r"patient001.*voxels of .*; export both alike"):
        list(acdc.records(folder))


def test_es_may_not_differ_from_ed_even_where_each_fits_its_mask(folder):
    for name in ("frame04", "frame04_gt"):
        rewrite(folder / HERE / f"patient001_{name}.nii.gz", spacing_mm=(9.0, 3.0, 3.0))
    with pytest.raises(BadInput, match=r"frame04.* of 3 x 3 x 9 mm .*frame01.* of 3 x 3 x 8 mm"):
        list(acdc.records(folder))


def test_a_missing_spacing_is_refused(folder):
    path = folder / HERE / "patient001_frame01.nii"
    rewrite(folder / HERE / "patient001_frame01.nii.gz")
    voxels = nifti.voxels(packed := path.with_suffix(".nii.gz"), nifti.header(packed))
    miniature.write(path, voxels[0], spacing_mm=(8.0, 3.0, 3.0))
    packed.unlink()
    data = bytearray(path.read_bytes())
    data[80:84] = bytes(4)
    path.write_bytes(data)
    with pytest.raises(BadInput, match=r"frame01\.nii states a voxel spacing of 0 x 3 x 8 mm"):
        list(acdc.records(folder))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("ES: 4\n", "says ED: '', no frame"),
        ("ED: 1\nES: ../../x\n", r"says ES: '\.\./\.\./x', no frame"),
        ("ED: 0\nES: 4\n", "says ED: '0', no frame"),
        ("ED: -1\nES: 4\n", "no frame"),
        ("ED: \u0661\nES: 4\n", "no frame"),
        ("ED: 99999999999\nES: 4\n", "no frame"),
        ("ED: 1\nES: 1\n", "ED and ES are the same frame"),
        ("ED: 1\nES: 5\n", "lacks patient001_frame05"),
        ("ED: 1\nES: 4\nHeight: tall\n", "says Height: 'tall', which is no number"),
        ("x" * 70_000, "lacks a sound Info.cfg"),
    ],
)
def test_what_is_wrong_with_an_info_file_is_named(folder, text, told):
    (folder / HERE / "Info.cfg").write_text(text, "utf-8")
    with pytest.raises(BadInput, match=told):
        list(acdc.records(folder))


def test_a_cine_must_reach_ed_and_es(folder):
    rewrite(folder / HERE / "patient001_4d.nii.gz", shape=(3, 4, 80, 72))
    with pytest.raises(BadInput, match=r"4d\.nii\.gz ends at frame 3, before ED or ES"):
        list(acdc.records(folder))


def test_links_may_not_lead_out_and_patients_must_be_there(folder, tmp_path):
    path = folder / HERE / "patient001_frame01.nii.gz"
    path.rename(tmp_path / "elsewhere.nii.gz")
    path.symlink_to(tmp_path / "elsewhere.nii.gz")
    with pytest.raises(BadInput, match="leads out of"):
        list(acdc.records(folder))
    with pytest.raises(BadInput, match="no patientXXX folder"):
        list(acdc.records(tmp_path))


def test_a_prepared_frame_shows_the_field_of_the_paper(folder, tmp_path):
    prepared = prepare("acdc", folder.parent, size=(224, 224), cache=tmp_path / "c")
    samples = prepared.split("all")
    assert samples.records[0].at == (0,)
    for record in samples.records:
        assert record.labels["spacing_y_mm"] == pytest.approx(1.37, rel=0.003)
        assert record.labels["spacing_x_mm"] == pytest.approx(1.37, rel=0.003)
    batch = samples.batch(range(len(samples.records)))
    outlined = [i for i, r in enumerate(samples.records) if r.mask]
    assert [i for i in range(len(samples.records)) if (batch.mask[i] >= 0).all()] == outlined
    # 72 columns of 3 mm are 216 mm: padded; 80 rows of 3 mm are 240 mm
    first = batch.image[0, 0]
    assert not first[:24].any()
    assert not first[:, :33].any()
    assert (first[25:199, 34:190] > 0).float().mean() > 0.5
    # the left ventricle of patient001 at ED: a disc of .11 of 240 x 216 mm in the first slice
    area_mm2 = np.pi * (0.11 * 240) * (0.11 * 216)
    ventricle = (batch.mask[0] == 3).sum().item() * 1.37**2
    assert ventricle == pytest.approx(area_mm2, rel=0.03)
    levels = [batch.image[outlined, 0][batch.mask[outlined] == k].mean() for k in range(4)]
    assert levels[2] < levels[1] - 0.2  # wall against the right ventricle
    assert levels[2] < levels[3] - 0.2


def test_image_and_mask_stay_on_each_other(folder, tmp_path):
    image, mask = (folder / HERE / f"patient001_frame01{end}.nii.gz" for end in ("", "_gt"))
    square = np.zeros((4, 80, 72), np.int16)
    square[:, 20:44, 30:60] = 1
    miniature.write(image, square * 900, spacing_mm=(8.0, 3.0, 3.0))
    miniature.write(mask, square, spacing_mm=(8.0, 3.0, 3.0))
    prepared = prepare("acdc", folder.parent, size=(96, 112), cache=tmp_path / "c")
    batch = prepared.split("all").batch([1])
    shown = batch.mask[0] == 1
    assert batch.image[0, 0][shown].mean() > 0.95
    assert batch.image[0, 0][~shown].mean() < 0.02
    rows, columns = (axis.float() for axis in shown.nonzero(as_tuple=True))
    # middle of the square from the middle of the picture: -8 and 9 pixels of 3 mm
    assert rows.mean().item() == pytest.approx(47.5 - 8 * 3 * 96 / 306.88, abs=0.6)
    assert columns.mean().item() == pytest.approx(55.5 + 9 * 3 * 112 / 306.88, abs=0.6)


def test_a_mask_outside_the_classes_and_a_cut_file_are_refused(folder, tmp_path):
    path = folder / HERE / "patient001_frame01_gt.nii.gz"
    sound = path.read_bytes()
    rewrite(path, add=1)
    told = r"frame01_gt\.nii\.gz holds the index 4, but the classes end at 3; correct it"
    with pytest.raises(BadInput, match=told):
        prepare("acdc", folder.parent, size=(64, 64), cache=tmp_path / "c")
    path.write_bytes(sound[:-200])
    with pytest.raises(BadInput, match=r"frame01_gt\.nii\.gz is damaged or incomplete"):
        prepare("acdc", folder.parent, size=(64, 64), cache=tmp_path / "c")
    assert not list((tmp_path / "c").iterdir())
