"""Measured values become grey as DICOM says."""

import numpy as np
import pytest
from pydicom.dataset import Dataset

from septum.contained import window
from septum.contained.caps import Refused

VALUES = np.array([[-100, 0, 39.5, 40, 40.5, 80, 240, 1000]], np.float32)


def stated(**tags):
    ds = Dataset()
    for key, value in tags.items():
        setattr(ds, key, value)
    return window.of(ds, 0)


def test_the_linear_window_is_that_of_the_standard():
    """PS3.3 C.11.2.1.2.1: ((x - (c - 0.5)) / (w - 1) + 0.5) * 255."""
    shown = stated(WindowCenter=[40, 300], WindowWidth=[401, 50])(VALUES)
    np.testing.assert_array_equal(shown, [[39, 102, 128, 128, 128, 153, 255, 255]])


def test_the_exact_window_has_no_halves():
    shown = stated(WindowCenter=40, WindowWidth=400, VOILUTFunction="LINEAR_EXACT")(VALUES)
    np.testing.assert_array_equal(shown, [[38, 102, 127, 128, 128, 153, 255, 255]])


def test_the_curve_is_a_sigmoid():
    shown = stated(WindowCenter=40, WindowWidth=100, VOILUTFunction="SIGMOID")(VALUES)
    expected = 255 / (1 + np.exp(-4 * (VALUES.astype(float) - 40) / 100))
    np.testing.assert_array_equal(shown, np.round(expected))


@pytest.mark.parametrize(
    "tags",
    [
        {},
        {"WindowCenter": 40},
        {"WindowCenter": 40, "WindowWidth": 0},
        {"WindowCenter": 40, "WindowWidth": -3, "VOILUTFunction": "SIGMOID"},
    ],
)
def test_no_sound_window_is_none(tags):
    assert stated(**tags) is None


def test_a_range_is_that_of_all_frames():
    shown = window.of_range([VALUES, np.full_like(VALUES, 3000)])(VALUES)
    np.testing.assert_array_equal(shown[0, [0, 7]], [0, 90])
    flat = np.full((2, 2), 7, np.float32)
    assert window.of_range([flat])(flat).max() == 0


def test_undefined_values_have_no_range():
    with pytest.raises(Refused, match="infinite or undefined"):
        window.of_range([np.array([[np.nan, 1]], np.float32)])
