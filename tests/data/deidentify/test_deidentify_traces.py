import pytest
from pydicom import Dataset

from septum.data.deidentify import traces


def sought(**values):
    ds = Dataset()
    for keyword, value in values.items():
        setattr(ds, keyword, value)
    return traces.of(ds)


def left(found, header=b"", pixels=b"", written=(), stays=()):
    return traces.left(header, pixels, found, written=written, stays=stays)


def test_every_planted_value_is_a_trace(scan, cone, planted):
    texts = " ".join(trace.text for trace in traces.of(scan(cone()[0])))
    elsewhere = {"OVERLAYSECRET", "SCANNERAE"}  # bytes of an overlay; file meta information
    assert [p for p in planted if p.lower() not in texts and p not in elsewhere] == []


@pytest.mark.parametrize("header", [b"..SMITHERSON..", b"smitherson^wilhelmina", b"xwilhelmina"])
def test_a_name_is_found_in_part_and_in_any_case(header):
    assert left(sought(PatientName="Smitherson^Wilhelmina"), header) == {"PatientName"}


def test_a_name_is_found_in_either_encoding():
    for encoding in ("utf-8", "latin-1"):
        found = left(sought(PatientName="Müller"), "müller".encode(encoding))
        assert found == {"PatientName"}


def test_the_date_of_a_time_stamp_is_found():
    found = sought(AcquisitionDateTime="20190124113933")
    assert left(found, b"x20190124y") == {"AcquisitionDateTime"}


def test_values_of_three_characters_and_classes_of_the_standard_are_no_traces():
    assert sought(PatientID="123", SOPClassUID="1.2.840.10008.5.1.4.1.1.6.1") == set()


def test_a_text_may_be_part_of_one_that_stays_but_an_identifier_may_not():
    kept = {"stays": ["acme imaging"]}
    assert left(sought(StudyDescription="ACME"), b"Acme Imaging", **kept) == set()
    assert left(sought(StudyDescription="ACME"), b"Acme Imaging acme", **kept) != set()
    assert left(sought(PatientID="ACME"), b"Acme Imaging", **kept) == {"PatientID"}


def test_a_short_number_in_a_pseudonym_is_chance():
    found, uid = sought(PatientID="4242"), "2.25.994242"
    assert left(found, uid.encode()) == {"PatientID"}
    assert left(found, uid.encode(), written=[uid]) == set()


def test_among_grey_levels_only_long_texts_count():
    found = sought(PatientID="4242", PatientBirthDate="19540302")
    assert left(found, pixels=b"4242") == set()
    assert left(found, pixels=b"..19540302..") == {"PatientBirthDate"}


def test_codes_numbers_and_texts_of_the_device_may_stay():
    ds = Dataset()
    ds.Modality, ds.FrameTime, ds.Manufacturer, ds.StudyID = "US", "33.3", "Acme", "Room"
    assert traces.staying(ds) == {"us", "33.3", "acme"}
