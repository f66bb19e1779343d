import json

import numpy as np
import pytest
from PIL import Image
from pydicom import dcmread, uid

from septum import cli
from septum.contract import BadInput
from septum.data.deidentify.folder import deidentify
from septum.data.deidentify.pseudonyms import Pseudonyms

NAMES = Pseudonyms(key=bytes(32))


@pytest.fixture
def study(scan, save, cone, tmp_path):
    """Two films of a patient, a screen shot and a damaged file, in folders with her name."""
    home = tmp_path / "in" / "Smitherson"
    for number in (1, 2):
        ds = scan(cone(frames=2)[0])
        ds.SOPInstanceUID = f"1.2.840.99999.3.{number}"
        save(ds, home / f"Wilhelmina{number}.dcm")
    shot = scan(cone()[0])
    shot.SOPClassUID = uid.SecondaryCaptureImageStorage
    save(shot, home / "Wilhelmina3.dcm")
    (home / "Wilhelmina4.dcm").write_bytes((home / "Wilhelmina1.dcm").read_bytes()[:2000])
    (home / "notes.txt").write_text("nothing")
    return tmp_path / "in"


def test_a_bad_file_stops_no_other(study, tmp_path):
    rows = deidentify(study, tmp_path / "out", NAMES)
    assert ["refused" in row for row in rows] == [False, False, True, True]
    assert len(list((tmp_path / "out").rglob("*.dcm"))) == 2


def test_nothing_in_the_folder_names_anybody(study, tmp_path, planted):
    out = tmp_path / "out"
    deidentify(study, out, NAMES)
    for path in [*out.rglob("*"), out / "report.json"]:
        known = str(path.relative_to(out)).encode() + (path.read_bytes() if path.is_file() else b"")
        assert [secret for secret in planted if secret.lower().encode() in known.lower()] == []


def test_objects_of_a_study_stay_together(study, tmp_path):
    rows = deidentify(study, tmp_path / "out", NAMES)
    one, other = (dcmread(tmp_path / "out" / row["written"]) for row in rows[:2])
    assert one.StudyInstanceUID == other.StudyInstanceUID
    assert one.PatientID == other.PatientID
    assert one.SOPInstanceUID != other.SOPInstanceUID


def test_the_report_counts_and_gives_reasons(study, tmp_path):
    deidentify(study, tmp_path / "out", NAMES)
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert (report["files"], report["refused"]) == (4, 2)
    written, _, shot, _ = report["rows"]
    assert written["attributes"]["Z"]["StudyDate"] == 1
    assert written["attributes"]["X"]["private"] == 5
    assert 0.5 < written["pixels"]["blanked_share"] < 1
    assert shot["refused"] == "is neither an ultrasound picture nor an MR or CT slice."


def test_the_sheet_shows_what_was_kept_and_what_was_blanked(study, tmp_path):
    deidentify(study, tmp_path / "out", NAMES)
    with Image.open(tmp_path / "out" / "sheet-1.png") as sheet:
        colours = {tuple(colour) for colour in np.asarray(sheet).reshape(-1, 3)}
    assert (0, 70, 110) in colours
    assert any(r == g == b not in (0, 255) for r, g, b in colours)


def test_out_is_new_and_outside_of_the_source(study, tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "a").touch()
    for out in (study / "out", study, tmp_path / "full", study / "Smitherson" / "notes.txt"):
        with pytest.raises(BadInput):
            deidentify(study, out, NAMES)


def test_the_command_ends_with_2_if_any_was_refused(study, tmp_path, capsys):
    out, key = tmp_path / "out", tmp_path / "key"
    key.write_bytes(bytes(32))
    assert cli.main(["data", "deidentify", str(study), str(out), "--key", str(key)]) == 2
    said = capsys.readouterr()
    assert said.err == (
        "septum: 2 of 4 files were refused, the others are written; see report.json.\n"
    )
    assert "Wilhelmina" not in said.out + said.err
    one = study / "Smitherson" / "Wilhelmina1.dcm"
    assert cli.main(["data", "deidentify", str(one), str(tmp_path / "one")]) == 0
