"""Estimates as a structured report: values, units and intervals come back as they went in."""

import datetime
import math

import pytest
from highdicom import sr
from pydicom import dcmread

from septum.contract import BadInput
from septum.predict import dicom_file
from septum.predict.dicom_codes import LOWER, UPPER
from septum.predict.dicom_report import PARAMETER, report

ESTIMATES = {
    "ef_percent": (55.25, 50.0, 61.5, "%"),
    "edv_ml": (120.5, 100.0, 140.25, "mL"),
    "esv_ml": (54.0, None, None, "mL"),
    "gls_per_beat": (1 / 3, 0.0, 0.5, "beats"),
}
MADE_BY = {"model": "coreecho", "algorithm_version": "1.2"}


@pytest.fixture
def film(ultrasound, noise):
    return ultrasound(noise((3, 30, 37)))


@pytest.fixture
def written(film, tmp_path):
    now = datetime.datetime(2024, 2, 29, 12, 30)
    made = report(film, ESTIMATES, **MADE_BY, now=now)
    [path] = dicom_file.write([made], tmp_path, "report")
    return path


def measurements(path):
    [group] = sr.srread(path).content.get_image_measurement_groups()
    return group.get_measurements()


def test_values_and_intervals_come_back(written):
    found = {}
    for one in measurements(written):
        code, of = one.name.value, one.unit
        within = {UPPER.value: 0.0, LOWER.value: 0.0}
        for item in one[0].ContentSequence:
            if item.name.value in within:
                assert item.unit == of
                within[item.name.value] = float(item.value)
        low, high = one.value - within[LOWER.value], one.value + within[UPPER.value]
        found[code] = (one.value, low, high, of.value)
    assert found == {
        "10230-1": ESTIMATES["ef_percent"],
        "8821-1": ESTIMATES["edv_ml"],
        "8823-7": (54.0, 54.0, 54.0, "mL"),
        "gls_per_beat": (pytest.approx(1 / 3), pytest.approx(0), pytest.approx(0.5), "{beats}"),
    }


def test_the_ranges_are_those_of_the_standard(written):
    """By hand: 61.5 - 55.25 = 6.25 above, 55.25 - 50 = 5.25 below."""
    [ef] = [one for one in measurements(written) if one.name.value == "10230-1"]
    ranges = {
        item.ConceptNameCodeSequence[0].CodeMeaning: item.MeasuredValueSequence[0].NumericValue
        for item in ef[0].ContentSequence
        if item.ValueType == "NUM"
    }
    assert ranges == {
        "+, range of upper measurement uncertainty": 6.25,
        "-, range of lower measurement uncertainty": 5.25,
    }


def test_a_device_observed_and_nobody_verified(written):
    made = dcmread(written)
    flags = (made.CompletionFlag, made.VerificationFlag, made.PreliminaryFlag)
    assert flags == ("COMPLETE", "UNVERIFIED", "PRELIMINARY")
    texts = {item.TextValue for item in made.ContentSequence if "TextValue" in item}
    assert "coreecho" in texts
    [group] = sr.srread(written).content.get_image_measurement_groups()
    parameters = [item.value for item in group[0].ContentSequence if item.name.value == "111002"]
    assert parameters == [PARAMETER]


def test_the_evidence_is_the_source(written, film):
    made, source = dcmread(written), dcmread(film)
    [study] = made.CurrentRequestedProcedureEvidenceSequence
    [series] = study.ReferencedSeriesSequence
    [image] = series.ReferencedSOPSequence
    assert study.StudyInstanceUID == source.StudyInstanceUID
    assert series.SeriesInstanceUID == source.SeriesInstanceUID
    assert image.ReferencedSOPInstanceUID == source.SOPInstanceUID
    for name in dicom_file.SAME:
        assert made.get(name) == source.get(name), name
    assert made.SeriesInstanceUID != source.SeriesInstanceUID
    assert made.ContentDate == "20240229"


def test_it_is_valid(written, verified):
    assert verified(written) == []


def test_any_name_and_unit_is_valid(film, tmp_path, verified):
    """A column of a table may be called anything; codes of more than 16 characters are long."""
    said = {
        name: (1.0, None, None, name) for name in ("left_ventricle_area_mm2", "Größe\\", 90 * "x")
    }
    [path] = dicom_file.write([report(film, said, **MADE_BY)], tmp_path, "report")
    names = [one.name.value for one in measurements(path)]
    assert names == ["left_ventricle_area_mm2", "Gr??e?", 64 * "x"]
    assert verified(path) == []


@pytest.mark.parametrize(
    ("estimates", "said"),
    [
        ({}, "no estimate"),
        ({"ef_percent": (40.0, 45.0, 50.0, "%")}, "40.0 is no number within 45.0 to 50.0"),
        ({"ef_percent": (40.0, 35.0, 39.0, "%")}, "leave it out"),
        ({"ef_percent": (math.nan, None, None, "%")}, "nan is no number"),
    ],
)
def test_no_number_is_refused(film, estimates, said):
    with pytest.raises(BadInput, match=said):
        report(film, estimates, **MADE_BY)
