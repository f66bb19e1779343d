import numpy as np
import pytest
from scipy import stats
from scipy.stats import ortho_group
from sklearn.metrics import balanced_accuracy_score

from septum.metrics import disentangle, reading, resample
from septum.metrics.disentangle import scores, separability
from septum.metrics.factor import Factor

SUBJECTS = 60
EACH = 4


@pytest.fixture(scope="module", autouse=True)
def _quick():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reading, "TREES", 8)
        patch.setattr(resample, "GROUPS", 4)
        yield


@pytest.fixture(scope="module")
def subjects() -> list[str]:
    return [f"s{i}" for i in range(SUBJECTS) for _ in range(EACH)]


@pytest.fixture(scope="module")
def factors() -> list[Factor]:
    """One of the subject, one of the acquisition, one of the image, and a class."""
    rng = np.random.default_rng(0)
    n = SUBJECTS * EACH
    return [
        Factor(name="ef_percent", values=rng.uniform(20, 70, SUBJECTS).repeat(EACH)),
        Factor(name="gain_db", values=rng.normal(size=n // 2).repeat(2)),
        Factor(name="size", values=rng.normal(size=n)),
        Factor(name="view", values=np.tile([0.0, 0, 1, 1], SUBJECTS), classes=("A2C", "A4C")),
    ]


def standard(factors: list[Factor]) -> np.ndarray:
    """Codes: the factors themselves."""
    return stats.zscore(np.stack([factor.values for factor in factors], axis=1))


@pytest.fixture(scope="module")
def noise() -> np.ndarray:
    """Codes that say nothing, but are alike within a subject."""
    rng = np.random.default_rng(1)
    return rng.normal(size=(SUBJECTS, 5)).repeat(EACH, axis=0) + rng.normal(size=(240, 5)) / 3


@pytest.fixture(scope="module")
def factorised(factors, subjects, noise):
    return scores(np.hstack([standard(factors), noise]), factors, subjects, seed=0)


def values(metrics) -> dict[str, float]:
    return {path: metric.value for path, metric in metrics.items()}


def test_one_code_per_factor_scores_one_whatever_noise_is_beside(factorised):
    assert values(factorised) == pytest.approx(dict.fromkeys(factorised, 1.0), abs=0.1)
    assert all(metric.n == 240 for metric in factorised.values())


def test_mixed_codes_tell_all_and_separate_nothing(factors, subjects):
    mixture = np.array([[1, 1, 1, 1], [1, -1, 1, -1], [1, 1, -1, -1], [1, -1, -1, 1]]) / 2

    found = values(scores(standard(factors) @ mixture, factors, subjects, seed=0))

    assert found["infomec/explicitness"] > 0.95
    assert found["dci/informativeness"] > 0.5
    low = {path: found[path] for path in found if path not in (
        "infomec/explicitness", "dci/informativeness", "modularity", "infomec/modularity"
    )}  # fmt: skip
    assert low == pytest.approx(dict.fromkeys(low, 0.0), abs=0.2)
    # the codes tell most of the class, whose entropy is smallest: that is no equal share
    assert found["infomec/modularity"] < 0.5


def test_codes_that_know_nothing_score_nothing(factors, subjects, noise):
    found = values(scores(noise, factors, subjects, seed=0))

    assert found == pytest.approx(dict.fromkeys(found, 0.0), abs=0.1)


def test_order_and_scale_of_codes_do_not_matter(factors, subjects):
    rng = np.random.default_rng(2)
    codes = standard(factors) @ ortho_group.rvs(4, random_state=0) + rng.normal(size=(240, 4)) / 2
    order, scale = [2, 0, 3, 1], np.array([1e-3, 5.0, 400.0, 2.0])

    plain = values(scores(codes, factors, subjects, seed=0))
    other = values(scores(codes[:, order] * scale, factors, subjects, seed=0))

    exact = [path for path in plain if not path.startswith("dci")]
    assert {p: other[p] for p in exact} == pytest.approx({p: plain[p] for p in exact}, abs=1e-6)
    assert other == pytest.approx(plain, abs=0.05)  # forests break ties by the order of codes


def test_every_number_lies_in_its_interval(factorised):
    for path, metric in factorised.items():
        assert 0 <= metric.low <= metric.value <= metric.high <= 1, path


def test_a_factor_that_does_not_vary_is_refused(factors, subjects):
    constant = Factor(name="depth_mm", values=np.full(240, 150.0))

    with pytest.raises(ValueError, match="depth_mm does not vary"):
        scores(standard(factors), [*factors, constant], subjects, seed=0)


def test_a_single_factor_or_code_has_nothing_to_be_told_apart_from(factors, subjects):
    with pytest.raises(ValueError, match="at least two"):
        scores(standard(factors), factors[:1], subjects, seed=0)
    with pytest.raises(ValueError, match="at least two"):
        scores(standard(factors)[:, :1], factors, subjects, seed=0)


def test_disentanglement_and_completeness_by_entropy():
    importance = np.array([[0.8, 0.1, 0.0], [0.2, 0.1, 0.0], [0.0, 0.8, 0.0], [0.0, 0.0, 0.0]])

    d = [1 - stats.entropy(row, base=3) for row in importance[:3]]
    c = [1 - stats.entropy(column, base=4) for column in importance.T[:2]]

    weight = importance.sum(1)[:3] / importance.sum()
    assert disentangle.disentanglement(importance) == pytest.approx(weight @ d)
    assert disentangle.completeness(importance) == pytest.approx((sum(c) + 0) / 3)


def test_nothing_active_is_no_structure():
    nothing = np.zeros((3, 2))

    assert disentangle.gap(nothing) == disentangle.modularity(nothing) == 0
    assert disentangle.info_modularity(nothing) == disentangle.info_compactness(nothing) == 0
    assert disentangle.disentanglement(nothing) == disentangle.completeness(nothing) == 0


def test_a_factor_that_no_code_tells_has_no_compactness():
    told = np.array([[0.5, 0.0], [0.0, 0.0], [0.5, 0.0]])
    one = np.array([[0.5, 0.0], [0.0, 0.25]])

    assert disentangle.info_compactness(told) == pytest.approx(0)
    assert disentangle.info_compactness(one) == 1


def test_one_code_tells_a_quantity_by_its_correlation_and_a_class_by_thresholds():
    rng = np.random.default_rng(3)
    codes = rng.normal(size=(300, 2))
    quantity = Factor(name="q", values=codes[:, 0] + rng.normal(size=300))
    third = np.digitize(codes[:, 1], [-0.5, 0.5]).astype(float)
    kind = Factor(name="k", values=third, classes=tuple("abc"))

    r = np.corrcoef(codes.T, quantity.values)[2, :2]
    assert separability(codes, quantity) == pytest.approx(r**2)
    assert separability(codes, kind) == pytest.approx([0, 1], abs=0.15)


def test_thresholds_on_a_noisy_code_are_the_best_there_are():
    rng = np.random.default_rng(4)
    code = rng.normal(size=200)
    kind = (code + rng.normal(size=200) > 1).astype(float)

    (found,) = separability(code[:, None], Factor(name="k", values=kind, classes=("no", "yes")))

    best = max(balanced_accuracy_score(kind, code > t, adjusted=True) for t in code)
    assert 0.8 * best < found <= best + 1e-9
