from pydicom.datadict import tag_for_keyword

from septum.data.deidentify import tags
from septum.data.deidentify.profile import PROFILE

ACTIONS = {"D", "Z", "X", "U", *tags.RESOLVED}


def test_every_keyword_is_one_of_the_standard():
    assert [keyword for keyword in PROFILE if tag_for_keyword(keyword) is None] == []


def test_every_action_is_one_of_the_standard():
    assert set(PROFILE.values()) == ACTIONS


def test_the_table_is_that_of_the_standard():
    """Rows read off PS3.15 Table E.1-1 by hand."""
    expected = {
        "PatientName": "Z", "PatientID": "Z/D", "PatientBirthDate": "Z", "PatientAge": "X",
        "StudyDate": "Z", "SeriesDate": "X/D", "ContentDate": "Z/D", "AcquisitionDate": "X/Z",
        "StudyInstanceUID": "U", "SOPInstanceUID": "U", "InstitutionName": "X/Z/D",
        "AccessionNumber": "Z", "StudyDescription": "X", "SourceImageSequence": "X/Z/U*",
        "PersonName": "D", "EthnicGroup": "X", "DeviceSerialNumber": "X/Z/D", "ProtocolName": "X/D",
    }  # fmt: skip
    assert {keyword: PROFILE[keyword] for keyword in expected} == expected


def test_what_stays_is_not_in_the_table():
    assert not (tags.KEPT | tags.CODE | tags.EMPTIED) & PROFILE.keys()
