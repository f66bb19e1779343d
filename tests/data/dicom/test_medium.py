"""Which files of a folder or a medium are DICOM, and that none lies elsewhere."""

from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom import uid
from pydicom.dataset import FileMetaDataset

from septum.contract import BadInput
from septum.data import dicom
from septum.data.dicom import medium, sketch

WHO = {"SOPClassUID": sketch.US_FILM, "SOPInstanceUID": "1.2.3", "Modality": "US"}
MEDIUM = Path(pydicom.__file__).parent / "data" / "test_files" / "dicomdirtests"


def picture(path):
    sketch.write(path, np.zeros((8, 8), np.uint8), WHO)
    return path


def directory(folder, *members):
    """A DICOMDIR that names these parts of paths."""
    ds = pydicom.Dataset()
    ds.DirectoryRecordSequence = [pydicom.Dataset() for _ in members]
    for item, parts in zip(ds.DirectoryRecordSequence, members, strict=True):
        item.DirectoryRecordType = "IMAGE"
        item.add_new("ReferencedFileID", "CS", parts)
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = uid.ExplicitVRLittleEndian
    ds.file_meta.MediaStorageSOPClassUID = uid.MediaStorageDirectoryStorage
    ds.file_meta.MediaStorageSOPInstanceUID = "1.2.4"
    ds.save_as(folder / "DICOMDIR", enforce_file_format=True)
    return folder / "DICOMDIR"


def test_every_dicom_file_below_a_folder_is_found(tmp_path):
    wanted = [picture(tmp_path / name) for name in ("a/IM1", "a/b/x.dcm", "c.ima")]
    (tmp_path / "a" / "notes.txt").write_text("no")
    directory(tmp_path, ["A", "IM1"])
    assert dicom.found(tmp_path) == wanted
    assert dicom.found(wanted[0]) == wanted[:1]


def test_a_medium_leads_to_what_it_names(tmp_path):
    picture(tmp_path / "A" / "IM1")
    picture(tmp_path / "A" / "IM2")
    assert dicom.found(directory(tmp_path, ["A", "IM2"])) == [tmp_path / "A" / "IM2"]


def test_a_medium_that_others_wrote():
    paths = dicom.found(MEDIUM / "DICOMDIR")
    assert len(paths) == 31
    assert all(path.is_file() and path.is_relative_to(MEDIUM) for path in paths)


@pytest.mark.parametrize("parts", [["..", "IM1"], ["A", "..", "..", "IM1"], ["/etc", "passwd"]])
@pytest.mark.filterwarnings("ignore:Invalid value for VR CS", "ignore:A value")
def test_a_medium_leads_to_no_other_folder(tmp_path, parts):
    picture(tmp_path / "IM1")
    (tmp_path / "medium").mkdir()
    with pytest.raises(BadInput, match=r"no plain path|leads out|is missing"):
        dicom.found(directory(tmp_path / "medium", parts))


def test_a_link_out_of_the_folder_is_not_followed(tmp_path):
    outside = picture(tmp_path / "IM1")
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "IM1").symlink_to(outside)
    with pytest.raises(BadInput, match="home holds no DICOM file"):
        dicom.found(tmp_path / "home")
    with pytest.raises(BadInput, match="leads out"):
        dicom.found(directory(tmp_path / "home", ["IM1"]))


def test_lost_files_of_a_medium_are_told(tmp_path):
    with pytest.raises(BadInput, match="names a file that is missing"):
        dicom.found(directory(tmp_path, ["A", "IM9"]))


def test_another_file_is_no_medium(tmp_path):
    picture(tmp_path / "DICOMDIR")
    with pytest.raises(BadInput, match="is no DICOMDIR"):
        dicom.found(tmp_path / "DICOMDIR")
    with pytest.raises(BadInput, match="nowhere holds no DICOM file"):
        dicom.found(tmp_path / "nowhere")


def test_a_folder_without_end_is_refused(tmp_path, monkeypatch):
    picture(tmp_path / "a")
    picture(tmp_path / "b")
    monkeypatch.setattr(medium, "MAX_FILES", 1)
    with pytest.raises(BadInput, match="holds more than 1 files"):
        dicom.found(tmp_path)
