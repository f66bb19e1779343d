"""What a header states: units checked, free text and names kept back."""

import hashlib
import json

import numpy as np
import pydicom
import pytest

from septum.contained import tags
from septum.contained.caps import MAX_FRAMES, Refused
from septum.data.dicom import sketch

REGION = {
    "RegionSpatialFormat": 1,
    "RegionDataType": 1,
    "RegionLocationMinX0": 4,
    "RegionLocationMinY0": 2,
    "RegionLocationMaxX1": 23,
    "RegionLocationMaxY1": 11,
    "PhysicalUnitsXDirection": 3,
    "PhysicalUnitsYDirection": 3,
    "PhysicalDeltaX": 0.02,
    "PhysicalDeltaY": -0.03,
}
WHO = {"SOPClassUID": sketch.US_FILM, "SOPInstanceUID": "1.2.3", "Modality": "US"}


def header(tmp_path, frames=1, **more):
    sketch.write(tmp_path / "a.dcm", np.zeros((frames, 24, 32), np.uint8), WHO, more)
    return pydicom.dcmread(tmp_path / "a.dcm", stop_before_pixels=True)


def region(tmp_path, **changes):
    ds = header(tmp_path, SequenceOfUltrasoundRegions=[{**REGION, **changes}])
    found = tags.regions(ds, (24, 32))
    return found[0] if found else None


def test_a_region_counts_from_its_first_to_its_last_pixel(tmp_path):
    assert region(tmp_path) == {
        "row": 2,
        "column": 4,
        "height": 10,
        "width": 20,
        "kind": "tissue",
        "spacing_mm": pytest.approx((0.3, 0.2)),
    }


@pytest.mark.parametrize(
    "changes",
    [
        {"PhysicalUnitsXDirection": 4},
        {"PhysicalUnitsYDirection": 0},
        {"PhysicalDeltaX": 0.0},
        {"PhysicalDeltaY": float("nan")},
        {"PhysicalDeltaX": float("inf")},
    ],
)
def test_a_spacing_in_other_units_than_cm_is_none(tmp_path, changes):
    assert region(tmp_path, **changes)["spacing_mm"] is None


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({"RegionDataType": 2}, "colour_flow"),
        ({"RegionDataType": 3, "RegionSpatialFormat": 3}, "spectral"),
        ({"RegionDataType": 4, "RegionSpatialFormat": 3}, "spectral"),
        ({"RegionDataType": 10, "RegionSpatialFormat": 4}, "other"),
        ({"RegionSpatialFormat": 2}, "other"),
    ],
)
def test_the_kind_of_a_region(tmp_path, changes, kind):
    assert region(tmp_path, **changes)["kind"] == kind


def test_a_region_one_pixel_too_wide_is_cut_and_believed(tmp_path):
    found = region(tmp_path, RegionLocationMaxX1=32)
    assert (found["width"], found["spacing_mm"]) == (28, pytest.approx((0.3, 0.2)))


def test_a_region_of_a_larger_picture_states_no_spacing(tmp_path):
    found = region(tmp_path, RegionLocationMaxX1=60)
    assert (found["width"], found["spacing_mm"]) == (28, None)


@pytest.mark.parametrize("changes", [{"RegionLocationMinX0": 32}, {"RegionLocationMaxY1": 1}])
def test_a_region_outside_of_the_picture_is_none(tmp_path, changes):
    assert region(tmp_path, **changes) is None


def test_the_spacing_is_that_of_the_largest_tissue(tmp_path):
    small = {**REGION, "RegionLocationMaxX1": 8, "PhysicalDeltaX": 0.5}
    flow = {**REGION, "RegionDataType": 2, "RegionLocationMaxX1": 31, "PhysicalDeltaX": 0.7}
    ds = header(tmp_path, SequenceOfUltrasoundRegions=[small, REGION, flow], PixelSpacing=[9, 9])
    assert tags.facts(ds)["spacing_mm"] == pytest.approx((0.3, 0.2))


@pytest.mark.parametrize("name", ["PixelSpacing", "ImagerPixelSpacing"])
def test_the_spacing_of_a_picture_without_regions(tmp_path, name):
    assert tags.facts(header(tmp_path, **{name: [0.5, 0.25]}))["spacing_mm"] == (0.5, 0.25)
    assert tags.facts(header(tmp_path, **{name: [0.5, 0]}))["spacing_mm"] is None


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ({"FrameTime": 33.333}, 33.333),
        ({"FrameTimeVector": [0, 20, 40, 30]}, 30),
        ({"CineRate": 50}, 20),
        ({"RecommendedDisplayFrameRate": 25}, 40),
        ({"FrameTime": 40, "CineRate": 50}, 40),
        ({"FrameTime": 0, "CineRate": 50}, 20),
        ({"FrameTime": -3}, None),
        ({}, None),
    ],
)
def test_the_time_of_a_frame(tmp_path, told, expected):
    assert tags.facts(header(tmp_path, frames=4, **told))["frame_time_ms"] == expected
    assert tags.facts(header(tmp_path, frames=1, **told))["frame_time_ms"] is None


@pytest.mark.parametrize(
    ("meaning", "view"),
    [
        ("Apical four chamber", "4CH"),
        ("Apical two-chamber view", "2CH"),
        ("Parasternal long axis view", "PLAX"),
        ("Ms Four", ""),
    ],
)
def test_a_view_is_one_that_is_known(tmp_path, meaning, view):
    code = {"CodeValue": "1", "CodingSchemeDesignator": "SCT", "CodeMeaning": meaning}
    assert tags.facts(header(tmp_path, ViewCodeSequence=[code]))["view"] == view


def test_nothing_of_the_patient_is_told_but_a_hash(tmp_path):
    secret = "Doe-4711"
    names = ("PatientID", "PatientName", "StudyDescription", "SeriesDescription", "StationName")
    ds = header(tmp_path, **dict.fromkeys(names, secret))
    found = tags.facts(ds)
    assert secret not in json.dumps(found)
    assert found["patient"] == hashlib.sha256(secret.encode()).hexdigest()[:16]
    assert tags.facts(header(tmp_path))["patient"] == ""


@pytest.mark.filterwarnings("ignore:Invalid value for VR CS")
def test_a_code_that_is_a_sentence_is_not_told(tmp_path):
    assert tags.facts(header(tmp_path, Modality="doe, jane"))["modality"] == ""


def test_an_object_without_a_picture_has_no_frames(tmp_path):
    ds = header(tmp_path)
    del ds.Rows
    assert [tags.facts(ds)[k] for k in ("frames", "height", "width")] == [0, 0, 0]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"Rows": 0}, "no sound number"),
        ({"NumberOfFrames": -1}, "no sound number"),
        ({"NumberOfFrames": MAX_FRAMES + 1}, "too large"),
        ({"Rows": 60_000}, "too large"),
        ({"NumberOfFrames": 4000, "Rows": 8000, "Columns": 8000}, "too large"),
    ],
)
def test_pictures_beyond_the_caps_are_refused_by_their_header(tmp_path, changes, told):
    with pytest.raises(Refused, match=told):
        tags.facts(header(tmp_path, **changes))


def test_an_enhanced_object_states_a_plane_per_frame(tmp_path):
    position = [{"ImagePositionPatient": [0, 0, z]} for z in (0, 5)]
    own = [{"PlanePositionSequence": [p]} for p in position]
    shared = {
        "PlaneOrientationSequence": [{"ImageOrientationPatient": [1, 0, 0, 0, 1, 0]}],
        "PixelMeasuresSequence": [{"PixelSpacing": [0.7, 0.6]}],
    }
    groups = {
        "PerFrameFunctionalGroupsSequence": own,
        "SharedFunctionalGroupsSequence": [shared],
    }
    found = tags.facts(header(tmp_path, frames=2, **groups))
    assert [p["position_mm"] for p in found["planes"]] == [[0, 0, 0], [0, 0, 5]]
    assert found["planes"][1]["along_column"] == [0, 1, 0]
    assert found["spacing_mm"] == (0.7, 0.6)


def test_a_dicomdir_is_asked_for_its_files(tmp_path):
    with pytest.raises(Refused, match="is no DICOMDIR"):
        tags.members(header(tmp_path))
