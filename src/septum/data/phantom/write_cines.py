"""Write films of phantom hearts in the published layout of EchoNet-Dynamic.

ROOT/FileList.csv, VolumeTracings.csv, Videos/NAME.avi

Ouyang et al., Nature 2020, doi:10.1038/s41586-020-2145-8.
"""

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from septum.contract import BadInput, Label
from septum.data import film
from septum.data.phantom.cine import Cine, draw_cine
from septum.data.phantom.heart import PATHOLOGIES, PHASES, sample_beating_heart
from septum.data.phantom.look import sample_look
from septum.data.phantom.trace import trace

RATES_HZ = (30, 60)
HEART_RATES_PER_MIN = (50.0, 110.0)
MOST_LEAN_DEG = 15.0
"""Foreshortens a usual ventricle by a fifth."""
FEWEST_FRAMES = 27
"""Show a systole at the highest frame rate and the lowest heart rate."""
SPLITS = ("TRAIN", "VAL", "TEST", "TRAIN", "TRAIN", "TRAIN", "TRAIN", "TRAIN")
"""Of subjects in the order of their numbers, over and over."""
LOOK_STREAM, FILM_STREAM = 301, 302
"""Streams of random numbers of a subject, beside that of the heart."""


def write_cines(
    root: Path,
    *,
    subjects: int,
    seed: int,
    first_subject: int = 0,
    frames: tuple[int, int] = (64, 120),
    size: tuple[int, int] = (112, 112),
    pathologies: Sequence[str] = PATHOLOGIES,
) -> None:
    """Write one A4C film per subject; the same arguments write the same bytes.

    Ejection fractions are uniform over 10 to 80 percent; they and the volumes are those of the
    heart in 3-D, not of its tracing. Frame rate, heart rate, length and the place in the beat where
    the film starts differ from film to film. The tracing of end systole comes before that of end
    diastole; chords lead from the apex to the base. A subject does not depend on who else is
    written; of eight in a row six are TRAIN, one is VAL and one TEST.

    Args:
        root: Folder to fill; made where missing.
        subjects: How many hearts.
        seed: Names the population.
        first_subject: Number of the first.
        frames: Fewest and most frames of a film.
        size: Height and width in pixels.
        pathologies: Among `PATHOLOGIES`; leaving some out narrows the ejection fractions.

    Raises:
        BadInput: There is no such pathology, no subject to write, or too short a film to show a
            beat.
    """
    _check(subjects, first_subject, frames, pathologies)
    (root / "Videos").mkdir(parents=True, exist_ok=True)
    listed: list[dict[str, Label]] = []
    traced: list[dict[str, Label]] = []
    for number in range(first_subject, first_subject + subjects):
        cine = _cine(number, seed, frames, size, pathologies)
        name, rate_hz = f"0X{number:016X}", float(cine.facts["frame_rate_hz"])
        film.write(root / "Videos" / f"{name}.avi", cine.images, rate_hz=rate_hz)
        listed.append({"FileName": name, **_facts(cine), "Split": SPLITS[number % len(SPLITS)]})
        traced.extend({"FileName": f"{name}.avi", **row} for row in _tracings(cine))
    _write_table(root / "VolumeTracings.csv", traced)
    _write_table(root / "FileList.csv", listed)


def _check(
    subjects: int, first_subject: int, frames: tuple[int, int], pathologies: Sequence[str]
) -> None:
    if unknown := [kind for kind in pathologies if kind not in PATHOLOGIES]:
        raise BadInput(
            f"The phantom has no {unknown[0]!r}; choose pathologies from {', '.join(PATHOLOGIES)}."
        )
    if min(subjects, len(pathologies)) < 1 or first_subject < 0:
        raise BadInput(
            f"Films of {subjects} subjects from number {first_subject} on, with {len(pathologies)} "
            "pathologies, are none; ask for 1 or more of both, numbered from 0."
        )
    if not FEWEST_FRAMES <= frames[0] <= frames[1]:
        raise BadInput(
            f"Films of {frames[0]} to {frames[1]} frames may miss end systole; ask for "
            f"{FEWEST_FRAMES} or more, the fewest first."
        )


def _cine(
    number: int,
    seed: int,
    frames: tuple[int, int],
    size: tuple[int, int],
    pathologies: Sequence[str],
) -> Cine:
    """The film of a subject, in which a systole is whole; each draw has its own stream."""
    heart = sample_beating_heart(np.random.default_rng([seed, number]), pathologies=pathologies)
    rng = np.random.default_rng([seed, number, LOOK_STREAM])
    look = sample_look(rng, heart=heart, most_lean_deg=MOST_LEAN_DEG)
    rng = np.random.default_rng([seed, number, FILM_STREAM])
    count, rate_hz = (int(rng.integers(*ends, endpoint=True)) for ends in (frames, RATES_HZ))
    rate_per_min = float(rng.uniform(*HEART_RATES_PER_MIN))
    beats = (count - 1) * rate_per_min / 60 / rate_hz
    start = float(rng.uniform(-min(1, beats - PHASES["ES"]), 0))
    return draw_cine(
        heart,
        look,
        frames=count,
        rate_hz=float(rate_hz),
        rate_per_min=rate_per_min,
        size=size,
        start=start % 1,
    )


def _facts(cine: Cine) -> dict[str, Label]:
    count, height, width = cine.images.shape
    facts = {"EF": "ef_percent", "ESV": "esv_ml", "EDV": "edv_ml"}
    return {
        **{column: _cell(cine.facts[name]) for column, name in facts.items()},
        "FrameHeight": height,
        "FrameWidth": width,
        "FPS": _cell(cine.facts["frame_rate_hz"]),
        "NumberOfFrames": count,
    }


def _tracings(cine: Cine) -> Iterator[dict[str, Label]]:
    """The larger outline comes last."""
    for frame in (cine.es_frame, cine.ed_frame):
        for chord in trace(cine.masks[frame]).tolist():
            ends = dict(zip(("X1", "Y1", "X2", "Y2"), map(_cell, chord), strict=True))
            yield {**ends, "Frame": frame}


def _cell(value: Label) -> str:
    return value if isinstance(value, str) else f"{value:.10g}"


def _write_table(path: Path, rows: Sequence[dict[str, Label]]) -> None:
    fresh = path.with_name(f".{path.name}")  # a folder that has its tables is whole
    with fresh.open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, list(rows[0]))
        table.writeheader()
        table.writerows(rows)
    fresh.replace(path)
