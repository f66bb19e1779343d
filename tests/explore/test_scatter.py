"""Points as a figure, and how they are coloured."""

import numpy as np
import pytest

from septum.explore import plotted, scatter
from septum.explore.plane import Plane

PLACES = Plane(xy=np.random.default_rng(0).normal(size=(30, 2)), names=("PC 1", "PC 2"))


def test_values_have_colours_that_differ_and_counts():
    found = scatter.inks(["b", "a", "", "a"])

    assert found.legend == ["unknown (1)", "a (2)", "b (1)"]
    assert found.which.tolist() == [2, 1, 0, 1]
    assert len(set(found.colours)) == 3


def test_numbers_have_shades_of_cividis_and_unknown_ones_none():
    found = scatter.inks(np.array([2.0, np.nan, 4.0, 3.0]))

    assert found.ends == (2, 4)
    assert found.which.tolist() == [0, -1, scatter.SHADES - 1, (scatter.SHADES - 1) // 2]
    assert (found.colours[0], found.colours[-1]) == ("#00224e", "#fee838")


def test_a_browser_may_say_anything():
    assert scatter._corners([[0.1, 1], "ab", [1], [True, "x"], None]) == [(0.1, 1.0)]
    assert scatter._corners({"x": 1}) == []


@pytest.mark.parametrize("column", [["a", "b", ""] * 10, np.array([1.0, np.nan, 2.0] * 10)])
@pytest.mark.parametrize("kind", ["png", "svg"])
def test_the_figure_has_axes_n_and_a_legend(column, kind):
    unusual = np.arange(30) == 3

    drawn = plotted.figure(PLACES, "view", column, unusual=unusual, chosen=np.arange(30) < 9)

    axes = drawn.axes[0]
    assert (axes.get_xlabel(), axes.get_ylabel(), axes.get_title()) == ("PC 1", "PC 2", "n = 30")
    words = [text.get_text() for text in axes.get_legend().get_texts()]
    assert words[-1] == "least typical 1 %"
    if isinstance(column, list):
        assert words[:-1] == ["unknown (10)", "a (10)", "b (10)"]
    else:
        assert drawn.axes[1].get_ylabel() == "view"
    drawn_points = sum(len(points.get_offsets()) for points in axes.collections) - 1
    assert drawn_points == 30
    assert plotted.saved(drawn, kind).startswith({"png": b"\x89PNG", "svg": b"<?xml"}[kind])
