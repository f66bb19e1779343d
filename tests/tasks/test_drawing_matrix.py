import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from septum.contract import Metric
from septum.tasks.drawing_matrix import matrix

GROUPS = {"anatomy": ("view", "ef_percent"), "look": ("gain_db",), "control": ("speckle_seed",)}


@pytest.fixture
def figure():
    values = {
        "leakage/content/gain_db": 0.13,
        "leakage/content/view": 0.75,
        "leakage/style/view": 0.25,
        "mig": 0.5,
        "dci/completeness": 0.5,
    }
    metrics = {
        k: Metric(value=v, low=v - 0.1, high=v + 0.1, unit="", n=9) for k, v in values.items()
    }
    return matrix(metrics, name="leakage", groups=GROUPS)


def test_a_cell_lies_at_its_row_and_column_and_says_its_value(figure):
    (axes,) = figure.axes
    (image,) = axes.images

    assert [label.get_text() for label in axes.get_xticklabels()] == ["view", "gain db"]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["content", "style"]
    drawn = np.ma.filled(image.get_array().astype(float), np.nan)
    assert drawn == pytest.approx(np.array([[0.75, 0.13], [0.25, np.nan]]), nan_ok=True)
    assert image.get_clim() == (0, 1)
    said = {(t.get_position()[0], round(t.get_position()[1])): t.get_text() for t in axes.texts}
    assert said[1, 0] == "0.03 to 0.23"
    assert [t.get_text() for t in axes.texts if t.get_position() == (0, -0.1)] == ["0.75"]


def test_only_groups_that_are_there_have_a_title(figure):
    (axes,) = figure.axes

    titles = [t.get_text() for t in axes.texts if t.get_fontweight() == "bold"]
    assert titles == ["anatomy", "look"]
    assert len(axes.lines) == 1


def test_writing_stands_out_from_its_cell(figure):
    (axes,) = figure.axes
    colours = {t.get_text(): t.get_color() for t in axes.texts}

    assert (colours["0.75"], colours["0.13"]) == ("white", "black")


def test_nothing_is_cut_off(figure):
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    box = figure.get_tightbbox(canvas.get_renderer())

    width, height = figure.get_size_inches()
    assert box.x0 >= 0
    assert box.y0 >= 0
    assert box.x1 <= width
    assert box.y1 <= height
