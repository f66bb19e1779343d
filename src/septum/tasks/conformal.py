"""Which interval holds the ejection fraction (EF) in nine of ten films, and when to say nothing?

    subjects of `test` --half--> calibration --scores--> q
                       --half--> evaluated --estimate ∓ q s--> intervals --truth--> coverage

Errors on training films are too small to calibrate by, so the subjects that are tested are split by
the seed. Films of one subject are alike, so one film of each calibrates, drawn at random: it and
the film of a new subject are exchangeable, which is all that the promise needs (see
`septum.metrics.conformal`). Shares are of one film per subject too, so their intervals are exact.

* `absolute`: the score is |EF - ŷ|, and all intervals are equally wide. ŷ is the mean of clips all
  over the film.
* `normalised`: the score is |EF - ŷ| / (s + 1), with the standard deviation s of what the clips
  say, in points of EF; the 1 keeps clips that agree by chance from an interval of no width
  (Papadopoulos, Gammerman, Vovk, Normalized Nonconformity Measures for Regression Conformal
  Prediction, AIA 2008).

`coverage/WAY`, `coverage/WAY/GROUP` by class of EF, view, quality and sex where these are known;
`width/WAY` in points. The promise is for all films together, and for no group by itself.

A film far from those of training is better not answered: the Mahalanobis distance of the features
of a clip from those of training films, with a shrunk covariance (`septum.metrics.density`), is held
against the quantile that one in twenty films of new subjects exceeds. `abstained` is the share that
does, and `mae/kept`, `mae/abstained` and `coverage/WAY/kept` tell whether it was wise.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Float64

from septum.contract import BadInput, Films, Label, Metric, Model, Record, Report, Samples
from septum.metrics import density
from septum.metrics.conformal import interval, quantile, share
from septum.metrics.interval import mean_by_subject
from septum.tasks import drawing_ef
from septum.tasks.filmed import EF, clip_starts, embedded, estimates, films_in
from septum.tasks.regress_ef import FILMS, UNIT, ef_class, known

MISS, FAR = 0.1, 0.05
"""Shares of films of new subjects whose EF an interval may miss, and that may be abstained from."""
FLOOR = 1.0
BOUNDS = (0.0, 100.0)
LABELS = ("view", "quality", "sex")
CLASSES = ("ef at most 35", "ef 35 to 50", "ef from 50")


@dataclass(frozen=True, kw_only=True)
class Told:
    """Films whose EF is known, and what the model says of them.

    Attributes:
        truth, estimate: EF in percent.
        scale: Of an error, by the way its score is made.
        distance: From the training films; NaN where there are none.
    """

    records: Sequence[Record]
    truth: Float[np.ndarray, " n"]
    estimate: Float[np.ndarray, " n"]
    scale: Mapping[str, Float[np.ndarray, " n"]]
    distance: Float[np.ndarray, " n"]

    @property
    def off(self) -> Float[np.ndarray, " n"]:
        """Absolute error."""
        return np.abs(self.truth - self.estimate)

    def at(self, rows: Sequence[int]) -> "Told":
        """Some of the films."""
        few = np.array(rows, dtype=np.int64)
        return Told(
            records=[self.records[row] for row in rows],
            truth=self.truth[few],
            estimate=self.estimate[few],
            scale={way: scale[few] for way, scale in self.scale.items()},
            distance=self.distance[few],
        )


@dataclass(frozen=True, kw_only=True)
class Judged:
    """The evaluated films.

    Attributes:
        films: Of these subjects.
        ends: Lower and upper, by the way intervals are made.
        most: Farthest distance that is answered.
    """

    films: Told
    ends: Mapping[str, Float[np.ndarray, "2 n"]]
    most: float

    def holds(self, way: str) -> Bool[np.ndarray, " n"]:
        """Which intervals hold the truth."""
        low, high = self.ends[way]
        return (low <= self.films.truth) & (self.films.truth <= high)

    @property
    def far(self) -> Bool[np.ndarray, " n"]:
        """Which films are not answered."""
        return self.films.distance > self.most


def run(model: Model, train: Samples, test: Samples, seed: int) -> Report:
    """Coverage and width of intervals on half of the subjects of `test`; a row is a film of these.

    Raises:
        BadInput: If the images are stills, the model does not estimate EF, or films of fewer than
            two subjects know theirs.
    """
    found = told(model, train, films_in(test), seed)
    calibration, evaluated = halves(found, seed)
    judged = judge(calibration, evaluated, seed)
    groups = _groups(judged)
    metrics = {
        **_coverage(judged, groups, seed),
        **_widths(judged, seed),
        **_abstention(judged, seed),
    }
    return Report(metrics=metrics, rows=_rows(judged), figures=_figures(judged, metrics, groups))


def told(model: Model, train: Samples, films: Films, seed: int) -> Told:
    """Ask about every film whose EF is known.

    Raises:
        BadInput: As `run`.
    """
    places, truth = known(films)
    records = [films.records[place] for place in places]
    if len({record.subject for record in records}) < 2:
        raise BadInput(
            f"Films of fewer than two subjects of {films.name} ({films.split}) know their {EF}, "
            "and intervals are calibrated on some subjects and evaluated on others; choose a split "
            "that has more."
        )
    said = estimates(model, films, places, "all", seed=seed)
    spread = np.array([clips.std() for clips in said])
    return Told(
        records=records,
        truth=truth,
        estimate=np.array([clips.mean() for clips in said]),
        scale={"absolute": np.ones_like(truth), "normalised": spread + FLOOR},
        distance=_distances(model, train, films, places, seed),
    )


def halves(found: Told, seed: int) -> tuple[Told, Told]:
    """Films of one half of the subjects, dealt by the seed, and of the other."""
    subjects = sorted({record.subject for record in found.records})
    order = np.random.default_rng(seed).permutation(len(subjects))
    first = {subjects[k] for k in order[: len(subjects) // 2]}
    is_first = np.array([record.subject in first for record in found.records])
    one, other = (np.flatnonzero(half).tolist() for half in (is_first, ~is_first))
    return found.at(one), found.at(other)


def judge(calibration: Told, evaluated: Told, seed: int) -> Judged:
    """Intervals of the evaluated films by what is wrong on films of other subjects."""
    few = calibration.at(_one_each(calibration.records, seed))
    ends = {
        way: interval(
            evaluated.estimate,
            evaluated.scale[way],
            quantile(few.off / scale, MISS),
            within=BOUNDS,
        )
        for way, scale in few.scale.items()
    }
    return Judged(films=evaluated, ends=ends, most=quantile(few.distance, FAR))


def _distances(
    model: Model, train: Samples, films: Films, places: Sequence[int], seed: int
) -> Float64[np.ndarray, " n"]:
    """Mahalanobis distance of the features of a clip of each film from those of training films."""
    if not isinstance(train, Films) or len(train.records) < 2:
        return np.full(len(places), np.nan)
    drawn = np.random.default_rng(seed).permutation(len(train.records))[:FILMS].tolist()
    seen = density.moments(_features(model, train, drawn, seed))
    flow = density.shrunk_flow(seen)
    return flow.distance(_features(model, films, places, seed)).numpy()


def _features(model: Model, films: Films, places: Sequence[int], seed: int) -> torch.Tensor:
    starts = [clip_starts(films, place, "one", seed)[0] for place in places]
    return torch.from_numpy(embedded(model, films, places, starts))


def _one_each(
    records: Sequence[Record], seed: int, among: Bool[np.ndarray, " n"] | None = None
) -> list[int]:
    """A film of every subject, drawn at random among these or all, in the order of the records."""
    order = np.random.default_rng(seed).permutation(len(records)).tolist()
    first: dict[str, int] = {}
    for row in order:
        if among is None or among[row]:
            first.setdefault(records[row].subject, row)
    return sorted(first.values())


def _groups(judged: Judged) -> dict[str, Bool[np.ndarray, " n"]]:
    """Films by subgroup; `all` is the first."""
    films = judged.films
    index = ef_class(films.truth)
    groups = {"all": np.ones_like(judged.far)}
    groups |= {"kept": ~judged.far} if judged.far.any() else {}
    groups |= {name: index == k for k, name in enumerate(CLASSES)}
    for label in LABELS:
        values = np.array([str(record.labels.get(label, "")) for record in films.records])
        groups |= {f"{label} {v}": values == v for v in sorted({*values.tolist()} - {""})}
    return {name: inside for name, inside in groups.items() if inside.any()}


def _coverage(
    judged: Judged, groups: Mapping[str, Bool[np.ndarray, " n"]], seed: int
) -> dict[str, Metric]:
    return {
        _path("coverage", way, name): share(
            judged.holds(way)[_one_each(judged.films.records, seed, inside)]
        )
        for way in judged.ends
        for name, inside in groups.items()
    }


def _path(score: str, way: str, group: str) -> str:
    return f"{score}/{way}" if group == "all" else f"{score}/{way}/{group.replace(' ', '_')}"


def _widths(judged: Judged, seed: int) -> dict[str, Metric]:
    subjects = [record.subject for record in judged.films.records]
    return {
        f"width/{way}": mean_by_subject(high - low, subjects, unit=UNIT, seed=seed)
        for way, (low, high) in judged.ends.items()
    }


def _abstention(judged: Judged, seed: int) -> dict[str, Metric]:
    films, far = judged.films, judged.far
    if np.isnan(films.distance).all():
        return {}
    subjects = np.array([record.subject for record in films.records])
    found = {"abstained": share(far[_one_each(films.records, seed)])}
    for name, inside in {"kept": ~far, "abstained": far}.items():
        if inside.any():
            who = subjects[inside].tolist()
            found[f"mae/{name}"] = mean_by_subject(films.off[inside], who, unit=UNIT, seed=seed)
    return found


def _rows(judged: Judged) -> list[dict[str, Label]]:
    films = judged.films
    rows: list[dict[str, Label]] = []
    for i, record in enumerate(films.records):
        row: dict[str, Label] = {"id": record.id, "subject": record.subject}
        row |= {EF: float(films.truth[i]), "said": float(films.estimate[i])}
        for way, (low, high) in judged.ends.items():
            row |= {f"low/{way}": float(low[i]), f"high/{way}": float(high[i])}
        if not np.isnan(films.distance[i]):
            row |= {"distance": float(films.distance[i]), "abstained": float(judged.far[i])}
        rows.append(row)
    return rows


def _figures(
    judged: Judged, metrics: Mapping[str, Metric], groups: Mapping[str, np.ndarray]
) -> dict[str, object]:
    films = judged.films
    covered = {
        way: {name: metrics[_path("coverage", way, name)] for name in groups} for way in judged.ends
    }
    figures: dict[str, object] = {
        "intervals": drawing_ef.intervals(films.truth, films.estimate, judged.ends),
        "coverage": drawing_ef.coverage(covered, promised=1 - MISS),
    }
    if not np.isnan(films.distance).all():
        figures["distance"] = drawing_ef.distances(films.distance, films.off, most=judged.most)
    return figures
