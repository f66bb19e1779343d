import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import LeaveOneGroupOut, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from septum.metrics import reading
from septum.metrics.factor import Factor, told
from septum.metrics.reading import STRENGTH, read

GROUP = np.arange(60) % 5


@pytest.fixture(autouse=True)
def _few_trees(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(reading, "TREES", 8)


@pytest.fixture
def codes():
    return np.random.default_rng(0).normal(size=(60, 3))


def test_the_importance_is_that_of_the_one_code_that_matters(codes):
    found = read(codes, Factor(name="q", values=codes[:, 1]), GROUP, seed=0)

    assert found.importance.shape == (5, 3)
    assert found.importance.sum(1) == pytest.approx(np.ones(5))
    assert (found.importance[:, 1] > 0.95).all()
    assert told(*found.forest) > 0.5


def test_a_quantity_is_read_off_groups_left_out(codes):
    rng = np.random.default_rng(1)
    values = codes @ [1.0, -2.0, 0.0] + rng.normal(size=60)

    found = read(codes, Factor(name="q", values=values), GROUP, seed=0)

    line = make_pipeline(StandardScaler(), Ridge(1 / STRENGTH))
    theirs = cross_val_predict(line, codes, values, groups=GROUP, cv=LeaveOneGroupOut())
    assert found.linear[0] == pytest.approx((values - theirs) ** 2)
    assert found.linear[1] == pytest.approx((values - values.mean()) ** 2)


def test_a_class_is_read_off_as_cross_entropy(codes):
    kind = (codes[:, 0] + 0.5 * codes[:, 1] > 0).astype(float)
    factor = Factor(name="k", values=kind, classes=("no", "yes"))

    found = read(codes, factor, GROUP, seed=0)

    logistic = LogisticRegression(C=STRENGTH, class_weight="balanced", max_iter=1_000)
    theirs = cross_val_predict(
        make_pipeline(StandardScaler(), logistic),
        codes,
        kind,
        groups=GROUP,
        cv=LeaveOneGroupOut(),
        method="predict_proba",
    )
    weight = np.where(kind == 1, 0.5 / kind.mean(), 0.5 / (1 - kind.mean()))
    right = theirs[np.arange(60), kind.astype(int)].clip(min=reading.LEAST_PROBABILITY)
    assert found.linear[0] == pytest.approx(-weight * np.log(right), rel=1e-3)
    assert found.linear[1].sum() == pytest.approx(60 * np.log(2))


def test_knowing_the_subjects_by_heart_tells_nothing():
    rng = np.random.default_rng(2)
    subject = np.arange(20).repeat(6)
    codes, values = rng.normal(size=(20, 3))[subject], rng.normal(size=20)[subject]

    found = read(codes, Factor(name="q", values=values), subject % 10, seed=0)

    assert told(*found.forest) < 0.1
    assert told(*found.linear) < 0.1


def test_a_class_that_only_the_left_out_group_shows_is_a_mistake_of_its_size(codes):
    kind = (GROUP == 3).astype(float)

    found = read(codes, Factor(name="k", values=kind, classes=("no", "yes")), GROUP, seed=0)

    surprise = -np.log(reading.LEAST_PROBABILITY)
    weight = 60 / (2 * 12)
    assert found.linear[0][GROUP == 3] == pytest.approx(np.full(12, weight * surprise))
    assert np.isfinite(found.forest).all()


def test_unknown_images_have_no_error_and_the_left_out_none_at_all(codes):
    values = np.where(np.arange(60) < 50, codes[:, 0], np.nan)
    found = read(codes, Factor(name="q", values=values), GROUP, seed=0)

    kept = GROUP != 2
    fewer = found.without(2, kept)

    assert not found.forest[:, 50:].any()
    assert not found.linear[:, 50:].any()
    assert fewer.linear.shape == (2, 48)
    assert np.array_equal(fewer.importance, found.importance[2:3])
    assert np.array_equal(fewer.factor.known, found.factor.known[kept])
