import json

import numpy as np
import pytest

from septum.contract import BadInput
from septum.report import curves


def write(path, *rows, tail=""):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows) + tail)
    return path


def points(text):
    return np.array([[float(v) for v in point.split(",")] for point in text.split()])


def test_reads_every_quantity_over_its_own_steps(tmp_path):
    log = write(tmp_path / "m", {"step": 10, "a/x": 2.0, "lr": 1}, {"step": 20, "a/x": 1.0})

    series = curves.read(log)

    assert {name: (s.tolist(), v.tolist()) for name, (s, v) in series.items()} == {
        "a/x": ([10, 20], [2, 1]),
        "lr": ([10], [1]),
    }


def test_after_a_resume_the_later_line_counts(tmp_path):
    log = write(tmp_path / "m", {"step": 1, "a": 1.0}, {"step": 2, "a": 2.0}, {"step": 1, "a": 5.0})

    steps, values = curves.read(log)["a"]

    assert (steps.tolist(), values.tolist()) == ([1, 2], [5, 2])


def test_unknown_and_infinite_values_and_a_cut_line_are_left_out(tmp_path):
    rows = {"step": 1, "a": float("nan"), "b": None}, {"step": 2, "a": float("inf"), "b": 3}
    log = write(tmp_path / "m", *rows, tail='{"step": 3, "b": 4')

    assert {name: v.tolist() for name, (_, v) in curves.read(log).items()} == {"b": [3]}


@pytest.mark.parametrize("line", ["no json", "[1]", '{"a": 1}', '{"step": NaN}', "\x00", "7"])
def test_a_broken_line_is_named(tmp_path, line):
    log = write(tmp_path / "m", {"step": 1, "a": 1.0}, tail=f"{line}\n")

    with pytest.raises(BadInput, match=r"line 2 of .*m "):
        curves.read(log)


def test_a_file_of_bytes_is_bad_input(tmp_path):
    (tmp_path / "m").write_bytes(b"\xff\xfe\x00\n")

    with pytest.raises(BadInput, match="line 1"):
        curves.read(tmp_path / "m")


def test_quantities_are_grouped_by_what_they_say():
    names = ["grad_norm/pretrain", "pretrain/prior", "monitor/entropy", "lr", "critic/real"]
    one = np.array([1.0])

    groups = curves.groups(dict.fromkeys(names, (one, one)))

    assert [(g.title, [c.name for c in g.charts]) for g in groups] == [
        ("Loss terms", ["pretrain/prior", "critic/real"]),
        ("Monitors", ["monitor/entropy"]),
        ("How training ran", ["grad_norm/pretrain", "lr"]),
    ]


@pytest.mark.parametrize(
    ("names", "labels"),
    [
        (["pretrain/image", "pretrain/prior"], ["image", "prior"]),
        (["critic/real", "encoder/real"], ["critic/real", "encoder/real"]),
        (["lr", "grad_norm/pretrain"], ["lr", "grad_norm/pretrain"]),
        (["lr"], ["lr"]),
    ],
)
def test_a_beginning_shared_by_all_is_left_out_of_the_labels(names, labels):
    one = np.array([1.0])
    charts = [curves.chart(name, one, one) for name in names]

    group = curves.Group(title="x", charts=charts)

    assert [group.label(chart) for chart in charts] == labels


def test_points_fill_the_box_with_the_largest_value_on_top():
    chart = curves.chart("a", np.array([0.0, 50.0, 100.0]), np.array([4.0, 0.0, 2.0]))

    np.testing.assert_allclose(points(chart.raw), [[0, 0], [120, 96], [240, 48]])
    assert (chart.low, chart.high, chart.last_step) == (0, 4, 100)


def test_a_wide_range_is_drawn_logarithmically():
    chart = curves.chart("a", np.array([0.0, 50.0, 100.0]), np.array([100.0, 10.0, 1.0]))

    assert chart.logarithmic
    np.testing.assert_allclose(points(chart.raw)[:, 1], [0, 48, 96])


def test_the_healthy_range_is_inside_the_box():
    chart = curves.chart("a", np.array([1.0, 2.0]), np.array([2.0, 10.0]), healthy=(8.0, 15.0))

    assert chart.band is not None
    assert (chart.low, chart.high) == (0, 15)
    np.testing.assert_allclose(chart.band, (0, 96 * 7 / 15))
    assert not chart.logarithmic


def test_one_constant_value_can_be_drawn():
    chart = curves.chart("a", np.array([5.0]), np.array([3.0]))

    np.testing.assert_allclose(points(chart.raw), [[240, 48]])


def test_the_running_mean_is_centred_and_a_long_log_is_thinned():
    steps = np.arange(1000.0)
    values = np.where(steps % 2, 1.0, -1.0) + steps / 500

    chart = curves.chart("a", steps, values)

    raw, smooth = points(chart.raw), points(chart.smooth)
    assert len(raw) == len(smooth) == curves.MOST_POINTS
    straight = np.polyfit(smooth[20:-20, 0], smooth[20:-20, 1], 1)
    rest = smooth[20:-20, 1] - np.polyval(straight, smooth[20:-20, 0])
    assert np.abs(rest).max() < 96 * 0.06 / (chart.high - chart.low)
    assert chart.last == pytest.approx(2.0, abs=0.15)
