"""Masks as DICOM Segmentation: bit for bit what was given, of whom and which frame it says."""

import datetime

import highdicom.seg
import numpy as np
import pytest
from pydicom import dcmread
from pydicom.uid import UltrasoundMultiFrameImageStorage, generate_uid

from septum.contract import BadInput
from septum.predict import dicom_file
from septum.predict.dicom_seg import segmentation, segmentation_of_series

CLASSES = ("background", "left_ventricle", "myocardium", "blob")
NOW = datetime.datetime(2024, 2, 29, 12, 30)
PLANES = {"model": "unet", "now": NOW}


@pytest.fixture
def film(ultrasound, noise):
    return ultrasound(noise((3, 30, 37)))


@pytest.fixture
def masks(noise):
    """The second frame is empty, the third lacks a class."""
    found = noise((3, 30, 37), len(CLASSES))
    found[1] = 0
    found[2][found[2] == 2] = 0
    return found


@pytest.fixture
def written(film, masks, tmp_path):
    return dicom_file.write(segmentation(film, masks, CLASSES, **PLANES), tmp_path / "out", "seg")


def read(path):
    """Class of every pixel, by the reader of highdicom: labels lead back to classes."""
    seg = highdicom.seg.segread(path)
    source = [str(i.ReferencedSOPInstanceUID) for i in seg.SourceImageSequence]
    binary = seg.get_pixels_by_source_instance(source, ignore_spatial_locations=True)
    names = [seg.get_segment_description(n).segment_label for n in seg.segment_numbers]
    return sum(binary[..., k].astype(int) * CLASSES.index(name) for k, name in enumerate(names))


def by_hand(path):
    """The same by pydicom alone."""
    seg = dcmread(path)
    planes = np.atleast_3d(seg.pixel_array.T).T
    classes = {s.SegmentNumber: CLASSES.index(s.SegmentLabel) for s in seg.SegmentSequence}
    shared = seg.SharedFunctionalGroupsSequence[0]
    groups = [
        (group if "SegmentIdentificationSequence" in group else shared)
        for group in seg.PerFrameFunctionalGroupsSequence
    ]
    numbers = [g.SegmentIdentificationSequence[0].ReferencedSegmentNumber for g in groups]
    return sum(p.astype(int) * classes[n] for p, n in zip(planes, numbers, strict=True))


@pytest.mark.parametrize("reader", [read, by_hand])
def test_masks_come_back_bit_for_bit(reader, written, masks):
    assert len(written) == 2
    for path, index in zip(written, (0, 2), strict=True):
        np.testing.assert_array_equal(np.squeeze(reader(path)), masks[index])


def test_every_reference_leads_to_the_frame(written, film):
    source = dcmread(film)
    for path, frame in zip(written, (1, 3), strict=True):
        seg = dcmread(path)
        group = seg.PerFrameFunctionalGroupsSequence[0]
        image = group.DerivationImageSequence[0].SourceImageSequence[0]
        listed = seg.ReferencedSeriesSequence[0]
        assert listed.SeriesInstanceUID == source.SeriesInstanceUID
        for reference in (image, *seg.SourceImageSequence, *listed.ReferencedInstanceSequence):
            assert reference.ReferencedSOPClassUID == UltrasoundMultiFrameImageStorage
            assert reference.ReferencedSOPInstanceUID == source.SOPInstanceUID
        assert image.ReferencedFrameNumber == seg.SourceImageSequence[0].ReferencedFrameNumber
        assert image.ReferencedFrameNumber == seg.InstanceNumber == frame
        assert "ReferencedFrameNumber" not in listed.ReferencedInstanceSequence[0]


def test_it_is_of_the_same_patient_and_study_and_of_this_time(written, film):
    source, seg = dcmread(film), dcmread(written[0])
    for name in dicom_file.SAME:
        assert seg.get(name) == source.get(name), name
    assert (seg.ContentDate, seg.ContentTime) == ("20240229", "123000.000000")
    assert (seg.InstanceCreationDate, seg.InstanceCreationTime) == (
        seg.ContentDate,
        seg.ContentTime,
    )
    assert written[0].read_bytes()[128:132] == b"DICM"


def test_all_frames_are_one_new_series_and_follow_a_structure(written, film):
    first, second = map(dcmread, written)
    assert first.SeriesInstanceUID == second.SeriesInstanceUID
    assert first.SeriesInstanceUID != dcmread(film).SeriesInstanceUID
    assert first.SOPInstanceUID != second.SOPInstanceUID
    tracks = [{s.SegmentLabel: s.TrackingUID for s in d.SegmentSequence} for d in (first, second)]
    assert tracks[0].keys() == {*CLASSES[1:]}
    assert tracks[1].items() < tracks[0].items()
    assert len({*tracks[0].values()}) == 3


def test_structures_have_codes(written):
    codes = {
        s.SegmentLabel: s.SegmentedPropertyTypeCodeSequence[0].CodeValue
        for s in dcmread(written[0]).SegmentSequence
    }
    assert codes == {"left_ventricle": "87878005", "myocardium": "74281007", "blob": "85756007"}


def test_a_still_and_a_film_are_valid(written, ultrasound, noise, verified, tmp_path):
    still = ultrasound(noise((30, 37)), FrameOfReferenceUID=generate_uid())
    made = segmentation(still, noise((1, 30, 37), 4), CLASSES, **PLANES)
    assert "ReferencedFrameNumber" not in made[0].SourceImageSequence[0]
    paths = (*written, *dicom_file.write(made, tmp_path, "still"))
    assert [error for path in paths for error in verified(path)] == []


def test_a_series_is_one_instance_with_places(stack, noise, verified, tmp_path):
    masks = noise((4, 30, 37), 3)
    sources = stack(noise((4, 30, 37)))
    made = segmentation_of_series(sources[::-1], masks[::-1], CLASSES, **PLANES)
    [path] = dicom_file.write([made], tmp_path, "seg")
    seg = highdicom.seg.segread(path)
    read = [dcmread(source) for source in sources]
    order = [image.SOPInstanceUID for image in read]
    binary = seg.get_pixels_by_source_instance(order)
    np.testing.assert_array_equal(binary @ [1, 2], masks)
    volume = seg.get_volume(combine_segments=True)
    assert volume.spacing == (8.0, 1.5, 1.25)
    assert seg.FrameOfReferenceUID == read[0].FrameOfReferenceUID
    assert verified(path) == []


def test_one_slice_keeps_its_place(stack, noise, verified, tmp_path):
    [source] = stack(noise((1, 30, 37)))
    [made] = segmentation(source, noise((1, 30, 37), 3), CLASSES, **PLANES)
    [path] = dicom_file.write([made], tmp_path, "seg")
    position = dcmread(path).PerFrameFunctionalGroupsSequence[0].PlanePositionSequence[0]
    assert position.ImagePositionPatient == [-20, 5, 0]
    assert verified(path) == []


def test_nothing_found_is_no_instance(film):
    assert segmentation(film, np.zeros((3, 30, 37), np.uint8), CLASSES, model="unet") == []


@pytest.mark.parametrize(
    ("shape", "most", "said"),
    [((2, 30, 37), 4, "3 frames of 30 x 37"), ((3, 30, 37), 5, "class 4, but only 4 are named")],
)
def test_masks_that_do_not_fit_are_refused(film, noise, shape, most, said):
    with pytest.raises(BadInput, match=said):
        segmentation(film, noise(shape, most), CLASSES, model="unet")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"ImagePositionPatient": [0, 0, 0]}, "where another"),
        ({"ImagePositionPatient": None}, "no place in space"),
        ({"SeriesInstanceUID": None}, "no SeriesInstanceUID"),
    ],
)
def test_what_is_no_stack_is_refused(stack, noise, change, said):
    sources = stack(noise((2, 30, 37)), **change)
    with pytest.raises(BadInput, match=said):
        segmentation_of_series(sources, noise((2, 30, 37), 3), CLASSES, model="unet")


def test_slices_of_two_series_are_refused(stack, noise, tmp_path):
    first = stack(noise((1, 30, 37)))[0].rename(tmp_path / "first.dcm")
    second = stack(noise((1, 30, 37)), ImagePositionPatient=[0, 0, 80])[0]
    with pytest.raises(BadInput, match="same series"):
        segmentation_of_series([first, second], noise((2, 30, 37), 3), CLASSES, model="unet")
