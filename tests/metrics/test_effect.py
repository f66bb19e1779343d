"""Effect sizes against the analysis of variance."""

import numpy as np
import pytest
from scipy.stats import f_oneway

from septum.metrics.effect import eta_squared


def test_eta_squared_is_that_of_the_analysis_of_variance():
    draw = np.random.default_rng(0)
    kinds = np.repeat([0, 1, 2], [10, 20, 30])
    x = draw.normal(size=60) + 0.5 * kinds
    f = f_oneway(*(x[kinds == k] for k in range(3))).statistic

    found = eta_squared(x[:, None] + 1000, kinds, [f"{i}" for i in range(60)], seed=0)

    assert found.value == pytest.approx(2 * f / (2 * f + 57))  # f = (η² / 2) / ((1 - η²) / 57)
    assert found.low < found.value < found.high
    assert found.n == 60


def test_eta_squared_of_vectors_is_that_of_a_loop_over_dimensions():
    draw = np.random.default_rng(1)
    kinds = draw.integers(4, size=50)
    x = draw.normal(size=(50, 3)) * [1, 5, 0.1] + kinds[:, None]

    between = total = 0.0
    for column in x.T:
        total += ((column - column.mean()) ** 2).sum()
        for k in range(4):
            of = column[kinds == k]
            between += len(of) * (of.mean() - column.mean()) ** 2

    found = eta_squared(x, kinds, ["one"] * 50, seed=0)
    assert found.value == pytest.approx(between / total)
    assert (found.low, found.high) == (found.value, found.value)  # a single subject


def test_the_interval_of_eta_squared_is_that_of_drawing_subjects_again():
    draw = np.random.default_rng(2)
    subject = np.repeat(np.arange(30), 3)
    kinds = (subject % 2).astype(int)
    x = draw.normal(size=90) + 0.7 * kinds + draw.normal(size=30)[subject]

    again = []
    for _ in range(1_000):
        rows = np.concatenate([3 * s + np.arange(3) for s in draw.integers(30, size=30)])
        mean = x[rows].mean()
        parts = [x[rows][kinds[rows] == k] for k in (0, 1)]
        between = sum(len(part) * (part.mean() - mean) ** 2 for part in parts)
        again.append(between / ((x[rows] - mean) ** 2).sum())

    found = eta_squared(x[:, None], kinds, subject.astype(str).tolist(), seed=0)
    assert [found.low, found.high] == pytest.approx(np.percentile(again, [2.5, 97.5]), abs=0.03)
