"""The pixels of an object without burned-in text, or the reason why they cannot be had.

ultrasound: the tissue that the frames show, within the regions that the header declares
            + the declared Doppler spectra; all else becomes black in every frame
MR and CT:  as they are, if the header says that nothing is burned in or that the slice is as
            it was acquired
all else:   refused, as is whatever cannot be shown to be one of these
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Shaped, UInt8
from pydicom import Dataset, uid

from septum.data import dicom
from septum.data.deidentify import cone
from septum.data.deidentify.tags import values
from septum.data.dicom import Facts, Region

ULTRASOUND = frozenset({
    uid.UltrasoundImageStorage, uid.UltrasoundMultiFrameImageStorage,
    "1.2.840.10008.5.1.4.1.1.3", "1.2.840.10008.5.1.4.1.1.6",
})  # fmt: skip
"""The last two are retired."""
SLICES = frozenset({uid.MRImageStorage, uid.CTImageStorage})

TISSUE = ("tissue", "colour_flow")
BANNER = 0.08
"""Share of the rows, from the top, where devices write names: no spectrum reaches there."""
MOST_SPECTRUM = 0.75
"""Share of the frame above which a declared spectrum is not believed."""


class Unsure(Exception):  # noqa: N818 - what happened, not an error of the program
    """It cannot be shown that no identity is left; says why, as the end of a sentence."""


@dataclass(frozen=True, kw_only=True)
class Picture:
    """What is written.

    Attributes:
        frames: Black outside `kept`.
        kept: The same for every frame; None where nothing had to be blanked.
    """

    frames: Shaped[np.ndarray, "t h w *c"]
    kept: Bool[np.ndarray, "h w"] | None


def cleaned(path: Path, dataset: Dataset, facts: Facts) -> Picture:
    """The frames of a file, without what is written over them.

    Raises:
        BadInput: They cannot be decoded.
        Unsure: They may hold text that cannot be told from the picture.
    """
    kind = dataset.get("SOPClassUID", "")
    if kind in ULTRASOUND:
        return _blanked(path, facts)
    if kind in SLICES:
        _check_slice(dataset)
        return Picture(frames=_stored(path, dataset), kept=None)
    raise Unsure("is neither an ultrasound picture nor an MR or CT slice")


def area(brightest: UInt8[np.ndarray, "h w"], regions: Sequence[Region]) -> Bool[np.ndarray, "h w"]:
    """What may stay of ultrasound frames, of which the largest values over time are given.

    Text is often burned in beside the cone but within the declared rectangle, so a rectangle of
    tissue alone is not enough.

    Raises:
        Unsure: No tissue is found, and no spectrum is declared.
    """
    declared = _rectangles(brightest.shape, [r for r in regions if r.kind in TISSUE])
    within = np.where(declared, brightest, 0) if declared.any() else brightest
    spectra = _rectangles(brightest.shape, [r for r in regions if r.kind == "spectral"])
    spectra[: round(BANNER * len(spectra))] = False
    kept = cone.find(within) | (spectra & (spectra.mean() <= MOST_SPECTRUM))
    if not kept.any():
        raise Unsure("shows no cone of ultrasound that can be told from the text round it")
    return kept


def kinds(dataset: Dataset) -> list[str]:
    """The values of Image Type: original or derived; primary or secondary; what the maker adds."""
    return values(dataset["ImageType"]) if "ImageType" in dataset else []


def _rectangles(shape: tuple[int, ...], regions: Sequence[Region]) -> Bool[np.ndarray, "h w"]:
    inside = np.zeros(shape, bool)
    for r in regions:
        inside[r.row : r.row + r.height, r.column : r.column + r.width] = True
    return inside


def _blanked(path: Path, facts: Facts) -> Picture:
    is_grey = facts.photometric.startswith("MONOCHROME")
    frames = dicom.frames(path) if is_grey else dicom.colours(path)
    brightest = frames.max(0)
    kept = area(brightest if is_grey else brightest.max(-1), facts.regions)
    frames[:, ~kept] = 0
    return Picture(frames=frames, kept=kept)


def _check_slice(dataset: Dataset) -> None:
    burned_in = dataset.get("BurnedInAnnotation", "")
    as_acquired = kinds(dataset)[:2] == ["ORIGINAL", "PRIMARY"]
    if burned_in == "YES" or not (burned_in == "NO" or as_acquired):
        raise Unsure("may have text burned in: it is no slice as it was acquired")


def _stored(path: Path, dataset: Dataset) -> Shaped[np.ndarray, "t h w"]:
    """The values as they are stored, without overlays in their unused bits.

    They come back from what they measure, which is exact: single precision holds 16 bits.
    """
    kind = np.dtype(f"<{'i' if dataset.PixelRepresentation else 'u'}{dataset.BitsAllocated // 8}")
    if kind.itemsize > 2 or "ModalityLUTSequence" in dataset:
        raise Unsure("stores its values in a way that is not rewritten here")
    slope = float(dataset.get("RescaleSlope", 1))
    intercept = float(dataset.get("RescaleIntercept", 0))
    stored: Any = np.rint((dicom.values(path).astype(np.float64) - intercept) / slope)
    low = -(1 << dataset.BitsStored - 1) if kind.kind == "i" else 0
    if not (stored.min() >= low and stored.max() < low + (1 << dataset.BitsStored)):
        raise Unsure("measures what it cannot have stored")
    return stored.astype(kind)
