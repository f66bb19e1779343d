"""Slices become a volume by where they lie; what is no even stack is refused."""

import numpy as np
import pytest
import SimpleITK

from septum.contract import BadInput
from septum.data import dicom
from septum.data.dicom import sketch, volumes

TILT = ([0.8, 0.6, 0.0], [0.0, 0.0, -1.0])
NORMAL = np.cross(*TILT)
SHIFT_MM = np.array([3.0, -20.0, 7.5])


def slice_of(folder, number, place_mm, **more):
    """A slice at this place on the normal, filled with its place; named without any order."""
    tags = {
        "SOPClassUID": sketch.CT_SLICE,
        "SOPInstanceUID": f"1.2.{number}",
        "SeriesInstanceUID": "1.2",
        "Modality": "CT",
        "ImagePositionPatient": (SHIFT_MM + place_mm * NORMAL).round(6).tolist(),
        "ImageOrientationPatient": [*TILT[0], *TILT[1]],
        "PixelSpacing": [0.5, 0.25],
        "RescaleSlope": 2,
        "RescaleIntercept": -10,
        "InstanceNumber": number,
        **more,
    }
    pixels = np.full((6, 8), int(place_mm) + 50, np.uint16)
    sketch.write(folder / f"{number:03d}", pixels, tags)
    return folder / f"{number:03d}"


def series(folder, places_mm=(10, -5, 0, 5), **more):
    return [slice_of(folder, k, mm, **more) for k, mm in enumerate(places_mm, start=1)]


def test_slices_lie_along_their_normal_whatever_their_numbers(tmp_path):
    paths = series(tmp_path)
    found = dicom.series_of(paths[0])
    assert [path for path, _ in found.slices] == [paths[k] for k in (1, 2, 3, 0)]
    assert found.spacing_mm == pytest.approx((5, 0.5, 0.25))
    volume = dicom.load(paths[2])
    assert volume.voxels.shape == (1, 4, 6, 8)
    np.testing.assert_array_equal(volume.voxels[0, :, 0, 0], [80, 90, 100, 110])
    assert volume.grid.spacing_mm == found.spacing_mm


def test_the_affine_is_that_of_another_library(tmp_path):
    paths = series(tmp_path)
    found = dicom.series_of(paths[0])
    names = SimpleITK.ImageSeriesReader.GetGDCMSeriesFileNames(str(tmp_path), "1.2")
    image = SimpleITK.ReadImage(names)
    for index in [(0, 0, 0), (7, 0, 0), (0, 5, 0), (3, 2, 3)]:
        expected = image.TransformIndexToPhysicalPoint(index)
        np.testing.assert_allclose((found.affine @ [*index, 1])[:3], expected, atol=1e-4)
    np.testing.assert_array_equal(
        dicom.load(paths[0]).voxels[0], SimpleITK.GetArrayFromImage(image)
    )


def test_a_multi_frame_object_is_a_volume(tmp_path):
    frames = np.arange(3, dtype=np.uint16)[:, None, None].repeat(6, 1).repeat(8, 2)
    own = [{"PlanePositionSequence": [{"ImagePositionPatient": [0, 0, z]}]} for z in (20, 0, 10)]
    shared = {
        "PlaneOrientationSequence": [{"ImageOrientationPatient": [1, 0, 0, 0, 1, 0]}],
        "PixelMeasuresSequence": [{"PixelSpacing": [0.7, 0.6]}],
        "PixelValueTransformationSequence": [{"RescaleSlope": 3, "RescaleIntercept": 1}],
    }
    tags = {
        "SOPClassUID": "1.2.840.10008.5.1.4.1.1.4.1", "SOPInstanceUID": "1.2.3",
        "SeriesInstanceUID": "1.2", "Modality": "MR",
        "PerFrameFunctionalGroupsSequence": own, "SharedFunctionalGroupsSequence": [shared],
    }  # fmt: skip
    sketch.write(tmp_path / "a.dcm", frames, tags)
    volume = dicom.load(tmp_path / "a.dcm")
    np.testing.assert_array_equal(volume.voxels[0, :, 0, 0], [4, 7, 1])
    assert volume.grid.spacing_mm == (10, 0.7, 0.6)


@pytest.mark.parametrize(
    ("places_mm", "told"),
    [
        ((0, 5, 10, 20, 25), r"between 5 and 10 mm apart, some are missing"),
        ((0, 5, 5, 10), "two slices at the same place"),
    ],
)
def test_gaps_and_doubles_are_refused(tmp_path, places_mm, told):
    paths = series(tmp_path, places_mm)
    with pytest.raises(BadInput, match=told):
        dicom.series_of(paths[0])


@pytest.mark.parametrize(
    ("odd", "told"),
    [
        ({"ImageOrientationPatient": [1, 0, 0, 0, 1, 0]}, "several directions, as a localiser"),
        ({"PixelSpacing": [0.5, 0.5]}, "several spacings"),
        ({"Rows": 3, "Columns": 16}, "several sizes"),
    ],
)
def test_slices_that_do_not_belong_together_are_refused(tmp_path, odd, told):
    paths = series(tmp_path)
    slice_of(tmp_path, 9, 15, **odd)
    with pytest.raises(BadInput, match=told):
        dicom.series_of(paths[0])


def test_directions_that_are_not_perpendicular_are_refused(tmp_path):
    paths = series(tmp_path, ImageOrientationPatient=[1, 0, 0, 0.6, 0.8, 0])
    with pytest.raises(BadInput, match="not perpendicular"):
        dicom.series_of(paths[0])


def test_a_series_without_a_spacing_is_refused(tmp_path):
    paths = series(tmp_path, PixelSpacing=[0, 0])
    with pytest.raises(BadInput, match="does not state the spacing"):
        dicom.series_of(paths[0])


def test_a_single_slice_is_no_volume(tmp_path):
    path = slice_of(tmp_path, 1, 0)
    assert volumes.grouped([(path, dicom.facts(path))]) == {}
    with pytest.raises(BadInput, match="is no slice of a volume"):
        dicom.series_of(path)
