import io
import shutil
import subprocess

import numpy as np
import pytest
from pydicom import dcmread

from septum.contract import BadInput
from septum.data.deidentify import picture, tags
from septum.data.deidentify.instance import deidentified
from septum.data.deidentify.picture import Unsure
from septum.data.deidentify.pseudonyms import Pseudonyms

NAMES = Pseudonyms(key=bytes(32))


@pytest.fixture
def written(scan, save, cone, write_over, tmp_path):
    """A film with a name burned in and everywhere else, and what is written of it."""
    frames, inside = cone(frames=3)
    frames = write_over(frames, "SMITHERSON", (4, 4), 24)
    path = save(scan(frames), tmp_path / "a.dcm")
    return deidentified(path, NAMES), frames, inside


def test_no_planted_value_is_anywhere_in_the_bytes(written, planted):
    data = written[0].data.lower()
    assert [secret for secret in planted if secret.lower().encode() in data] == []


def test_it_reads_back_with_its_frames_and_says_what_was_done(written):
    done, frames, _ = written
    ds = dcmread(io.BytesIO(done.data))
    assert ds.preamble == bytes(128)
    assert "SourceApplicationEntityTitle" not in ds.file_meta
    assert ds.file_meta.MediaStorageSOPInstanceUID == ds.SOPInstanceUID
    assert (ds.PatientIdentityRemoved, ds.BurnedInAnnotation) == ("YES", "NO")
    codes = [item.CodeValue for item in ds.DeidentificationMethodCodeSequence]
    assert codes == ["113100", "113101"]
    assert ds.ImageType[0] == "DERIVED"
    kept = done.picture.kept
    np.testing.assert_array_equal(ds.pixel_array, np.where(kept, frames, 0))


def test_who_has_no_identifier_and_no_name_gets_a_pseudonym(scan, save, cone, tmp_path):
    ds = scan(cone()[0])
    del ds.PatientID, ds.PatientName, ds.PatientBirthDate
    done = deidentified(save(ds, tmp_path / "a.dcm"), NAMES).dataset
    assert done.PatientID == done.PatientName == NAMES.patient("1.2.840.99999.1")


def test_the_gate_refuses_what_the_rules_let_through(scan, save, cone, tmp_path, monkeypatch):
    path = save(scan(cone()[0]), tmp_path / "a.dcm")
    monkeypatch.setattr(tags, "KEPT", tags.KEPT | {"ViewName"})
    with pytest.raises(Unsure, match=r"would still hold what .*PatientName"):
        deidentified(path, NAMES)


@pytest.mark.parametrize(
    ("keyword", "value"),
    [("Manufacturer", "Smitherson Imaging"), ("BodyPartExamined", "SMITHERSON")],
)
def test_the_gate_refuses_a_name_in_what_stays(scan, save, cone, tmp_path, keyword, value):
    ds = scan(cone()[0])
    setattr(ds, keyword, value)
    with pytest.raises(Unsure, match="PatientName"):
        deidentified(save(ds, tmp_path / "a.dcm"), NAMES)


def test_the_gate_refuses_pixels_that_spell_a_name(scan, save, cone, tmp_path, monkeypatch):
    frames, _ = cone()
    frames[0, 150, 195:205] = np.frombuffer(b"Smitherson", np.uint8)
    path = save(scan(frames), tmp_path / "a.dcm")
    monkeypatch.setattr(picture.cone, "find", lambda grey: np.ones(grey.shape, bool))
    with pytest.raises(Unsure, match="PatientName"):
        deidentified(path, NAMES)


def test_what_is_damaged_is_refused_by_the_child_process(tmp_path):
    path = tmp_path / "a.dcm"
    path.write_bytes(bytes(128) + b"DICM" + b"\xff" * 64)
    with pytest.raises(BadInput):
        deidentified(path, NAMES)


@pytest.mark.skipif(shutil.which("dciodvfy") is None, reason="skipped: no dciodvfy")
def test_no_error_is_added(scan, save, cone, tmp_path):
    source, out = save(scan(cone(frames=2)[0]), tmp_path / "a.dcm"), tmp_path / "b.dcm"
    out.write_bytes(deidentified(source, NAMES).data)
    assert errors(out) - errors(source) == set()


@pytest.mark.skipif(shutil.which("dciodvfy") is None, reason="skipped: no dciodvfy")
def test_real_objects_get_no_error_and_show_no_text(shared_data, tmp_path):
    for source in sorted((shared_data / "dicom_us").glob("*.dcm")):
        done, out = deidentified(source, NAMES), tmp_path / "b.dcm"
        out.write_bytes(done.data)
        assert errors(out) - errors(source) == set(), source
        top = done.picture.frames[:, : len(done.picture.kept) // 10]
        assert not top.any()  # each shows a name, a number or a hospital there


def errors(path):
    said = subprocess.run(["dciodvfy", path], capture_output=True, text=True, check=False).stderr
    return {line for line in said.splitlines() if line.startswith("Error")}
