"""ACDC: short-axis cine MR of 150 patients, outlined at end-diastole and end-systole.

    training/patientXXX/Info.cfg                       ED, ES, NbFrame, Group, Height, Weight
    training/patientXXX/patientXXX_frameNN.nii.gz      the volumes of the frames ED and ES
    training/patientXXX/patientXXX_frameNN_gt.nii.gz   1 right ventricle, 2 myocardium, 3 LV cavity
    training/patientXXX/patientXXX_4d.nii.gz           all frames; optional
    testing/patientXXX/...                             the same; optional

Patients may also lie at the top. Bernard et al., IEEE TMI 2018, doi:10.1109/TMI.2018.2837502. The
field and the images without a mask are those of Chartsias et al., Medical Image Analysis 2019,
section 4.1, doi:10.1016/j.media.2019.101535.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from septum.contract import BadInput, Label, Record, Source
from septum.data import miniature, volume
from septum.data.read import inside

CLASSES = ("background", "right_ventricle", "myocardium", "left_ventricle")
FIELD_MM = (224 * 1.37, 224 * 1.37)
PHASES = ("ED", "ES")
POOL = 1200
"""Most images without a mask, over all patients."""
MAX_INFO_BYTES = 64 * 2**10
NUMBERS = {"Height": "height_cm", "Weight": "weight_kg"}


@dataclass(frozen=True, kw_only=True)
class _Patient:
    """One folder; `frames` holds the numbers of the phases, from 1."""

    folder: Path
    split: str | None
    frames: dict[str, int]
    facts: dict[str, Label]
    cine: Path | None


def records(folder: Path) -> Iterator[Record]:
    """Every slice of ED and ES with its mask, then slices of other phases without a mask.

    The latter are `POOL` at most: every patient with a cine gives an equal share, spread over its
    slices and phases. Patients of `testing` are in the published split `test`, others in none.

    Raises:
        BadInput: There is no patient; or one lacks ED, ES or a mask, or its files do not fit.
    """
    patients = [_patient(path) for path in _folders(folder)]
    for patient in patients:
        for phase in PHASES:
            yield from _outlined(patient, phase)
    cines = [patient for patient in patients if patient.cine]
    for place, patient in enumerate(cines):
        yield from _pooled(patient, place, _share(POOL, len(cines), place))


def sketch(folder: Path) -> None:
    """Write two patients to train with and one to test: coarse pixels, four slices, six frames."""
    rng = np.random.default_rng(0)
    for number, part in ((1, "training"), (2, "training"), (101, "testing")):
        patient = folder / part / f"patient{number:03d}"
        patient.mkdir(parents=True)
        (patient / "Info.cfg").write_text(
            f"ED: 1\nES: 4\nGroup: NOR\nHeight: {170 + number % 9}.0\nNbFrame: 6\nWeight: 72.5\n"
        )
        _write_frames(patient, rng, spacing_mm=(10.0, 3.2, 3.2) if number > 1 else (8.0, 3.0, 3.0))


def spread(count: int, *, slices: int, frames: int, turn: int) -> list[tuple[int, int]]:
    """Different pairs (slice, frame), as many of every slice and of every stretch of frames.

    Frames are evenly spaced; from one to the next the slice moves on by about the golden section,
    by a number without a common divisor with `slices`, so that none is met again before all are.

    Args:
        count: How many; all pairs where there are fewer.
        slices: Number of slices.
        frames: Number of frames.
        turn: Another one begins with another slice.

    >>> spread(5, slices=4, frames=10, turn=0)
    [(0, 1), (3, 3), (2, 5), (1, 7), (0, 9)]
    """
    count = min(count, slices * frames)
    golden = round((5**0.5 - 1) / 2 * slices)
    stride = next(step for step in range(golden, 2 * slices) if math.gcd(step, slices) == 1)
    return [
        ((turn + n) * stride % slices, (2 * n + 1) * frames // (2 * count)) for n in range(count)
    ]


def _share(total: int, parts: int, part: int) -> int:
    return total * (part + 1) // parts - total * part // parts


def _folders(folder: Path) -> list[Path]:
    homes = [home for part in ("training", "testing") if (home := folder / part).is_dir()]
    found = [p for home in homes or [folder] for p in sorted(home.glob("patient[0-9]*"))]
    if not (patients := [path for path in found if path.is_dir()]):
        raise BadInput(
            f"{folder} holds no patientXXX folder; fetch ACDC from {SOURCE.url} and unpack it "
            "there, or draw a miniature with `septum data sketch`."
        )
    return patients


def _patient(folder: Path) -> _Patient:
    told = _info(folder)
    frames = {phase: _frame(folder, phase, told.get(phase, "")) for phase in PHASES}
    if len(set(frames.values())) < len(PHASES):
        raise BadInput(f"{folder / 'Info.cfg'} says ED and ES are the same frame; correct it.")
    facts: dict[str, Label] = {"group": told["Group"]} if told.get("Group") else {}
    facts |= {
        label: _number(folder, key, told[key])
        for key, label in NUMBERS.items()
        if told.get(key, "").lower() not in {"", "nan"}
    }
    return _Patient(
        folder=folder,
        split="test" if folder.parent.name == "testing" else None,
        frames=frames,
        facts={"modality": "MR", "sequence": "cine", **facts},
        cine=volume.find(folder, f"{folder.name}_4d"),
    )


def _info(patient: Path) -> dict[str, str]:
    path = inside(patient, "Info.cfg")
    if not path.is_file() or path.stat().st_size > MAX_INFO_BYTES:
        raise BadInput(f"{patient} lacks a sound Info.cfg; fetch the patient again.")
    pairs = (line.partition(":") for line in path.read_text("latin-1").splitlines())
    return {key.strip(): value.strip() for key, _, value in pairs}


def _frame(patient: Path, phase: str, told: str) -> int:
    if not (told.isascii() and told.isdigit() and 0 < int(told[:4]) < 1000):
        raise BadInput(f"{patient / 'Info.cfg'} says {phase}: {told!r}, no frame; correct it.")
    return int(told)


def _number(patient: Path, key: str, told: str) -> float:
    try:
        return float(told)
    except ValueError as error:
        raise BadInput(
            f"{patient / 'Info.cfg'} says {key}: {told!r}, which is no number; correct it."
        ) from error


def _outlined(patient: _Patient, phase: str) -> Iterator[Record]:
    stem = _stem(patient, patient.frames[phase])
    image, mask = (_needed(patient, name) for name in (stem, f"{stem}_gt"))
    volume.check_same(image, mask)
    volume.check_same(_needed(patient, _stem(patient, patient.frames["ED"])), image)
    for place in range(volume.grid(image).shape[1]):
        yield _record(patient, patient.frames[phase], (place,), image, mask=mask, phase=phase)


def _pooled(patient: _Patient, turn: int, count: int) -> Iterator[Record]:
    assert patient.cine is not None
    volume.check_same(_needed(patient, _stem(patient, patient.frames["ED"])), patient.cine)
    frames, slices, *_ = volume.grid(patient.cine).shape
    if frames < max(patient.frames.values()):
        raise BadInput(f"{patient.cine} ends at frame {frames}, before ED or ES; fetch it again.")
    others = [k for k in range(frames) if k + 1 not in patient.frames.values()]
    for place, k in spread(count, slices=slices, frames=len(others), turn=turn):
        at = (place, others[k])
        yield _record(patient, at[1] + 1, at, patient.cine, mask=None, phase="other")


def _record(
    patient: _Patient,
    frame: int,
    at: tuple[int, ...],
    image: Path,
    *,
    mask: Path | None,
    phase: str,
) -> Record:
    grid, name = volume.grid(image), _stem(patient, frame)
    return Record(
        id=f"{name}_z{at[0]:02d}",
        subject=patient.folder.name,
        image=image,
        mask=mask,
        at=at,
        split=patient.split,
        labels={
            **patient.facts,
            "phase": phase,
            "volume": name,
            "slice": float(at[0]),
            "n_slices": float(grid.shape[1]),
            "spacing_z_mm": grid.spacing_mm[0],
        },
    )


def _stem(patient: _Patient, frame: int) -> str:
    return f"{patient.folder.name}_frame{frame:02d}"


def _needed(patient: _Patient, stem: str) -> Path:
    path = volume.find(patient.folder, stem)
    if path is None:
        raise BadInput(f"{patient.folder} lacks {stem}.nii.gz; fetch the patient again.")
    return path


def _write_frames(
    patient: Path, rng: np.random.Generator, *, spacing_mm: tuple[float, float, float]
) -> None:
    """A heart that contracts until the fourth frame."""
    discs = {1: (0.5, 0.38, 0.16), 2: (0.5, 0.56, 0.17), 3: (0.5, 0.56, 0.11)}
    levels = {0: 100.0, 1: 380.0, 2: 200.0, 3: 400.0}
    sizes = (1.0, 0.95, 0.9, 0.85, 0.9, 0.95)
    masks = [miniature.stack((4, 80, 72), discs, size=size) for size in sizes]
    frames = [miniature.paint(mask, levels, rng) for mask in masks]
    for k in (0, 3):
        stem = f"{patient.name}_frame{k + 1:02d}"
        miniature.write(patient / f"{stem}.nii.gz", frames[k], spacing_mm=spacing_mm)
        miniature.write(patient / f"{stem}_gt.nii.gz", masks[k], spacing_mm=spacing_mm)
    cine = patient / f"{patient.name}_4d.nii.gz"
    miniature.write(cine, np.stack(frames), spacing_mm=spacing_mm)


SOURCE = Source(
    title="ACDC short-axis cine MR, ED and ES, and other phases without outlines",
    url="https://www.creatis.insa-lyon.fr/Challenge/acdc/",
    licence="CC BY-NC-SA 4.0",
    cite="Bernard et al., IEEE TMI 2018, doi:10.1109/TMI.2018.2837502",
    classes=CLASSES,
    records=records,
    sketch=sketch,
    field_mm=FIELD_MM,
    organ="heart",
)
