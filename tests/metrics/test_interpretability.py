import numpy as np
import pytest
from scipy import stats
from sklearn.linear_model import LinearRegression
from sklearn.metrics import mutual_info_score

from septum.metrics.information import binned
from septum.metrics.interpretability import (
    informative,
    interpretability,
    of_medians,
    order_loss,
    rises,
)

N = 40
SUBJECTS = [f"s{i // 4}" for i in range(N)]


def drawn(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def by_hand(proxy, label, delta=10.0):
    """Eq. 10, pair by pair."""
    losses = [
        abs(np.tanh(delta * (said - other)) - np.sign(true - beside))
        for said, true in zip(proxy, label, strict=True)
        for other, beside in zip(proxy, label, strict=True)
    ]
    return np.mean(losses)


def test_the_order_loss_is_that_of_all_pairs_summed_over_attributes():
    proxies, labels = 0.1 * drawn(N, 3), drawn(N, 3, seed=1).round(1)

    found = order_loss(proxies, labels, SUBJECTS)

    expected = sum(by_hand(p, a) for p, a in zip(proxies.T, labels.T, strict=True))
    assert found.value == pytest.approx(expected)
    assert found.low < found.value < found.high
    assert found.n == N
    wide = order_loss(proxies, labels, SUBJECTS, delta=1.0)
    assert wide.value == pytest.approx(
        sum(by_hand(p, a, 1.0) for p, a in zip(proxies.T, labels.T, strict=True))
    )


def test_order_losses_by_hand():
    label = np.arange(10.0)[:, None]
    who = [f"{i}" for i in range(10)]

    assert order_loss(9 * label, label, who).value == pytest.approx(0, abs=1e-9)
    assert order_loss(-9 * label, label, who).value == pytest.approx(2 * 9 / 10)
    assert order_loss(0 * label, label, who).value == pytest.approx(9 / 10)
    # equal labels ask for equal proxies
    assert order_loss(9 * label, 0 * label, who).value == pytest.approx(9 / 10)


def test_the_order_loss_asks_for_order_alone():
    proxies, labels = 0.1 * drawn(N, 2), drawn(N, 2, seed=1)

    value = order_loss(proxies, labels, SUBJECTS).value

    assert order_loss(proxies + 3, np.exp(labels), SUBJECTS).value == pytest.approx(value)


def test_pairs_with_an_unknown_label_do_not_count():
    proxies, labels = 0.1 * drawn(N, 1), drawn(N, 1, seed=1)
    labels[::3] = np.nan
    known = ~np.isnan(labels[:, 0])

    found = order_loss(proxies, labels, SUBJECTS)

    assert found.value == pytest.approx(by_hand(proxies[known, 0], labels[known, 0]))
    with pytest.raises(ValueError, match="no label"):
        order_loss(proxies, np.full_like(labels, np.nan), SUBJECTS)


def test_intervals_of_the_order_loss_draw_subjects_again():
    # two subjects in order within themselves, and against it between them
    label, proxy = np.array([0.0, 1, 2, 3]), np.array([5.0, 6, 0, 1])
    found = order_loss(proxy[:, None], label[:, None], ["a", "a", "b", "b"])

    # a alone or b alone, each drawn twice: none is out of order; both: 8 of 16 pairs
    assert found.value == pytest.approx(1.0)
    assert (found.low, found.high) == (pytest.approx(0, abs=1e-6), pytest.approx(1.0))
    assert order_loss(proxy[:, None], label[:, None], ["a"] * 4).low == pytest.approx(1.0)


def test_interpretability_is_r2_on_the_most_informative_code():
    codes = drawn(N, 5)
    label = codes[:, 3] ** 3 + 0.3 * drawn(N, seed=2)
    bins = binned(np.column_stack([codes, label]))
    told = [mutual_info_score(bins[:, k], bins[:, 5]) for k in range(5)]
    best = codes[:, [int(np.argmax(told))]]

    found = interpretability(codes, label, SUBJECTS)

    assert informative(codes, label) == np.argmax(told) == 3
    assert found.value == pytest.approx(LinearRegression().fit(best, label).score(best, label))
    assert found.low < found.value < found.high


def test_dead_codes_tell_nothing():
    label = drawn(N)

    assert interpretability(np.zeros((N, 3)), label, SUBJECTS).value == 0
    alive = np.column_stack([np.zeros(N), 2 - label])
    assert interpretability(alive, label, SUBJECTS).value == pytest.approx(1)


def test_what_rises():
    series = np.array(
        [
            [0.0, 1.0, 2.0, 4.0],  # up
            [0.0, 1.9, 1.0, 4.0],  # up, with a fall within the tolerance
            [0.0, 3.0, 1.0, 4.0],  # a fall beyond it
            [0.0, 0.5, 1.0, 1.9],  # too little
            [4.0, 2.0, 1.0, 0.0],
            [0.0, np.nan, 2.0, 4.0],
        ]
    )

    assert rises(series, tolerance=1.0).tolist() == [True, True, False, False, False, False]
    assert rises(series, tolerance=0.0).tolist() == [True, False, False, True, False, False]
    assert not rises(np.ones((1, 4)), tolerance=0.0).any()


def first(medians):
    return medians[:, 0]


def test_medians_are_those_of_numpy_and_their_intervals_of_resampled_subjects():
    column = drawn(N)
    draws = np.random.default_rng(3).multinomial(10, np.full(10, 0.1), size=500)
    _, subject = np.unique(SUBJECTS, return_inverse=True)
    again = [np.median(np.repeat(column, times[subject])) for times in draws]

    found = of_medians(column[:, None], first, SUBJECTS, unit="mm", seed=3, resamples=500)

    assert found.value == pytest.approx(np.median(column))
    assert (found.low, found.high) == pytest.approx(
        tuple(np.percentile(again, [2.5, 97.5])), abs=0.02
    )
    assert (found.unit, found.n) == ("mm", N)


def test_scores_of_several_medians_leave_out_what_is_unknown():
    columns = np.abs(drawn(N, 2)) + 1
    columns[::5, 1] = np.nan

    def ratio(medians):
        return medians[:, 1] / medians[:, 0]

    found = of_medians(columns, ratio, SUBJECTS, unit="")

    assert found.value == pytest.approx(np.nanmedian(columns[:, 1]) / np.median(columns[:, 0]))
    assert found.low < found.value < found.high
    assert found.n == N - 8


def test_resamples_without_a_score_do_not_count():
    column = np.array([[1.0], [np.nan]])

    found = of_medians(column, first, ["a", "b"], unit="")

    assert (found.value, found.low, found.high, found.n) == (1.0, 1.0, 1.0, 1)


def test_an_even_number_of_cases_has_the_mean_of_the_middle_two():
    column = np.array([[9.0], [1.0], [4.0], [2.0]])

    assert of_medians(column, first, ["a"] * 4, unit="").value == 3.0
    assert stats.scoreatpercentile(column[:, 0], 50) == 3.0
