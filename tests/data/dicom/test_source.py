"""A folder of studies as a data set: pictures and slices, or films."""

import hashlib

import numpy as np
import pytest

from septum.contract import BadInput
from septum.data import SOURCES, decode, dicom, open_source
from septum.data.dicom import sketch
from septum.data.prepare import prepare


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """A folder of either kind."""
    root = tmp_path_factory.mktemp("studies")
    for name in ("dicom", "dicom_films"):
        SOURCES[name].sketch(root / "clinic" / name)
    return root


def test_pictures_and_slices(root):
    _, records = open_source("dicom:dicom", root / "clinic")
    slices = [r for r in records if r.at]
    assert (len(records) - len(slices), len(slices)) == (4, 12)
    assert {r.labels["modality"] for r in slices} == {"CT"}
    assert {r.labels["view"] for r in records if not r.at} == {"4CH", "2CH"}
    first = [r for r in slices if r.subject == slices[0].subject]
    assert [r.at for r in first] == [(k,) for k in range(6)]
    assert len({r.labels["volume"] for r in slices}) == 2


def test_a_slice_is_cut_out_of_its_volume(root):
    _, records = open_source("dicom:dicom", root / "clinic")
    record = next(r for r in records if r.at == (3,))
    pixels = decode.image(record)
    values = dicom.values(record.image)[0]
    whole = np.concatenate([dicom.values(p) for p in record.image.parent.iterdir()])
    low, high = np.percentile(whole, [5, 95])
    expected = np.round(((values - low) / (high - low)).clip(0, 1) * 255)
    np.testing.assert_array_equal(pixels.grey, expected)
    assert pixels.spacing_mm == dicom.facts(record.image).spacing_mm


def test_films(root, tmp_path):
    _, records = open_source("dicom_films:dicom_films", root / "clinic")
    assert [r.labels["frames"] for r in records] == [26.0, 26.0]
    assert [r.labels["frame_rate_hz"] for r in records] == [25.0, 25.0]
    ready = prepare("dicom_films", root / "clinic", size=(32, 40), cache=tmp_path)
    assert ready.spans is not None
    assert ready.spans.tolist() == [[0, 26], [26, 26]]


def test_the_other_kind_is_passed_over_or_told(root, tmp_path):
    stills, films = root / "clinic" / "dicom", root / "clinic" / "dicom_films"
    with pytest.raises(
        BadInput, match=r"holds no still picture; read its films as NAME:dicom_films"
    ):
        open_source("dicom_films:dicom", root / "clinic")
    with pytest.raises(BadInput, match=r"holds no film; read its pictures as NAME:dicom"):
        open_source("dicom:dicom_films", root / "clinic")
    (tmp_path / "both").mkdir()
    (tmp_path / "both" / "a.dcm").write_bytes((films / "0.dcm").read_bytes())
    (tmp_path / "both" / "b.dcm").write_bytes((stills / "1-A2C.dcm").read_bytes())
    assert len(open_source("both:dicom", tmp_path)[1]) == 1
    assert len(open_source("both:dicom_films", tmp_path)[1]) == 1


def test_no_identity_is_told(root):
    _, records = open_source("dicom:dicom", root / "clinic")
    assert "phantom" not in str([(r.id, r.subject, r.labels) for r in records]).lower()
    assert records[0].subject == hashlib.sha256(b"phantom 0").hexdigest()[:16]


def test_the_study_stands_in_for_a_patient_without_an_id(tmp_path):
    who = {"SOPClassUID": sketch.US_PICTURE, "Modality": "US", "StudyInstanceUID": "1.2"}
    for k in (1, 2):
        pixels = np.zeros((8, 8), np.uint8)
        sketch.write(tmp_path / "a" / str(k), pixels, who, {"SOPInstanceUID": f"1.2.{k}"})
    _, records = open_source("a:dicom", tmp_path)
    assert {r.subject for r in records} == {hashlib.sha256(b"1.2").hexdigest()[:16]}


def test_an_object_that_is_there_twice_is_refused(root, tmp_path):
    data = (root / "clinic" / "dicom" / "0-A2C.dcm").read_bytes()
    (tmp_path / "a").mkdir()
    for name in ("x", "y"):
        (tmp_path / "a" / name).write_bytes(data)
    with pytest.raises(BadInput, match=r"y is the same object as .*x; drop one"):
        open_source("a:dicom", tmp_path)


def test_damage_is_refused_by_the_name_of_the_file(root, tmp_path):
    data = (root / "clinic" / "dicom" / "0-A2C.dcm").read_bytes()
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x").write_bytes(data[:300])
    with pytest.raises(BadInput, match="x "):
        open_source("a:dicom", tmp_path)
