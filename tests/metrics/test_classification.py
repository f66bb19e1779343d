"""Scores of several classes beside scikit-learn's."""

import numpy as np
import pytest
from sklearn import metrics as theirs

from septum.metrics.classification import (
    hits_by_subject,
    macro_auroc_by_subject,
    scores_by_subject,
)
from septum.metrics.ranking import auroc_by_subject


def cases(n, k, seed, *, skill=1.0):
    """Probabilities of k classes, coarse so that some tie; rare classes last."""
    draw = np.random.default_rng(seed)
    truth = np.minimum(draw.geometric(0.5, n) - 1, k - 1)
    logits = draw.normal(size=(n, k)) + skill * np.eye(k)[truth]
    chance = np.exp(logits).round(1) + 0.05
    chance = (chance / chance.sum(1, keepdims=True)).round(3)
    chance[:, 0] = (1 - chance[:, 1:].sum(1)).round(3)  # of two classes, both tie or neither
    return chance, truth, [f"s{i // 3}" for i in range(n)]


@pytest.mark.parametrize("k", [2, 3, 5])
def test_values_are_scikit_learns(k):
    chance, truth, subjects = cases(400, k, k)
    said = chance.argmax(1)

    found = scores_by_subject(chance, truth, subjects, seed=0, resamples=200)

    whole = chance[:, 1] if k == 2 else chance
    assert {name: score.value for name, score in found.items() if name != "ece"} == {
        "accuracy": pytest.approx(theirs.accuracy_score(truth, said)),
        "balanced_accuracy": pytest.approx(theirs.balanced_accuracy_score(truth, said)),
        "f1": pytest.approx(theirs.f1_score(truth, said, average="macro")),
        "auroc": pytest.approx(theirs.roc_auc_score(truth, whole, multi_class="ovr")),
    }
    for score in found.values():
        assert 0 <= score.low <= score.value <= score.high <= 1
        assert score.n == 400


def test_classes_without_cases_are_no_part_of_means():
    chance, truth, subjects = cases(300, 3, 1)
    beside = np.concatenate([0.6 * chance, np.full((300, 1), 0.4)], axis=1)  # often named

    found = scores_by_subject(beside, truth, subjects, resamples=50)

    said = beside.argmax(1)
    assert (said == 3).mean() > 0.1
    assert found["balanced_accuracy"].value == pytest.approx(
        np.mean([(said[truth == c] == c).mean() for c in range(3)])
    )
    assert found["f1"].value == pytest.approx(
        theirs.f1_score(truth, said, labels=[0, 1, 2], average="macro")
    )
    assert found["auroc"].value == pytest.approx(
        theirs.roc_auc_score(truth, chance, multi_class="ovr")
    )


def test_a_class_that_nobody_names_is_missed_and_not_ranked():
    truth = np.array([0, 0, 1, 1, 2, 2])
    chance = np.array([[1.0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 1, 0], [1, 0, 0], [0, 1, 0]])

    found = scores_by_subject(chance, truth, list("abcdef"), resamples=50)

    assert found["balanced_accuracy"].value == pytest.approx(2 / 3)
    assert found["f1"].value == pytest.approx((0.8 + 0.8 + 0) / 3)
    # 1 of 4 others ties with the two zeros: area 7 / 8; the unnamed class: all tie, one half
    assert found["auroc"].value == pytest.approx((7 / 8 + 7 / 8 + 1 / 2) / 3)
    assert found["ece"].value == pytest.approx(1 / 3)


def test_of_two_classes_the_area_and_its_interval_are_those_of_one_score():
    chance, truth, subjects = cases(200, 2, 5, skill=0.5)

    two = macro_auroc_by_subject(chance, truth, subjects, seed=3, resamples=4_000)
    one = auroc_by_subject(chance[:, 1], truth == 1, subjects, seed=4, resamples=4_000)

    assert two.value == pytest.approx(one.value)
    assert (two.low, two.high) == pytest.approx((one.low, one.high), abs=0.01)


@pytest.mark.slow
def test_intervals_are_as_wide_as_those_of_a_plain_bootstrap_over_subjects():
    chance, truth, subjects = cases(240, 3, 6)
    said = chance.argmax(1)
    rng = np.random.default_rng(9)
    images = np.arange(240).reshape(80, 3)  # three of each subject
    again = [images[rng.integers(80, size=80)].ravel() for _ in range(400)]
    scores = {
        "balanced_accuracy": lambda i: theirs.balanced_accuracy_score(truth[i], said[i]),
        "f1": lambda i: theirs.f1_score(truth[i], said[i], average="macro"),
        "auroc": lambda i: theirs.roc_auc_score(truth[i], chance[i], multi_class="ovr"),
    }

    found = scores_by_subject(chance, truth, subjects)

    for name, score in scores.items():
        low, high = np.percentile([score(rows) for rows in again], [2.5, 97.5])
        assert (found[name].low, found[name].high) == pytest.approx((low, high), abs=0.025), name


def test_shares_of_several_answers_count_in_part():
    truth, right = np.array([0, 0, 0, 1]), np.array([1.0, 0.5, 0.0, 0.2])

    found = hits_by_subject(right, truth, list("abcd"))

    assert found["accuracy"].value == pytest.approx(1.7 / 4)
    assert found["balanced_accuracy"].value == pytest.approx((0.5 + 0.2) / 2)


def test_one_subject_says_nothing_about_others():
    chance, truth, _ = cases(30, 3, 7)

    for name, score in scores_by_subject(chance, truth, ["s"] * 30).items():
        assert score.low == pytest.approx(score.value), name
        assert score.high == pytest.approx(score.value), name


def test_one_class_is_refused():
    with pytest.raises(ValueError, match="cases of two"):
        scores_by_subject(np.full((3, 2), 0.5), np.ones(3, dtype=np.int64), list("abc"))
