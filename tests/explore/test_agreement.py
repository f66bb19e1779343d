"""Agreement of what is said with what is true, in words and as a plot."""

from pathlib import Path

import numpy as np
import pytest

from septum.contract import Metric, Record
from septum.explore import agreement
from septum.explore.ejection import Reference

KNOWN = Reference(
    places=[4, 7],
    records=[Record(id=name, subject=name, image=Path("a")) for name in ("a", "b")],
    truth=np.array([50.0, 60.0]),
    estimate=np.array([54.0, 52.0]),
    spread=np.ones(2),
    distance=np.ones(9),
)
FOUND = {
    name: Metric(value=value, low=value - 1, high=value + 1, unit="percent", n=2)
    for name, value in {"bias": -2.0, "limit_low": -18.63, "limit_high": 14.63}.items()
}


def test_bias_and_limits_are_told_with_their_intervals():
    said = agreement.words(FOUND)
    assert "bias -2.0 (-3.0 to -1.0)" in said
    assert "-18.6 (-19.6 to -17.6) and +14.6 (+13.6 to +15.6); n = 2 films" in said


def test_points_are_means_and_differences():
    plot = agreement.plot(KNOWN, FOUND)
    (points,) = plot["series"]
    assert [point["value"] for point in points["data"]] == [[52.0, 4.0], [56.0, -8.0]]
    assert [point["name"] for point in points["data"]] == ["a", "b"]
    assert [line["yAxis"] for line in points["markLine"]["data"]] == [-2.0, -18.63, 14.63]
    assert plot["yAxis"]["max"] == -plot["yAxis"]["min"] == pytest.approx(20)
