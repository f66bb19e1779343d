"""Does a film show an illness: a label that is 0 or 1 (CoReEcho, section 4.2 and Table 5)?

    film --clips--> model --probability, mean of the clips--> ill from one half on

* `sensitivity`, `specificity`, `precision`, `f1`, `accuracy`: shares in [0, 1], over films whose
  label is known; `precision` is left out where no film is said to be ill.
* `auroc`: of the probability.

Of a model that does not estimate the label, a logistic regression on its standardised pooled
features is asked, fitted to one clip of every training film.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_curve
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from septum.contract import BadInput, Films, Label, Model, Record, Report, Samples
from septum.metrics.diagnosis import rates_by_subject
from septum.metrics.labels import number
from septum.metrics.ranking import auroc_by_subject
from septum.tasks import drawing_films
from septum.tasks.filmed import clip_starts, does_regress, embedded, estimates, films_in

LABEL = "infarct"
THRESHOLD = 0.5


def run(model: Model, train: Samples, test: Samples, seed: int, *, label: str = LABEL) -> Report:
    """How well ill and healthy are told apart among films of `test`; a row is a film.

    Raises:
        BadInput: If the samples are still images, or not all of them know both kinds where they
            must: those of `test`, and those of `train` if the model does not estimate the label.
    """
    films = films_in(test)
    places, ill = known(films, label)
    if does_regress(model, films, label=label):
        clips = estimates(model, films, places, "three", seed=seed, label=label)
        said = np.array([of.mean() for of in clips])
    else:
        said = _probed(model, films_in(train), films, places, seed, label=label)
    records = [films.records[place] for place in places]
    subjects = [record.subject for record in records]
    metrics = rates_by_subject(said >= THRESHOLD, ill, subjects, seed=seed)
    metrics["auroc"] = auroc_by_subject(said, ill, subjects, seed=seed)
    false, true, _ = roc_curve(ill, said)
    figure = drawing_films.roc(false, true, metrics["auroc"])
    return Report(metrics=metrics, rows=_rows(records, said, ill, label), figures={"roc": figure})


def known(films: Films, label: str) -> tuple[list[int], Bool[np.ndarray, " n"]]:
    """Places of the films that know the label, and whether it is 1.

    Raises:
        BadInput: If a label is neither 0 nor 1, or not both occur.
    """
    stated = {place: number(record, label) for place, record in enumerate(films.records)}
    found = {place: value for place, value in stated.items() if value is not None}
    odd = next((place for place, value in found.items() if value not in (0, 1)), None)
    if odd is not None:
        raise BadInput(
            f"{films.records[odd].id} of {films.name} has {label} = {found[odd]:g}, and a "
            "diagnosis is 0 or 1; choose another label or mend the data set."
        )
    if len({*found.values()}) < 2:
        raise BadInput(
            f"The films of {films.name} ({films.split}) are not known to be of both kinds, "
            f"{label} = 0 and {label} = 1; choose a data set or split that has both."
        )
    return list(found), np.array([*found.values()]) == 1


def _probed(
    model: Model, train: Films, films: Films, places: Sequence[int], seed: int, *, label: str
) -> Float[np.ndarray, " n"]:
    """Mean probability over the clips, by features alone."""
    learn, ill = known(train, label)
    firsts = [clip_starts(train, place, "one", seed)[0] for place in learn]
    fitted = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1_000))
    fitted.fit(embedded(model, train, learn, firsts), ill)
    drawn = zip(*(clip_starts(films, place, "three", seed) for place in places), strict=True)
    clips = [embedded(model, films, places, starts) for starts in drawn]
    return np.mean([fitted.predict_proba(features)[:, 1] for features in clips], axis=0)


def _rows(
    records: Sequence[Record],
    said: Float[np.ndarray, " n"],
    ill: Bool[np.ndarray, " n"],
    label: str,
) -> list[dict[str, Label]]:
    return [
        {"id": record.id, "subject": record.subject}
        | {label: float(ill[i]), "said": float(said[i])}
        for i, record in enumerate(records)
    ]
