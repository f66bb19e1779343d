"""A picture of what a model saw, as Secondary Capture: true colour, one frame or a film.

A film is a Multi-frame True Color Secondary Capture that plays at the pace of its source, or counts
pages where the source has no pace.
"""

import datetime
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.tag import Tag
from pydicom.uid import (
    ExplicitVRLittleEndian,
    MultiFrameTrueColorSecondaryCaptureImageStorage,
    SecondaryCaptureImageStorage,
)

from septum import __version__
from septum.contract import BadInput
from septum.predict.dicom_file import LOSS, MAKER, finish, frames, header, plain, uid

SERIES_NUMBER = 9003
MAX_PIXEL_BYTES = 2**32 - 2
"""What the length of an attribute can say."""


def capture(
    source: Path,
    picture: UInt8[np.ndarray, "*t h w 3"],
    *,
    title: str,
    now: datetime.datetime | None = None,
) -> Dataset:
    """The picture as an image of the same study, in a series of its own.

    It counts as having identity burned into it unless the source says that it has none, since the
    picture shows pixels of the source.

    Args:
        source: The DICOM image that was drawn on.
        picture: Red, green and blue, one frame or several.
        title: Description of the new series.
        now: Time to write into the instance; the present by default.

    Raises:
        BadInput: The source cannot be read, or the picture has no frame or more than 4 GiB.
    """
    found = header(source)
    if not 0 < picture.nbytes <= MAX_PIXEL_BYTES:
        raise BadInput(
            f"A picture of {picture.nbytes} bytes fits no DICOM image; draw fewer frames."
        )
    made = _equipped(film=picture.ndim == 4)
    made.SeriesDescription = plain(title)
    made.BurnedInAnnotation = "NO" if found.get("BurnedInAnnotation") == "NO" else "YES"
    _say_origin(made, found)
    _put_pixels(made, picture)
    if picture.ndim == 4:
        _put_pace(made, len(picture), found)
    finish(made, found, now=now or datetime.datetime.now())
    return made


def _equipped(*, film: bool) -> Dataset:
    made = Dataset()
    made.SOPClassUID = (
        MultiFrameTrueColorSecondaryCaptureImageStorage if film else SecondaryCaptureImageStorage
    )
    made.SOPInstanceUID = uid()
    made.SeriesInstanceUID = uid()
    made.SeriesNumber = SERIES_NUMBER
    made.InstanceNumber = 1
    made.Modality = "OT"
    made.ConversionType = "WSD"
    made.Manufacturer = MAKER
    made.SecondaryCaptureDeviceManufacturer = MAKER
    made.SecondaryCaptureDeviceSoftwareVersions = __version__
    made.ImageType = ["DERIVED", "SECONDARY"]
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return made


def _say_origin(made: Dataset, source: Dataset) -> None:
    reference = Dataset()
    reference.ReferencedSOPClassUID = source.SOPClassUID
    reference.ReferencedSOPInstanceUID = source.SOPInstanceUID
    made.SourceImageSequence = [reference]
    made.PatientOrientation = source.get("PatientOrientation")
    made.Laterality = source.get("Laterality")
    for name in LOSS:
        if name in source:
            made[name] = source[name]


def _put_pixels(made: Dataset, picture: UInt8[np.ndarray, "*t h w 3"]) -> None:
    made.Rows, made.Columns = picture.shape[-3:-1]
    made.SamplesPerPixel = 3
    made.PhotometricInterpretation = "RGB"
    made.PlanarConfiguration = 0
    made.BitsAllocated = made.BitsStored = 8
    made.HighBit = 7
    made.PixelRepresentation = 0
    data = np.ascontiguousarray(picture).tobytes()
    made.PixelData = data + bytes(len(data) % 2)


def _put_pace(made: Dataset, count: int, source: Dataset) -> None:
    made.NumberOfFrames = count
    if count == frames(source) and source.get("FrameTime"):
        made.FrameTime = source.FrameTime
        made.FrameIncrementPointer = Tag("FrameTime")
    elif count > 1:
        made.PageNumberVector = [*range(1, count + 1)]
        made.FrameIncrementPointer = Tag("PageNumberVector")
