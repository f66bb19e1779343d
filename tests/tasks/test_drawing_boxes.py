import numpy as np
import pytest
import torch
from matplotlib.colors import to_rgb

from septum.tasks import drawing_boxes
from septum.tasks.drawing import OPACITY
from septum.tasks.drawing_boxes import Ranked, Searched


def test_the_box_lies_on_its_pixels_and_the_cross_on_the_likeliest_cell():
    objectness = torch.zeros(2, 3)
    objectness[1, 2] = 0.8
    picture = Searched(
        image=torch.zeros(16, 24),
        edges_px=torch.tensor([2.0, 4.0, 10.0, 8.0]),
        objectness=objectness,
        title="open, said closed",
    )

    (axes,) = drawing_boxes.searched({"from both": [picture]}).axes

    (box,) = axes.patches
    assert (*box.get_xy(), box.get_width(), box.get_height()) == (1.5, 3.5, 8, 4)
    assert axes.lines[0].get_xydata().tolist() == [[19.5, 11.5]]
    assert (axes.get_title(), axes.get_ylabel()) == ("open, said closed", "from both")
    image, shade = axes.images
    assert list(image.get_extent()) == list(shade.get_extent())
    likely = np.asarray(shade.get_array())[1, 2]
    assert likely == pytest.approx([*to_rgb(drawing_boxes.LIKELY), 0.8 * OPACITY], abs=1e-6)
    assert np.asarray(shade.get_array())[0, 0, 3] == 0


def test_rows_and_columns_are_inputs_and_images():
    picture = Searched(
        image=torch.zeros(8, 8),
        edges_px=torch.tensor([0.0, 0.0, 4.0, 4.0]),
        objectness=torch.rand(2, 2),
        title="",
    )

    figure = drawing_boxes.searched({"a": [picture] * 3, "b": [picture] * 3})

    assert [axes.get_ylabel() for axes in figure.axes] == ["a", "", "", "b", "", ""]


def test_precision_and_recall_by_hand():
    ranked = Ranked(
        score=np.array([0.9, 0.8, 0.7, 0.1]), positive=np.array([True, False, True, False])
    )

    left, right = drawing_boxes.precision_recall(
        {"open": {"both": ranked}, "closed": {"both": ranked, "content": ranked}}
    ).axes

    curve, chance = left.lines
    # all four, the first three, two, one, none
    expected = [[1, 1 / 2], [1, 2 / 3], [1 / 2, 1 / 2], [1 / 2, 1], [0, 1]]
    assert curve.get_xydata() == pytest.approx(np.array(expected))
    assert set(chance.get_ydata()) == {0.5}
    assert [line.get_label() for line in right.lines[::2]] == ["both", "content"]
    assert (left.get_title(), right.get_title()) == ("open", "closed")
