"""Pictures as Secondary Capture: every pixel comes back, and who may be seen in it is said."""

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.uid import (
    MultiFrameTrueColorSecondaryCaptureImageStorage,
    SecondaryCaptureImageStorage,
)

from septum.contract import BadInput
from septum.predict import dicom_capture, dicom_file
from septum.predict.dicom_capture import capture


@pytest.fixture
def film(ultrasound, noise):
    return ultrasound(noise((3, 30, 37)), LossyImageCompression="01", BurnedInAnnotation="NO")


@pytest.fixture
def written(film, noise, tmp_path):
    def of(shape, source=film):
        picture = noise(shape)
        made = capture(source, picture, title="masks")
        return picture, dicom_file.write([made], tmp_path / "out", "capture")[0]

    return of


@pytest.mark.parametrize(
    ("shape", "kind"),
    [
        ((31, 37, 3), SecondaryCaptureImageStorage),
        ((1, 31, 37, 3), MultiFrameTrueColorSecondaryCaptureImageStorage),
        ((3, 31, 37, 3), MultiFrameTrueColorSecondaryCaptureImageStorage),
        ((5, 31, 37, 3), MultiFrameTrueColorSecondaryCaptureImageStorage),
    ],
)
def test_every_pixel_comes_back_and_it_is_valid(written, verified, shape, kind):
    picture, path = written(shape)
    made = dcmread(path)
    np.testing.assert_array_equal(made.pixel_array, np.squeeze(picture))
    assert made.SOPClassUID == kind
    assert verified(path) == []


def test_it_is_of_the_same_study_in_a_series_of_its_own(written, film):
    made, source = dcmread(written((31, 37, 3))[1]), dcmread(film)
    for name in dicom_file.SAME:
        assert made.get(name) == source.get(name), name
    assert made.SeriesInstanceUID != source.SeriesInstanceUID
    assert made.SeriesDescription == "masks"
    assert made.SourceImageSequence[0].ReferencedSOPInstanceUID == source.SOPInstanceUID
    assert made.LossyImageCompression == "01"


def test_a_film_plays_at_the_pace_of_its_source(written):
    assert dcmread(written((3, 31, 37, 3))[1]).FrameTime == 33.3
    other = dcmread(written((2, 31, 37, 3))[1])
    assert "FrameTime" not in other
    assert other.PageNumberVector == [1, 2]


@pytest.mark.parametrize(
    ("said", "follows"), [({}, "YES"), ({"BurnedInAnnotation": "YES"}, "YES"),
                          ({"BurnedInAnnotation": "NO"}, "NO")]
)  # fmt: skip
def test_identity_may_be_seen_unless_the_source_denies_it(ultrasound, noise, said, follows):
    source = ultrasound(noise((30, 37)), **said)
    made = capture(source, noise((30, 37, 3)), title="masks")
    assert made.BurnedInAnnotation == follows


def test_too_many_frames_are_refused(film, noise, monkeypatch):
    monkeypatch.setattr(dicom_capture, "MAX_PIXEL_BYTES", 100)
    with pytest.raises(BadInput, match="3330 bytes"):
        capture(film, noise((30, 37, 3)), title="masks")
    with pytest.raises(BadInput, match="of 0 bytes"):
        capture(film, noise((0, 37, 3)), title="masks")
