"""DICOM files of phantom hearts, as a scanner would write them: explicit, little endian, plain."""

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Shaped

from septum.checkpoint import write_bytes
from septum.data import phantom
from septum.data.dicom import child

PATIENTS = 2
SIZE = (64, 80)
RATE_HZ = 25.0
SLICES = 6
US_PICTURE, US_FILM, CT_SLICE = (f"1.2.840.10008.5.1.4.1.1.{end}" for end in ("6.1", "3.1", "2"))
"""SOP classes."""
ROOT = "1.2.826.0.1.3680043.8.498"
"""Of the UIDs of what is sketched."""
VIEWS = {
    "A2C": ("399214001", "Apical two chamber view"),
    "A4C": ("399232001", "Apical four chamber view"),
}
"""Code and meaning (CID 12226)."""


def stills(folder: Path) -> None:
    """Two ultrasound pictures and a CT series of two patients each, files in no order."""
    for patient in range(PATIENTS):
        heart, look = _subject(patient)
        for number, view in enumerate(("A4C", "A2C"), start=1):
            frame = phantom.draw(heart, look, view=view, phase="ED", size=SIZE)
            tags = _ultrasound(frame.sector, frame.facts)
            write(folder / f"{patient}-{view}.dcm", frame.image, _at(patient, number), tags)
        _write_series(folder / f"{patient}-ct", patient, heart)


def films(folder: Path) -> None:
    """One ultrasound film each of two patients."""
    for patient in range(PATIENTS):
        heart, look = _subject(patient)
        cine = phantom.draw_cine(
            heart, look, frames=26, rate_hz=RATE_HZ, rate_per_min=60.0, size=SIZE
        )
        tags = _ultrasound(cine.sector, cine.facts)
        timing = {"SOPClassUID": US_FILM, "FrameTime": 1e3 / RATE_HZ}
        write(folder / f"{patient}.dcm", cine.images, _at(patient, 1), {**tags, **timing})


def write(path: Path, pixels: Shaped[np.ndarray, "*t h w"], *tags: Mapping[str, Any]) -> None:
    """Write a grey picture or film of 8 or 16 bits as one object.

    Args:
        path: Of the file; its folders are made.
        pixels: Unsigned.
        tags: Elements by keyword, with dictionaries for the items of sequences; the later count.

    Raises:
        BadInput: The file cannot be written, or pydicom is missing.
    """
    child.check_installed()
    from pydicom.dataset import FileMetaDataset  # noqa: PLC0415 - an extra
    from pydicom.uid import ExplicitVRLittleEndian  # noqa: PLC0415

    ds = _dataset({**_image(pixels), **{k: v for told in tags for k, v in told.items()}})
    ds.file_meta = FileMetaDataset()
    ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    file = io.BytesIO()
    ds.save_as(file, enforce_file_format=True)
    write_bytes(path, file.getvalue())


def _dataset(tags: Mapping[str, Any]) -> Any:
    from pydicom.dataset import Dataset  # noqa: PLC0415

    ds = Dataset()
    for keyword, value in tags.items():
        is_sequence = isinstance(value, list) and value and isinstance(value[0], dict)
        setattr(ds, keyword, [*map(_dataset, value)] if is_sequence else value)
    return ds


def _image(pixels: Shaped[np.ndarray, "*t h w"]) -> dict[str, Any]:
    bits = 8 * pixels.itemsize
    count = {"NumberOfFrames": len(pixels)} if pixels.ndim == 3 else {}
    return {
        **count,
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2",
        "Rows": pixels.shape[-2],
        "Columns": pixels.shape[-1],
        "BitsAllocated": bits,
        "BitsStored": bits,
        "HighBit": bits - 1,
        "PixelRepresentation": 0,
        "PixelData": pixels.astype(f"<u{pixels.itemsize}").tobytes() + b"\0" * (pixels.nbytes % 2),
    }


def _at(patient: int, number: int, series: int = 1) -> dict[str, Any]:
    """Who, and the place in the study."""
    study = f"{ROOT}.{patient + 1}"
    return {
        "PatientID": f"phantom {patient}",
        "PatientName": "Phantom",
        "StudyInstanceUID": study,
        "SeriesInstanceUID": f"{study}.{series}",
        "SOPInstanceUID": f"{study}.{series}.{number}",
        "InstanceNumber": number,
    }


def _ultrasound(sector: Bool[np.ndarray, "h w"], facts: Mapping[str, Any]) -> dict[str, Any]:
    rows, columns = (np.flatnonzero(sector.any(axis)) for axis in (1, 0))
    region = {
        "RegionSpatialFormat": 1,
        "RegionDataType": 1,
        "RegionFlags": 0,
        "RegionLocationMinX0": int(columns[0]),
        "RegionLocationMinY0": int(rows[0]),
        "RegionLocationMaxX1": int(columns[-1]),
        "RegionLocationMaxY1": int(rows[-1]),
        "PhysicalUnitsXDirection": 3,
        "PhysicalUnitsYDirection": 3,
        "PhysicalDeltaX": facts["spacing_x_mm"] / 10,
        "PhysicalDeltaY": facts["spacing_y_mm"] / 10,
    }
    view = VIEWS[facts["view"]]
    code = {"CodeValue": view[0], "CodingSchemeDesignator": "SCT", "CodeMeaning": view[1]}
    return {
        "SOPClassUID": US_PICTURE,
        "Modality": "US",
        "SequenceOfUltrasoundRegions": [region],
        "ViewCodeSequence": [code],
    }


def _write_series(folder: Path, patient: int, heart: phantom.Heart) -> None:
    rng = np.random.default_rng(patient)
    body, scan = phantom.sample_body(rng), phantom.sample_scan(rng, modality="CT")
    stack = phantom.draw_stack(
        heart, body, scan, plane="axial", phase="ED", size=(64, 64), slices=SLICES
    )
    z_mm, y_mm, x_mm = (float(stack.facts[f"spacing_{axis}_mm"]) for axis in "zyx")
    order = rng.permutation(SLICES).tolist()
    for number, place in enumerate(order, start=1):
        tags = {
            "SOPClassUID": CT_SLICE,
            "Modality": "CT",
            "ImagePositionPatient": [0.0, 0.0, round(place * z_mm, 6)],
            "ImageOrientationPatient": [1, 0, 0, 0, 1, 0],
            "PixelSpacing": [round(y_mm, 6), round(x_mm, 6)],
            "RescaleSlope": 4,
            "RescaleIntercept": -1024,
        }
        picture = stack.image[place].astype(np.uint16) * 2
        write(folder / f"{number}.dcm", picture, _at(patient, number, series=2), tags)


def _subject(patient: int) -> tuple[phantom.Heart, phantom.Look]:
    rng = np.random.default_rng(patient)
    heart = phantom.sample_heart(rng)
    return heart, phantom.sample_look(rng, heart=heart)
