"""Frames of every way in which pixels are stored, against what was written."""

import io
from pathlib import Path

import gdcm
import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom import uid
from pydicom.encaps import encapsulate
from pydicom.pixels.utils import expand_ybr422

from septum.contained import pixels, tags
from septum.contained.caps import Refused
from septum.data.dicom import sketch

TAGS = {"SOPClassUID": sketch.US_FILM, "SOPInstanceUID": "1.2.3", "Modality": "US"}
SAMPLES = Path(pydicom.__file__).parent / "data" / "test_files"


def grey(frames=3, kind=np.uint8):
    """A ramp that changes from frame to frame."""
    ramp = np.linspace(0, 255, 24 * 32).reshape(24, 32)
    return np.stack([np.roll(ramp, 5 * k, axis=1) for k in range(frames)]).astype(kind)


def coloured(frames=2):
    """Grey, with a patch of colour: as ultrasound is."""
    found = np.repeat(grey(frames)[..., None], 3, axis=-1)
    found[:, 4:10, 4:10] = (250, 60, 20)
    return found


def luma(found):
    return np.stack([np.asarray(Image.fromarray(f).convert("YCbCr")) for f in found])


def dataset(tmp_path, found, **more):
    """As read from a file of three components or one, uncompressed."""
    colour = {}
    if found.ndim == 4:
        colour = {"SamplesPerPixel": 3, "PlanarConfiguration": 0, "Rows": found.shape[1]}
        colour |= {"Columns": found.shape[2], "PixelData": found.tobytes()}
        colour |= {"NumberOfFrames": len(found), "PhotometricInterpretation": "RGB"}
    sketch.write(tmp_path / "a.dcm", found[..., 0] if colour else found, TAGS, colour, more)
    return pydicom.dcmread(tmp_path / "a.dcm")


def compressed(ds, frames, syntax, label=""):
    """The same data set around frames that are encoded already."""
    ds.PixelData = encapsulate(frames)
    ds["PixelData"].VR = "OB"
    ds["PixelData"].is_undefined_length = True
    ds.file_meta.TransferSyntaxUID = syntax
    ds.PhotometricInterpretation = label or ds.PhotometricInterpretation
    return ds


def encoded(found, form, **how):
    files = [io.BytesIO() for _ in found]
    for file, frame in zip(files, found, strict=True):
        Image.fromarray(frame).save(file, form, **how)
    return [file.getvalue() for file in files]


def shown(ds):
    return np.stack(list(pixels.colours(ds)))


def reread(ds, tmp_path, syntax, **how):
    ds.file_meta.TransferSyntaxUID = syntax
    plain = pydicom.Dataset()  # forgets in which order it was read
    plain.update({element.tag: element for element in ds})
    plain.file_meta = ds.file_meta
    pydicom.dcmwrite(tmp_path / "b.dcm", plain, enforce_file_format=True, **how)
    return pydicom.dcmread(tmp_path / "b.dcm")


@pytest.mark.parametrize(
    ("syntax", "little", "implicit"),
    [
        (uid.ImplicitVRLittleEndian, True, True),
        (uid.ExplicitVRLittleEndian, True, False),
        (uid.ExplicitVRBigEndian, False, False),
        (uid.DeflatedExplicitVRLittleEndian, True, False),
    ],
)
@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_native_pixels(tmp_path, syntax, little, implicit, kind):
    ds = dataset(tmp_path, grey(kind=kind))
    if not little:
        stored = grey(kind=np.dtype(kind).newbyteorder(">"))
        ds.add_new("PixelData", "OW" if kind is np.uint16 else "OB", stored.tobytes())
    ds = reread(ds, tmp_path, syntax, implicit_vr=implicit, little_endian=little)
    assert ds.file_meta.TransferSyntaxUID == syntax
    np.testing.assert_array_equal(list(pixels.frames(ds)), grey())


@pytest.mark.parametrize("syntax", [uid.RLELossless, uid.JPEGLSLossless])
@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_lossless_pixels(tmp_path, syntax, kind):
    ds = dataset(tmp_path, grey(kind=kind))
    ds.compress(syntax, generate_instance_uid=False)
    np.testing.assert_array_equal(list(pixels.frames(ds)), grey())


def test_nearly_lossless_pixels(tmp_path):
    ds = dataset(tmp_path, grey())
    ds.compress(uid.JPEGLSNearLossless, jls_error=2, generate_instance_uid=False)
    assert 0 < np.abs(np.stack(list(pixels.frames(ds))).astype(int) - grey()).max() <= 2


@pytest.mark.parametrize(
    "kind", [gdcm.TransferSyntax.JPEGLosslessProcess14, gdcm.TransferSyntax.JPEGLosslessProcess14_1]
)
@pytest.mark.parametrize("found", [grey(), coloured()], ids=["grey", "colour"])
def test_lossless_jpeg(tmp_path, kind, found):
    dataset(tmp_path, found)
    reader, change, writer = (
        gdcm.ImageReader(),
        gdcm.ImageChangeTransferSyntax(),
        gdcm.ImageWriter(),
    )
    reader.SetFileName(str(tmp_path / "a.dcm"))
    assert reader.Read()
    change.SetTransferSyntax(gdcm.TransferSyntax(kind))
    change.SetInput(reader.GetImage())
    assert change.Change()
    writer.SetFile(reader.GetFile())
    writer.SetImage(change.GetOutput())
    writer.SetFileName(str(tmp_path / "b.dcm"))
    assert writer.Write()
    ds = pydicom.dcmread(tmp_path / "b.dcm")
    assert "Lossless" in ds.file_meta.TransferSyntaxUID.name
    decoded = list((pixels.frames if found.ndim == 3 else pixels.colours)(ds))
    np.testing.assert_array_equal(decoded, found)


@pytest.mark.parametrize("lossy", [False, True])
@pytest.mark.parametrize("found", [grey(), coloured()], ids=["grey", "colour"])
def test_jpeg_2000(tmp_path, lossy, found):
    how = {"irreversible": True, "quality_layers": [4]} if lossy else {}
    is_grey = found.ndim == 3
    files = encoded(found, "JPEG2000", no_jp2=True, mct=0 if is_grey else 1, **how)
    label = "MONOCHROME2" if is_grey else ("YBR_ICT" if lossy else "YBR_RCT")
    syntax = uid.JPEG2000 if lossy else uid.JPEG2000Lossless
    ds = compressed(dataset(tmp_path, found), files, syntax, label)
    decoded = np.stack(list((pixels.frames if is_grey else pixels.colours)(ds))).astype(int)
    assert np.abs(decoded - found).mean() <= (8 if lossy else 0)


@pytest.mark.parametrize("syntax", [uid.JPEGBaseline8Bit, uid.JPEGExtended12Bit])
def test_grey_jpeg(tmp_path, syntax):
    files = encoded(grey(), "JPEG", quality=95)
    ds = compressed(dataset(tmp_path, grey()), files, syntax)
    assert np.abs(np.stack(list(pixels.frames(ds))).astype(int) - grey()).mean() < 3


def test_jpeg_of_twelve_bits():
    """Two pixels that the test suite of pydicom states of this file."""
    ds = pydicom.dcmread(SAMPLES / "JPGExtended.dcm")
    (stored,) = pixels._components(ds)
    assert (stored[420, 140], stored[230, 120], stored.dtype) == (244, 95, np.uint16)


@pytest.mark.parametrize("label", ["RGB", "YBR_FULL_422", "YBR_FULL"])
@pytest.mark.parametrize(
    "how",
    [{"subsampling": "4:2:2"}, {"subsampling": "4:4:4"}, {"keep_rgb": True}],
    ids=["halved", "whole", "rgb"],
)
def test_a_jpeg_shows_its_colours_whatever_its_label_says(tmp_path, label, how):
    files = encoded(coloured(), "JPEG", quality=95, **how)
    ds = compressed(dataset(tmp_path, coloured()), files, uid.JPEGBaseline8Bit, label)
    assert np.abs(shown(ds).astype(int) - coloured()).mean() < 6
    expected = luma(coloured())[..., 0]
    assert np.abs(np.stack(list(pixels.frames(ds))).astype(int) - expected).mean() < 6


@pytest.mark.parametrize("label", ["RGB", "YBR_FULL"])
def test_native_colours_are_found_whatever_the_label_says(tmp_path, label):
    red = dataset(tmp_path, coloured(), PhotometricInterpretation=label)
    np.testing.assert_array_equal(shown(red), coloured())
    ds = dataset(tmp_path, luma(coloured()), PhotometricInterpretation=label)
    assert np.abs(shown(ds).astype(int) - coloured()).max() <= 2
    np.testing.assert_array_equal(list(pixels.frames(ds)), luma(coloured())[..., 0])


@pytest.mark.parametrize("label", ["RGB", "YBR_FULL_422"])
def test_native_halved_chroma_is_known_by_its_length(tmp_path, label):
    whole = luma(coloured())
    halved = b"".join(
        bytes([row[k, 0], row[k + 1, 0], row[k, 1], row[k, 2]])
        for frame in whole for row in frame for k in range(0, frame.shape[1], 2)
    )  # fmt: skip
    ds = dataset(tmp_path, whole, PhotometricInterpretation=label, PixelData=halved)
    expected = np.frombuffer(expand_ybr422(halved, 8), np.uint8).reshape(whole.shape)
    np.testing.assert_array_equal(list(pixels.frames(ds)), expected[..., 0])
    assert np.abs(shown(ds).astype(int) - coloured()).max() <= 2


def test_true_colours_that_look_like_nothing_else_keep_their_label(tmp_path):
    wild = np.random.default_rng(0).integers(0, 256, (1, 24, 32, 3), dtype=np.uint8)
    np.testing.assert_array_equal(shown(dataset(tmp_path, wild)), wild)
    ds = dataset(tmp_path, wild, PhotometricInterpretation="YBR_FULL")
    expected = np.asarray(Image.frombytes("YCbCr", (32, 24), wild.tobytes()).convert("RGB"))
    np.testing.assert_array_equal(shown(ds)[0], expected)


def test_planes_of_colour_one_after_the_other(tmp_path):
    planes = np.moveaxis(coloured(), -1, 1)
    ds = dataset(tmp_path, coloured(), PlanarConfiguration=1, PixelData=planes.tobytes())
    np.testing.assert_array_equal(shown(ds), coloured())


@pytest.mark.parametrize("deep", [False, True])
def test_a_palette_paints(tmp_path, deep):
    rng = np.random.default_rng(0)
    tables = rng.integers(0, 256, (3, 256))
    entries = {}
    for name, table in zip(("Red", "Green", "Blue"), tables, strict=True):
        entries[f"{name}PaletteColorLookupTableDescriptor"] = [256, 0, 16]
        stored = (table * 257 if deep else table).astype("<u2").tobytes()
        entries[f"{name}PaletteColorLookupTableData"] = stored
    ds = dataset(tmp_path, grey(), PhotometricInterpretation="PALETTE COLOR", **entries)
    expected = tables.T[grey()].astype(np.uint8)
    np.testing.assert_array_equal(shown(ds), expected)
    greys = [np.asarray(Image.fromarray(f).convert("L")) for f in expected]
    np.testing.assert_array_equal(list(pixels.frames(ds)), greys)


def test_the_first_shade_of_grey_may_be_white(tmp_path):
    ds = dataset(tmp_path, grey(), PhotometricInterpretation="MONOCHROME1")
    np.testing.assert_array_equal(list(pixels.frames(ds)), 255 - grey())


def test_measured_values_are_rescaled_and_seen_through_the_window(tmp_path):
    stored = grey(kind=np.uint16) * 8
    told = {"RescaleSlope": 2, "RescaleIntercept": -1000, "WindowCenter": 40, "WindowWidth": 401}
    ds = dataset(tmp_path, stored, **told)
    values = 2.0 * stored - 1000
    np.testing.assert_array_equal(list(pixels.values(ds)), values)
    expected = np.round((((values - 39.5) / 400 + 0.5) * 255).clip(0, 255))
    np.testing.assert_array_equal(list(pixels.frames(ds)), expected)


def test_signed_values(tmp_path):
    stored = grey(kind=np.int16) - 128
    told = {"PixelRepresentation": 1, "PixelData": stored.tobytes()}
    ds = dataset(tmp_path, grey(kind=np.uint16), **told)
    np.testing.assert_array_equal(list(pixels.values(ds)), stored)


def test_colours_measure_nothing(tmp_path):
    with pytest.raises(Refused, match="holds colours"):
        list(pixels.values(dataset(tmp_path, coloured())))


def test_lost_frames_are_missed(tmp_path):
    files = encoded(coloured(), "JPEG")
    ds = compressed(dataset(tmp_path, coloured()), files, uid.JPEGBaseline8Bit, "YBR_FULL_422")
    ds.NumberOfFrames = 3
    with pytest.raises(Refused, match="cut short, it holds 2 of 3 frames"):
        list(pixels.frames(ds))


def test_pictures_of_another_size_are_refused(tmp_path):
    files = encoded(coloured()[:, :16], "JPEG")
    ds = compressed(dataset(tmp_path, coloured()), files, uid.JPEGBaseline8Bit, "YBR_FULL_422")
    with pytest.raises(Refused, match="another size"):
        list(pixels.frames(ds))


ONE_PICTURE = [
    *("SC_rgb_dcmtk_+eb+cr.dcm", "SC_rgb_dcmtk_+eb+cy+n1.dcm", "SC_rgb_dcmtk_+eb+cy+np.dcm"),
    *("SC_rgb_dcmtk_+eb+cy+s2.dcm", "SC_rgb_dcmtk_+eb+cy+s4.dcm", "SC_rgb_gdcm_KY.dcm"),
    *("SC_rgb_jls_lossy_line.dcm", "SC_rgb_jpeg_gdcm.dcm", "SC_rgb_rle.dcm"),
    *("SC_rgb_rle_16bit.dcm", "SC_ybr_full_422_uncompressed.dcm"),
]


@pytest.mark.parametrize("name", ONE_PICTURE)
def test_one_picture_that_others_encoded_looks_the_same(name):
    """The bars of colour that come with pydicom, by DCMTK and GDCM."""
    ds = pydicom.dcmread(SAMPLES / name)
    reference = pydicom.dcmread(SAMPLES / "SC_rgb_rle.dcm").pixel_array
    assert np.abs(shown(ds)[0].astype(int) - reference).mean() < 4
    assert tags.shape(ds) == (1, 100, 100)
