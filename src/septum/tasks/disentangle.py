"""Is anatomy in the content and look in the style, and each in a number of its own?

    frozen model -> content | style | pooled, and the image itself -> linear model -> factor

The *leakage matrix* asks how well a linear model, fitted to the training split, reads a factor off
images of unseen subjects: `leakage/ROW/FACTOR` is R² of a quantity and the balanced accuracy above
chance of a class, 0 where it is no better than the mean or chance. A model that keeps its promise
tells anatomy by its content and not by its style, and look the other way round. The row `image`
puts grey levels in the place of features: what is not there was not to be seen that simply.

All rows are pooled alike (`septum.tasks.pooled`), and have the same number of directions at most.

The *scores* ask whether the numbers of the pooled vector stand for one factor each
(`septum.metrics.disentangle`), over the images of both splits. Factors of real hearts depend on
one another (a dilated one empties less), so that even the best code has less than 1: on `phantom`
the factors themselves have .82 in MIG, .68 in SAP, InfoM and InfoC, and more than .96 in the rest.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Float
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import GroupKFold
from sklearn.preprocessing import StandardScaler
from sklearn.utils.extmath import randomized_svd

from septum.contract import BadInput, Label, Metric, Model, Record, Report, Samples
from septum.metrics.disentangle import scores
from septum.metrics.factor import Factor, errors, weights
from septum.metrics.resample import told_by_subject
from septum.tasks import drawing_matrix
from septum.tasks.factors import CONTROL, FEWEST, GROUPS, shared
from septum.tasks.pooled import Seen, seen

DIRECTIONS = 256
"""Most principal directions that a linear model is given."""
CODES = 64
"""Most numbers of a pooled vector that are scored; a longer one is turned onto its principal
directions."""
PENALTIES = tuple(10.0**k for k in range(6))
"""Of the linear model, chosen among by cross-validation over training subjects."""
FOLDS = 5


def run(model: Model, train: Samples, test: Samples, seed: int, *, images: int = 1_000) -> Report:
    """The leakage matrix and the scores, of at most so many training images drawn at random.

    Scores need two factors, and are left out where there is one.

    Raises:
        BadInput: If no factor is known in both splits, or the model encodes clips only.
    """
    drawn = np.random.default_rng(seed).permutation(len(train.records))[:images]
    known, asked = seen(model, train, drawn.tolist()), seen(model, test, range(len(test.records)))
    factors = shared(known.facts, known.subjects, asked.facts)
    if not factors:
        raise BadInput(
            f"The images of {train.name} (train) and {test.name} ({test.split}) have no label that "
            "most of them state and in which they differ; add view, phase, ef_percent or gain_db "
            f"for at least {FEWEST} subjects, or choose the data set phantom, which has them all."
        )
    said = {row: _said(known, asked, row, factors, seed) for row in known.inputs}
    metrics = _leakage(said, factors, asked, seed) | _scores(known, asked, factors, seed)
    figure = drawing_matrix.matrix(metrics, name="leakage", groups=GROUPS)
    rows = _rows(said, [factor for _, factor in factors], asked.records)
    return Report(metrics=metrics, rows=rows, figures={"leakage": figure})


def answers(
    x: Float[np.ndarray, "n e"],
    factor: Factor,
    subjects: Sequence[str],
    asked: Float[np.ndarray, "m e"],
) -> Float[np.ndarray, " m"]:
    """The quantity or the index of the class that a ridge regression reads off `asked`.

    Fitted to the images whose factor is known; of a class to one column per class, in which every
    class weighs the same. The penalty is that which predicts left-out subjects best.
    """
    x, who, factor = x[factor.known], np.asarray(subjects)[factor.known], factor.at(factor.known)
    target = factor.values
    if factor.classes:
        target = (target[:, None] == np.arange(len(factor.classes))).astype(np.float64)
    folds = GroupKFold(min(FOLDS, len(set(who))))
    line = RidgeCV(PENALTIES, cv=list(folds.split(x, groups=who)), scoring="neg_mean_squared_error")
    said = line.fit(x, target, sample_weight=weights(factor)).predict(asked)
    return said.argmax(1).astype(np.float64) if factor.classes else said


def _said(
    known: Seen, asked: Seen, row: str, factors: Sequence[tuple[Factor, Factor]], seed: int
) -> dict[str, Float[np.ndarray, " m"]]:
    """By name of the factor: what is read off every tested image."""
    x, y = _directions(known.inputs[row], asked.inputs[row], most=DIRECTIONS, seed=seed)
    return {here.name: answers(x, here, known.subjects, y) for here, _ in factors}


def _directions(
    x: Float[np.ndarray, "n e"], asked: Float[np.ndarray, "m e"], *, most: int, seed: int
) -> tuple[Float[np.ndarray, "n k"], Float[np.ndarray, "m k"]]:
    """Both standardised as x is; along its principal directions if there are more than `most`."""
    scale = StandardScaler().fit(x)
    x, asked = np.asarray(scale.transform(x)), np.asarray(scale.transform(asked))
    if x.shape[1] <= most:
        return x, asked
    _, _, axes = randomized_svd(x, min(most, len(x)), random_state=seed)
    return x @ axes.T, asked @ axes.T


def _leakage(
    said: Mapping[str, Mapping[str, Float[np.ndarray, " m"]]],
    factors: Sequence[tuple[Factor, Factor]],
    asked: Seen,
    seed: int,
) -> dict[str, Metric]:
    subjects = np.array(asked.subjects)
    return {
        f"leakage/{row}/{factor.name}": told_by_subject(
            *errors(factor.at(factor.known), found[factor.name][factor.known]),
            subjects[factor.known].tolist(),
            seed=seed,
        )
        for row, found in said.items()
        for _, factor in factors
    }


def _scores(
    known: Seen, asked: Seen, factors: Sequence[tuple[Factor, Factor]], seed: int
) -> dict[str, Metric]:
    """Of the images of both splits, each once; none where there is nothing to tell apart."""
    seen_ids = {record.id for record in known.records}
    fresh = np.array([record.id not in seen_ids for record in asked.records])
    x = np.concatenate([known.inputs["pooled"], asked.inputs["pooled"][fresh]])
    joined = [
        replace(here, values=np.concatenate([here.values, there.values[fresh]]))
        for here, there in factors
        if here.name not in CONTROL
    ]
    if len(joined) < 2 or x.shape[1] < 2:
        return {}
    codes, _ = _directions(x, x, most=CODES, seed=seed)
    subjects = [*known.subjects, *np.array(asked.subjects)[fresh].tolist()]
    return scores(codes, joined, subjects, seed=seed)


def _rows(
    said: Mapping[str, Mapping[str, Float[np.ndarray, " m"]]],
    factors: Sequence[Factor],
    records: Sequence[Record],
) -> list[dict[str, Label]]:
    """Every known factor of a tested image, and beside it what each row of the matrix says."""
    rows: list[dict[str, Label]] = []
    for i, record in enumerate(records):
        row: dict[str, Label] = {"id": record.id, "subject": record.subject}
        for factor in factors:
            if factor.known[i]:
                row[factor.name] = _label(factor, factor.values[i])
                row |= {
                    f"{factor.name}/{name}": _label(factor, found[factor.name][i])
                    for name, found in said.items()
                }
        rows.append(row)
    return rows


def _label(factor: Factor, value: float) -> Label:
    return factor.classes[int(value)] if factor.classes else float(value)
