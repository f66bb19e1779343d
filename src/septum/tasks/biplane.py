"""Ejection fraction (EF) from masks of two stills in two views: the strong simple baseline.

    2CH, 4CH at ED, ES --model--> masks --20 disks--> EDV, ESV --> EF = 100 (EDV - ESV) / EDV

The cavity is measured by the biplane method of disks (`septum.metrics.disks`), in mm where pixels
know their size. Where they do not, the factor that a view is enlarged by is the same at ED and ES
and cancels, but for which of the two axes is the longer.

* `mae`, `rmse`, `r2`, `pearson`, `spearman`, `bias`, `limit_low`, `limit_high`: of what the drawn
  masks say against the EF of the labels. `mae/single_plane`, ...: of the four-chamber view alone.
* `truth_masks/mae`, ...: of the true masks: what the method itself loses.
* `mean_predictor/mae`, ...: of the mean EF of the training subjects, whoever is asked about.
* `measured`, `measured/single_plane`: share of subjects with all stills that a volume could be
  drawn on. The errors know nothing of the others.

A subject has one still of each kind; of several, the first counts.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from matplotlib.figure import Figure

from septum.contract import BadInput, Label, Metric, Model, Record, Report, Samples
from septum.metrics.agreement import errors, limits
from septum.metrics.conformal import share
from septum.metrics.disks import Disks, biplane, disks, ef_percent, single_plane
from septum.metrics.labels import number
from septum.tasks import drawing_ef
from septum.tasks.delineate import segmented
from septum.tasks.drawing_ef import Cut
from septum.tasks.frozen import BATCH
from septum.tasks.landmarks import VENTRICLE

LABELS = ("ef_percent", "ef")
VIEWS = {"2CH": "2CH", "A2C": "2CH", "4CH": "4CH", "A4C": "4CH"}
PHASES = ("ED", "ES")
UNIT = "percent"
DRAWN, TRUE = "said", "truth_masks"
WORST = 3

Kind = tuple[str, str]
"""View and phase."""
FOUR: tuple[Kind, ...] = (("4CH", "ED"), ("4CH", "ES"))
BOTH: tuple[Kind, ...] = (("2CH", "ED"), ("2CH", "ES"), *FOUR)


@dataclass(frozen=True, kw_only=True)
class Case:
    """A subject whose EF is known.

    Attributes:
        places: Of its stills in the split, by kind.
        truth: EF in percent.
    """

    subject: str
    places: Mapping[Kind, int]
    truth: float

    def has(self, kinds: Sequence[Kind]) -> bool:
        """Whether there are stills of all these kinds."""
        return all(kind in self.places for kind in kinds)


Cavities = dict[int, Disks | None]
"""The cavity by place of the still; None where the mask is empty."""


def run(model: Model, train: Samples, test: Samples, seed: int) -> Report:
    """Errors of EF by masks that the model draws on `test`; a row is a subject.

    Raises:
        BadInput: If the model draws no masks or those of other classes, the classes name no
            cavity, or no subject with a known EF has a four-chamber still at both phases.
    """
    asked = cases(test)
    drawn, true = measured(model, test, asked)
    said = {
        who: {"": _efs(asked, found, BOTH), "single_plane": _efs(asked, found, FOUR)}
        for who, found in ((DRAWN, drawn), (TRUE, true))
    }
    metrics = {
        **_scores(asked, said[DRAWN], seed),
        **{f"truth_masks/{path}": m for path, m in _scores(asked, said[TRUE], seed).items()},
        **_blind(train, asked, seed),
        **_measured(asked, said[DRAWN]),
    }
    return Report(
        metrics=metrics,
        rows=_rows(test, asked, said),
        figures=_figures(test, asked, said, drawn),
    )


def cases(samples: Samples) -> list[Case]:
    """The subjects with a known EF that can be measured at least in one plane, by name.

    Raises:
        BadInput: If there is none.
    """
    places: dict[str, dict[Kind, int]] = {}
    efs: dict[str, float] = {}
    for place, record in enumerate(samples.records):
        kind = VIEWS.get(str(record.labels.get("view")), ""), str(record.labels.get("phase"))
        if kind in BOTH and (ef := _ef(record)) is not None:
            places.setdefault(record.subject, {}).setdefault(kind, place)
            efs.setdefault(record.subject, ef)
    found = [Case(subject=s, places=places[s], truth=efs[s]) for s in sorted(places)]
    if not (found := [case for case in found if case.has(FOUR)]):
        raise BadInput(
            f"No subject of {samples.name} ({samples.split}) has stills of view 4CH or A4C in the "
            f"phases ED and ES and knows its {' or '.join(LABELS)}; choose a data set or split "
            "that has, such as camus or phantom."
        )
    return found


def measured(model: Model, samples: Samples, asked: Sequence[Case]) -> tuple[Cavities, Cavities]:
    """The cavity in all stills of these subjects, by drawn and by true masks.

    Raises:
        BadInput: As `run`.
    """
    index = next((i for i, name in enumerate(samples.classes) if name in VENTRICLE), None)
    if index is None:
        raise BadInput(
            f"The masks of {samples.name} have no class {' or '.join(VENTRICLE)}; choose a data "
            "set that has, such as camus or phantom."
        )
    places = sorted(place for case in asked for place in case.places.values())
    drawn: Cavities = {}
    true: Cavities = {}
    for start in range(0, len(places), BATCH):
        few = places[start : start + BATCH]
        batch = samples.batch(few)
        guess = segmented(model, batch.image, samples).argmax(1)
        for row, place in enumerate(few):
            spacing = _spacing(samples.records[place])
            drawn[place] = disks((guess[row] == index).numpy(), spacing=spacing)
            if batch.mask is not None:
                true[place] = disks((batch.mask[row] == index).numpy(), spacing=spacing)
    return drawn, true


def _ef(record: Record) -> float | None:
    """The EF of the first label that knows it."""
    return next((ef for label in LABELS if (ef := number(record, label)) is not None), None)


def _spacing(record: Record) -> tuple[float, float]:
    """Height and width of a pixel in mm; 1 where unknown."""
    y_mm, x_mm = (number(record, f"spacing_{axis}_mm") for axis in "yx")
    return (1.0, 1.0) if y_mm is None or x_mm is None else (y_mm, x_mm)


def _efs(
    asked: Sequence[Case], found: Mapping[int, Disks | None], kinds: Sequence[Kind]
) -> Float[np.ndarray, " n"]:
    """EF in percent of every subject by stills of these kinds; NaN where one lacks a cavity."""
    return np.array([_measure(case, found, kinds) for case in asked])


def _measure(case: Case, found: Mapping[int, Disks | None], kinds: Sequence[Kind]) -> float:
    volumes: list[float] = []
    for phase in PHASES:
        at = [case.places.get(kind) for kind in kinds if kind[1] == phase]
        planes = [found.get(place) for place in at if place is not None]
        known = [plane for plane in planes if plane is not None]
        if len(known) < len(at):
            return np.nan
        volumes.append(biplane(*known) if len(known) == 2 else single_plane(known[0]))
    return ef_percent(*volumes)


def _scores(
    asked: Sequence[Case], said: Mapping[str, Float[np.ndarray, " n"]], seed: int
) -> dict[str, Metric]:
    """By path; none of a method that could measure nobody."""
    truth, subjects = np.array([case.truth for case in asked]), [case.subject for case in asked]
    metrics: dict[str, Metric] = {}
    for name, column in said.items():
        if (known := ~np.isnan(column)).any():
            who = [subjects[i] for i in np.flatnonzero(known)]
            scores = errors(truth[known], column[known], who, unit=UNIT, seed=seed)
            scores |= limits(truth[known], column[known], who, unit=UNIT, seed=seed)
            metrics |= {_path(score, name): metric for score, metric in scores.items()}
    return metrics


def _path(score: str, name: str) -> str:
    return f"{score}/{name}" if name else score


def _blind(train: Samples, asked: Sequence[Case], seed: int) -> dict[str, Metric]:
    efs = {r.subject: ef for r in train.records if (ef := _ef(r)) is not None}
    if not efs:
        return {}
    truth = np.array([case.truth for case in asked])
    said, subjects = np.full_like(truth, np.mean([*efs.values()])), [c.subject for c in asked]
    scores = errors(truth, said, subjects, unit=UNIT, seed=seed)
    return {f"mean_predictor/{score}": metric for score, metric in scores.items()}


def _measured(
    asked: Sequence[Case], said: Mapping[str, Float[np.ndarray, " n"]]
) -> dict[str, Metric]:
    """Share of the subjects with the stills of a method whose EF it could measure."""
    found: dict[str, Metric] = {}
    for (name, column), kinds in zip(said.items(), (BOTH, FOUR), strict=True):
        has: Bool[np.ndarray, " n"] = np.array([case.has(kinds) for case in asked])
        if has.any():
            found[_path("measured", name)] = share(~np.isnan(column[has]))
    return found


def _rows(
    test: Samples,
    asked: Sequence[Case],
    said: Mapping[str, Mapping[str, Float[np.ndarray, " n"]]],
) -> list[dict[str, Label]]:
    """One per subject, with the id of its first four-chamber still; what is NaN is left out."""
    columns = {_path(who, name): c for who, by in said.items() for name, c in by.items()}
    return [
        {"id": test.records[case.places[FOUR[0]]].id, "subject": case.subject}
        | {"ef_percent": case.truth}
        | {path: float(c[i]) for path, c in columns.items() if not np.isnan(c[i])}
        for i, case in enumerate(asked)
    ]


def _figures(
    test: Samples,
    asked: Sequence[Case],
    said: Mapping[str, Mapping[str, Float[np.ndarray, " n"]]],
    drawn: Mapping[int, Disks | None],
) -> dict[str, Figure]:
    """Of the biplane method where it could measure anybody, else of a single plane."""
    method = "single_plane" if np.isnan(said[DRAWN][""]).all() else ""
    truth, columns = np.array([c.truth for c in asked]), {w: by[method] for w, by in said.items()}
    known = ~np.isnan(columns[DRAWN])
    if not known.any():
        return {}
    words = {DRAWN: "drawn masks", TRUE: "true masks"}
    shown = {words[w]: c[known] for w, c in columns.items() if not np.isnan(c[known]).any()}
    off = np.where(known, np.abs(columns[DRAWN] - truth), -1)
    chosen = [i for i in np.argsort(-off, kind="stable")[:WORST] if known[i]]
    rows = [_stills(test, asked[i], drawn, BOTH if method == "" else FOUR) for i in chosen]
    names = [
        f"{asked[i].subject}\nEF {truth[i]:.0f} %, drawn {columns[DRAWN][i]:.0f} %" for i in chosen
    ]
    return {
        "agreement": drawing_ef.agreement(truth[known], shown),
        "worst": drawing_ef.cuts(rows, names=names),
    }


def _stills(
    test: Samples, case: Case, drawn: Mapping[int, Disks | None], kinds: Sequence[Kind]
) -> list[Cut]:
    """The stills of a subject, with what was drawn on them in their pixels."""
    places = [case.places[kind] for kind in kinds]
    images = test.batch(places).image[:, 0]
    return [
        Cut(
            image=image,
            title=" ".join(kind),
            disks=drawn[place],
            spacing=_spacing(test.records[place]),
        )
        for kind, place, image in zip(kinds, places, images, strict=True)
    ]
