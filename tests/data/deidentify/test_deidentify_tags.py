import pytest
from pydicom import Dataset, uid
from pydicom.dataelem import RawDataElement
from pydicom.tag import Tag

from septum.data.deidentify.pseudonyms import Pseudonyms
from septum.data.deidentify.tags import scrub

NAMES = Pseudonyms(key=bytes(32))


@pytest.fixture
def scrubbed(scan, cone):
    ds = scan(cone()[0])
    scrub(ds, NAMES)
    return ds


def test_no_planted_value_is_left(scrubbed, planted):
    text = str(scrubbed).lower()
    assert [secret for secret in planted if secret.lower() in text] == []


def test_numbers_codes_and_the_device_stay(scrubbed):
    assert scrubbed.Manufacturer == "Acme Imaging"
    assert scrubbed.Modality == "US"
    assert scrubbed.FrameTime == 33.3
    assert scrubbed.ViewCodeSequence[0].CodeMeaning == "apical four chamber"


def test_a_code_of_a_local_scheme_goes_with_its_sequence(scrubbed):
    assert "PurposeOfReferenceCodeSequence" not in scrubbed.SourceImageSequence[0]


def test_uids_are_replaced_alike_wherever_they_stand(scrubbed):
    assert scrubbed.SOPInstanceUID == NAMES.uid("1.2.840.99999.3")
    reference = scrubbed.SourceImageSequence[0]
    assert reference.ReferencedSOPInstanceUID == scrubbed.SOPInstanceUID
    assert reference.ReferencedSOPClassUID == uid.UltrasoundImageStorage


def test_the_pseudonym_replaces_name_and_identifier(scrubbed):
    assert scrubbed.PatientID == scrubbed.PatientName == NAMES.patient("MRN-778899")


def test_required_attributes_are_emptied_and_optional_ones_removed(scrubbed):
    assert scrubbed.StudyDate == scrubbed.PatientBirthDate == scrubbed.AccessionNumber == ""
    gone = ("SeriesDate", "InstitutionName", "ViewName", "RetrieveURL", "PatientAge")
    assert [keyword for keyword in gone if keyword in scrubbed] == []


@pytest.mark.parametrize("group", [0x0011, 0x5000, 0x6000])
def test_whole_groups_are_removed(scrubbed, group):
    assert [tag for tag in scrubbed.keys() if tag.group == group] == []  # noqa: SIM118


@pytest.mark.parametrize(
    ("keyword", "kind", "value"),
    [
        ("Modality", "CS", "Smitherson^W"),  # no code string
        ("SeriesNumber", "LO", "Smitherson"),  # of another type than in the standard
        ("HeartRate", "IS", "Smitherson"),
        ("Manufacturer", "LO", "Schmïtt"),  # not ASCII: nothing that a device calls itself
    ],
)
def test_a_value_in_the_wrong_place_is_removed(keyword, kind, value):
    ds = Dataset()
    tag, data = Tag(keyword), value.encode()
    ds._dict[tag] = RawDataElement(tag, kind, len(data), data, 0, False, True)  # as a file holds it
    done = scrub(ds, NAMES)
    assert len(ds) == 0
    assert done["X", keyword] == 1


def test_a_bad_value_reaches_no_log(caplog):
    ds = Dataset()
    tag, data = Tag("SliceThickness"), b"Smitherson"
    ds._dict[tag] = RawDataElement(tag, "DS", len(data), data, 0, False, True)
    scrub(ds, NAMES)
    assert caplog.text == ""


def test_without_an_identifier_the_name_and_birth_date_tell_patients_apart():
    pseudonyms = set()
    for name, born in (("A^B", "19540302"), ("A^B", "19540303"), ("A^C", "19540302")):
        ds = Dataset()
        ds.PatientID, ds.PatientName, ds.PatientBirthDate = "", name, born
        scrub(ds, NAMES)
        pseudonyms.add(ds.PatientID)
    assert len(pseudonyms) == 3
