import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score

from septum.metrics import ranking
from septum.metrics.ranking import auroc_by_subject


def one_each(n: int) -> list[str]:
    return [f"s{i}" for i in range(n)]


def two_kinds(n: int, m: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """n positives one standard deviation above m negatives."""
    positive = np.arange(n + m) < n
    return np.random.default_rng(seed).normal(size=n + m) + positive, positive


@pytest.mark.parametrize("levels", [2, 5, 1_000])
def test_the_area_is_that_of_scikit_learn_with_and_without_ties(levels: int):
    rng = np.random.default_rng(levels)
    scores, positive = rng.integers(levels, size=200).astype(float), rng.random(200) < 0.3

    metric = auroc_by_subject(scores, positive, one_each(200))

    assert metric.value == pytest.approx(roc_auc_score(positive, scores))
    assert (metric.unit, metric.n) == ("", 200)


def test_weighted_areas_are_those_of_scikit_learn():
    rng = np.random.default_rng(0)
    scores, positive = rng.integers(6, size=50).astype(float), rng.random(50) < 0.4
    weight = rng.integers(4, size=(7, 50)).astype(float)

    areas = ranking.area_under(scores, positive)(weight)

    theirs = [roc_auc_score(positive, scores, sample_weight=w) for w in weight]
    assert areas == pytest.approx(theirs)


def test_equals_scipy_where_every_subject_has_one_case():
    scores, positive = two_kinds(60, 40)

    metric = auroc_by_subject(scores, positive, one_each(100), resamples=5_000)

    def area(a: np.ndarray, b: np.ndarray, axis: int) -> np.ndarray:
        return stats.mannwhitneyu(a, b, axis=axis).statistic / (a.shape[axis] * b.shape[axis])

    theirs = stats.bootstrap(
        (scores[positive], scores[~positive]), area, method="percentile", n_resamples=5_000, rng=0
    ).confidence_interval
    assert (metric.low, metric.high) == pytest.approx((theirs.low, theirs.high), abs=0.01)


def test_a_subject_is_drawn_with_its_cases_of_both_kinds():
    scores = np.array([1.0, 0.0, 3.0, 2.0])

    metric = auroc_by_subject(scores, np.array([True, False] * 2), ["a", "a", "b", "b"])

    # one of them twice: 1; each once: the positive of a is below the negative of b
    assert (metric.value, metric.low, metric.high) == (0.75, 0.75, 1.0)


def test_more_images_of_the_same_patients_add_no_certainty():
    scores, positive = two_kinds(20, 20)

    once = auroc_by_subject(scores, positive, one_each(40))
    tenfold = auroc_by_subject(
        scores.repeat(10), positive.repeat(10), np.repeat(one_each(40), 10).tolist()
    )

    assert (tenfold.value, tenfold.low, tenfold.high) == pytest.approx(
        (once.value, once.low, once.high)
    )
    assert tenfold.n == 400


def test_a_kind_of_a_single_subject_is_in_every_resample():
    scores, positive = two_kinds(1, 50)

    metric = auroc_by_subject(scores, positive, one_each(51))

    assert 0 <= metric.low < metric.value < metric.high <= 1


def test_the_seed_decides_and_memory_does_not(monkeypatch: pytest.MonkeyPatch):
    scores, positive = two_kinds(15, 10)
    first = auroc_by_subject(scores, positive, one_each(25), seed=5)
    monkeypatch.setattr(ranking, "CHUNK", 100)

    assert auroc_by_subject(scores, positive, one_each(25), seed=5) == first
    assert auroc_by_subject(scores, positive, one_each(25), seed=6) != first


@pytest.mark.parametrize("positive", [np.ones(3, bool), np.zeros(3, bool)])
def test_one_kind_alone_is_an_error(positive: np.ndarray):
    with pytest.raises(ValueError, match="both kinds"):
        auroc_by_subject(np.zeros(3), positive, one_each(3))


def test_nan_is_an_error():
    with pytest.raises(ValueError, match="NaN"):
        auroc_by_subject(np.array([0.0, np.nan]), np.array([True, False]), ["a", "b"])
