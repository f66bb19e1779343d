"""Write phantom hearts as a folder with a manifest, like any other data set.

ROOT/dataset.json, manifest.csv, images/ID.png, masks/ID.png
"""

import csv
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from septum.contract import BadInput, Label
from septum.data.phantom.frame import Frame, draw
from septum.data.phantom.heart import PHASES, sample_heart
from septum.data.phantom.look import sample_look
from septum.data.phantom.tissue import CLASSES
from septum.data.phantom.views import VIEWS

CARD = {
    "name": "phantom",
    "title": "Synthetic echocardiography of a parametric heart with known factors",
    "modality": "US",
    "organ": "heart",
    "license": "Apache-2.0",
    "citation": "septum, the phantom",
    "mask_classes": {str(index): name for index, name in enumerate(CLASSES) if index},
    "notes": "Units are in the column names; _px are pixels with centres at integers. cycle is the "
    "place in the beat in [0, 1), ED at 0. valve is the box of the aortic valve. Empty is unknown.",
}


def write(
    root: Path,
    *,
    subjects: int,
    seed: int,
    views: Sequence[str] = ("A2C", "A4C"),
    phases: Sequence[str] = ("ED", "ES"),
    size: tuple[int, int] = (256, 320),
) -> None:
    """Write every view and phase of some subjects; the same arguments write the same bytes.

    A subject does not depend on how many others, views or phases are written. The two phases of a
    view share one acquisition; another view has another.

    Args:
        root: Folder to fill; made where missing.
        subjects: How many hearts.
        seed: Names the population.
        views: Among `VIEWS`.
        phases: Among `PHASES`.
        size: Height and width in pixels.

    Raises:
        BadInput: There is no such view or phase, or no subject to write.
    """
    if unknown := sorted({*views} - {*VIEWS} | {*phases} - {*PHASES}):
        raise BadInput(
            f"The phantom has no view or phase {unknown[0]!r}; choose views from "
            f"{', '.join(VIEWS)} and phases from {', '.join(PHASES)}."
        )
    if subjects < 1:
        raise BadInput(f"A phantom of {subjects} subjects is none; ask for 1 or more.")
    for folder in ("images", "masks"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    rows = [
        _save(root, *case) for k in range(subjects) for case in _cases(k, seed, views, phases, size)
    ]
    (root / "dataset.json").write_text(json.dumps(CARD, indent=2) + "\n", encoding="utf-8")
    fresh = root / ".manifest.csv"  # a folder that has its table is whole
    with fresh.open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(
            file, list(dict.fromkeys(k for row in rows for k in row)), restval=""
        )
        table.writeheader()
        table.writerows(rows)
    fresh.replace(root / "manifest.csv")


def _cases(
    subject: int, seed: int, views: Sequence[str], phases: Sequence[str], size: tuple[int, int]
) -> Iterator[tuple[str, str, Frame]]:
    """Subject, id and frame of every view and phase; each draw has its own stream of numbers."""
    heart = sample_heart(np.random.default_rng([seed, subject]))
    for view in views:
        rng = np.random.default_rng([seed, subject, 1 + VIEWS.index(view)])
        look = sample_look(rng, heart=heart)
        for phase in phases:
            name = f"phantom{subject:04d}"
            frame = draw(heart, look, view=view, phase=phase, size=size)
            yield name, f"{name}_{view}_{phase}", frame


def _save(root: Path, subject: str, case: str, frame: Frame) -> dict[str, Label]:
    """Write the two pictures; the row of the table."""
    row = {
        "id": case,
        "subject": subject,
        "split": "",
        "image": f"images/{case}.png",
        "mask": f"masks/{case}.png",
    }
    Image.fromarray(frame.image).save(root / row["image"])
    Image.fromarray(frame.mask).save(root / row["mask"])
    return row | {k: _cell(v) for k, v in {**frame.facts, **_points(frame)}.items()}


def _points(frame: Frame) -> dict[str, float]:
    """The landmarks and the corners of the valve's box as columns."""
    corners: dict[str, tuple[float, float]] = {}
    if frame.valve_box:
        x0, y0, x1, y1 = frame.valve_box
        corners = {"valve_upper_left": (x0, y0), "valve_lower_right": (x1, y1)}
    points = {**frame.landmarks, **corners}
    return {
        f"{k}_{axis}_px": float(v)
        for k, p in points.items()
        for axis, v in zip("xy", p, strict=True)
    }


def _cell(value: Label) -> Label:
    return value if isinstance(value, str) else f"{value:.10g}"
