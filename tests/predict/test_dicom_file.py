"""Hostile and broken files end in one sentence; what is passed on is passed on letter by letter."""

import datetime

import numpy as np
import pytest
from pydicom import Dataset, config, dcmread
from pydicom.uid import DeflatedExplicitVRLittleEndian

from septum.contract import BadInput
from septum.predict import dicom_file


@pytest.fixture
def source(ultrasound, noise):
    return ultrasound(noise((30, 37)))


def no_dicom(path):
    path.write_bytes(b"no DICOM" * 100)


def truncated(path):
    path.write_bytes(path.read_bytes()[:300])


def missing(path):
    path.unlink()


def empty(path):
    path.write_bytes(b"")


def no_study(path):
    rewrite(path, StudyInstanceUID=None)


def long_name(path):
    with config.disable_value_validation():
        rewrite(path, StudyDescription="x" * 20_000)


def deflated(path):
    made = dcmread(path)
    made.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    made.save_as(path, enforce_file_format=True)


def rewrite(path, **more):
    made = dcmread(path)
    for name, value in more.items():
        setattr(made, name, value)
    made.save_as(path)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (no_dicom, "DICOM"),
        (truncated, "only a complete DICOM image"),
        (missing, "no DICOM file that can be read"),
        (empty, "DICOM"),
        (no_study, "no StudyInstanceUID"),
        (long_name, "20000 bytes"),
        (deflated, "deflated"),
    ],
)
def test_a_bad_file_is_told_in_one_sentence(spoil, said, source):
    spoil(source)
    with pytest.raises(BadInput, match=said) as told:
        dicom_file.header(source)
    assert source.name in str(told.value)
    assert str(told.value).count("\n") == 0


@pytest.mark.parametrize(
    ("number", "none"), [(b"IS\x02\x003 ", b"IS\x02\x00x "), (b"DS\x04\x0033.3", b"DS\x04\x00nan ")]
)
def test_a_number_that_is_none_is_told(ultrasound, noise, number, none):
    film = ultrasound(noise((3, 30, 37)))
    assert film.read_bytes().count(number) == 1
    film.write_bytes(film.read_bytes().replace(number, none))
    with pytest.raises(BadInput, match="damaged"):
        dicom_file.header(film)


def test_a_large_file_is_refused_unread(source, monkeypatch):
    monkeypatch.setattr(dicom_file, "MAX_BYTES", 100)
    with pytest.raises(BadInput, match="4 GiB"):
        dicom_file.header(source)


def test_only_named_attributes_are_read(source):
    rewrite(source, PatientComments="seen at home", InstitutionName="Ward")
    found = dicom_file.header(source)
    assert {element.keyword for element in found} <= {*dicom_file.READ}


def test_amiss_values_of_a_person_are_passed_on_as_they_are(ultrasound, noise, tmp_path):
    amiss = {"PatientSex": "x", "PatientBirthDate": "ca. 1960"}
    source = ultrasound(noise((30, 37)))
    text = source.read_bytes().replace(b"CS\x02\x00F ", b"CS\x02\x00x ")
    source.write_bytes(text.replace(b"DA\x08\x0019600101", b"DA\x08\x00ca. 1960"))
    new = Dataset()
    new.file_meta = dcmread(source).file_meta
    new.SOPClassUID, new.SOPInstanceUID = new.file_meta.MediaStorageSOPClassUID, dicom_file.uid()
    found = dicom_file.header(source)
    dicom_file.finish(new, found, now=datetime.datetime(2024, 2, 29))
    [path] = dicom_file.write([new], tmp_path, "new")
    made = dcmread(path)
    assert {name: made[name].value for name in amiss} == amiss
    assert made.PatientName == "Zoë^Nobody"


def test_several_instances_are_numbered(source, tmp_path):
    paths = dicom_file.write([dcmread(source)] * 2, tmp_path / "out", "seg")
    assert [path.name for path in paths] == ["seg-1.dcm", "seg-2.dcm"]
    np.testing.assert_array_equal(dcmread(paths[1]).pixel_array, dcmread(source).pixel_array)
