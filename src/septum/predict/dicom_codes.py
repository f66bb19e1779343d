"""What DICOM calls the structures, quantities and units that models speak of.

Codes of SNOMED CT, LOINC and UCUM, each with the meaning that its scheme gives it. What no table
knows gets a code that says just that, and keeps its own name beside it.
"""

from collections.abc import Mapping

from pydicom.sr.coding import Code

from septum.predict.dicom_file import plain

OWN = "99SEPTUM"
"""Designator of codes that only this library defines; PS3.16 section 8 leaves 99... to anyone."""

ANATOMY = Code("91723000", "SCT", "Anatomical Structure")
ABNORMAL = Code("49755003", "SCT", "Morphologically Abnormal Structure")
TISSUE = Code("85756007", "SCT", "Tissue")
LEFT_VENTRICLE = Code("87878005", "SCT", "Left ventricle")
IMAGING = Code("363679005", "SCT", "Imaging procedure")
UPPER = Code("371886008", "SCT", "+, range of upper measurement uncertainty")
LOWER = Code("371885007", "SCT", "-, range of lower measurement uncertainty")

STRUCTURES: Mapping[str, tuple[Code, Code]] = {
    "left_ventricle": (ANATOMY, LEFT_VENTRICLE),
    "lv_endocardium": (ANATOMY, LEFT_VENTRICLE),
    "right_ventricle": (ANATOMY, Code("53085002", "SCT", "Right ventricle")),
    "left_atrium": (ANATOMY, Code("82471001", "SCT", "Left atrium")),
    "right_atrium": (ANATOMY, Code("73829009", "SCT", "Right atrium")),
    "myocardium": (ANATOMY, Code("74281007", "SCT", "Myocardium")),
    "aorta": (ANATOMY, Code("15825003", "SCT", "Aorta")),
    "pulmonary_artery": (ANATOMY, Code("81040000", "SCT", "Pulmonary artery")),
    "infarct": (ABNORMAL, Code("55641003", "SCT", "Infarct")),
    "infarction": (ABNORMAL, Code("55641003", "SCT", "Infarct")),
    "no_reflow": (ABNORMAL, Code("6574001", "SCT", "Necrosis")),
    "lesion": (ABNORMAL, Code("52988006", "SCT", "Lesion")),
}
"""Category and type of a segment, by the name of the class."""

QUANTITIES: Mapping[str, Code] = {
    "ef_percent": Code("10230-1", "LN", "Left ventricular Ejection fraction"),
    "edv_ml": Code("8821-1", "LN", "Left Ventricular ED Volume"),
    "esv_ml": Code("8823-7", "LN", "Left Ventricular ES Volume"),
}
"""What is measured of the left ventricle, by the name of the estimate."""

UNITS: Mapping[str, Code] = {
    "": Code("1", "UCUM", "no units"),
    "1": Code("1", "UCUM", "no units"),
    "%": Code("%", "UCUM", "Percent"),
    "percent": Code("%", "UCUM", "Percent"),
    "ml": Code("mL", "UCUM", "milliliter"),
    "g": Code("g", "UCUM", "gram"),
    "mm": Code("mm", "UCUM", "millimeter"),
    "mm2": Code("mm2", "UCUM", "square millimeter"),
    "cm2": Code("cm2", "UCUM", "square centimeter"),
    "ms": Code("ms", "UCUM", "millisecond"),
    "a": Code("a", "UCUM", "year"),
    "years": Code("a", "UCUM", "year"),
}
"""UCUM, by the unit in lower case."""


def structure(name: str) -> tuple[Code, Code]:
    """Category and type of a class; tissue of no further kind where the name is unknown.

    >>> structure("left_atrium")[1].value, structure("blob")[1].meaning
    ('82471001', 'Tissue')
    """
    return STRUCTURES.get(name, (TISSUE, TISSUE))


def quantity(name: str) -> Code:
    """What an estimate measures; an unknown one is its own code.

    >>> quantity("edv_ml").value, quantity("gls").scheme_designator
    ('8821-1', '99SEPTUM')
    """
    return QUANTITIES.get(name, Code(plain(name), OWN, plain(name)))


def unit(name: str) -> Code:
    """The unit in UCUM; an unknown one is an annotation, which counts as no unit.

    >>> unit("mL").value, unit("beats").value
    ('mL', '{beats}')
    """
    return UNITS.get(name.lower(), Code(f"{{{plain(name)}}}", "UCUM", plain(name)))
