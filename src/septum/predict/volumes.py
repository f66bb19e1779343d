"""Masks as NIfTI that lie on the voxels of their input.

Of a NIfTI input the header is taken over as its bytes are, so orientation and spacing are the same
to the last bit; its texts, which may name a patient, are not.
https://nifti.nimh.nih.gov/pub/dist/src/niftilib/nifti1.h
"""

import gzip
import struct
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import SimpleITK
from jaxtyping import UInt8

from septum.data import film, nifti, volume
from septum.predict.inputs import Input

TEXTS = ((4, 32), (148, 252), (328, 344))
"""data_type and db_name, descrip and aux_file, intent_name: first byte and the one after the last.
"""
UINT8, START = 2, 352


def as_nifti(one: Input, masks: UInt8[np.ndarray, "t h w"]) -> bytes:
    """The compressed file; every class of a voxel is its index."""
    if one.path.suffix.lower() == film.META:
        return _by_header_of_meta(one.path, masks)
    assert one.grid is not None
    voxels = volume.as_in_file(masks.reshape(one.grid.shape), one.grid.leads)
    return gzip.compress(_header(one.path) + voxels.tobytes(), mtime=0)


def _header(path: Path) -> bytes:
    """Of the same grid, for indices of 8 bits without a scale and without extensions."""
    head = bytearray(nifti.head_bytes(path))
    order = "<" if struct.unpack_from("<i", head)[0] == nifti.HEADER_BYTES else ">"
    struct.pack_into(f"{order}2h", head, 70, UINT8, 8)
    struct.pack_into(f"{order}3f", head, 108, START, 1.0, 0.0)
    struct.pack_into(f"{order}2f", head, 124, 0.0, 0.0)  # the display range
    for first, stop in TEXTS:
        head[first:stop] = bytes(stop - first)
    return bytes(head) + bytes(START - nifti.HEADER_BYTES)


def _by_header_of_meta(path: Path, masks: UInt8[np.ndarray, "t h w"]) -> bytes:
    source = SimpleITK.ReadImage(str(path), imageIO="MetaImageIO")
    found = SimpleITK.GetImageFromArray(masks.reshape(source.GetSize()[::-1]))
    found.CopyInformation(source)
    with TemporaryDirectory() as scratch:
        target = Path(scratch) / "mask.nii.gz"
        SimpleITK.WriteImage(found, str(target), imageIO="NiftiImageIO")
        return target.read_bytes()
