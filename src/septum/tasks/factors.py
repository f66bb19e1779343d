"""What is known of images, in the words of their labels: which facts are anatomy, which are look.

A text is a class, a number a quantity. A fact is asked about where most images state it and where
it varies; of the synthetic hearts of `phantom` all are known.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float

from septum.contract import Label
from septum.metrics.factor import Factor

AREA = "lv_area_percent"
"""Share of the image that the left ventricular cavity fills: read off the mask."""
ANATOMY = (
    "view", "phase", "pathology", "ef_percent", "ef", "volume_ml", "wall_mm", AREA, "sex",
    "age_years", "age",
)  # fmt: skip
"""What is there: the heart, and the plane and the moment in which it is seen."""
LOOK = (
    "gain_db", "attenuation_db_per_cm", "tgc_db_per_cm", "dynamic_range_db", "gamma", "blood_db",
    "haze_db", "dropout_db", "sector_angle_deg", "quality",
)  # fmt: skip
"""How it looks: the machine, its settings and the acoustic window."""
CONTROL = ("speckle_seed",)
"""Numbers that are mere names. An image of another subject cannot show them; more than 0 would be
a fault of the measurement."""
GROUPS = {"anatomy": ANATOMY, "look": LOOK, "control": CONTROL}

FEWEST = 4
"""Subjects of the training split that must state a fact, or show one of its classes."""
MOST = 0.5
"""Share of the images of a split that must state a fact."""

Facts = Mapping[str, Label]


def shared(
    known: Sequence[Facts], subjects: Sequence[str], asked: Sequence[Facts]
) -> list[tuple[Factor, Factor]]:
    """Every factor that both splits know and in which the images of both vary.

    Args:
        known: Facts of every image of the training split.
        subjects: Of every one of these.
        asked: Facts of every image of the tested split.

    Returns:
        The factor in the training and in the tested split, with the classes of the former.
    """
    found: list[tuple[Factor, Factor]] = []
    for name in (label for group in GROUPS.values() for label in group):
        column = [facts.get(name) for facts in known]
        classes = _classes(column, subjects)
        here = Factor(name=name, values=_values(column, classes), classes=classes)
        there = _values([facts.get(name) for facts in asked], classes)
        pair = here, Factor(name=name, values=there, classes=classes)
        stating = {s for s, is_known in zip(subjects, here.known, strict=True) if is_known}
        if len(stating) >= FEWEST and all(f.varies and f.known.mean() >= MOST for f in pair):
            found.append(pair)
    return found


def _classes(column: Sequence[Label | None], subjects: Sequence[str]) -> tuple[str, ...]:
    """The texts of enough subjects, in order; a nameless class is none."""
    texts = {(v, s) for v, s in zip(column, subjects, strict=True) if isinstance(v, str) and v}
    shown = [text for text, _ in texts]
    return tuple(sorted(text for text in {*shown} if shown.count(text) >= FEWEST))


def _values(column: Sequence[Label | None], classes: Sequence[str]) -> Float[np.ndarray, " n"]:
    """Index among the classes, or the number; NaN for anything else."""
    if classes:
        place: Mapping[Label | None, float] = {name: float(i) for i, name in enumerate(classes)}
        return np.array([place.get(value, np.nan) for value in column])
    numbers = [np.nan if v is None or isinstance(v, str) else v for v in column]
    return np.array(numbers, dtype=np.float64)
