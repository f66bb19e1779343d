import numpy as np
import pytest

from septum.contract import Clip, Metric
from septum.tasks import drawing_ef

TRUTH = np.array([60.0, 20.0, 40.0])
SAID = np.array([50.0, 30.0, 41.0])


def metric(value: float, n: int) -> Metric:
    return Metric(value=value, low=value - 0.2, high=value + 0.1, unit="", n=n)


def test_intervals_stand_by_rising_truth_and_are_told_apart():
    ends = np.array([[45.0, 25.0, 36.0], [55.0, 35.0, 46.0]])

    (axes,) = drawing_ef.intervals(TRUTH, SAID, {"absolute": ends}).axes

    holds, misses = axes.collections
    assert [line[:, 1].tolist() for line in holds.get_segments()] == [[36, 46]]
    assert [line[:, 0].tolist() for line in misses.get_segments()] == [[0, 0], [2, 2]]
    assert [line.get_ydata().tolist() for line in axes.lines] == [[30, 41, 50], [20, 40, 60]]
    assert (holds.get_label(), misses.get_label()) == (
        "holds the truth (1)",
        "misses the truth (2)",
    )


def test_coverage_has_a_row_per_group_and_a_line_at_the_promise():
    by = {"all": metric(0.8, 30), "view 4CH": metric(0.7, 12)}

    (axes,) = drawing_ef.coverage({"absolute": by, "normalised": by}, promised=0.9).axes

    promise, *_ = axes.lines
    assert {*promise.get_xdata()} == {0.9}
    ticks = [tick.get_text() for tick in axes.get_yticklabels()]
    assert ticks == ["all (n = 30)", "view 4CH (n = 12)"]
    points = [container.lines[0] for container in axes.containers]
    assert points[0].get_xdata().tolist() == [0.8, 0.7]
    assert points[1].get_ydata() == pytest.approx([0.2, 1.2])
    bars = axes.containers[0].lines[2][0].get_segments()
    assert bars[0][:, 0] == pytest.approx([0.6, 0.9])


def test_films_beyond_the_line_are_abstained_from():
    (axes,) = drawing_ef.distances(np.array([1.0, 5.0, 2.0]), TRUTH, most=2.0).axes

    answered, abstained, line = axes.lines
    assert answered.get_xdata().tolist() == [1, 2]
    assert (abstained.get_xdata().tolist(), abstained.get_ydata().tolist()) == ([5], [20])
    assert abstained.get_label() == "abstained (1)"
    assert {*line.get_xdata()} == {2}
    (endless,) = drawing_ef.distances(np.array([1.0]), TRUTH[:1], most=np.inf).axes
    assert len(endless.lines) == 2


def test_frames_are_spread_over_what_a_clip_has_of_the_film(toys):
    """A clip of 36 frames at stride 4 has 10 of a film of 40."""
    films = toys.films([40], clip=Clip(frames=36, stride=4))

    axes = drawing_ef.worst(films, [0], TRUTH[:1], SAID[:1]).axes

    notes = [ax.get_xlabel() for ax in axes]
    assert notes == [f"frame {k}" for k in (0, 8, 16, 20, 28, 36)]
    assert axes[-1].images[0].get_array()[0, 0] == pytest.approx(36 / 256)
