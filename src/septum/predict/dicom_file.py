"""The DICOM file that was predicted on, and files that belong beside it.

Of the source only those attributes are read that are named here: no pixel, no private element. A
new file is of the same patient and study, of which it says what the source said, letter by letter.
"""

import datetime
import io
import warnings
from collections.abc import Sequence
from copy import deepcopy
from pathlib import Path

import numpy as np
from pydicom import Dataset, config, dcmread
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.errors import InvalidDicomError
from pydicom.filereader import read_file_meta_info
from pydicom.uid import DeflatedExplicitVRLittleEndian, generate_uid

from septum.checkpoint import write_bytes
from septum.contract import BadInput

MAKER = "septum"
MAX_BYTES = 4 * 2**30
MAX_VALUE_BYTES = 16 * 2**10
"""Of one attribute; longer ones are none that is read here."""
MAX_TEXT = 64
"""Characters of the value representation LO, the longest line of a description."""

REQUIRED = ("SOPClassUID", "SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID")
EMPTY = (
    "PatientID",
    "PatientName",
    "PatientBirthDate",
    "PatientSex",
    "StudyID",
    "StudyDate",
    "StudyTime",
    "AccessionNumber",
    "ReferringPhysicianName",
)
"""Attributes of patient and study that must be there, and may be empty (type 2)."""
SAME = (
    *EMPTY,
    "StudyInstanceUID",
    "StudyDescription",
    "SpecificCharacterSet",
    "IssuerOfPatientID",
    "PatientIdentityRemoved",
    "DeidentificationMethod",
    "DeidentificationMethodCodeSequence",
)
"""Attributes that the source and every file made from it share."""
LOSS = ("LossyImageCompression", "LossyImageCompressionRatio", "LossyImageCompressionMethod")
"""An image that was once compressed with loss says so for ever."""
READ = (
    *REQUIRED,
    *SAME,
    *LOSS,
    "Modality",
    "NumberOfFrames",
    "Rows",
    "Columns",
    "FrameTime",
    "BurnedInAnnotation",
    "PatientOrientation",
    "Laterality",
    "FrameOfReferenceUID",
    "PositionReferenceIndicator",
    "ImagePositionPatient",
    "ImageOrientationPatient",
    "PixelSpacing",
    "SliceThickness",
    "SpacingBetweenSlices",
)


def header(path: Path) -> Dataset:
    """What `READ` names of a DICOM image, each required attribute checked to be there.

    Raises:
        BadInput: The file cannot be read, is no DICOM image, or is larger than 4 GiB.
    """
    try:
        found = _parsed(path)
        missing = [name for name in (*REQUIRED, "Rows", "Columns") if not found.get(name)]
    except (OSError, EOFError, InvalidDicomError) as error:
        raise BadInput(f"{path} is no DICOM file that can be read; give another.") from error
    except (ValueError, TypeError, KeyError, AttributeError, NotImplementedError) as error:
        raise BadInput(f"{path} is damaged: its DICOM header cannot be read.") from error
    except RecursionError as error:
        raise BadInput(f"{path} nests its DICOM header too deeply; give another.") from error
    if missing:
        raise BadInput(
            f"{path} has no {missing[0]}; only a complete DICOM image can be referred to."
        )
    return found


def _parsed(path: Path) -> Dataset:
    if path.stat().st_size > MAX_BYTES:
        raise BadInput(f"{path} is larger than 4 GiB; split it.")
    with config.disable_value_validation(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what a scanner wrote amiss is passed on as it is
        if _syntax(path) == DeflatedExplicitVRLittleEndian:  # it would be unpacked whole
            raise BadInput(f"{path} is deflated as a whole; store it in another transfer syntax.")
        found = dcmread(
            path, stop_before_pixels=True, specific_tags=[*READ], defer_size=MAX_VALUE_BYTES
        )
        _refuse_long(found, path)
        _refuse_no_number(found)
        return Dataset({element.tag: element for element in found})


def _refuse_no_number(found: Dataset) -> None:
    texts = [element for element in found if element.VR in {"DS", "IS"} and not element.is_empty]
    if not all(np.isfinite(np.asarray(text.value, float)).all() for text in texts):
        raise ValueError


def _syntax(path: Path) -> str:
    return str(read_file_meta_info(path).get("TransferSyntaxUID"))


def _refuse_long(found: Dataset, path: Path) -> None:
    for tag in [*found.keys()]:
        raw = found.get_item(tag, keep_deferred=True)
        if isinstance(raw, RawDataElement) and raw.length > MAX_VALUE_BYTES:
            raise BadInput(
                f"{path} has {raw.length} bytes in {tag}; at most {MAX_VALUE_BYTES} are read."
            )


def frames(source: Dataset) -> int:
    """How many frames the image has; one where it does not say."""
    return max(int(source.get("NumberOfFrames") or 1), 1)


def without_person(source: Dataset) -> Dataset:
    """The header with nothing said of patient or study but its UID, for libraries that check."""
    blank = deepcopy(source)
    for name in SAME:
        if name in blank and name != "StudyInstanceUID":
            del blank[name]
    for name in EMPTY:
        setattr(blank, name, None)
    return blank


def finish(new: Dataset, source: Dataset, *, now: datetime.datetime) -> None:
    """Give a new instance the patient and study of its source, and this time."""
    for name in EMPTY:
        setattr(new, name, None)
    for name in SAME:
        if name in source:
            new[name] = _copied(source[name])
    for name in ("Content", "InstanceCreation"):
        setattr(new, f"{name}Date", now.strftime("%Y%m%d"))
        setattr(new, f"{name}Time", now.strftime("%H%M%S.%f"))


def _copied(element: DataElement) -> DataElement:
    with config.disable_value_validation():
        return deepcopy(element)


def plain(words: str) -> str:
    r"""Words as a line of DICOM text: printable ASCII without backslash, at most 64 characters.

    >>> plain("α\\left ventricle\n")
    '??left ventricle?'
    """
    safe = (c if c.isascii() and c.isprintable() and c != "\\" else "?" for c in words)
    return "".join(safe)[:MAX_TEXT]


def uid() -> str:
    """A UID that was never given before."""
    return str(generate_uid())


def write(instances: Sequence[Dataset], folder: Path, stem: str) -> Sequence[Path]:
    """Write instances as `STEM.dcm`, or `STEM-1.dcm`, `STEM-2.dcm`, ... where they are several.

    Raises:
        BadInput: The disk is full or the folder cannot be written.
    """
    numbers = [""] if len(instances) == 1 else [f"-{k + 1}" for k in range(len(instances))]
    paths = [folder / f"{stem}{number}.dcm" for number in numbers]
    for path, instance in zip(paths, instances, strict=True):
        write_bytes(path, encoded(instance))
    return paths


def encoded(instance: Dataset) -> bytes:
    """The bytes of a DICOM file, with preamble and meta information."""
    file = io.BytesIO()
    instance.save_as(file, enforce_file_format=True)
    return file.getvalue()
