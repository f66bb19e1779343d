"""The two probes: scikit-learn's regression step by step, and a layer that finds a known line."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.preprocessing import StandardScaler

from septum.tasks import linear
from septum.tasks.linear import PENALTIES, Lessons, fraction, logistic

K = 3


def lessons(n=120, *, seed=0, each=2, noise=1.0, classes=K, d=6):
    """Features round a centre per class, some of them large and far from 0."""
    draw = np.random.default_rng(seed)
    y = draw.integers(classes, size=n)
    centres = np.random.default_rng(99).normal(size=(classes, d))
    x = (centres[y] + noise * draw.normal(size=(n, d))) * np.logspace(-2, 3, d) + 50
    subjects = [f"s{i // each:03}" for i in range(n)]
    return Lessons(x=x, y=y, subjects=subjects, classes=classes)


def regression(known, penalty):
    scale = StandardScaler().fit(known.x)
    fitted = LogisticRegression(C=penalty, max_iter=1_000).fit(scale.transform(known.x), known.y)
    return lambda x: fitted.predict_proba(scale.transform(x))


def test_the_regression_is_scikit_learns_with_one_of_its_penalties():
    known, asked = lessons(), lessons(60, seed=1).x

    said = logistic(known, seed=0)(asked)

    gaps = [np.abs(said - regression(known, c)(asked)).max() for c in PENALTIES]
    assert min(gaps) < 1e-9
    assert sorted(gaps)[1] > 1e-3
    np.testing.assert_allclose(said.sum(1), 1)


@pytest.mark.parametrize("noise", [0.3, 1.0, 8.0])
def test_the_penalty_is_the_one_that_held_out_subjects_like_best(noise):
    known = lessons(noise=noise)
    parts = list(linear._parts(known, 5))
    losses = [
        sum(
            log_loss(
                known.y[out], regression(known.at(~out), c)(known.x[out]), labels=range(K)
            ) * out.sum()
            for out in parts
        )
        for c in PENALTIES
    ]  # fmt: skip

    said = logistic(known, seed=5)(known.x)

    best = PENALTIES[int(np.argmin(losses))]
    np.testing.assert_allclose(said, regression(known, best)(known.x), atol=1e-9)


def test_noise_asks_for_a_stronger_penalty():
    assert linear._chosen(lessons(noise=8.0), 0) < linear._chosen(lessons(noise=0.3), 0)


def test_parts_share_no_subject_and_hold_every_image_once():
    known = lessons(90, each=3)

    parts = list(linear._parts(known, 0))

    assert np.sum(parts, axis=0).tolist() == [1] * 90
    names = [{s for s, out in zip(known.subjects, part, strict=True) if out} for part in parts]
    assert sum(map(len, names)) == len(set().union(*names)) == 30


@pytest.mark.parametrize("seed", range(20))
def test_what_a_part_leaves_shows_two_classes_at_least(seed):
    draw = np.random.default_rng(seed)
    n = int(draw.integers(5, 12))
    y = np.concatenate([[0, 0, 1, 1], draw.integers(3, size=n)])
    subjects = ["a", "b", "c", "d", *draw.choice(list("abcdefg"), n)]
    known = Lessons(x=np.zeros((len(y), 1)), y=y, subjects=subjects, classes=3)

    if known.fewest() > 1:
        assert all(len(np.unique(y[~part])) > 1 for part in linear._parts(known, seed))


def test_a_class_of_one_subject_is_fitted_without_a_choice():
    known = lessons(20, each=1)
    only = Lessons(x=known.x, y=np.array([0] * 10 + [1] * 9 + [2]), subjects=known.subjects,
                   classes=3)  # fmt: skip

    said = logistic(only, seed=0)(known.x)

    np.testing.assert_allclose(said, regression(only, 1.0)(known.x), atol=1e-9)


def test_a_class_that_is_not_shown_has_probability_0():
    known = lessons(classes=3)
    wider = Lessons(x=known.x, y=np.array([0, 2, 3])[known.y], subjects=known.subjects, classes=5)

    said = logistic(wider, seed=0)(known.x)

    np.testing.assert_array_equal(said[:, [1, 4]], 0)
    np.testing.assert_allclose(said[:, [0, 2, 3]], logistic(known, seed=0)(known.x))


def test_the_layer_finds_what_the_regression_finds():
    known, asked = lessons(300, noise=0.7), lessons(600, seed=1, noise=0.7)

    said = linear.linear(known, seed=0)(asked.x)

    theirs = logistic(known, seed=0)(asked.x)
    np.testing.assert_allclose(said.sum(1), 1)
    assert (said.argmax(1) == theirs.argmax(1)).mean() > 0.95
    assert np.abs(said - theirs).mean() < 0.05
    assert log_loss(asked.y, said) < log_loss(asked.y, theirs) + 0.05


def test_the_layer_does_not_see_the_unit_of_a_feature():
    known = lessons(80)
    other = Lessons(x=known.x * 8 + 64, y=known.y, subjects=known.subjects, classes=K)

    one = linear.linear(known, seed=0)(known.x)
    same = linear.linear(other, seed=0)(other.x)

    np.testing.assert_allclose(one, same, atol=0.02)


def test_the_rate_rises_falls_and_ends_at_0():
    paces = [linear._pace(epoch) for epoch in (0.0, 5.0, 10.0, 50.0, 90.0)]

    assert paces == pytest.approx([0, 0.5, 1, 0.5, 0])


def test_the_seed_decides_and_the_generator_of_the_caller_stays():
    known = lessons(16)
    torch.manual_seed(3)
    before = torch.get_rng_state()

    one, again, other = (linear.linear(known, seed=seed)(known.x) for seed in (0, 0, 1))

    assert torch.equal(torch.get_rng_state(), before)
    np.testing.assert_array_equal(one, again)
    assert np.abs(one - other).max() > 0


def test_four_images_are_enough():
    few = Lessons(x=np.array([[0.0], [1], [5], [6]]), y=np.array([0, 0, 1, 1]),
                  subjects=list("abcd"), classes=2)  # fmt: skip

    assert linear.linear(few, seed=0)(few.x).argmax(1).tolist() == [0, 0, 1, 1]
    assert logistic(few, seed=0)(few.x).argmax(1).tolist() == [0, 0, 1, 1]


def test_fractions_are_nested_hold_whole_subjects_and_every_class():
    known = lessons(200, each=2)

    few = [fraction(known, share, seed=4) for share in (0.05, 0.2, 0.5, 1.0)]

    names = [{*part.subjects} for part in few]
    assert [len(part) for part in names] == [5, 20, 50, 100]
    assert names[0] < names[1] < names[2] < names[3]
    for part in few:
        assert {*part.y.tolist()} == {0, 1, 2}
        assert len(part.y) == 2 * len({*part.subjects})  # both images of every subject
        rows = [np.flatnonzero((known.x == x).all(1))[0] for x in part.x]
        assert part.y.tolist() == known.y[rows].tolist()
    assert {*fraction(known, 0.2, seed=5).subjects} != names[1]


def test_a_share_of_fewer_subjects_than_classes_is_none():
    known = lessons(40, each=1)

    assert fraction(known, 0.05, seed=0) is None
    assert fraction(known, 0.08, seed=0) is not None  # three subjects


def test_one_subject_may_show_all_classes():
    known = lessons(40, each=20, noise=1.0)

    assert {*fraction(known, 0.5, seed=0).y.tolist()} == {0, 1, 2}
