import numpy as np
import pytest
from pydicom import uid

from septum.data import dicom
from septum.data.deidentify import picture
from septum.data.deidentify.picture import Unsure
from septum.data.dicom import Region


def region(kind, row, column, height, width):
    return Region(row=row, column=column, height=height, width=width, kind=kind, spacing_mm=None)


def cleaned(ds, path):
    return picture.cleaned(path, ds, dicom.facts(path))


def test_the_cone_is_kept_within_the_declared_region(cone):
    frame, inside = cone()
    whole = picture.area(frame[0], [])
    kept = picture.area(frame[0], [region("tissue", 0, 0, 150, 400)])
    assert kept.any()
    assert not kept[150:].any()
    assert not (kept & ~whole & ~inside).any()


def test_a_region_of_tissue_alone_is_not_believed(write_over):
    text = write_over(np.zeros((1, 300, 400), np.uint8), "SMITHERSON", (20, 40))[0]
    with pytest.raises(Unsure, match="no cone"):
        picture.area(text, [region("tissue", 0, 0, 300, 400)])


def test_a_declared_spectrum_is_kept_but_not_in_the_banner():
    frame = np.zeros((300, 400), np.uint8)
    kept = picture.area(frame, [region("spectral", 0, 100, 200, 300)])
    assert kept[24:200, 100:].all()
    assert kept.sum() == (200 - 24) * 300


@pytest.mark.parametrize("kind", ["other", "spectral"])
def test_a_trace_or_a_spectrum_of_the_whole_frame_is_not_believed(kind):
    with pytest.raises(Unsure, match="no cone"):
        picture.area(np.zeros((300, 400), np.uint8), [region(kind, 0, 0, 300, 400)])


def test_every_frame_is_blanked_where_any_shows_text(scan, save, cone, write_over, tmp_path):
    frames, inside = cone(frames=4)
    frames[2] = write_over(frames[2:3], "SMITHERSON", (4, 4), 24)[0]
    ds = scan(frames)
    done = cleaned(ds, save(ds, tmp_path / "a.dcm"))
    assert not done.frames[:, ~done.kept].any()
    np.testing.assert_array_equal(done.frames[:, done.kept], frames[:, done.kept])
    assert not (done.kept & ~inside).any()


@pytest.fixture
def slices(scan, save, tmp_path):
    """A function that makes a CT slice of stored values, with an overlay in its unused bits."""

    def make(**changes):
        stored = np.arange(64 * 64, dtype=np.uint16).reshape(1, 64, 64)
        ds = scan(np.zeros((1, 64, 64), np.uint8))
        ds.SOPClassUID, ds.Modality, ds.ImageType = (
            uid.CTImageStorage,
            "CT",
            ["ORIGINAL", "PRIMARY"],
        )
        ds.BitsAllocated, ds.BitsStored, ds.HighBit = 16, 12, 11
        ds.RescaleSlope, ds.RescaleIntercept = "0.5", "-1024"
        del ds.BurnedInAnnotation
        ds.PixelData = (stored | 0x4000).tobytes()
        ds["PixelData"].VR = "OW"
        for keyword, value in changes.items():
            setattr(ds, keyword, value)
        return ds, save(ds, tmp_path / "ct.dcm"), stored

    return make


def test_a_slice_keeps_its_stored_values_without_the_overlay_in_its_bits(slices):
    ds, path, stored = slices()
    done = cleaned(ds, path)
    assert done.kept is None
    np.testing.assert_array_equal(done.frames, stored)


@pytest.mark.parametrize(
    "changes",
    [
        {"BurnedInAnnotation": "YES"},
        {"ImageType": ["DERIVED", "SECONDARY", "SCREEN SAVE"]},
        {"SOPClassUID": uid.SecondaryCaptureImageStorage},
        {"SOPClassUID": uid.EncapsulatedPDFStorage},
        {"SOPClassUID": uid.EnhancedSRStorage},
    ],
)
def test_what_may_show_text_is_refused(slices, changes):
    ds, path, _ = slices(**changes)
    with pytest.raises(Unsure):
        cleaned(ds, path)


def test_a_derived_slice_is_kept_if_nothing_is_burned_in(slices):
    ds, path, _ = slices(ImageType=["DERIVED", "PRIMARY"], BurnedInAnnotation="NO")
    assert cleaned(ds, path).kept is None
