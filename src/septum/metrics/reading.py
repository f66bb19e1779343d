"""What models read off a code about a factor, asked of subjects they were not fitted to.

One forest and one linear model are fitted without each group of subjects in turn and answer for
that group. So every answer is about unseen subjects, and the forests of all groups are the
replicates that a jackknife over groups needs.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from septum.metrics.factor import Factor, errors, weights

TREES = 30
LEAF = 5
"""Fewest images in a leaf of a tree."""
SHARE = 0.5
"""Of the images, drawn for every tree."""
STRENGTH = 10.0
"""Of the data against the penalty of a linear model."""
LEAST_PROBABILITY = 1e-3
"""That a linear model is held to have given a class: one sure mistake is not everything."""


@dataclass(frozen=True, kw_only=True)
class Reading:
    """What was read off about one factor.

    Attributes:
        importance: Of every code to the forest fitted without each group.
        forest, linear: Error of every answer, and of one that knows nothing
            (`septum.metrics.factor.errors`); 0 where the factor is unknown. The linear error of a
            class is the cross-entropy.
    """

    factor: Factor
    importance: Float[np.ndarray, "g d"]
    forest: Float[np.ndarray, "2 n"]
    linear: Float[np.ndarray, "2 n"]

    def without(self, left: int, kept: Bool[np.ndarray, " n"]) -> "Reading":
        """The reading that does not know the group `left`; `kept` are the images of the others."""
        return Reading(
            factor=self.factor.at(kept),
            importance=self.importance[left : left + 1],
            forest=self.forest[:, kept],
            linear=self.linear[:, kept],
        )


def read(
    codes: Float[np.ndarray, "n d"], factor: Factor, group: Int[np.ndarray, " n"], *, seed: int
) -> Reading:
    """Fit both models without each group in turn, and ask them about it.

    Args:
        codes: Of every image.
        factor: Known of some image outside every group.
        group: Of every image, counted from 0.
        seed: Grows the forests.
    """
    truth, known = factor.values, factor.known
    by_forest, by_line = np.full((2, len(truth)), np.nan)
    importance = np.zeros((group.max() + 1, codes.shape[1]))
    for left, row in enumerate(importance):
        fitted, asked = known & (group != left), known & (group == left)
        forest = _forest(factor, seed).fit(codes[fitted], truth[fitted])
        row[:] = forest.feature_importances_
        if asked.any():
            by_forest[asked] = forest.predict(codes[asked])
            by_line[asked] = _by_line(factor, codes, fitted, asked)
    forest, linear = np.zeros((2, 2, len(truth)))
    forest[:, known] = errors(factor.at(known), by_forest[known])
    linear[:, known] = _linear_errors(factor.at(known), by_line[known])
    return Reading(factor=factor, importance=importance, forest=forest, linear=linear)


def _forest(factor: Factor, seed: int) -> Any:
    """Every split may use every code: one that is not looked at cannot show its importance."""
    kind: Any = RandomForestClassifier if factor.classes else RandomForestRegressor
    balance = {"class_weight": "balanced"} if factor.classes else {}
    return kind(
        n_estimators=TREES,
        min_samples_leaf=LEAF,
        max_samples=SHARE,
        max_features=None,
        random_state=seed,
        **balance,
    )


def _by_line(
    factor: Factor,
    codes: Float[np.ndarray, "n d"],
    fitted: Bool[np.ndarray, " n"],
    asked: Bool[np.ndarray, " n"],
) -> Float[np.ndarray, " m"]:
    """The quantity, or the log of the probability of the true class."""
    truth = factor.values[asked]
    if not factor.classes:
        line = make_pipeline(StandardScaler(), Ridge(1 / STRENGTH))
        return line.fit(codes[fitted], factor.values[fitted]).predict(codes[asked])
    probability = np.zeros((len(truth), len(factor.classes)))
    seen = np.unique(factor.values[fitted]).astype(int)
    probability[:, seen] = 1 / len(seen)
    if len(seen) > 1:
        logistic = LogisticRegression(C=STRENGTH, class_weight="balanced", max_iter=1_000)
        line = make_pipeline(StandardScaler(), logistic)
        line.fit(codes[fitted], factor.values[fitted])
        probability[:, seen] = line.predict_proba(codes[asked])
    right = np.take_along_axis(probability, truth.astype(int)[:, None], axis=1)[:, 0]
    return np.log(right.clip(min=LEAST_PROBABILITY))


def _linear_errors(
    factor: Factor, said: Float[np.ndarray, " n"]
) -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, " n"]]:
    if not factor.classes:
        return errors(factor, said)
    weight = weights(factor)
    return -weight * said, weight * np.log(len(np.unique(factor.values)))
