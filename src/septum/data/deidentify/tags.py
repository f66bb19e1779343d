"""The attributes of a DICOM data set without what may identify somebody.

The profile's table comes first. An attribute that it does not name stays only where its value can
hardly name anybody: numbers, codes of the standard, well-known UIDs, and the few texts in `KEPT`.
All else goes: private attributes, curves and overlays, every other text, date, address and blob.
"""

import logging
import re
import warnings
from collections import Counter
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import Any

from pydicom import Dataset
from pydicom.datadict import dictionary_VR, keyword_for_tag
from pydicom.dataelem import DataElement, empty_value_for_VR
from pydicom.multival import MultiValue
from pydicom.sequence import Sequence as Items
from pydicom.tag import BaseTag, Tag
from pydicom.uid import UID

from septum.data.deidentify.profile import PROFILE
from septum.data.deidentify.pseudonyms import Pseudonyms

RESOLVED: Mapping[str, str] = {
    "X/Z": "Z", "X/D": "X", "X/Z/D": "X", "Z/D": "Z", "X/Z/U*": "U",
}  # fmt: skip
"""Of a combined action, the one that keeps single-frame and ultrasound objects valid."""

KEPT = frozenset({"Manufacturer", "ManufacturerModelName", "ConvolutionKernel", "RescaleType"})
"""Texts outside the table that the device writes, not a person."""
CODE = frozenset({"CodeValue", "CodingSchemeDesignator", "CodingSchemeVersion", "CodeMeaning"})
"""Texts that stay where the coding scheme is public."""
SCHEMES = frozenset({"DCM", "SCT", "SRT", "SNM3", "99SDM", "LN", "UCUM", "FMA", "RADLEX"})
EMPTIED = frozenset({"PositionReferenceIndicator"})
"""Texts outside the table that have to be there, empty or not."""
PATIENT = frozenset({"PatientID", "PatientName"})

OTHERS: Mapping[str, str] = {"SQ": "K", "UI": "U"}
"""What the items of a sequence hold is looked at one by one; a well-known UID stays."""
NUMBERS = frozenset({"US", "SS", "UL", "SL", "UV", "SV", "FL", "FD", "AT", "DS", "IS"})
TEXTS: Mapping[str, re.Pattern[str]] = {
    "CS": re.compile(r"[A-Z0-9_ ]{0,16}"),
    "DS": re.compile(r" *[-+0-9.eE]{0,16} *"),
    "IS": re.compile(r" *[-+]?[0-9]{0,12} *"),
    "SH": re.compile(r"[ -~]{0,16}"),
    "LO": re.compile(r"[ -~]{0,64}"),
}
"""What a value that stays may look like."""
DUMMIES: Mapping[str, str] = {
    "DA": "19000101", "TM": "000000", "DT": "19000101000000", "PN": "REMOVED", "LO": "REMOVED",
    "SH": "REMOVED", "ST": "REMOVED", "LT": "REMOVED", "UT": "REMOVED", "UC": "REMOVED",
}  # fmt: skip
"""For action D; where there is none for a type, the attribute is emptied."""

Done = Counter[tuple[str, str]]
"""How often (action, attribute) was done."""


def scrub(dataset: Dataset, names: Pseudonyms) -> Done:
    """Take out of a data set, in place, whatever may identify somebody; what was done."""
    done: Done = Counter()
    patient = names.patient(identity(dataset))
    coded = _text(dataset, "CodingSchemeDesignator") in SCHEMES
    for tag in list(dataset.keys()):
        element = readable(dataset, tag)
        action = "X" if element is None else _action(element, coded=coded)
        done[action, _called(tag)] += 1
        if element is None or action == "X":
            del dataset[tag]
        elif element.VR == "SQ" and action in ("K", "U"):
            done += _items(dataset, element, names)
        elif element.keyword in PATIENT:
            element.value = patient
        else:
            element.value = _replaced(element, action, names)
    return done


def identity(dataset: Dataset) -> str:
    """What tells patients apart: the identifier, else name and birth date, else the study."""
    by_name = f"{_text(dataset, 'PatientName')}|{_text(dataset, 'PatientBirthDate')}"
    return _text(dataset, "PatientID") or by_name.strip("|") or _text(dataset, "StudyInstanceUID")


def values(element: DataElement) -> list[Any]:
    """The values of an element, one or many; none where it is empty."""
    value = element.value
    if value is None or value == "":
        return []
    return list(value) if isinstance(value, MultiValue | list) else [value]


def is_well_known(uid: str) -> bool:
    """Whether the standard defines it, as it does classes and transfer syntaxes."""
    return UID(uid).name != uid


@contextmanager
def quiet() -> Generator[None]:
    """Pydicom says nothing: its warnings and its log quote the values that they are about."""
    log = logging.getLogger("pydicom")
    before, log.disabled = log.disabled, True
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        log.disabled = before


def readable(dataset: Dataset, tag: BaseTag) -> DataElement | None:
    """The element, if its bytes are what its type says."""
    try:
        with quiet():
            return dataset[tag]
    except Exception:  # noqa: BLE001 - whatever a hostile value raises, it is then taken out
        return None


def _action(element: DataElement, *, coded: bool) -> str:
    """What to do: X, Z, D or U as in the profile, or K to keep."""
    if _is_foreign(element):
        return "X"
    if listed := PROFILE.get(element.keyword):
        is_optional = element.VR == "SQ" and listed[0] == "X" and listed[-1] != "*"
        return "X" if is_optional else RESOLVED.get(listed, listed)
    if element.VR in OTHERS:
        return OTHERS[element.VR]
    harmless = "K" if _is_harmless(element, coded=coded) else "X"
    return "Z" if element.keyword in EMPTIED else harmless


def _is_foreign(element: DataElement) -> bool:
    """Private, a curve, an overlay, unknown to the standard, or of another type than there."""
    tag = element.tag
    if not element.keyword or tag.is_private or tag.group >> 8 in (0x50, 0x60):
        return True
    return element.VR not in dictionary_VR(tag).split(" or ")


def _is_harmless(element: DataElement, *, coded: bool) -> bool:
    """A number, a code, or a text of a device, and written as such."""
    text = element.VR in ("SH", "LO") and (
        element.keyword in KEPT or (coded and element.keyword in CODE)
    )
    if not text and element.VR not in {*NUMBERS, "CS"}:
        return False
    allowed = TEXTS.get(element.VR)
    return allowed is None or all(allowed.fullmatch(str(value)) for value in values(element))


def _items(dataset: Dataset, element: DataElement, names: Pseudonyms) -> Done:
    """Scrub the items of a sequence; those of which nothing is left go, with them the sequence."""
    done: Done = Counter()
    for item in element.value:
        done += scrub(item, names)
    left = [item for item in element.value if len(item)]
    if left or not element.value:
        element.value = Items(left)
    else:
        del dataset[element.tag]
    return done


def _replaced(element: DataElement, action: str, names: Pseudonyms) -> Any:
    """The value that an element has from now on."""
    if action == "U":
        return [uid if is_well_known(uid) else names.uid(uid) for uid in values(element)]
    if action == "K":
        return element.value
    dummy = DUMMIES.get(element.VR) if action == "D" else None
    return dummy if dummy is not None else empty_value_for_VR(element.VR)


def _text(dataset: Dataset, keyword: str) -> str:
    """A value as text; nothing where it is absent or damaged."""
    element = readable(dataset, Tag(keyword)) if keyword in dataset else None
    return "" if element is None or element.value is None else str(element.value).strip()


def _called(tag: BaseTag) -> str:
    """The keyword, or the kind of an attribute that has none."""
    if tag.is_private:
        return "private"
    return keyword_for_tag(tag) or f"group {tag.group:04x}"
