"""EMIDEC: short-axis late gadolinium enhancement MR of patients with a suspected infarct.

    Case_N006/Images/Case_N006.nii.gz     the volume; N for a normal, P for a pathological case
    Case_N006/Contours/Case_N006.nii.gz   1 LV cavity, 2 normal myocardium, 3 infarct, 4 no-reflow
    Case N006.txt                         clinical lines `name : value`; optional, also in the case

Cases without `Contours` are read without a mask, and those without a letter without a diagnosis.
The field is that of ACDC, so that hearts of both have one size. Lalande et al., Data 2020,
doi:10.3390/data5040089.
"""

import math
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from septum.contract import BadInput, Label, Record, Source
from septum.data import miniature, phantom, volume
from septum.data.read import inside

CLASSES = ("background", "left_ventricle", "myocardium", "infarction", "no_reflow")
FIELD_MM = (224 * 1.37, 224 * 1.37)
PATHOLOGICAL = {"N": 0.0, "P": 1.0}
NUMBERS = {"age": "age_years", "fevg": "ef_percent"}
SEXES = {"f": "F", "m": "M"}
MAX_TEXT_BYTES = 64 * 2**10


def records(folder: Path) -> Iterator[Record]:
    """Every slice of every case, in the order of their names.

    Raises:
        BadInput: There is no case; or one lacks its image, or its files do not fit.
    """
    cases = sorted(path for path in folder.glob("Case_*") if path.is_dir())
    if not cases:
        raise BadInput(
            f"{folder} holds no Case_XXXX folder; fetch EMIDEC from {SOURCE.url} and unpack it "
            "there, or draw a miniature with `septum data sketch`."
        )
    for case in cases:
        yield from _case(case)


def sketch(folder: Path) -> None:
    """Write a normal and a pathological case, the first with its clinical text."""
    rng = np.random.default_rng(0)
    discs = {2: (0.5, 0.55, 0.26), 1: (0.5, 0.55, 0.16)}
    infarct = {2: discs[2], 3: (0.5, 0.77, 0.1), 4: (0.5, 0.76, 0.03), 1: discs[1]}
    for name, shown in (("N006", discs), ("P035", infarct)):
        index = miniature.stack((4, 64, 72), shown)
        grey = miniature.paint(index, {0: 150.0, 1: 300.0, 2: 80.0, 3: 500.0, 4: 60.0}, rng)
        for part, voxels in (("Images", grey), ("Contours", index)):
            place = folder / f"Case_{name}" / part
            place.mkdir(parents=True)
            miniature.write(place / f"Case_{name}.nii.gz", voxels, spacing_mm=(10.0, 2.5, 2.5))
    (folder / "Case N006.txt").write_text("Sex : F\nAge : 57\nFEVG : 60\nTobacco : N\n")


def drawn(folder: Path, subjects: int, seed: int) -> None:
    """Write a population of phantom hearts, one volume of each, and `truth.csv` beside."""
    phantom.write_emidec(folder, subjects=subjects, seed=seed)


def _case(case: Path) -> Iterator[Record]:
    image = volume.find(case, f"Images/{case.name}")
    mask = volume.find(case, f"Contours/{case.name}")
    if image is None:
        raise BadInput(f"{case} lacks Images/{case.name}.nii.gz; fetch the case again.")
    if mask:
        volume.check_same(image, mask)
    grid, facts = volume.grid(image), _facts(case)
    for place in range(grid.shape[1]):
        yield Record(
            id=f"{case.name}_z{place:02d}",
            subject=case.name,
            image=image,
            mask=mask,
            at=(place,),
            labels={
                **facts,
                "volume": case.name,
                "slice": float(place),
                "n_slices": float(grid.shape[1]),
                "spacing_z_mm": grid.spacing_mm[0],
            },
        )


def _facts(case: Path) -> dict[str, Label]:
    facts: dict[str, Label] = {"modality": "MR", "sequence": "LGE"}
    if (letter := case.name.removeprefix("Case_")[:1]) in PATHOLOGICAL:
        facts["pathological"] = PATHOLOGICAL[letter]
    for line in _lines(case):
        key, _, value = (part.strip().lower() for part in line.partition(":"))
        number = re.match(r"\d+(\.\d+)?", value)
        if key in NUMBERS and number and math.isfinite(float(number[0])):
            facts[NUMBERS[key]] = float(number[0])
        if key == "sex" and value in SEXES:
            facts["sex"] = SEXES[value]
    return facts


def _lines(case: Path) -> list[str]:
    """The clinical text, where there is one; nobody promises its form."""
    names = (f"{case.name}.txt", f"{case.name.replace('_', ' ')}.txt")
    paths = [inside(case.parent, f"{where}{n}") for where in ("", f"{case.name}/") for n in names]
    there = [p for p in paths if p.is_file() and p.stat().st_size <= MAX_TEXT_BYTES]
    return there[0].read_text("latin-1").splitlines() if there else []


SOURCE = Source(
    title="EMIDEC short-axis late gadolinium enhancement MR",
    url="https://emidec.com/dataset",
    licence="research only; CC BY-NC-SA 4.0 is commonly quoted",
    cite="Lalande et al., Data 2020, doi:10.3390/data5040089",
    classes=CLASSES,
    records=records,
    sketch=sketch,
    field_mm=FIELD_MM,
    drawn=drawn,
    organ="heart",
)
