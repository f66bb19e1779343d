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


def test_roc_curves_are_drawn_with_their_areas():
    metric = Metric(value=0.9, low=0.85, high=0.95, unit="", n=1)
    steps = (np.array([0.0, 0.2, 1.0]), np.array([0.0, 0.9, 1.0]))

    (axes,) = drawing.roc(
        {"flow": steps, "mixture": steps}, {"auroc/flow": metric, "auroc/mixture": metric}
    ).axes

    chance, *lines = axes.lines
    assert chance.get_xydata().tolist() == [[0, 0], [1, 1]]
    assert [line.get_xydata().tolist() for line in lines] == [[[0, 0], [0.2, 0.9], [1, 1]]] * 2
    assert [line.get_label() for line in lines] == [
        "flow 0.900 [0.850, 0.950]",
        "mixture 0.900 [0.850, 0.950]",
    ]


def test_scores_lie_over_their_images_dark_where_low_and_clear_where_unknown():
    cells = torch.tensor([[[0.0, 1.0, torch.nan]], [[0.0, 0.5, 1.0]]])

    figure = drawing.scores(torch.zeros(2, 16, 48), {"flow": cells}, titles=["a", "b"])

    plain, _, first, second, bar = figure.axes
    assert [len(axes.images) for axes in (plain, first, second)] == [1, 2, 2]
    image, overlay = first.images
    low, high, unknown = np.asarray(overlay.get_array())[0]
    other = np.asarray(second.images[1].get_array())[0]
    assert unknown[3] == 0
    assert low[3] == high[3] == pytest.approx(drawing.OPACITY)
    assert low[:3].sum() < other[1, :3].sum() < high[:3].sum()
    assert low.tolist() == other[0].tolist()  # one scale for the row
    assert high.tolist() == other[2].tolist()
    assert list(image.get_extent()) == list(overlay.get_extent())
    assert bar.get_ylim() == pytest.approx((0, 1), abs=0.1)
    assert [axes.get_title() for axes in figure.axes[:2]] == ["a", "b"]
