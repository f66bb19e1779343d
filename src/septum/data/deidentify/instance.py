"""One DICOM object without identity: as bytes that were searched for it, and what was done."""

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pydicom import Dataset, dcmread, dcmwrite, uid
from pydicom.dataset import FileMetaDataset
from pydicom.tag import Tag

from septum.data import dicom
from septum.data.deidentify import picture, tags, traces
from septum.data.deidentify.picture import Picture, Unsure
from septum.data.deidentify.pseudonyms import Pseudonyms
from septum.data.deidentify.traces import Trace

METHOD = "septum: PS3.15 Basic Application Level Confidentiality Profile"
BASIC = ("113100", "Basic Application Confidentiality Profile")
CLEAN_PIXELS = ("113101", "Clean Pixel Data Option")
SOFTWARE = "SEPTUM"

LOSSY = frozenset({uid.JPEGBaseline8Bit, uid.JPEGExtended12Bit, uid.JPEGLSNearLossless})
OF_OTHER_PIXELS = (
    "RedPaletteColorLookupTableDescriptor", "GreenPaletteColorLookupTableDescriptor",
    "BluePaletteColorLookupTableDescriptor", "PlanarConfiguration", "PresentationLUTShape",
    "WindowCenter", "WindowWidth", "RescaleIntercept", "RescaleSlope", "RescaleType",
    "PixelPaddingValue", "PixelPaddingRangeLimit",
)  # fmt: skip
"""They describe how pixels were stored before; those written need none of them."""
EXTREMES = ("SmallestImagePixelValue", "LargestImagePixelValue")


@dataclass(frozen=True, kw_only=True)
class Instance:
    """What is written of one input.

    Attributes:
        dataset: Its attributes.
        data: The whole file.
        picture: What is left of the frames.
        done: How often (action, attribute) was done.
    """

    dataset: Dataset
    data: bytes
    picture: Picture
    done: tags.Done


@tags.quiet()
def deidentified(path: Path, names: Pseudonyms) -> Instance:
    """What may be written of a file.

    Raises:
        BadInput: The file cannot be decoded.
        Unsure: It cannot be shown that no identity would be left.
    """
    facts = dicom.facts(path)  # in the child process first: what breaks a parser breaks that one
    dataset = dcmread(path, force=True)
    sought = traces.of(dataset)
    cleaned = picture.cleaned(path, dataset, facts)
    patient = names.patient(tags.identity(dataset))
    is_lossy = dataset.file_meta.TransferSyntaxUID in LOSSY
    done = tags.scrub(dataset, names)
    _describe(dataset, cleaned, patient=patient, is_lossy=is_lossy)
    data = _encoded(dataset, cleaned)
    _check(data, cleaned, sought, names)
    return Instance(dataset=dataset, data=data, picture=cleaned, done=done)


def _describe(dataset: Dataset, cleaned: Picture, *, patient: str, is_lossy: bool) -> None:
    """State the pixels and what was done, as PS3.15 E.1.1 and PS3.3 C.12.1.1.7 ask."""
    gone = [*EXTREMES, "SpecificCharacterSet"]
    said: dict[str, Any] = {
        "PatientName": patient,
        "PatientID": patient,
        "PatientIdentityRemoved": "YES",
        "LongitudinalTemporalInformationModified": "REMOVED",
        "DeidentificationMethod": METHOD,
        "DeidentificationMethodCodeSequence": [_code(*BASIC)],
    }
    if cleaned.kept is not None:
        gone += OF_OTHER_PIXELS
        said["DeidentificationMethodCodeSequence"].append(_code(*CLEAN_PIXELS))
        said |= _eight_bits(cleaned.frames)
        said["ImageType"] = ["DERIVED", *(picture.kinds(dataset)[1:] or ["PRIMARY"])]
        said["BurnedInAnnotation"] = "NO"
    if is_lossy:
        said["LossyImageCompression"] = "01"
    for keyword in gone:
        dataset.pop(Tag(keyword), None)
    for keyword, value in said.items():
        setattr(dataset, keyword, value)


def _code(value: str, meaning: str) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, "DCM", meaning
    return item


def _eight_bits(frames: np.ndarray) -> dict[str, Any]:
    t, h, w, *c = frames.shape
    said = {
        "SamplesPerPixel": 3 if c else 1,
        "PhotometricInterpretation": "RGB" if c else "MONOCHROME2",
        "Rows": h, "Columns": w, "BitsAllocated": 8, "BitsStored": 8, "HighBit": 7,
        "PixelRepresentation": 0,
    }  # fmt: skip
    return (
        said | ({"PlanarConfiguration": 0} if c else {}) | ({"NumberOfFrames": t} if t > 1 else {})
    )


def _encoded(dataset: Dataset, cleaned: Picture) -> bytes:
    """Explicit VR Little Endian, with an empty preamble and file meta information of our own."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    meta.TransferSyntaxUID = uid.ExplicitVRLittleEndian
    meta.ImplementationClassUID = uid.PYDICOM_IMPLEMENTATION_UID
    meta.ImplementationVersionName = SOFTWARE
    written = Dataset(dataset)
    written.file_meta, written.preamble = meta, bytes(128)
    kind = "OB" if cleaned.frames.itemsize == 1 else "OW"
    written.add_new("PixelData", kind, _pixels(cleaned))
    buffer = io.BytesIO()
    dcmwrite(buffer, written, enforce_file_format=True)
    return buffer.getvalue()


def _pixels(cleaned: Picture) -> bytes:
    """The value of Pixel Data: of even length."""
    return cleaned.frames.tobytes() + bytes(cleaned.frames.nbytes % 2)


def _check(data: bytes, cleaned: Picture, sought: set[Trace], names: Pseudonyms) -> None:
    """The closing gate: read back what is to be written, and search all of it.

    Raises:
        Unsure: There is a trace of the input, or the pixels are others.
    """
    again, pixels = dcmread(io.BytesIO(data)), _pixels(cleaned)
    if again.PixelData != pixels or not data.endswith(pixels):
        raise Unsure("does not read back as it was written")
    found = traces.left(
        data[: -len(pixels)],
        pixels,
        sought,
        written=[
            METHOD, BASIC[1], CLEAN_PIXELS[1], SOFTWARE, uid.PYDICOM_IMPLEMENTATION_UID,
            again.PatientID, *(names.uid(trace.text) for trace in sought if trace.kind == "UI"),
        ],
        stays=traces.staying(again),
    )  # fmt: skip
    if found:
        raise Unsure(f"would still hold what {', '.join(sorted(found))} says")
