"""Headers and frames of files that exist, and which files are DICOM at all."""

from pathlib import Path

import numpy as np
import pydicom
import pytest
from PIL import Image

from septum.contract import BadInput
from septum.data import decode, dicom, film
from septum.data.dicom import sketch

WHO = {"SOPClassUID": sketch.US_FILM, "SOPInstanceUID": "1.2.3", "Modality": "US"}
SAMPLES = Path(pydicom.__file__).parent / "data" / "test_files"

SHARED = {
    "JPGLosslessP14SV1_1s_1f_8b.dcm": (1, 768, 1024, 0.25476696592378156, None, 1),
    "OBXXXX1A_rle_2frame.dcm": (2, 600, 800, 0.2622878766196998, None, 2),
    "examples_jpeg2k.dcm": (1, 480, 640, None, None, 0),
    "examples_palette.dcm": (1, 350, 800, None, None, 1),
    "examples_rgb_color.dcm": (1, 240, 320, None, None, 0),
    "examples_ybr_color.dcm": (30, 240, 320, None, 33.333, 1),
}
"""Frames, rows, columns, spacing in mm, time of a frame in ms, regions.

The palette and the YBR file state regions of a larger picture, and so no spacing of this one.
"""


@pytest.mark.parametrize("name", SHARED)
def test_real_files_state_what_they_hold(name, shared_data):
    frames, height, width, mm, time_ms, regions = SHARED[name]
    found = dicom.facts(shared_data / "dicom_us" / name)
    assert (found.modality, found.frames, found.height, found.width) == (
        "US", frames, height, width,
    )  # fmt: skip
    assert found.spacing_mm == (None if mm is None else pytest.approx((mm, mm)))
    assert found.frame_time_ms == time_ms
    assert len(found.regions) == regions


@pytest.mark.parametrize("name", SHARED)
def test_real_files_look_as_pydicom_shows_them(name, shared_data):
    path = shared_data / "dicom_us" / name
    ds = pydicom.dcmread(path)
    reference = ds.pixel_array
    if ds.PhotometricInterpretation == "PALETTE COLOR":
        tables = [f"{c}PaletteColorLookupTableData" for c in ("Red", "Green", "Blue")]
        entries = np.stack([np.frombuffer(ds[t].value, "<u2") >> 8 for t in tables], -1)
        reference = entries[reference]
    elif ds.PhotometricInterpretation == "MONOCHROME2":
        reference = np.repeat(reference[..., None], 3, -1)
    colours = dicom.colours(path)
    assert np.abs(colours - reference.reshape(colours.shape).astype(int)).max() <= 1
    luma = np.asarray(Image.fromarray(colours[0]).convert("L")).astype(int)
    assert np.abs(dicom.frames(path)[0] - luma).max() <= 8  # colours that had to be cut
    assert np.abs(dicom.frames(path)[0] - luma).mean() < 0.5


def test_the_regions_of_a_real_file(shared_data):
    tissue, trace = dicom.facts(shared_data / "dicom_us" / "OBXXXX1A_rle_2frame.dcm").regions
    assert (tissue.row, tissue.column, tissue.height, tissue.width) == (60, 120, 459, 680)
    assert (tissue.kind, trace.kind, trace.spacing_mm) == ("tissue", "other", None)


def test_a_file_is_known_by_its_content(tmp_path):
    sketch.write(tmp_path / "IM0001", np.zeros((8, 8), np.uint8), WHO)
    assert dicom.is_dicom(tmp_path / "IM0001")
    assert dicom.is_dicom(SAMPLES / "ExplVR_LitEndNoMeta.dcm")
    assert dicom.is_dicom(SAMPLES / "ExplVR_BigEndNoMeta.dcm")
    Image.new("L", (8, 8)).save(tmp_path / "a.png")
    (tmp_path / "b.dcm").write_bytes(b"\x08\x00")
    (tmp_path / "c.dcm").write_bytes(b"")
    for name in ("a.png", "b.dcm", "c.dcm", "nowhere.dcm"):
        assert not dicom.is_dicom(tmp_path / name)


@pytest.mark.parametrize("implicit", [False, True])
def test_a_file_without_a_preamble_is_read(tmp_path, implicit):
    frames = np.arange(3 * 8 * 10, dtype=np.uint8).reshape(3, 8, 10)
    sketch.write(tmp_path / "a.dcm", frames, WHO)
    ds = pydicom.dcmread(tmp_path / "a.dcm")
    bare = pydicom.Dataset()
    bare.update({element.tag: element for element in ds})
    pydicom.dcmwrite(tmp_path / "b", bare, implicit_vr=implicit, little_endian=True)
    assert dicom.is_dicom(tmp_path / "b")
    np.testing.assert_array_equal(dicom.frames(tmp_path / "b"), frames)


def test_a_report_has_no_picture():
    found = dicom.facts(SAMPLES / "test-SR.dcm")
    assert (found.frames, found.modality, found.position) == (0, "SR", None)
    with pytest.raises(BadInput, match=r"test-SR\.dcm holds no picture"):
        dicom.frames(SAMPLES / "test-SR.dcm")


def test_the_plane_of_a_slice():
    plane = dicom.facts(SAMPLES / "CT_small.dcm").position
    assert plane is not None
    assert plane.position_mm == pytest.approx((-158.135803, -179.035797, -75.699997))
    assert (plane.along_row, plane.along_column) == ((1, 0, 0), (0, 1, 0))


def test_a_film_is_decoded_as_other_films_are(tmp_path):
    frames = np.arange(3 * 8 * 10, dtype=np.uint8).reshape(3, 8, 10)
    region = {
        "RegionLocationMinX0": 0, "RegionLocationMinY0": 0, "RegionLocationMaxX1": 9,
        "RegionLocationMaxY1": 7, "RegionDataType": 1, "RegionSpatialFormat": 1,
        "PhysicalUnitsXDirection": 3, "PhysicalUnitsYDirection": 3,
        "PhysicalDeltaX": 0.025, "PhysicalDeltaY": 0.05,
    }  # fmt: skip
    path = tmp_path / "film"
    sketch.write(path, frames, WHO, {"SequenceOfUltrasoundRegions": [region]})
    np.testing.assert_array_equal(list(film.frames(path)), frames)
    assert (film.count(path), film.spacing_mm(path)) == (3, (0.5, 0.25))


def test_a_film_is_no_still(tmp_path):
    sketch.write(tmp_path / "a.dcm", np.zeros((3, 8, 8), np.uint8), WHO)
    record = decode.Record(id="a", subject="a", image=tmp_path / "a.dcm")
    with pytest.raises(BadInput, match=r"a\.dcm is a film of 3 frames"):
        decode.image(record)
