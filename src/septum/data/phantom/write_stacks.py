"""Write stacks of phantom hearts as a folder with a manifest, one picture per slice.

ROOT/dataset.json, manifest.csv, images/ID.png, masks/ID.png; ID is `stack0003_ED_z04`.
"""

import csv
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from septum.contract import BadInput, Label
from septum.data.phantom.body import sample_body
from septum.data.phantom.heart import PHASES, sample_heart
from septum.data.phantom.planes import PLANES
from septum.data.phantom.scanner import MODALITIES, sample_scan
from septum.data.phantom.stack import STACK_CLASSES, Stack, draw_stack

CARD = {
    "name": "phantom_stacks",
    "title": "Synthetic MR and CT stacks of a parametric heart with known factors",
    "modality": "MR",
    "organ": "heart",
    "license": "Apache-2.0",
    "citation": "septum, the phantom",
    "mask_classes": {str(index): name for index, name in enumerate(STACK_CLASSES) if index},
    "notes": "One row per slice; slice 0 is the base of a short-axis stack and the foot end of an "
    "axial one. Grey levels are scaled per volume. Units are in the column names; _signal is in "
    "HU for CT and in shares of the signal of blood in a cine for MR. cycle is the place in the "
    "beat in [0, 1), ED at 0.",
}
BODY_STREAM, SCAN_STREAM = 101, 201
"""Streams of random numbers of a subject, beside that of the heart."""


@dataclass(frozen=True, kw_only=True)
class Study:
    """Subjects who are scanned alike.

    Attributes:
        subjects: How many hearts.
        first_subject: Number of the first. A number is one heart and body under every modality and
            plane: two folders that share numbers are paired, unpaired data needs other numbers.
        modality: `MR` (cine), `LGE` or `CT`.
        plane: `short_axis` or `axial`.
        phases: Among `PHASES`.
        size: Height and width in pixels.
        slices: Per volume; they always hold the whole heart.
    """

    subjects: int
    first_subject: int = 0
    modality: str = "MR"
    plane: str = "short_axis"
    phases: Sequence[str] = ("ED", "ES")
    size: tuple[int, int] = (112, 112)
    slices: int = 10


def write_stacks(root: Path, *studies: Study, seed: int) -> None:
    """Write every slice of some studies in one folder; the same arguments write the same bytes.

    A subject does not depend on who or what else is written. The phases of a subject share one
    acquisition. `write` draws the same hearts as ultrasound for the same seed.

    Args:
        root: Folder to fill; made where missing.
        studies: Of different subjects.
        seed: Names the population.

    Raises:
        BadInput: There is no such modality, plane or phase, nobody to scan, or a subject is in two
            studies.
    """
    _check(studies)
    for folder in ("images", "masks"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    rows = [row for study in studies for row in _rows(root, study, seed)]
    (root / "dataset.json").write_text(json.dumps(CARD, indent=2) + "\n", encoding="utf-8")
    fresh = root / ".manifest.csv"  # a folder that has its table is whole
    with fresh.open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, list(rows[0]))
        table.writeheader()
        table.writerows(rows)
    fresh.replace(root / "manifest.csv")


def _check(studies: Sequence[Study]) -> None:
    for study in studies:
        for asked, there in (
            ((study.modality,), MODALITIES),
            ((study.plane,), PLANES),
            (study.phases, tuple(PHASES)),
        ):
            if unknown := [name for name in asked if name not in there]:
                raise BadInput(f"Stacks have no {unknown[0]!r}; choose from {', '.join(there)}.")
        if min(study.subjects, study.slices, *study.size, len(study.phases)) < 1:
            raise BadInput(f"{study} has nothing to scan; ask for 1 or more of everything.")
    seen = Counter(number for study in studies for number in _numbers(study))
    if not seen or max(seen.values()) > 1 or min(seen) < 0:
        raise BadInput(
            "Studies of one folder need subjects, each in one study and numbered from 0; set "
            "first_subject."
        )


def _numbers(study: Study) -> range:
    return range(study.first_subject, study.first_subject + study.subjects)


def _rows(root: Path, study: Study, seed: int) -> Iterator[dict[str, Label]]:
    """Draw and save the volumes; one row per slice. Each draw has its own stream of numbers."""
    for number in _numbers(study):
        heart = sample_heart(np.random.default_rng([seed, number]))
        body = sample_body(np.random.default_rng([seed, number, BODY_STREAM]))
        kind = MODALITIES.index(study.modality) * len(PLANES) + PLANES.index(study.plane)
        rng = np.random.default_rng([seed, number, SCAN_STREAM + kind])
        scan = sample_scan(rng, modality=study.modality, plane=study.plane)
        for phase in study.phases:
            stack = draw_stack(
                heart,
                body,
                scan,
                plane=study.plane,
                phase=phase,
                size=study.size,
                slices=study.slices,
            )
            yield from _save(root, f"stack{number:04d}", phase, stack)


def _save(root: Path, subject: str, phase: str, stack: Stack) -> Iterator[dict[str, Label]]:
    facts = {k: _cell(v) for k, v in stack.facts.items()}
    for z, (image, mask) in enumerate(zip(stack.image, stack.mask, strict=True)):
        case = f"{subject}_{phase}_z{z:02d}"
        files = {"image": f"images/{case}.png", "mask": f"masks/{case}.png"}
        Image.fromarray(image).save(root / files["image"])
        Image.fromarray(mask).save(root / files["mask"])
        place = {"slice": z, "n_slices": len(stack.image)}
        yield {"id": case, "subject": subject, "split": "", **files, **place, **facts}


def _cell(value: Label) -> Label:
    return value if isinstance(value, str) else f"{value:.10g}"
