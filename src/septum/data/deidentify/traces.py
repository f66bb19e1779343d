"""What an input says of somebody, to be looked for in what is written.

Every text, date and UID is a trace. An attribute of `IDENTITY`, a name, a date or a UID may occur
nowhere; another text may be part of one that stays (a series named after the device). Among grey
levels a short text occurs by chance: there only longer ones count.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from pydicom import Dataset
from pydicom.dataelem import DataElement

from septum.data.deidentify.tags import CODE, KEPT, is_well_known, readable, values

SHORTEST = 4
"""Characters of a text that is looked for among the attributes."""
SHORTEST_IN_PIXELS = 8

IDENTITY = frozenset({
    "AccessionNumber", "AdmissionID", "InstitutionName", "IssuerOfPatientID",
    "MedicalRecordLocator", "OtherPatientIDs", "PatientID",
})  # fmt: skip
ALWAYS = frozenset({"PN", "DA", "DT", "UI"})
TEXTS = frozenset({"AE", "LO", "LT", "SH", "ST", "UC", "UR", "UT"})
BLOBS = frozenset({"OB", "UN"})
WRITTEN_OUT = frozenset({"CS", "DS", "IS", "UI"})
"""What stays by its type and is written in letters or digits."""
LONGEST_BLOB = 1024
"""Bytes of an attribute of unknown type that are read as a text."""


@dataclass(frozen=True, kw_only=True)
class Trace:
    """One text of an input; its value is shown to nobody."""

    keyword: str
    kind: str
    text: str

    @property
    def is_identity(self) -> bool:
        """Whether even a part of a text that stays may not hold it."""
        return self.kind in ALWAYS or self.keyword in IDENTITY


def of(dataset: Dataset) -> set[Trace]:
    """The traces of a data set, its file meta information and every nested item."""
    meta = getattr(dataset, "file_meta", None) or Dataset()
    return {
        Trace(keyword=element.keyword or "private", kind=element.VR, text=text.lower())
        for element in (*elements(dataset), *elements(meta))
        for text in _texts(element)
        if len(text) >= SHORTEST and not (element.VR == "UI" and is_well_known(text))
    }


def elements(dataset: Dataset) -> Iterator[DataElement]:
    """Those that can be read, at any depth."""
    for tag in list(dataset.keys()):
        element = readable(dataset, tag)
        if element is not None and element.VR == "SQ":
            for item in element.value:
                yield from elements(item)
        elif element is not None:
            yield element


def staying(dataset: Dataset) -> set[str]:
    """The texts, codes and numbers that a written data set may hold on to."""
    kept = KEPT | CODE
    found = [e for e in elements(dataset) if e.VR in WRITTEN_OUT or e.keyword in kept]
    return {str(value).lower() for element in found for value in values(element)}


def left(
    header: bytes,
    pixels: bytes,
    sought: Iterable[Trace],
    *,
    written: Iterable[str],
    stays: Iterable[str],
) -> set[str]:
    """The keywords of the traces that are in what is to be written, in any case of letters.

    Args:
        header: All bytes of the file but the pixels.
        pixels: Those of the frames.
        sought: The traces of the input.
        written: Texts that were made here, pseudonyms for one: a trace in them is chance.
        stays: Texts of the input that are kept: they may hold a trace that is no identity.
    """
    header = _without(header.lower(), written)
    lenient, pixels = _without(header, stays), pixels.lower()
    return {
        trace.keyword
        for trace in sought
        for text in {trace.text.encode("utf-8", "replace"), trace.text.encode("latin-1", "replace")}
        if text in (header if trace.is_identity else lenient)
        or (len(text) >= SHORTEST_IN_PIXELS and text in pixels)
    }


def _without(header: bytes, texts: Iterable[str]) -> bytes:
    for text in sorted(texts, key=len, reverse=True):
        if len(text) >= SHORTEST:
            header = header.replace(text.lower().encode(), b"\0")
    return header


def _texts(element: DataElement) -> Iterator[str]:
    """The values of an element; of a name also its parts, of a time stamp its date."""
    if element.VR in BLOBS and len(element.value or b"") <= LONGEST_BLOB:
        text = (element.value or b"").decode("latin-1").strip("\0 ")
        if text.isascii() and text.isprintable():
            yield text
    for text in [str(v).strip() for v in values(element) if element.VR in TEXTS | ALWAYS]:
        yield text
        if element.VR == "PN":
            yield from text.replace("=", " ").replace("^", " ").split()
        elif element.VR == "DT":
            yield text[:8]
