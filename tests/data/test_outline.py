from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.path import Path as Polygon

from septum.contract import BadInput, Record
from septum.data import outline

TRIANGLE = [(2.0, 1.0), (8.0, 1.0), (2.0, 7.0)]


@given(
    st.lists(st.floats(0.5, 9.5), min_size=3, max_size=24),
    st.tuples(st.floats(9, 21), st.floats(9, 11)),
)
def test_pixels_are_inside_as_another_library_says(radii, middle):
    """Around a star-shaped polygon, whose corners are met in the order of their angle."""
    angles = np.linspace(0, 2 * np.pi, len(radii), endpoint=False) + 0.1
    corners = np.asarray(middle) + np.asarray(radii)[:, None] * np.stack(
        [np.cos(angles), np.sin(angles)], 1
    )
    rows, columns = np.mgrid[:20, :30]
    centres = np.stack([columns.ravel(), rows.ravel()], 1)
    polygon = Polygon([*corners, corners[0]], closed=True)
    inner, outer = (polygon.contains_points(centres, radius=r) for r in (-1e-6, 1e-6))
    mask = outline.fill([*map(tuple, corners.tolist())], (20, 30)).ravel()
    assert (mask == inner)[inner == outer].all()  # on an edge either may be right


def test_an_outline_is_filled_by_hand():
    expected = np.zeros((9, 9), bool)
    for row in range(1, 7):
        expected[row, 2 : 9 - row] = True  # x >= 2, y >= 1, x + y < 9
    np.testing.assert_array_equal(outline.fill(TRIANGLE, (9, 9)), expected)
    np.testing.assert_array_equal(outline.fill(TRIANGLE[::-1], (9, 9)), expected)


def test_the_area_is_that_of_the_pixels():
    angles = np.linspace(0, 2 * np.pi, 60, endpoint=False)
    ellipse = [(100 + 70 * np.cos(a), 90 + 40 * np.sin(a)) for a in angles]
    sixty_gon = 60 / 2 * np.sin(2 * np.pi / 60) * 70 * 40
    assert outline.area(ellipse) == pytest.approx(sixty_gon)
    assert outline.fill(ellipse, (180, 200)).sum() == pytest.approx(sixty_gon, rel=0.005)


def test_the_largest_outline_is_that_of_end_diastole():
    small = [(x / 2, y / 2) for x, y in TRIANGLE]
    assert outline.largest({5: small, 3: TRIANGLE, 9: small}) == 3


@pytest.mark.parametrize(
    ("outlines", "words"),
    [
        ({4: TRIANGLE[:2]}, "frame 4 of a.avi has 2 corners; trace it with at least three"),
        ({9: TRIANGLE}, "frame 9 of a.avi is of no frame: the film has 9"),
        ({-1: TRIANGLE}, "frame -1 of a.avi is of no frame"),
        ({0: [*TRIANGLE, (10.1, 2.0)]}, "frame 0 of a.avi leaves the picture of 9 x 10 pixels"),
        ({0: [*TRIANGLE, (3.0, 9.5)]}, "leaves the picture"),
        ({0: [*TRIANGLE, (-1.5, 3.0)]}, "leaves the picture"),
        ({0: [*TRIANGLE, (float("nan"), 3.0)]}, "leaves the picture"),
    ],
)
def test_impossible_outlines_are_named(outlines, words):
    record = Record(
        id="a", subject="a", image=Path("a.avi"), film=(Path("a.avi"),), outlines=outlines
    )
    with pytest.raises(BadInput, match=words.replace(".", r"\.")):
        outline.check(record, (9, 10), 9)


def test_outlines_may_touch_the_edge():
    corners = [(-1.0, -1.0), (10.0, -1.0), (10.0, 9.0), (-1.0, 9.0)]
    record = Record(id="a", subject="a", image=Path("a"), film=(Path("a"),), outlines={0: corners})
    outline.check(record, (9, 10), 1)
    assert outline.fill(corners, (9, 10)).all()
