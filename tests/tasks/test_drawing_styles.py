import numpy as np
import pytest
import torch

from septum.contract import Metric
from septum.tasks import drawing_styles


def metric(value: float) -> Metric:
    return Metric(value=value, low=value - 0.01, high=value + 0.03, unit="", n=1)


def test_strips_put_images_in_rows_and_names_on_columns():
    columns = {name: torch.full((2, 4, 5), grey) for name, grey in [("a", 0.25), ("b", 0.75)]}

    axes = drawing_styles.strips(columns).axes

    assert [a.get_title() for a in axes] == ["a", "b", "", ""]
    assert [a.images[0].get_array().mean() for a in axes] == [0.25, 0.75, 0.25, 0.75]
    assert all(a.images[0].get_clim() == (0, 1) for a in axes)


def test_curves_show_every_augmentation_with_its_interval():
    metrics = {
        "dice/style/100_percent": metric(0.9),
        "dice/style/5_percent": metric(0.7),
        "dice/none/5_percent": metric(0.6),
        "dice_gain/style/5_percent": metric(0.1),
        "other/style/5_percent": metric(0.0),
    }

    dice, gain = drawing_styles.curves(metrics).axes

    lines = {bars.get_label(): bars.lines[0].get_xydata() for bars in dice.containers}
    assert list(lines) == ["none", "style"]
    np.testing.assert_allclose(lines["style"], [[5, 0.7], [100, 0.9]], rtol=0.07)
    (stems,) = dice.containers[1].lines[2]
    ends = [segment[:, 1].tolist() for segment in stems.get_segments()]
    assert ends == [pytest.approx([0.69, 0.73]), pytest.approx([0.89, 0.93])]
    (only,) = gain.containers
    assert only.lines[0].get_ydata().tolist() == [0.1]


def test_an_augmentation_has_the_same_colour_in_both_panels():
    metrics = {f"{kind}/both/5_percent": metric(0.1) for kind in ("dice", "dice_gain")}

    colours = [
        axes.containers[0].lines[0].get_color() for axes in drawing_styles.curves(metrics).axes
    ]

    assert colours[0] == colours[1]
