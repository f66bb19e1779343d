"""How well is ejection fraction (EF) estimated from films (CoReEcho, section 4.1 and Table 1)?

    film --clips--> model --estimates--> mean --> EF in percent

Maani et al., CoReEcho, MICCAI 2024, arXiv:2403.10164. Every film of `test` with a known EF is asked
about; all intervals are of 10,000 bootstraps over subjects.

* `mae`, `rmse`, `r2`, `pearson`, `spearman`: of the mean of three drawn clips, as in the table.
  `mae/one_clip`, ...: of the first of them. `mae/all_clips`, ...: of clips all over the film.
* `bias`, `limit_low`, `limit_high`: what is said minus the truth, as Bland and Altman have it.
* `accuracy/ef_class`: at most 35 %, up to 50 %, or 50 % and more. `auroc/ef_below_50`,
  `auroc/ef_at_most_40`: how well a low estimate finds a low EF. EF is preserved from 50 on, reduced
  up to 40: Bozkurt et al., Universal Definition and Classification of Heart Failure, Journal of
  Cardiac Failure 27(4), 2021, doi:10.1016/j.cardfail.2021.01.022. Up to 35 a defibrillator is
  considered: Heidenreich et al., AHA/ACC/HFSA Guideline for the Management of Heart Failure,
  Circulation 145(18), 2022, doi:10.1161/CIR.0000000000001063.
* `mae/subject`, ...: of means over the films of a subject, where one has several.
* `mae/probe`, ...: of ridge regression on the pooled features of three clips, fitted to one clip of
  each training film. So a model that estimates nothing can be asked; then there is no plain `mae`.
* `mean_predictor/...`: of the mean EF of the training films, whatever the film.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from sklearn.linear_model import RidgeCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from septum.contract import BadInput, Films, Label, Metric, Model, Record, Report, Samples
from septum.metrics.agreement import RESAMPLES, errors, limits
from septum.metrics.interval import mean_by_subject
from septum.metrics.labels import number
from septum.metrics.ranking import auroc_by_subject
from septum.tasks import drawing_ef
from septum.tasks.filmed import EF, clip_starts, does_regress, embedded, estimates, films_in

UNIT = "percent"
FILMS = 2_000
"""Most training films that the probe is fitted to, drawn at random."""
STRENGTHS = np.logspace(-1, 5, 13)
"""Penalties of the probe; the one with the least leave-one-out error is taken."""
LOW, PRESERVED = 35.0, 50.0
MAIN, PROBE = "", "probe"


@dataclass(frozen=True, kw_only=True)
class Answers:
    """What was said of the EF of films whose EF is known, in percent.

    Attributes:
        said: By estimator: empty for the mean of three clips, `one_clip`, `all_clips`, `probe`.
        blind: An estimate that knows no film; NaN where there is no training film.
    """

    places: Sequence[int]
    records: Sequence[Record]
    truth: Float[np.ndarray, " n"]
    said: Mapping[str, Float[np.ndarray, " n"]]
    blind: float

    @property
    def best(self) -> str:
        """The estimator that pictures are of: the model's own, if it has one."""
        return MAIN if MAIN in self.said else PROBE


def run(model: Model, train: Samples, test: Samples, seed: int) -> Report:
    """Errors of the EF of films of `test`; a row is a film.

    Raises:
        BadInput: As `answers`.
    """
    films = films_in(test)
    found = answers(model, train, films, seed)
    column = found.said[found.best]
    figures = {
        "agreement": drawing_ef.agreement(found.truth, {_words(found.best): column}),
        "worst": drawing_ef.worst(films, found.places, found.truth, column),
    }
    return Report(metrics=_metrics(found, seed), rows=_rows(found), figures=figures)


def answers(model: Model, train: Samples, films: Films, seed: int) -> Answers:
    """Ask the model, and a probe of its features, about every film whose EF is known.

    Raises:
        BadInput: If there is none; or if the model does not estimate EF and no training film knows
            its own.
    """
    places, truth = known(films)
    if not places:
        raise BadInput(
            f"No film of {films.name} ({films.split}) knows its {EF}; choose a data set or split "
            "that does."
        )
    said: dict[str, np.ndarray] = {}
    if does_regress(model, films):
        said |= _by_clips(model, films, places, seed)
    learn, ef = known(train) if isinstance(train, Films) else ([], np.zeros(0))
    if isinstance(train, Films) and len(learn) > 1:
        said[PROBE] = _probed(model, train, films, places, seed)
    if not said:
        raise BadInput(
            f"The model does not estimate {EF}, and too few films of {train.name} ({train.split}) "
            "know theirs to fit a probe; choose a model that does, such as coreecho."
        )
    return Answers(
        places=places,
        records=[films.records[place] for place in places],
        truth=truth,
        said=said,
        blind=float(ef.mean()) if len(ef) else np.nan,
    )


def known(samples: Samples) -> tuple[list[int], Float[np.ndarray, " n"]]:
    """Places of the records that know their EF, and it."""
    efs = {place: number(record, EF) for place, record in enumerate(samples.records)}
    found = {place: ef for place, ef in efs.items() if ef is not None}
    return list(found), np.array([*found.values()], dtype=np.float64)


def ef_class(ef: Float[np.ndarray, " n"]) -> Int[np.ndarray, " n"]:
    """0 for at most 35 %, 1 for less than 50 %, 2 for 50 % and more.

    >>> ef_class(np.array([35.0, 36.0, 49.9, 50.0]))
    array([0, 1, 1, 2])
    """
    return (ef > LOW).astype(np.int64) + (ef >= PRESERVED)


def _by_clips(
    model: Model, films: Films, places: Sequence[int], seed: int
) -> dict[str, Float[np.ndarray, " n"]]:
    three = np.stack(estimates(model, films, places, "three", seed=seed))
    every = estimates(model, films, places, "all", seed=seed)
    means = np.array([clips.mean() for clips in every])
    return {MAIN: three.mean(1), "one_clip": three[:, 0], "all_clips": means}


def _probed(
    model: Model, train: Films, films: Films, places: Sequence[int], seed: int
) -> Float[np.ndarray, " n"]:
    """Ridge regression of the features of a clip, averaged over three clips of every film."""
    learn, ef = known(train)
    drawn = np.random.default_rng(seed).permutation(len(learn))[:FILMS]
    fitted = make_pipeline(StandardScaler(), RidgeCV(STRENGTHS))
    few = [learn[i] for i in drawn]
    fitted.fit(embedded(model, train, few, _starts(train, few, seed)[0]), ef[drawn])
    clips = [embedded(model, films, places, starts) for starts in _starts(films, places, seed)]
    return np.mean([fitted.predict(features) for features in clips], axis=0)


def _starts(films: Films, places: Sequence[int], seed: int) -> list[tuple[int, ...]]:
    """Of the first clip of all films, of the second, and of the third."""
    drawn = (clip_starts(films, place, "three", seed) for place in places)
    return list(zip(*drawn, strict=True))


def _metrics(found: Answers, seed: int) -> dict[str, Metric]:
    truth, subjects = found.truth, [record.subject for record in found.records]
    metrics: dict[str, Metric] = {}
    for name, said in found.said.items():
        scores = errors(truth, said, subjects, unit=UNIT, seed=seed)
        if name in {MAIN, PROBE}:
            scores |= _agreement(truth, said, subjects, seed)
        metrics |= {_path(score, name): metric for score, metric in scores.items()}
    if len(every := sorted(set(subjects))) < len(subjects):
        said = _by_subject(found.said[found.best], subjects, every)
        scores = errors(_by_subject(truth, subjects, every), said, every, unit=UNIT, seed=seed)
        metrics |= {_path(s, found.best, "subject"): metric for s, metric in scores.items()}
    if not np.isnan(found.blind):
        blind = np.full_like(truth, found.blind)
        scores = errors(truth, blind, subjects, unit=UNIT, seed=seed)
        scores |= _classes(truth, blind, subjects, seed)
        metrics |= {f"mean_predictor/{score}": metric for score, metric in scores.items()}
    return metrics


def _path(*parts: str) -> str:
    return "/".join(part for part in parts if part)


def _agreement(
    truth: Float[np.ndarray, " n"],
    said: Float[np.ndarray, " n"],
    subjects: Sequence[str],
    seed: int,
) -> dict[str, Metric]:
    found = limits(truth, said, subjects, unit=UNIT, seed=seed)
    found |= _classes(truth, said, subjects, seed)
    for name, low in {"ef_below_50": truth < PRESERVED, "ef_at_most_40": truth <= 40}.items():
        if 0 < low.sum() < len(low):
            found[f"auroc/{name}"] = auroc_by_subject(
                -said, low, subjects, seed=seed, resamples=RESAMPLES
            )
    return found


def _classes(
    truth: Float[np.ndarray, " n"],
    said: Float[np.ndarray, " n"],
    subjects: Sequence[str],
    seed: int,
) -> dict[str, Metric]:
    hits = (ef_class(said) == ef_class(truth)).astype(np.float64)
    found = mean_by_subject(hits, subjects, unit="", seed=seed, resamples=RESAMPLES)
    return {"accuracy/ef_class": found}


def _by_subject(
    column: Float[np.ndarray, " n"], subjects: Sequence[str], every: Sequence[str]
) -> Float[np.ndarray, " s"]:
    who = np.asarray(subjects)
    return np.array([column[who == subject].mean() for subject in every])


def _rows(found: Answers) -> list[dict[str, Label]]:
    return [
        {"id": record.id, "subject": record.subject, EF: float(found.truth[i])}
        | {_path("said", name): float(column[i]) for name, column in found.said.items()}
        for i, record in enumerate(found.records)
    ]


def _words(name: str) -> str:
    return "probe" if name == PROBE else "mean of three clips"
