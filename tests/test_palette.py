import numpy as np
import pytest
from matplotlib.colors import to_rgb

from septum import palette

# Machado, Oliveira, Fernandes: A physiologically-based model for simulation of color vision
# deficiency, IEEE TVCG 2009; severity 1.0, on linear RGB.
EYES = {
    "normal": np.eye(3),
    "protanope": np.array(
        [
            [0.152286, 1.052583, -0.204868],
            [0.114503, 0.786281, 0.099216],
            [-0.003882, -0.048116, 1.051998],
        ]
    ),
    "deuteranope": np.array(
        [
            [0.367322, 0.860646, -0.227968],
            [0.280085, 0.672501, 0.047413],
            [-0.011820, 0.042940, 0.968881],
        ]
    ),
}


def oklab(linear):
    """Ottosson 2020, from linear sRGB."""
    lms = np.array(
        [
            [0.4122214708, 0.5363325363, 0.0514459929],
            [0.2119034982, 0.6806995451, 0.1073969566],
            [0.0883024619, 0.2817188376, 0.6299787005],
        ]
    )
    lab = np.array(
        [
            [0.2104542553, 0.7936177850, -0.0040720468],
            [1.9779984951, -2.4285922050, 0.4505937099],
            [0.0259040371, 0.7827717662, -0.8086757660],
        ]
    )
    return np.cbrt(linear.clip(0, 1) @ lms.T) @ lab.T


def closest_pair(colours, eyes):
    encoded = np.array([to_rgb(colour) for colour in colours])
    linear = np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)
    seen = oklab(linear @ EYES[eyes].T)
    distance = np.linalg.norm(seen[:, None] - seen[None], axis=-1)
    return distance[np.triu_indices(len(colours), 1)].min()


@pytest.mark.parametrize("eyes", EYES)
def test_no_two_concepts_look_more_alike_than_the_colours_of_okabe_and_ito(eyes):
    okabe_ito = ["#e69f00", "#56b4e9", "#009e73", "#f0e442", "#0072b2", "#d55e00", "#cc79a7"]
    closest = min(closest_pair(okabe_ito, each) for each in EYES)

    assert closest_pair(palette.CONCEPTS, eyes) >= 0.999 * closest


def test_fifteen_concepts_have_a_colour_each():
    assert len(set(palette.CONCEPTS)) == 15
    assert [palette.colour(i) for i in range(1, 16)] == list(palette.CONCEPTS)
    assert palette.colour(16) == palette.colour(1)


def test_background_is_transparent_and_opacity_grows_with_confidence():
    cells = palette.cells(np.array([[0, 2], [2, 2]]), np.array([[1.0, 0.0], [0.5, 1.0]]))

    np.testing.assert_allclose(cells[..., 3], [[0.0, 0.2], [0.45, 0.7]])
    np.testing.assert_allclose(cells[0, 1, :3], np.array([0x56, 0xB4, 0xE9]) / 255)


def test_no_change_is_black_and_the_signs_are_told_apart():
    darker, none, brighter = palette.CHANGE(np.array([0.0, 0.5, 1.0]))[:, :3]

    np.testing.assert_allclose(none, 0, atol=0.02)
    assert darker[2] - darker[0] > 0.3
    assert brighter[0] - brighter[2] > 0.3
