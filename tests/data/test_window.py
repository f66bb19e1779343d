from pathlib import Path

import numpy as np
import pytest

from septum.contract import BadInput, Record
from septum.data import window

PIXELS = np.arange(1, 31, dtype=np.uint8).reshape(5, 6)


def record(where=None, **options):
    return Record(id="a", subject="s", image=Path("a.png"), window=where, **options)


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        (None, PIXELS),
        ((0, 0, 5, 6), PIXELS),
        ((1, 2, 2, 3), [[9, 10, 11], [15, 16, 17]]),
        ((-1, 4, 3, 4), [[0, 0, 0, 0], [5, 6, 0, 0], [11, 12, 0, 0]]),
        ((4, -2, 3, 3), [[0, 0, 25], [0, 0, 0], [0, 0, 0]]),
    ],
)
def test_what_lies_in_the_window(where, expected):
    np.testing.assert_array_equal(window.cut(PIXELS, record(where)), expected)


def test_a_window_is_what_lies_in_a_picture_with_a_wide_black_rim():
    rim = np.pad(PIXELS, 9)
    rng = np.random.default_rng(0)
    for _ in range(50):
        top, left = (int(n) for n in rng.integers((-3, -3), (5, 6)))
        height, width = (int(n) for n in rng.integers(4, 9, 2))
        part = rim[top + 9 : top + 9 + height, left + 9 : left + 9 + width]
        np.testing.assert_array_equal(window.cut(PIXELS, record((top, left, height, width))), part)


@pytest.mark.parametrize(
    "where", [(5, 0, 2, 2), (0, 6, 2, 2), (-2, 0, 2, 2), (0, -2, 2, 2), (1, 1, 0, 2), (1, 1, 2, -1)]
)
def test_a_window_must_show_something(where):
    with pytest.raises(BadInput, match=r"shows nothing of a\.png, which has 5 x 6; correct it"):
        window.cut(PIXELS, record(where))


def test_points_and_outlines_are_counted_from_the_window():
    facts = {"tip_y_px": 7.0, "tip_x_px": 9.5, "area_px": 7.0, "view": "4CH", "side_x_px": "left"}
    outlines = {3: [(4.0, 5.0), (6.0, 5.0), (6.0, 8.0)]}
    whole = record(labels=facts, outlines=outlines)
    assert window.counted(whole) == whole
    found = window.counted(record((2, -1, 9, 9), labels=facts, outlines=outlines))
    assert found.labels == {**facts, "tip_y_px": 5.0, "tip_x_px": 10.5}
    assert found.outlines == {3: [(5.0, 3.0), (7.0, 3.0), (7.0, 6.0)]}
