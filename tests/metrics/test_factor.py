import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score, r2_score

from septum.metrics.factor import Factor, errors, told, weights


def test_a_quantity_is_told_as_the_coefficient_of_determination():
    rng = np.random.default_rng(0)
    truth = rng.normal(size=50)
    said = truth + rng.normal(size=50)

    assert told(*errors(Factor(name="x", values=truth), said)) == pytest.approx(
        max(0.0, r2_score(truth, said))
    )


def test_a_class_is_told_as_the_balanced_accuracy_above_chance():
    rng = np.random.default_rng(1)
    truth = rng.choice(3, size=200, p=[0.7, 0.2, 0.1]).astype(float)
    said = np.where(rng.random(200) < 0.6, truth, rng.integers(3, size=200))
    factor = Factor(name="x", values=truth, classes=("a", "b", "c", "never seen"))

    theirs = balanced_accuracy_score(truth, said, adjusted=True)
    assert 0.2 < theirs < 0.9
    assert told(*errors(factor, said)) == pytest.approx(theirs)


def test_classes_weigh_the_same_and_one_on_average():
    factor = Factor(name="x", values=np.array([0.0, 1, 1, 2, 2, 2]), classes=("a", "b", "c"))

    weight = weights(factor)

    assert [weight[factor.values == c].sum() for c in range(3)] == pytest.approx([2, 2, 2])


def test_worse_than_nothing_tells_nothing():
    factor = Factor(name="x", values=np.array([0.0, 1.0]))

    assert told(*errors(factor, np.array([1.0, 0.0]))) == 0
    assert told(*errors(factor, factor.values)) == 1


def test_unknown_values_neither_vary_nor_count():
    factor = Factor(name="x", values=np.array([1.0, np.nan, 1.0, 2.0]))

    assert factor.known.tolist() == [True, False, True, True]
    assert factor.varies
    assert not factor.at(factor.values != 2).varies
    assert factor.at(np.array([3, 0])).values.tolist() == [2.0, 1.0]
