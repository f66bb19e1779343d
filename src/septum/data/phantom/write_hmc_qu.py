"""Write phantom hearts in the published layout of HMC-QU: infarcts in the four-chamber view.

    HMC-QU/A4C/ES0001 _4CH_1.avi     about one beat
    A4C.csv                          ECHO, SEG1 to SEG7 but SEG4, REFERENCE FRAME, END OF CYCLE

The table is the published sheet `A4C.xlsx`, saved as CSV. SEG1 to SEG3 are the septum from base to
apex, SEG5 to SEG7 the lateral wall from apex to base, each `MI` or `non-MI`. The two frames are the
first and the last of one beat, counted from 1.
Degerli et al., IEEE Access 2021, doi:10.1109/ACCESS.2021.3059595.
"""

import csv
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from septum.contract import BadInput, Label
from septum.data import film
from septum.data.phantom.cine import draw_cine
from septum.data.phantom.heart import Heart, infarct_at, sample_beating_heart
from septum.data.phantom.look import Look, sample_look
from septum.data.phantom.tissue import direction
from septum.data.phantom.views import APICAL_ANGLES_DEG

SEPTUM, LATERAL = 180.0, 0.0
"""Angle from the wall at the right of the image."""
SEGMENTS = {
    "SEG1": (SEPTUM, 5 / 6),
    "SEG2": (SEPTUM, 1 / 2),
    "SEG3": (SEPTUM, 1 / 6),
    "SEG5": (LATERAL, 1 / 6),
    "SEG6": (LATERAL, 1 / 2),
    "SEG7": (LATERAL, 5 / 6),
}
"""Wall, and level of the middle: 0 is the apex, 1 the annulus."""
INFARCT_SHARE = 72 / 109
"""Of the films of HMC-QU in which the whole wall is seen."""
RATE_HZ = 25.0
HEART_RATES_PER_MIN = (55.0, 100.0)
MOST_LEAN_DEG = 12.0
MOST_SPARE_FRAMES = 3
"""Frames before and after the beat."""
LOOK_STREAM, FILM_STREAM, INFARCT_STREAM = 501, 502, 503
"""Streams of random numbers of a subject, beside that of the heart."""


def write_hmc_qu(
    root: Path,
    *,
    subjects: int,
    seed: int,
    first_subject: int = 0,
    size: tuple[int, int] = (224, 224),
) -> None:
    """Write one A4C film per subject; the same arguments write the same bytes.

    Two in three hearts have an infarct in a wall that the view shows, which does not contract
    there. Ejection fractions of infarcted hearts are lower, and overlap with those of healthy ones.

    Args:
        root: Folder to fill; made where missing.
        subjects: How many hearts; the first is ES0001.
        seed: Names the population.
        first_subject: Number of the first, counted from 0.
        size: Height and width in pixels.

    Raises:
        BadInput: There is no subject to write.
    """
    if subjects < 1 or first_subject < 0:
        raise BadInput(
            f"Films of {subjects} subjects from number {first_subject} on are none; ask for 1 or "
            "more, numbered from 0."
        )
    films = root / "HMC-QU" / "A4C"
    films.mkdir(parents=True, exist_ok=True)
    numbers = range(first_subject, first_subject + subjects)
    rows = [_write_film(films, number, seed, size) for number in numbers]
    fresh = root / ".A4C.csv"  # a folder that has its table is whole
    with fresh.open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, list(rows[0]))
        table.writeheader()
        table.writerows(rows)
    fresh.replace(root / "A4C.csv")


def subject(number: int, seed: int) -> Heart:
    """A normal heart, or one with an infarct in the middle of the septum or the lateral wall."""
    rng = np.random.default_rng([seed, number, INFARCT_STREAM])
    kind = "infarct" if rng.uniform() < INFARCT_SHARE else "normal"
    heart = sample_beating_heart(np.random.default_rng([seed, number]), pathologies=(kind,))
    wall_deg = APICAL_ANGLES_DEG["A4C"] + float(rng.choice([SEPTUM, LATERAL]) + rng.normal(0, 12))
    return replace(heart, infarct_angle_deg=wall_deg % 360)


def is_infarcted(heart: Heart, look: Look) -> Mapping[str, bool]:
    """Whether the middle of every segment of the view is more dead than alive."""
    infarcted: dict[str, bool] = {}
    for name, (wall_deg, level) in SEGMENTS.items():
        u, v = direction(APICAL_ANGLES_DEG["A4C"] + look.probe_roll_deg + wall_deg)
        dead = infarct_at(heart, np.array([level]), np.array([u]), np.array([v]))
        infarcted[name] = bool(np.max(dead) > 0.5)
    return infarcted


def _write_film(folder: Path, number: int, seed: int, size: tuple[int, int]) -> Mapping[str, Label]:
    """Write the film of a subject; its row of the table. Each draw has its own stream."""
    heart = subject(number, seed)
    rng = np.random.default_rng([seed, number, LOOK_STREAM])
    look = sample_look(rng, heart=heart, most_lean_deg=MOST_LEAN_DEG)
    rng = np.random.default_rng([seed, number, FILM_STREAM])
    beat = round(60 * RATE_HZ / float(rng.uniform(*HEART_RATES_PER_MIN)))
    before, after = rng.integers(MOST_SPARE_FRAMES, size=2, endpoint=True).tolist()
    cine = draw_cine(
        heart,
        look,
        frames=before + beat + after,
        rate_hz=RATE_HZ,
        rate_per_min=60 * RATE_HZ / beat,
        size=size,
        start=-before / beat % 1,
    )
    name = f"ES{number + 1:04d} _4CH_1"
    film.write(folder / f"{name}.avi", cine.images, rate_hz=RATE_HZ)
    walls = {k: "MI" if bad else "non-MI" for k, bad in is_infarcted(heart, look).items()}
    return {"ECHO": name, **walls, "REFERENCE FRAME": before + 1, "END OF CYCLE": before + beat}
