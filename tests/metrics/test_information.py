import numpy as np
import pytest
from scipy import stats
from sklearn.feature_selection import mutual_info_classif
from sklearn.metrics import mutual_info_score

from septum.metrics.factor import Factor
from septum.metrics.information import BINS, binned, counted, information, shuffled


def one_each(n: int) -> list[str]:
    return [f"s{i}" for i in range(n)]


def test_what_is_counted_is_what_scikit_learn_counts():
    rng = np.random.default_rng(0)
    code, value = rng.integers(5, size=(90, 3)), rng.integers(4, size=(90, 2))
    code[:, 1] = value[:, 0]

    found, entropy = counted(code, value)

    theirs = [[mutual_info_score(code[:, i], value[:, j]) for j in range(2)] for i in range(3)]
    assert found == pytest.approx(np.array(theirs), abs=1e-6)
    assert entropy == pytest.approx(stats.entropy(np.bincount(value[:, 0])), abs=1e-6)


def test_bins_are_filled_alike_and_equal_values_share_one():
    rng = np.random.default_rng(1)
    values = np.stack([rng.normal(size=80), rng.choice([1.0, 5.0], size=80), np.ones(80)], axis=1)

    bins = binned(values)

    assert np.bincount(bins[:, 0]).tolist() == [10] * BINS
    assert len(np.unique(bins[:, 1])) == 2
    assert len(np.unique(bins[:, 2])) == 1
    assert np.array_equal(binned(np.exp(3 * values)), bins)


def test_shuffling_keeps_the_images_of_a_subject_together():
    subject = np.repeat(np.arange(12), 3)
    rng = np.random.default_rng(2)

    whose = shuffled(subject, rng)

    assert sorted(whose) == list(range(36))
    givers = subject[whose].reshape(12, 3)
    assert (givers == givers[:, :1]).all()
    assert givers[:, 0].tolist() != list(range(12))


def test_a_code_that_names_the_factor_has_all_of_it():
    rng = np.random.default_rng(3)
    quantity, kind = rng.normal(size=240), rng.integers(3, size=240).astype(float)
    factors = [
        Factor(name="q", values=quantity),
        Factor(name="k", values=kind, classes=("a", "b", "c")),
    ]

    found = information(np.stack([-7 * quantity, kind], 1), factors, one_each(240), seed=0)

    assert np.diag(found) == pytest.approx([1, 1], abs=0.01)
    assert found[[0, 1], [1, 0]] == pytest.approx([0, 0], abs=0.05)


def test_agrees_with_another_estimator_where_images_abound():
    rng = np.random.default_rng(4)
    kind = rng.integers(4, size=3_000).astype(float)
    codes = kind[:, None] + np.array([0.5, 1.5]) * rng.normal(size=(3_000, 2))
    factor = Factor(name="k", values=kind, classes=tuple("abcd"))

    found = information(codes, [factor], one_each(3_000), seed=0)[:, 0]

    nearest = mutual_info_classif(codes, kind, n_neighbors=10, random_state=0) / np.log(4)
    assert nearest[0] > 3 * nearest[1] > 0.1
    assert found == pytest.approx(nearest, abs=0.06)


def test_what_a_few_subjects_share_by_chance_is_no_information():
    rng = np.random.default_rng(5)
    of_subject = rng.normal(size=(16, 6)).repeat(20, axis=0)
    subjects = np.repeat(one_each(16), 20).tolist()
    factor = Factor(name="q", values=of_subject[:, 0])

    found = information(of_subject[:, 1:], [factor], subjects, seed=0)

    uncorrected, entropy = counted(binned(of_subject[:, 1:]), binned(of_subject[:, :1]))
    assert (uncorrected[:, 0] > 0.4 * entropy).all()
    assert not found.any()


def test_images_of_unknown_factor_are_left_out():
    rng = np.random.default_rng(6)
    codes = rng.normal(size=(120, 2))
    values = np.where(np.arange(120) < 80, codes[:, 0], np.nan)

    found = information(codes, [Factor(name="q", values=values)], one_each(120), seed=0)

    alone = Factor(name="q", values=values[:80])
    assert np.array_equal(found, information(codes[:80], [alone], one_each(80), seed=0))
    assert found[0, 0] > 0.95


def test_what_does_not_vary_has_no_information():
    codes = np.random.default_rng(7).normal(size=(40, 2))
    codes[:, 1] = 3.0
    factors = [Factor(name="c", values=np.ones(40)), Factor(name="q", values=codes[:, 0])]

    found = information(codes, factors, one_each(40), seed=0)

    assert not found[:, 0].any()
    assert not found[1].any()
    assert found[0, 1] > 0.9
