from pathlib import Path

import pytest
import SimpleITK

from septum.contract import BadInput
from septum.data import camus, open_source, read


@pytest.fixture
def folder(tmp_path):
    camus.sketch(tmp_path)
    return tmp_path


def test_the_sketch_is_read_in_both_formats(folder):
    records = list(camus.records(folder))
    assert [r.id for r in records[:5]] == [
        "patient0001_2CH_ED",
        "patient0001_2CH_ES",
        "patient0001_4CH_ED",
        "patient0001_4CH_ES",
        "patient0002_2CH_ED",
    ]
    assert {(r.image.suffix, r.split) for r in records} == {(".gz", "train"), (".mhd", "val")}
    for record in records:
        pixels = read.image(record.image)
        assert pixels.spacing_mm == pytest.approx((0.3, 0.6))
        assert read.mask(record.mask).shape == pixels.grey.shape
        assert read.mask(record.mask).max() == 3


def test_the_facts_of_the_info_file(folder):
    (folder / "patient0001" / "Info_2CH.cfg").write_text(
        "ED: 1\nES: 18\nNbFrame: 18\nSex: F\nAge: nan\nImageQuality: Good\nLVedv: 94.0\n"
        "LVesv: 34.6\nLVef: 63.2\nFrameRate: 48.5\nSomething: else\n"
    )
    assert next(camus.records(folder)).labels == {
        "modality": "US",
        "view": "2CH",
        "phase": "ED",
        "ed_frame": 1.0,
        "es_frame": 18.0,
        "frames": 18.0,
        "sex": "F",
        "quality": "Good",
        "edv_ml": 94.0,
        "esv_ml": 34.6,
        "ef_percent": 63.2,
        "frame_rate_hz": 48.5,
    }


def test_the_folders_as_they_are_unpacked(folder, tmp_path_factory):
    home = tmp_path_factory.mktemp("unpacked")
    (home / "database_split").mkdir()
    folder.joinpath("subgroup_training.txt").rename(home / "database_split/subgroup_training.txt")
    folder.rename(home / "database_nifti")
    records = list(camus.records(home))
    assert [r.split for r in records] == ["train"] * 4 + [None] * 4


def test_patients_without_ground_truth_have_no_mask(folder):
    for path in folder.rglob("*_gt*"):
        path.unlink()
    assert {r.mask for r in camus.records(folder)} == {None}


def test_what_is_wrong_is_named(folder):
    (folder / "patient0001" / "Info_4CH.cfg").write_text("Age: old\n")
    with pytest.raises(BadInput, match="Age: 'old'"):
        list(camus.records(folder))
    (folder / "patient0001" / "patient0001_2CH_ES.nii.gz").unlink()
    with pytest.raises(BadInput, match="lacks patient0001_2CH_ES"):
        list(camus.records(folder))
    (folder / "patient0001" / "Info_2CH.cfg").write_text("x" * 100_000)
    with pytest.raises(BadInput, match="too large"):
        list(camus.records(folder))
    with pytest.raises(BadInput, match="no patientXXXX folder"):
        list(camus.records(folder / "patient0001"))


def test_real_patients(shared_data: Path):
    source, records = open_source("camus_native:camus", shared_data)
    assert source is camus.SOURCE
    assert len(records) == 12
    assert records[0].labels["ef_percent"] == 63.2
    assert records[-1].subject == "patient0003"


def test_a_sketch_that_cannot_be_written_is_refused(tmp_path, monkeypatch):
    def full(*_):
        raise RuntimeError("file stream is fail after write")

    monkeypatch.setattr(SimpleITK, "WriteImage", full)
    with pytest.raises(BadInput, match=r"ED\.nii\.gz cannot be written; make room"):
        camus.sketch(tmp_path)
