"""Masks as DICOM Segmentation: binary, one segment per structure that is there.

A slice of a patient has a place in space and its segmentation too. An ultrasound frame has none:
its segmentation says of which frame of which instance it is, pixel by pixel. Every such frame
gets an instance of its own, since the standard has no other order for frames without a place.
"""

import datetime
from collections.abc import Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
from highdicom import AlgorithmIdentificationSequence
from highdicom.seg import SegmentAlgorithmTypeValues, Segmentation, SegmentDescription
from highdicom.seg import SegmentationTypeValues as Kinds
from jaxtyping import UInt8
from pydicom import Dataset
from pydicom.sr.codedict import codes
from pydicom.uid import SecondaryCaptureImageStorage

from septum import __version__
from septum.contract import BadInput
from septum.predict.dicom_codes import structure
from septum.predict.dicom_file import MAKER, finish, frames, header, plain, uid, without_person

SERIES_NUMBER = 9001
PLACE = ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "FrameOfReferenceUID")


def segmentation(
    source: Path,
    masks: UInt8[np.ndarray, "t h w"],
    classes: Sequence[str],
    *,
    model: str,
    now: datetime.datetime | None = None,
) -> Sequence[Dataset]:
    """One instance for each frame that has a structure, all of one new series.

    A structure has the same tracking UID in all frames. A still image with a place in space keeps
    it; frames of one file do not, whatever its functional groups say.

    Args:
        source: The DICOM image; one file.
        masks: Class of every pixel of every frame.
        classes: Names by class; the first is the background.
        model: Name of what segmented.
        now: Time to write into the instances; the present by default.

    Raises:
        BadInput: The source cannot be read, or has other frames than the masks.
    """
    found = header(source)
    _refuse_other_shape(masks, (frames(found), found.Rows, found.Columns), source)
    _refuse_unnamed(masks, classes)
    series, tracks = uid(), {name: uid() for name in classes}
    still = _still(found)
    made: list[Dataset] = []
    for index in np.flatnonzero(masks.any(axis=(1, 2))):
        described = _described(masks[index], classes, model=model, tracks=tracks)
        one = _segmented([still], masks[[index]], described, str(source), series, int(index) + 1)
        one.PatientOrientation = found.get("PatientOrientation")
        _refer(one, found, frame=int(index) + 1 if "NumberOfFrames" in found else None)
        finish(one, found, now=now or datetime.datetime.now())
        made.append(one)
    return made


def segmentation_of_series(
    sources: Sequence[Path],
    masks: UInt8[np.ndarray, "t h w"],
    classes: Sequence[str],
    *,
    model: str,
    now: datetime.datetime | None = None,
) -> Dataset:
    """One instance for a stack of slices, each a file with its own place in space.

    Args:
        sources: DICOM images of one series, in the order of the masks.
        masks: Class of every pixel of every slice.
        classes: Names by class; the first is the background.
        model: Name of what segmented.
        now: Time to write into the instance; the present by default.

    Raises:
        BadInput: A source cannot be read, the files are no stack of slices, have another size
            than the masks, or no mask has a structure.
    """
    found = [header(path) for path in sources]
    if not found or not masks.any():
        raise BadInput("There is nothing to segment: give slices, and masks with a structure.")
    _refuse_other_shape(masks, (len(found), found[0].Rows, found[0].Columns), sources[0])
    _refuse_unnamed(masks, classes)
    _refuse_no_stack(found, sources)
    tracks = {name: uid() for name in classes}
    described = _described(masks, classes, model=model, tracks=tracks)
    slices = [without_person(one) for one in found]
    made = _segmented(slices, masks, described, str(sources[0].parent), uid(), 1)
    finish(made, found[0], now=now or datetime.datetime.now())
    return made


Described = Sequence[tuple[int, SegmentDescription]]
"""The class of each segment, and what is said of it."""


def _described(
    masks: UInt8[np.ndarray, "*t h w"],
    classes: Sequence[str],
    *,
    model: str,
    tracks: Mapping[str, str],
) -> Described:
    algorithm = AlgorithmIdentificationSequence(
        plain(model), codes.DCM.ArtificialIntelligence, __version__, source=MAKER
    )
    present = [int(k) for k in np.unique(masks) if k]
    return [
        (k, _description(n, classes[k], algorithm, tracks[classes[k]]))
        for n, k in enumerate(present, start=1)
    ]


def _description(
    number: int, name: str, algorithm: AlgorithmIdentificationSequence, track: str
) -> SegmentDescription:
    category, kind = structure(name)
    return SegmentDescription(
        number,
        plain(name),
        category,
        kind,
        SegmentAlgorithmTypeValues.AUTOMATIC,
        algorithm,
        tracking_uid=track,
        tracking_id=plain(name),
    )


def _segmented(
    sources: Sequence[Dataset],
    masks: UInt8[np.ndarray, "t h w"],
    described: Described,
    where: str,
    series: str,
    number: int,
) -> Segmentation:
    """The instance, of nobody yet.

    Raises:
        BadInput: The sources do not fit together in a way that only the library sees.
    """
    stack = np.stack([masks == k for k, _ in described], axis=-1).astype(np.uint8)
    try:
        return Segmentation(
            sources,
            stack,
            Kinds.BINARY,
            [description for _, description in described],
            series_instance_uid=series,
            series_number=SERIES_NUMBER,
            sop_instance_uid=uid(),
            instance_number=number,
            manufacturer=MAKER,
            manufacturer_model_name=MAKER,
            software_versions=__version__,
            device_serial_number=__version__,
            content_label="SEGMENTATION",
        )
    except (ValueError, AttributeError) as error:
        raise BadInput(
            f"{where} cannot be segmented as DICOM ({error}); give other images."
        ) from error


def _still(source: Dataset) -> Dataset:
    """One frame of the source as an image that stands alone; with its place where it has one."""
    still = without_person(source)
    still.SOPClassUID = SecondaryCaptureImageStorage
    if not _has_place(source):
        for name in PLACE:
            if name in still:
                del still[name]
    still.setdefault("SliceThickness", None)
    return still


def _has_place(source: Dataset) -> bool:
    return frames(source) == 1 and all(source.get(name) for name in PLACE)


def _refer(made: Dataset, source: Dataset, *, frame: int | None) -> None:
    """Let every reference to the still lead to the real instance, and its frame."""
    made.SourceImageSequence = deepcopy(made.SourceImageSequence)  # shared with the series
    of_series: list[Any] = [
        image
        for series in made.ReferencedSeriesSequence
        for image in series.ReferencedInstanceSequence
    ]
    of_frames: list[Any] = [
        image
        for group in made.PerFrameFunctionalGroupsSequence
        for derivation in group.DerivationImageSequence
        for image in derivation.SourceImageSequence
    ]
    for reference in (*of_series, *made.SourceImageSequence, *of_frames):
        reference.ReferencedSOPClassUID = source.SOPClassUID
    for reference in (*made.SourceImageSequence, *of_frames) if frame else ():
        reference.ReferencedFrameNumber = frame


def _refuse_other_shape(
    masks: UInt8[np.ndarray, "t h w"], shape: tuple[int, int, int], where: Path
) -> None:
    if masks.shape != shape:
        raise BadInput(
            f"{where} has {_sized(shape)}, but the masks {_sized(masks.shape)}; "
            "masks must lie on the frames as they are."
        )


def _sized(shape: Sequence[int]) -> str:
    t, h, w = shape
    return f"{t} frames of {h} x {w}"


def _refuse_unnamed(masks: UInt8[np.ndarray, "t h w"], classes: Sequence[str]) -> None:
    if masks.size and masks.max() >= len(classes):
        raise BadInput(
            f"The masks have a class {masks.max()}, but only {len(classes)} are named; name all."
        )


def _refuse_no_stack(found: Sequence[Dataset], sources: Sequence[Path]) -> None:
    places: set[tuple[float, ...]] = set()
    for one, path in zip(found, sources, strict=True):
        if not _has_place(one):
            raise BadInput(f"{path} has no place in space; segment it on its own.")
        place = tuple(map(float, one.ImagePositionPatient))
        if place in places:
            raise BadInput(f"{path} lies where another of the slices lies; segment one time only.")
        places.add(place)
