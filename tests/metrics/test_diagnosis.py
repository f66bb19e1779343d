import numpy as np
import pytest
from sklearn import metrics as theirs

from septum.metrics.diagnosis import rates_by_subject

ORACLES = {
    "sensitivity": theirs.recall_score,
    "specificity": lambda truth, said: theirs.recall_score(truth, said, pos_label=False),
    "precision": theirs.precision_score,
    "f1": theirs.f1_score,
    "accuracy": theirs.accuracy_score,
}


def case(n: int, *, seed: int = 0):
    rng = np.random.default_rng(seed)
    truth = rng.random(n) < 0.6
    return np.where(rng.random(n) < 0.8, truth, ~truth), truth, [f"s{i:03d}" for i in range(n)]


@pytest.mark.parametrize("name", ORACLES)
def test_a_rate_is_scikit_learns(name):
    said, truth, who = case(57)

    assert rates_by_subject(said, truth, who)[name].value == pytest.approx(
        ORACLES[name](truth, said)
    )


def test_intervals_are_those_of_subjects_drawn_again():
    said, truth, _ = case(60)
    who = [f"s{i // 3}" for i in range(60)]
    rng, found = np.random.default_rng(1), []
    for _ in range(1_000):
        drawn = (3 * rng.integers(20, size=20)[:, None] + np.arange(3)).ravel()
        s, t = said[drawn], truth[drawn]
        found.append([s[t].mean(), (~s[~t]).mean(), t[s].mean(), (s == t).mean()])
    low, high = np.percentile(found, [2.5, 97.5], axis=0)

    rates = rates_by_subject(said, truth, who, resamples=10_000)

    named = [rates[name] for name in ("sensitivity", "specificity", "precision", "accuracy")]
    assert [rate.low for rate in named] == pytest.approx(low, abs=0.03)
    assert [rate.high for rate in named] == pytest.approx(high, abs=0.03)
    assert {(rate.unit, rate.n) for rate in rates.values()} == {("", 60)}


def test_where_nobody_is_said_to_be_ill_there_is_no_precision():
    _, truth, who = case(10)

    found = rates_by_subject(np.zeros(10, dtype=bool), truth, who)

    assert {name: rate.value for name, rate in found.items()} == {
        "sensitivity": 0,
        "specificity": 1,
        "f1": 0,
        "accuracy": pytest.approx(1 - truth.mean()),
    }
    assert all(rate.low <= rate.value <= rate.high for rate in found.values())


def test_more_cases_of_the_same_subjects_add_no_certainty():
    said, truth, who = case(20)

    once = rates_by_subject(said, truth, who)
    tenfold = rates_by_subject(said.repeat(10), truth.repeat(10), np.repeat(who, 10).tolist())

    for name, rate in once.items():
        assert (tenfold[name].low, tenfold[name].high) == pytest.approx((rate.low, rate.high))


@pytest.mark.parametrize("kind", [True, False])
def test_one_kind_has_no_rates(kind):
    with pytest.raises(ValueError, match="both kinds"):
        rates_by_subject(np.array([True, False]), np.array([kind, kind]), ["a", "b"])
