"""Right and wrong answers to a question with yes or no."""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Bool, Float

from septum.contract import Metric
from septum.metrics.agreement import Score, of_sums


def rates_by_subject(
    said: Bool[np.ndarray, " n"],
    truth: Bool[np.ndarray, " n"],
    subjects: Sequence[str],
    *,
    seed: int = 0,
    resamples: int = 2_000,
) -> dict[str, Metric]:
    """Rates by name, each with the 95 % percentile interval over resampled subjects.

    Of cases that are positive, `sensitivity` is the share that is said to be; of negative ones,
    `specificity` that which is not; of those said to be, `precision` that which is, left out where
    none is; `f1` is the harmonic mean of the first and the third, `accuracy` the share of right
    answers. `n` counts all cases.

    Raises:
        ValueError: If all cases are of one kind.

    >>> ill = np.array([True, True, False, False])
    >>> found = rates_by_subject(np.array([True, False, False, False]), ill, list("abcd"))
    >>> {name: round(rate.value, 2) for name, rate in found.items()}
    {'sensitivity': 0.5, 'specificity': 1.0, 'precision': 1.0, 'f1': 0.67, 'accuracy': 0.75}
    """
    if truth.all() or not truth.any():
        raise ValueError("rates need cases of both kinds")
    cells = [said & truth, said & ~truth, ~said & truth, ~said & ~truth]
    parts = [cell.astype(np.float64) for cell in cells]
    how = {"seed": seed, "resamples": resamples}
    return {
        name: of_sums(parts, rate, subjects, unit="", **how)
        for name, rate in _RATES.items()
        if said.any() or name != "precision"
    }


def _share(hits: Float[np.ndarray, " r"], rest: Float[np.ndarray, " r"]) -> Float[np.ndarray, " r"]:
    """Of the hits among these and the rest; NaN where there is neither."""
    cases = hits + rest
    return hits / np.where(cases > 0, cases, np.nan)


_RATES: Mapping[str, Score] = {
    "sensitivity": lambda n: _share(n[:, 0], n[:, 2]),
    "specificity": lambda n: _share(n[:, 3], n[:, 1]),
    "precision": lambda n: _share(n[:, 0], n[:, 1]),
    "f1": lambda n: _share(n[:, 0], (n[:, 1] + n[:, 2]) / 2),
    "accuracy": lambda n: _share(n[:, 0] + n[:, 3], n[:, 1] + n[:, 2]),
}
"""From true and false positives, false and true negatives."""
