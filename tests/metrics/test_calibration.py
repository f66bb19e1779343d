"""Calibration errors by brute force, and by numbers made to be calibrated."""

import numpy as np
import pytest

from septum.metrics.calibration import BINS, bins, ece_by_subject, reliability


def brute_force(confidence, right):
    """Sort, cut into 15 equal parts, and add up; confidences differ."""
    order = sorted(range(len(confidence)), key=lambda i: confidence[i])
    error = 0.0
    for part in np.array_split(order, BINS):
        gap = sum(confidence[i] for i in part) - sum(bool(right[i]) for i in part)
        error += abs(gap) / len(confidence)
    return error


def cases(n, seed, honest=1.0):
    draw = np.random.default_rng(seed)
    confidence = draw.uniform(0.3, 1, n)
    return confidence, draw.random(n) < confidence**honest, [f"s{i // 2}" for i in range(n)]


@pytest.mark.parametrize("n", [15, 150, 450])
def test_the_error_is_that_of_brute_force(n):
    confidence, right, subjects = cases(n, n, honest=3)

    found = ece_by_subject(confidence, right, subjects, seed=1)

    assert found.value == pytest.approx(brute_force(confidence, right), abs=1e-12)
    assert 0 <= found.low <= found.value <= found.high <= 1
    assert found.n == n
    assert found.unit == ""


def test_honest_confidences_have_a_small_error_and_boasting_ones_their_excess():
    confidence, right, subjects = cases(6_000, 0)

    honest = ece_by_subject(confidence, right, subjects, resamples=20)
    boasting = ece_by_subject(np.full(6_000, 0.95), right, subjects, resamples=20)

    assert honest.value < 0.025
    assert boasting.value == pytest.approx(0.95 - right.mean())


def test_the_order_of_cases_does_not_matter_even_among_equals():
    draw = np.random.default_rng(0)
    confidence = draw.choice([0.4, 0.6, 0.9], 200)
    right = draw.random(200) < 0.5
    mixed = draw.permutation(200)
    names = [f"s{i}" for i in range(200)]

    one = ece_by_subject(confidence, right, names)
    other = ece_by_subject(confidence[mixed], right[mixed], names)

    by_value = [confidence == c for c in (0.4, 0.6, 0.9)]
    expected = sum(abs((confidence[of] - right[of]).sum()) for of in by_value) / 200
    assert one.value == pytest.approx(expected)
    assert one.value == pytest.approx(other.value)


def test_bins_hold_equally_many_cases():
    confidence = np.random.default_rng(0).random(300)

    assert np.bincount(bins(confidence)).tolist() == [20] * BINS
    assert (np.diff(bins(np.sort(confidence))) >= 0).all()


def test_subjects_are_drawn_again_not_cases():
    confidence, right, _ = cases(60, 4)

    alone = ece_by_subject(confidence, right, [f"s{i}" for i in range(60)])
    together = ece_by_subject(confidence, right, ["s"] * 60)

    assert alone.low < alone.high
    assert together.low == together.value == together.high == alone.value


def test_the_curve_is_made_of_means_within_bins():
    confidence, right, _ = cases(45, 5)
    order = np.argsort(confidence)

    said, share, count = reliability(confidence, right)

    np.testing.assert_allclose(said, confidence[order].reshape(BINS, 3).mean(1))
    np.testing.assert_allclose(share, right[order].reshape(BINS, 3).mean(1))
    assert count.tolist() == [3] * BINS
    assert (np.abs(said - share) * count).sum() / 45 == pytest.approx(
        ece_by_subject(confidence, right, ["s"] * 45).value
    )
