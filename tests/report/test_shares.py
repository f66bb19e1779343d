import numpy as np
import pytest
from matplotlib.collections import PolyCollection
from matplotlib.colors import to_hex

from septum.report import shares


def row(model, metric, value, published=""):
    known = {"model": model, "metric": metric, "value": value, "published": published}
    return known | {"low": value - 0.1, "high": value + 0.2}


ROWS = [
    row("A", "dice_slice/joint/100.0%", 0.75, 0.85),
    row("A", "dice_slice/joint/1.5%", 0.5, 0.25),
    row("B", "dice_slice/joint/1.5%", 0.25),
    row("B", "dice_slice/joint/6.0%", 0.3),
    row("A", "hd95_px/apex/1.5%", 9.0),
    row("A", "dice/mean", 0.1),
]


def test_points_go_from_few_labels_to_many():
    found = shares.lines(ROWS)

    assert list(found) == ["dice_slice/joint", "hd95_px/apex"]
    assert [(p.percent, p.value, p.published) for p in found["dice_slice/joint"]["A"]] == [
        (1.5, 0.5, 0.25),
        (100.0, 0.75, 0.85),
    ]
    assert found["dice_slice/joint"]["B"][0].published is None


def test_a_method_has_a_line_a_band_and_hollow_marks_of_one_colour():
    figure = shares.curve(ROWS)

    assert figure is not None
    (axes,) = figure.axes
    by_marks = {line.get_markerfacecolor() == "none": line for line in axes.lines[:2]}
    ours, paper = by_marks[False], by_marks[True]
    np.testing.assert_allclose(ours.get_xydata(), [[1.5, 0.5], [100, 0.75]])
    np.testing.assert_allclose(paper.get_xydata(), [[1.5, 0.25], [100, 0.85]])
    assert ours.get_color() == paper.get_color()
    assert ours.get_marker() == paper.get_marker()
    band = next(c for c in axes.collections if isinstance(c, PolyCollection))
    assert to_hex(band.get_facecolor()[0]) == ours.get_color()
    corners = {tuple(np.round(corner, 6)) for corner in band.get_paths()[0].vertices}
    assert corners == {(1.5, 0.4), (1.5, 0.7), (100, 0.65), (100, 0.95)}


def test_the_axis_is_logarithmic_and_names_every_share():
    figure = shares.curve(ROWS)

    assert figure is not None
    (axes,) = figure.axes
    assert axes.get_xscale() == "log"
    assert axes.patch.get_alpha() == figure.patch.get_alpha() == 0
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["1.5 %", "6 %", "100 %"]


def test_the_key_has_every_method_once_and_what_hollow_means():
    figure = shares.curve([*ROWS, row("A", "dice/mean/6%", 0.5), row("A", "dice/mean/3%", 0.4)])

    assert figure is not None
    assert [axes.get_title() for axes in figure.axes] == [
        "Dice, mean",
        "Dice by slice, as published, all as one",
    ]
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["A", "B", "hollow: the paper"]
    assert len({line.get_color() for line in legend.get_lines()}) == 3


def test_every_method_keeps_its_colour_in_all_panels():
    more = [row("B", f"dice/mean/{s}%", 0.5) for s in (6, 3)]
    figure = shares.curve([*ROWS, *more])

    assert figure is not None
    colours = [{line.get_label(): line.get_color() for line in a.lines} for a in figure.axes]
    assert colours[0]["B"] == colours[1]["B"] != colours[1]["A"]


@pytest.mark.parametrize("rows", [[], [row("A", "dice/mean", 0.1)], ROWS[4:5]])
def test_nothing_at_several_shares_is_no_curve(rows):
    assert shares.curve(rows) is None
