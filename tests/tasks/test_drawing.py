import numpy as np
import pytest
import torch
from matplotlib.colors import to_rgb

from septum.contract import Metric
from septum.tasks import drawing


def test_curves_show_every_input_at_its_kernels():
    metrics = {
        f"dice_loss/{name}/k{k}": Metric(value=v, low=v - 0.1, high=v + 0.1, unit="", n=1)
        for name, k, v in [("content", 1, 0.6), ("content", 9, 0.2), ("style", 1, 0.7)]
    }
    metrics["dice_loss/content/k9/left_atrium"] = metrics["dice_loss/style/k1"]

    (axes,) = drawing.curves(metrics, name="dice_loss").axes

    lines = {line.get_label(): line.get_xydata().tolist() for line in axes.lines}
    assert lines == {"content": [[1, 0.6], [9, 0.2]], "style": [[1, 0.7]]}


def test_overlay_mixes_colours_by_share_and_leaves_background_clear():
    share = torch.zeros(3, 1, 3)
    share[:, 0, 0] = torch.tensor([1.0, 0, 0])
    share[:, 0, 1] = torch.tensor([0, 1.0, 0])
    share[:, 0, 2] = torch.tensor([0, 0.5, 0.5])

    figure = drawing.overlays(
        torch.zeros(1, 16, 48), {"truth": share[None]}, ("background", "a", "b")
    )

    image, overlay = figure.axes[0].images
    clear, one, mixed = np.asarray(overlay.get_array())[0].tolist()
    first, second = (to_rgb(colour) for colour in drawing.COLOURS[:2])
    assert clear[3] == 0
    assert one[:3] == pytest.approx(first, abs=1e-6)
    assert mixed[:3] == pytest.approx(np.add(first, second) / 2, abs=1e-6)
    assert [one[3], mixed[3]] == pytest.approx([drawing.OPACITY] * 2)
    assert list(image.get_extent()) == list(overlay.get_extent())


def test_images_stand_upright_and_keep_their_greys():
    image = torch.zeros(4, 4)
    image[0] = 0.5

    figure = drawing.marked([[drawing.Marked(image=image, x=0.5, y=0.25, title="t")]])

    (axes,) = figure.axes
    assert axes.images[0].get_clim() == (0, 1)
    assert axes.yaxis_inverted()
    assert axes.lines[0].get_xydata().tolist() == [[1.5, 0.5]]


def test_only_a_match_has_a_ring():
    image = torch.zeros(4, 4)
    row = [
        drawing.Marked(image=image, x=0.0, y=0.0, title="", match=match) for match in (False, True)
    ]

    figure = drawing.marked([row])

    assert [len(axes.lines) for axes in figure.axes] == [1, 2]
