"""How well probabilities of several classes name the right one.

    probabilities --most likely--> accuracy, balanced accuracy, F1       --as they are--> AUROC, ECE

Means over classes are over those that occur among the cases, each weighing the same: a class that
does not occur cannot be found, but naming it costs another its hit. All intervals are 95 %
percentile ones over resampled subjects (the cluster bootstrap of `septum.metrics.interval`).
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float, Int

from septum.contract import Metric
from septum.metrics.agreement import of_sums
from septum.metrics.calibration import ece_by_subject
from septum.metrics.interval import mean_by_subject
from septum.metrics.ranking import CHUNK, area_under, drawn

Truth = Int[np.ndarray, " n"]
Chance = Float[np.ndarray, "n k"]


def scores_by_subject(
    chance: Chance,
    truth: Truth,
    subjects: Sequence[str],
    *,
    seed: int = 0,
    resamples: int = 2_000,
) -> dict[str, Metric]:
    """Scores in [0, 1] by name; `n` counts cases.

    * `accuracy`, `balanced_accuracy`: as `hits_by_subject`, the first of the likeliest classes
      being the answer.
    * `f1`: mean over classes of 2 hits / (cases of it + answers that name it).
    * `auroc`: mean over classes of the area of its probability, its cases against all others.
    * `ece`: as `septum.metrics.calibration.ece_by_subject`, of the probability of the answer.

    Raises:
        ValueError: If all cases are of one class.

    >>> chance = np.array([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8], [0.7, 0.3]])
    >>> found = scores_by_subject(chance, np.array([0, 0, 1, 1]), list("abcd"))
    >>> {name: round(score.value, 2) for name, score in found.items()}
    {'accuracy': 0.75, 'balanced_accuracy': 0.75, 'f1': 0.73, 'auroc': 0.75, 'ece': 0.35}
    """
    if len(np.unique(truth)) < 2:
        raise ValueError("scores of classes need cases of two")
    said = chance.argmax(1)
    sure = np.take_along_axis(chance, said[:, None], 1)[:, 0]
    how: dict[str, int] = {"seed": seed, "resamples": resamples}
    return {
        **hits_by_subject((said == truth).astype(np.float64), truth, subjects, **how),
        "f1": _f1(said, truth, subjects, **how),
        "auroc": macro_auroc_by_subject(chance, truth, subjects, **how),
        "ece": ece_by_subject(sure, said == truth, subjects, **how),
    }


def hits_by_subject(
    right: Float[np.ndarray, " n"],
    truth: Truth,
    subjects: Sequence[str],
    *,
    seed: int = 0,
    resamples: int = 2_000,
) -> dict[str, Metric]:
    """`accuracy`, the mean over cases, and `balanced_accuracy`, the mean over classes of theirs.

    Args:
        right: 1 for a right answer, 0 for a wrong one, or the share of several.
        truth: Class of every case.
        subjects: Of every case.
        seed: Of the resamples.
        resamples: Their number.

    >>> found = hits_by_subject(np.array([1.0, 1.0, 0.0]), np.array([0, 0, 1]), list("abc"))
    >>> found["balanced_accuracy"].value
    0.5
    """
    how: dict[str, int] = {"seed": seed, "resamples": resamples}
    shows = truth[:, None] == np.unique(truth)
    parts = [*(right[:, None] * shows).T, *shows.T.astype(np.float64)]
    return {
        "accuracy": mean_by_subject(right, subjects, unit="", **how),
        "balanced_accuracy": of_sums(parts, _mean_share, subjects, unit="", **how),
    }


def macro_auroc_by_subject(
    chance: Chance,
    truth: Truth,
    subjects: Sequence[str],
    *,
    seed: int = 0,
    resamples: int = 2_000,
) -> Metric:
    """Mean over classes of the area under the ROC curve of its probability, one against the rest.

    As `septum.metrics.ranking.auroc_by_subject` of two classes. Subjects are drawn again among
    those with the same classes, so that every resample has cases of all.
    """
    _, subject = np.unique(np.asarray(subjects), return_inverse=True)
    times = drawn(subject, truth, resamples, seed)
    areas = [area_under(chance[:, c], truth == c) for c in np.unique(truth)]

    def mean_area(weight: Float[np.ndarray, "r n"]) -> Float[np.ndarray, " r"]:
        return np.mean([area(weight) for area in areas], axis=0)

    rows = max(1, CHUNK // len(truth))
    weights = (times[start : start + rows, subject] for start in range(0, resamples, rows))
    again = [mean_area(weight.astype(np.float64)) for weight in weights]
    value = float(mean_area(np.ones((1, len(truth))))[0])
    low, high = np.percentile(np.append(np.concatenate(again), value), [2.5, 97.5]).tolist()
    low, high = min(low, value), max(high, value)
    return Metric(value=value, low=low, high=high, unit="", n=len(truth))


def _f1(said: Truth, truth: Truth, subjects: Sequence[str], *, seed: int, resamples: int) -> Metric:
    """Mean over classes of 2 hits / (cases + answers)."""
    classes = np.unique(truth)
    shows, names = truth[:, None] == classes, said[:, None] == classes
    parts = [*(shows & names).T, *shows.T, *names.T]
    counts = [part.astype(np.float64) for part in parts]
    return of_sums(counts, _mean_f1, subjects, unit="", seed=seed, resamples=resamples)


def _mean_share(sums: Float[np.ndarray, "r c2"]) -> Float[np.ndarray, " r"]:
    """From hits and cases of every class."""
    hits, cases = np.split(sums, 2, axis=1)
    return _mean(hits / np.maximum(cases, 1), cases > 0)


def _mean_f1(sums: Float[np.ndarray, "r c3"]) -> Float[np.ndarray, " r"]:
    """From hits, cases and answers of every class."""
    hits, cases, answers = np.split(sums, 3, axis=1)
    return _mean(2 * hits / np.maximum(cases + answers, 1), cases > 0)


def _mean(
    score: Float[np.ndarray, "r c"], occurs: Bool[np.ndarray, "r c"]
) -> Float[np.ndarray, " r"]:
    """Over the classes that a resample has cases of."""
    return np.where(occurs, score, 0).sum(1) / occurs.sum(1)
