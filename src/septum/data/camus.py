"""CAMUS: apical echocardiograms at end-diastole and end-systole, in the published layout.

    patientXXXX/patientXXXX_{2CH,4CH}_{ED,ES}.nii.gz   or .mhd beside its .raw; spacing in mm
    patientXXXX/patientXXXX_{2CH,4CH}_{ED,ES}_gt.*     1 LV cavity, 2 LV myocardium, 3 left atrium
    patientXXXX/Info_{2CH,4CH}.cfg                     ED, ES, NbFrame, Sex, Age, ImageQuality, EF
    subgroup_{training,validation,testing}.txt         patient names; optional

Patients may also lie in `database_nifti/`, the lists in `database_split/`, as they are unpacked.
Leclerc et al., IEEE TMI 2019, doi:10.1109/TMI.2019.2900516.
"""

from collections.abc import Iterator
from itertools import product
from pathlib import Path

import numpy as np
import SimpleITK
from jaxtyping import UInt8

from septum.contract import BadInput, Label, Record, Source
from septum.data import phantom
from septum.data.read import inside

VIEWS = ("2CH", "4CH")
PHASES = ("ED", "ES")
ENDINGS = (".nii.gz", ".mhd")
CLASSES = ("background", "lv_endocardium", "myocardium", "left_atrium")
LISTS = {"training": "train", "validation": "val", "testing": "test"}
MAX_TEXT_BYTES = 64 * 2**10

NUMBERS = {
    "ED": "ed_frame",
    "ES": "es_frame",
    "NbFrame": "frames",
    "Age": "age_years",
    "FrameRate": "frame_rate_hz",
    "LVedv": "edv_ml",
    "LVesv": "esv_ml",
    "LVef": "ef_percent",
    "EF": "ef_percent",
}
TEXTS = {"Sex": "sex", "ImageQuality": "quality"}


def records(folder: Path) -> Iterator[Record]:
    """Four frames per patient: two views at two phases, in the order of their names.

    Raises:
        BadInput: There is no patient, or a view that has an `Info_*.cfg` lacks a frame.
    """
    home = folder / "database_nifti" if (folder / "database_nifti").is_dir() else folder
    patients = sorted(path for path in home.glob("patient[0-9]*") if path.is_dir())
    if not patients:
        raise BadInput(
            f"{folder} holds no patientXXXX folder; fetch CAMUS from {SOURCE.url} and unpack it "
            "there, or draw a miniature with `septum data sketch`."
        )
    splits = _splits(folder)
    for patient, view in product(patients, VIEWS):
        info = patient / f"Info_{view}.cfg"
        if info.is_file():
            yield from _view(patient, view, _facts(info), splits.get(patient.name))


def sketch(folder: Path) -> None:
    """Write two phantom patients, one in each file format, and the lists of the splits."""
    rng = np.random.default_rng(0)
    for name, ending, part in zip(("0001", "0002"), ENDINGS, LISTS, strict=False):
        patient = folder / f"patient{name}"
        patient.mkdir(parents=True)
        (folder / f"subgroup_{part}.txt").write_text(f"{patient.name}\n")
        heart, look = phantom.sample_heart(rng), phantom.sample_look(rng)
        for view, phase in product(VIEWS, PHASES):
            stem = patient / f"{patient.name}_{view}_{phase}"
            frame = phantom.draw(
                heart, look, view=f"A{view[0]}C", phase=phantom.PHASES[phase], size=(80, 96)
            )
            _write(stem.with_name(f"{stem.name}{ending}"), frame.image)
            _write(stem.with_name(f"{stem.name}_gt{ending}"), _camus_classes(frame.mask))
            (patient / f"Info_{view}.cfg").write_text(
                "ED: 1\nES: 10\nNbFrame: 10\nSex: F\nAge: 56\nImageQuality: Good\n"
                f"LVef: {heart.ef_percent:.1f}\n"
            )


def _view(patient: Path, view: str, facts: dict[str, Label], split: str | None) -> Iterator[Record]:
    for phase in PHASES:
        name = f"{patient.name}_{view}_{phase}"
        image = _file(patient, name)
        if image is None:
            raise BadInput(f"{patient} lacks {name}.nii.gz or .mhd; fetch the patient again.")
        yield Record(
            id=name,
            subject=patient.name,
            image=image,
            mask=_file(patient, f"{name}_gt"),
            split=split,
            labels={"modality": "US", "view": view, "phase": phase, **facts},
        )


def _file(patient: Path, name: str) -> Path | None:
    paths = [inside(patient, name + ending) for ending in ENDINGS]
    return next((path for path in paths if path.is_file()), None)


def _facts(info: Path) -> dict[str, Label]:
    facts: dict[str, Label] = {}
    for line in _lines(info):
        key, _, value = (part.strip() for part in line.partition(":"))
        if key in TEXTS and value:
            facts[TEXTS[key]] = value
        if key in NUMBERS and value.lower() not in {"", "nan"}:
            facts[NUMBERS[key]] = _number(info, key, value)
    return facts


def _number(info: Path, key: str, value: str) -> float:
    try:
        return float(value)
    except ValueError as error:
        raise BadInput(f"{info} says {key}: {value!r}, which is no number; correct it.") from error


def _splits(folder: Path) -> dict[str, str]:
    return {
        name.strip(): split
        for place, (part, split) in product((folder, folder / "database_split"), LISTS.items())
        if (lists := place / f"subgroup_{part}.txt").is_file()
        for name in _lines(lists)
    }


def _lines(path: Path) -> list[str]:
    if path.stat().st_size > MAX_TEXT_BYTES:
        raise BadInput(f"{path} is too large to be part of CAMUS; fetch it again.")
    return path.read_text("latin-1").splitlines()


def _camus_classes(mask: UInt8[np.ndarray, "h w"]) -> UInt8[np.ndarray, "h w"]:
    names = ("background", "left_ventricle", "myocardium", "left_atrium")
    table = [names.index(name) if name in names else 0 for name in phantom.CLASSES]
    return np.asarray(table, np.uint8)[mask]


def _write(path: Path, pixels: UInt8[np.ndarray, "h w"]) -> None:
    """Rows twice as dense as columns, as the scanner of CAMUS stores them."""
    frame = SimpleITK.GetImageFromArray(np.repeat(pixels, 2, axis=0))
    frame.SetSpacing((0.6, 0.3))
    try:
        SimpleITK.WriteImage(frame, str(path))
    except RuntimeError as error:
        raise BadInput(f"{path} cannot be written; make room or name another folder.") from error


SOURCE = Source(
    title="CAMUS 2-D echocardiography, two and four chambers, ED and ES",
    url="https://www.creatis.insa-lyon.fr/Challenge/camus/",
    licence="CC BY-NC-SA 4.0",
    cite="Leclerc et al., IEEE TMI 2019, doi:10.1109/TMI.2019.2900516",
    classes=CLASSES,
    records=records,
    sketch=sketch,
    organ="heart",
)
