"""Write phantom hearts in the published layout of EMIDEC: late enhancement, with and without scar.

    Case_P001/Images/Case_P001.nii.gz     the volume; N for a normal, P for a pathological case
    Case_P001/Contours/Case_P001.nii.gz   1 LV cavity, 2 normal myocardium, 3 infarct, 4 no-reflow
    Case P001.txt                         `Sex : F`, `Age : 57`, `FEVG : 60`
    truth.csv                             what EMIDEC cannot know: volumes in mL, by case

Lalande et al., Data 2020, doi:10.3390/data5040089.
"""

import csv
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from septum.contract import BadInput, Label
from septum.data import miniature
from septum.data.phantom.body import sample_body
from septum.data.phantom.heart import Heart, sample_heart
from septum.data.phantom.injury import draw_late, sample_injury
from septum.data.phantom.scanner import sample_scan

PATHOLOGICAL_SHARE = 67 / 100
"""Of the training cases of EMIDEC."""
HALF_WIDTHS_DEG = (50.0, 100.0)
"""Of infarcts: 5 to 30 % of the wall. Half of those in EMIDEC take 13 to 30 %."""
LEVELS = 1000
"""Intensity in the file of a signal of 1."""
SLICES = (8, 11)
"""Fewest and most planes from above the base to below the apex."""
AGE_YEARS = (61.0, 12.0)
"""Mean and spread."""
BODY_STREAM, SCAN_STREAM, CASE_STREAM = 601, 602, 603
"""Streams of random numbers of a subject, beside that of the heart."""


def write_emidec(
    root: Path,
    *,
    subjects: int,
    seed: int,
    first_subject: int = 0,
    size: tuple[int, int] = (160, 160),
) -> None:
    """Write one volume per subject; the same arguments write the same bytes.

    Two in three hearts have an infarct. `truth.csv` has a row per case: its facts
    (`septum.data.phantom.injury.Late`), the ejection fraction, and what its infarct was drawn from.

    Args:
        root: Folder to fill; made where missing.
        subjects: How many hearts; the first is Case_N001 or Case_P001.
        seed: Names the population.
        first_subject: Number of the first, counted from 0.
        size: Height and width in pixels.

    Raises:
        BadInput: There is no subject to write, or a file cannot be written.
    """
    if subjects < 1 or first_subject < 0:
        raise BadInput(
            f"Volumes of {subjects} subjects from number {first_subject} on are none; ask for 1 or "
            "more, numbered from 0."
        )
    root.mkdir(parents=True, exist_ok=True)
    numbers = range(first_subject, first_subject + subjects)
    rows = [_write_case(root, number, seed, size) for number in numbers]
    with (root / "truth.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, list(rows[0]))
        table.writeheader()
        table.writerows(rows)


def subject(number: int, seed: int) -> Heart:
    """A normal heart, or one with an infarct, larger than in other data sets."""
    rng = np.random.default_rng([seed, number])
    if rng.uniform() >= PATHOLOGICAL_SHARE:
        return sample_heart(rng, pathology="normal")
    heart = sample_heart(rng, pathology="infarct")
    return replace(heart, infarct_half_width_deg=float(rng.uniform(*HALF_WIDTHS_DEG)))


def _write_case(root: Path, number: int, seed: int, size: tuple[int, int]) -> Mapping[str, Label]:
    """Write the files of a subject; its row of the truth. Each draw has its own stream."""
    heart = subject(number, seed)
    rng = np.random.default_rng([seed, number, CASE_STREAM])
    injury = sample_injury(rng, heart)
    late = draw_late(
        heart,
        injury,
        sample_body(np.random.default_rng([seed, number, BODY_STREAM])),
        sample_scan(np.random.default_rng([seed, number, SCAN_STREAM]), modality="LGE"),
        size=size,
        slices=int(rng.integers(*SLICES, endpoint=True)),
    )
    name = f"{'P' if heart.infarct_half_width_deg else 'N'}{number + 1:03d}"
    voxels = {"Images": np.round(LEVELS * late.signal).astype(np.int16), "Contours": late.mask}
    for part, values in voxels.items():
        folder = root / f"Case_{name}" / part
        folder.mkdir(parents=True, exist_ok=True)
        miniature.write(folder / f"Case_{name}.nii.gz", values, spacing_mm=late.spacing_mm)
    (root / f"Case {name}.txt").write_text(_clinical(rng, heart))
    return {
        "case": f"Case_{name}",
        **{fact: f"{value:.6g}" for fact, value in late.facts.items()},
        "ef_percent": f"{heart.ef_percent:.6g}",
        "infarct_depth_share": f"{injury.depth_share if heart.infarct_half_width_deg else 0:.6g}",
    }


def _clinical(rng: np.random.Generator, heart: Heart) -> str:
    sex, age = "FM"[int(rng.integers(2))], rng.normal(*AGE_YEARS)
    return f"Sex : {sex}\nAge : {np.clip(age, 25, 95):.0f}\nFEVG : {heart.ef_percent:.0f}\n"
