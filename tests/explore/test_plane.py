"""Points of images on a plane, and the choice of some."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.covariance import OAS
from sklearn.decomposition import PCA

from septum.contract import Record
from septum.explore import plane

RNG = np.random.default_rng(0)
POOLED = (RNG.normal(size=(60, 6)) @ RNG.normal(size=(6, 6)) + 5).astype(np.float32)


def records(**labels: list) -> list[Record]:
    count = len(next(iter(labels.values())))
    return [
        Record(
            id=f"i{i}", subject=f"s{i // 2}", image=Path("x.png"), split="train",
            labels={name: values[i] for name, values in labels.items() if values[i] is not None},
        )
        for i in range(count)
    ]  # fmt: skip


def test_principal_components_equal_those_of_scikit_learn():
    found = plane.principal(POOLED)

    pca = PCA(2).fit(POOLED.astype(np.float64))
    signs = np.sign(pca.components_[[0, 1], np.abs(pca.components_).argmax(1)])
    np.testing.assert_allclose(
        found.xy, pca.transform(POOLED.astype(np.float64)) * signs, rtol=1e-6, atol=1e-6
    )
    shares = [float(name.split("(")[1].split(" ")[0]) for name in found.names]
    assert shares == pytest.approx(100 * pca.explained_variance_ratio_, abs=0.05)


@pytest.mark.parametrize("pooled", [np.ones((5, 3)), np.arange(5.0)[:, None]])
def test_features_that_hardly_vary(pooled):
    found = plane.principal(pooled.astype(np.float32))

    assert found.xy.shape == (5, 2)
    assert np.isfinite(found.unit()).all()


def test_the_unit_square_keeps_a_margin():
    unit = plane.principal(POOLED).unit()

    assert unit.min(0) == pytest.approx(plane.MARGIN)
    assert unit.max(0) == pytest.approx(1 - plane.MARGIN)


def test_rarity_is_minus_the_density_of_a_shrunk_gaussian():
    x = POOLED.astype(np.float64)
    fitted = OAS().fit(x)
    normal = torch.distributions.MultivariateNormal(
        torch.from_numpy(fitted.location_), torch.from_numpy(fitted.covariance_)
    )

    found = plane.rarity(POOLED)

    np.testing.assert_allclose(found, -normal.log_prob(torch.from_numpy(x)), rtol=1e-6)


def test_the_least_typical_are_one_in_a_hundred_rounded_up():
    rarity = RNG.normal(size=150)

    assert np.flatnonzero(plane.least_typical(rarity)).tolist() == sorted(
        np.argsort(rarity)[-2:].tolist()
    )


def test_columns_are_labels_that_vary():
    some = records(
        view=["a", "b", None, "a"], ef=[1.0, None, 3.0, 2.0], same=["x"] * 4, still=[1.0] * 4
    )

    found = plane.columns(some, np.arange(4.0))

    assert list(found) == ["view", "ef", "rarity", "unusual"] or set(found) == {
        "view", "ef", "rarity", "unusual",
    }  # fmt: skip
    assert found["view"] == ["a", "b", "", "a"]
    np.testing.assert_array_equal(found["ef"], [1, np.nan, 3, 2])
    assert found["unusual"] == ["no", "no", "no", "yes"]
    assert plane.values(found["view"]) == ["", "a", "b"]
    assert plane.values(found["ef"]) == []


def in_polygon(corners: list[tuple[int, int]], x: float, y: float) -> bool:
    """Ray casting: how often a ray to the right crosses the outline."""
    crossings = 0
    for (x1, y1), (x2, y2) in zip(corners, [*corners[1:], corners[0]], strict=True):
        if (y1 > y) != (y2 > y) and x < (x2 - x1) * (y - y1) / (y2 - y1) + x1:
            crossings += 1
    return crossings % 2 == 1


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10**6), radius=st.floats(0.1, 0.45))
def test_a_lasso_holds_what_ray_casting_says(seed, radius):
    rng = np.random.default_rng(seed)
    angles = np.sort(rng.uniform(0, 2 * np.pi, 9))
    outline = 0.5 + radius * np.stack([np.cos(angles), np.sin(angles)], 1)
    points = rng.uniform(0, 1, (40, 2))
    text = plane.lasso(outline.tolist())

    corners = [(int(x), int(y)) for x, y in (pair.split(",") for pair in text.split())]
    expected = [in_polygon(corners, *(plane.STEPS * point)) for point in points]
    assert plane.inside(text, points).tolist() == expected


def test_a_long_lasso_fits_into_a_link():
    angles = np.linspace(0, 6, 900)
    text = plane.lasso(np.stack([np.cos(angles), np.sin(angles)], 1).tolist())

    assert len(text) <= 256
    assert len(text.split()) == plane.CORNERS


@pytest.mark.parametrize(
    "text", ["", "1,2", "1,2 3,4 x", "1,2 3,4 5", "1e9,2 3,4 5,6", "9999,1 1,1 2,2"]
)
def test_what_is_no_lasso_holds_nothing(text):
    assert not plane.inside(text, np.full((3, 2), 0.5)).any()


def test_who_has_a_value():
    assert plane.having(["a", "", "b"], ["b", ""]).tolist() == [False, True, True]


def test_a_summary_counts_values_or_gives_mean_and_range():
    chosen = np.array([True, True, False, True])

    assert plane.summary(["a", "b", "b", ""], chosen) == "unknown 1, a 1, b 1"
    numbers = np.array([1.0, 4.0, 100.0, np.nan])
    assert plane.summary(numbers, chosen) == "mean 2.5, from 1 to 4"
    assert plane.summary(numbers, ~chosen & False) == "unknown"


def test_rows_of_the_chosen():
    some = records(ef=[1.0, None, 3.0])
    places = plane.Plane(xy=np.arange(6.0).reshape(3, 2), names=("x", "y"))
    table = {"ef": np.array([1.0, np.nan, 3.0])}

    found = plane.rows(some, places, table, "ef", np.array([False, True, True]))

    assert found == [
        {"id": "i1", "subject": "s0", "split": "train", "x": 2.0, "y": 3.0, "ef": None},
        {"id": "i2", "subject": "s1", "split": "train", "x": 4.0, "y": 5.0, "ef": 3.0},
    ]
