"""DICOM files with an identity planted wherever one can be."""

import numpy as np
import pytest
from matplotlib import get_data_path
from PIL import Image, ImageDraw, ImageFont
from pydicom import Dataset, dcmwrite, uid
from pydicom.dataset import FileMetaDataset

PLANTED = (
    "Smitherson", "Wilhelmina", "MRN-778899", "ACC-4455", "19540302", "20190124", "Saint Elsewhere",
    "Doctor Strangelove", "fell off her horse", "SN-31415", "1.2.840.99999", "OVERLAYSECRET",
    "PRIVATESECRET", "NESTEDSECRET", "Room 101", "gatehouse.example", "SCANNERAE",
)  # fmt: skip
"""None of these may be found in what is written."""
FONT = get_data_path() + "/fonts/ttf/DejaVuSans.ttf"


@pytest.fixture(scope="session")
def planted():
    return PLANTED


@pytest.fixture(scope="session")
def cone():
    """A function that draws a cone of speckle, and tells which pixels are in it."""

    def draw(height=300, width=400, frames=1):
        rng = np.random.default_rng(0)
        y, x = np.mgrid[:height, :width]
        depth, side = y - 0.2 * height, x - width / 2
        inside = (
            (depth > 0) & (abs(side) < 0.7 * depth + 20) & (np.hypot(depth, side) < 0.7 * height)
        )
        speckle = rng.rayleigh(30, (frames, height, width)) + 12
        smooth = (speckle + np.roll(speckle, 1, 1) + np.roll(speckle, 1, 2)) / 3
        return np.where(inside, smooth.clip(0, 200), 0).astype(np.uint8), inside

    return draw


@pytest.fixture(scope="session")
def write_over():
    """A function that burns a text into frames."""

    def burn(frames, text, place, size=18, grey=255):
        layer = Image.new("L", frames.shape[2:0:-1])
        ImageDraw.Draw(layer).text(place, text, fill=grey, font=ImageFont.truetype(FONT, size))
        return np.maximum(frames, np.asarray(layer))

    return burn


@pytest.fixture(scope="session")
def scan():
    """A function that makes an ultrasound object of frames, full of identity."""

    def make(frames):
        ds = Dataset()
        _identify(ds)
        _describe(ds, frames)
        return ds

    return make


@pytest.fixture(scope="session")
def save():
    """A function that writes an object, with identity around it too."""

    def write(ds, path):
        meta = FileMetaDataset()
        meta.MediaStorageSOPClassUID = ds.SOPClassUID
        meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
        meta.TransferSyntaxUID = uid.ExplicitVRLittleEndian
        meta.SourceApplicationEntityTitle = "SCANNERAE"
        ds.file_meta, ds.preamble = meta, b"Smitherson".ljust(128, b"\0")
        path.parent.mkdir(parents=True, exist_ok=True)
        dcmwrite(path, ds, enforce_file_format=True)
        return path

    return write


def _identify(ds):
    ds.PatientName, ds.PatientID = "Smitherson^Wilhelmina", "MRN-778899"
    ds.PatientBirthDate, ds.PatientSex, ds.PatientAge = "19540302", "F", "064Y"
    ds.AccessionNumber, ds.StudyID = "ACC-4455", "Room 101"
    ds.StudyDate = ds.SeriesDate = ds.ContentDate = "20190124"
    ds.AcquisitionDateTime, ds.StudyTime, ds.ContentTime = "20190124113933", "113933", "113933"
    ds.InstitutionName, ds.ReferringPhysicianName = "Saint Elsewhere", "Doctor Strangelove"
    ds.ImageComments = ds.AdditionalPatientHistory = "fell off her horse"
    ds.DeviceSerialNumber, ds.RetrieveURL = "SN-31415", "https://gatehouse.example/x"
    ds.Manufacturer, ds.ManufacturerModelName = "Acme Imaging", "Echo 3000"
    ds.StudyInstanceUID, ds.SeriesInstanceUID = "1.2.840.99999.1", "1.2.840.99999.2"
    ds.SOPInstanceUID, ds.FrameOfReferenceUID = "1.2.840.99999.3", "1.2.840.99999.4"
    ds.ViewName = "Smitherson view"  # a text that the profile does not name
    _identify_groups(ds)
    _identify_items(ds)


def _identify_groups(ds):
    ds.add_new(0x60000010, "US", 8)
    ds.add_new(0x60003000, "OW", b"OVERLAYSECRET.")
    ds.add_new(0x60004000, "LT", "OVERLAYSECRET")
    ds.add_new(0x50000022, "LO", "Smitherson")
    private = ds.private_block(0x0011, "PRIVATESECRET", create=True)
    private.add_new(0x01, "UN", b"Smitherson")
    private.add_new(0x02, "LT", "MRN-778899 PRIVATESECRET")


def _identify_items(ds):
    nested, inner, code = Dataset(), Dataset(), Dataset()
    inner.PersonName, inner.TextValue = "Smitherson^Wilhelmina", "NESTEDSECRET"
    inner.PatientID = "MRN-778899"
    nested.ContentSequence, nested.OperatorsName = [inner], "Doctor Strangelove"
    nested.ReferencedSOPInstanceUID = "1.2.840.99999.3"
    nested.ReferencedSOPClassUID = uid.UltrasoundImageStorage
    nested.private_block(0x0099, "NESTEDSECRET", create=True).add_new(0x01, "LO", "Smitherson")
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = "1", "99LOCAL", "Room 101"
    nested.PurposeOfReferenceCodeSequence = [code]
    ds.SourceImageSequence = [nested]
    ds.ViewCodeSequence = [Dataset()]
    view = ds.ViewCodeSequence[0]
    view.CodeValue, view.CodingSchemeDesignator = "399214001", "SCT"
    view.CodeMeaning = "apical four chamber"


def _describe(ds, frames):
    t, h, w = frames.shape
    ds.SOPClassUID = uid.UltrasoundMultiFrameImageStorage if t > 1 else uid.UltrasoundImageStorage
    ds.Modality, ds.ImageType, ds.BurnedInAnnotation = "US", ["ORIGINAL", "PRIMARY"], "NO"
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.Rows, ds.Columns, ds.NumberOfFrames = h, w, t
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 8, 8, 7, 0
    ds.FrameTime = "33.3"
    ds.PixelData = frames.tobytes() + bytes(frames.nbytes % 2)
    ds["PixelData"].VR = "OB"
