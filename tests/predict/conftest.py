"""Runs that were trained on phantoms for two steps; DICOM images of nobody, and their judge."""

import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import (
    ExplicitVRLittleEndian,
    MRImageStorage,
    UltrasoundImageStorage,
    UltrasoundMultiFrameImageStorage,
    generate_uid,
)

from septum import runs
from septum.baselines import BASELINES
from septum.data import SOURCES, phantom
from septum.data.prepare import prepare_many
from septum.models import MODELS

JUDGE = shutil.which("dciodvfy")
SHORT = {"steps": 2, "batch_size": 4, "image_size": (64, 96)}


@pytest.fixture(scope="session")
def root(tmp_path_factory):
    """Data sets: stills with masks, and volumes."""
    root = tmp_path_factory.mktemp("sets")
    phantom.write(root / "phantom", subjects=12, seed=0, size=(96, 120))
    for name in ("acdc", "mmwhs", "dicom_films"):
        SOURCES[name].sketch(root / name)
    (root / "emidec").mkdir()
    SOURCES["emidec"].drawn(root / "emidec", 6, 0)
    return root


@pytest.fixture(scope="session")
def films(tmp_path_factory):
    """Films with an ejection fraction."""
    root = tmp_path_factory.mktemp("films")
    SOURCES["echonet_dynamic"].drawn(root / "echonet_dynamic", 12, 3)
    return root


@pytest.fixture(scope="session")
def cache(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="session")
def trained(root, cache, request, tmp_path_factory) -> Callable[..., Path]:
    """The folder of a run, trained when it is first asked for; not to be written to."""
    made: dict[str, Path] = {}

    def train(name, data="phantom", *, size="small", organ=None):
        if name not in made:
            folder = tmp_path_factory.mktemp("runs") / name
            registry = MODELS if name in MODELS else BASELINES
            paper = registry[name]
            short = replace(paper.sizes[size], recipe=replace(paper.sizes[size].recipe, **SHORT))
            where = request.getfixturevalue("films") if data == "echonet_dynamic" else root
            with pytest.MonkeyPatch.context() as patch:
                patch.setitem(registry, name, replace(paper, sizes={**paper.sizes, size: short}))
                images = prepare_many((data,), where, size=SHORT["image_size"], cache=cache)
                runs.train(name, organ(images) if organ else images, folder, size=size)
            runs.note_images(folder, [data], where)
            made[name] = folder
        return made[name]

    return train


def image(pixels, **more):
    """An image with all that its IOD must have."""
    made = Dataset()
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    made.SpecificCharacterSet = "ISO_IR 100"
    made.PatientID, made.PatientName = "p-17", "Zoë^Nobody"
    made.PatientBirthDate, made.PatientSex = "19600101", "F"
    made.StudyID, made.StudyDate, made.StudyTime = "s-1", "20200102", "101112"
    made.AccessionNumber, made.ReferringPhysicianName = "a-1", "Nobody^Else"
    made.SeriesNumber = made.InstanceNumber = 1
    made.Manufacturer = "phantom"
    made.SOPInstanceUID, made.SeriesInstanceUID = generate_uid(), generate_uid()
    made.StudyInstanceUID = generate_uid()
    made.Rows, made.Columns = pixels.shape[-2:]
    made.SamplesPerPixel, made.PhotometricInterpretation = 1, "MONOCHROME2"
    made.BitsAllocated = made.BitsStored = 8
    made.HighBit, made.PixelRepresentation = 7, 0
    data = pixels.tobytes()
    made.PixelData = data + bytes(len(data) % 2)
    for name, value in more.items():
        setattr(made, name, value)
    return made


def saved(made, path):
    made.save_as(path, enforce_file_format=True)
    return path


@pytest.fixture
def ultrasound(tmp_path):
    """Write an ultrasound film (`t h w`) or still (`h w`) as a file."""

    def written(pixels, name="us.dcm", **more):
        film = {"NumberOfFrames": len(pixels), "FrameTime": "33.3"} if pixels.ndim == 3 else {}
        kind = UltrasoundMultiFrameImageStorage if film else UltrasoundImageStorage
        words = {"SOPClassUID": kind, "Modality": "US"} | film | more
        return saved(image(pixels, **words), tmp_path / name)

    return written


@pytest.fixture
def stack(tmp_path):
    """Write slices (`t h w`) of a magnetic resonance series, 8 mm apart, as files."""

    def written(pixels, **more):
        shared = {
            "SOPClassUID": MRImageStorage,
            "Modality": "MR",
            "StudyInstanceUID": generate_uid(),
            "SeriesInstanceUID": generate_uid(),
            "FrameOfReferenceUID": generate_uid(),
            "PositionReferenceIndicator": None,
            "ImageOrientationPatient": [1, 0, 0, 0, 1, 0],
            "PixelSpacing": [1.5, 1.25],
            "SliceThickness": 8,
        } | more
        return [
            saved(
                image(one, **{"ImagePositionPatient": [-20, 5, 8 * k]} | shared),
                tmp_path / f"slice{k}.dcm",
            )
            for k, one in enumerate(pixels)
        ]

    return written


@pytest.fixture
def noise():
    """Integers from 0 to below `most`, the same in every run."""
    rng = np.random.default_rng(0)
    return lambda shape, most=256: rng.integers(0, most, shape).astype(np.uint8)


@pytest.fixture
def verified():
    """What dciodvfy calls an error in a file; the test is skipped where it is not installed."""
    if JUDGE is None:
        pytest.skip("skipped: dciodvfy is not installed")

    def errors(path):
        done = subprocess.run(
            [JUDGE, "-new", path], capture_output=True, text=True, check=False, timeout=30
        )
        said = (done.stdout + done.stderr).splitlines()
        assert len(said) > 0
        return [line for line in said if line.startswith("Error")]

    return errors
