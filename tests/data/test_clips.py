from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.interpolate import make_interp_spline

from septum.contract import Clip
from septum.data import clips

PUBLISHED = Clip(frames=36, stride=4)
LENGTHS = (1, 139, 140, 141, 144, 250)


@pytest.mark.parametrize("length", LENGTHS)
def test_the_published_clips_of_films_of_any_length(length):
    count = 110 if length == 250 else 4  # padded to 144 frames, of which a clip spans 141
    assert clips.starts(length, PUBLISHED) == count
    for start in (0, count - 1):
        places = clips.places(length, PUBLISHED, start)
        spanned = start + 4 * np.arange(36)
        np.testing.assert_array_equal(places, np.where(spanned < length, spanned, -1))
        assert places[-1] < max(length, 144)


def test_where_black_begins():
    whole = {n: int((clips.places(n, PUBLISHED, 0) >= 0).sum()) for n in LENGTHS}
    assert whole == {1: 1, 139: 35, 140: 35, 141: 36, 144: 36, 250: 36}


@given(st.integers(1, 300), st.integers(1, 40), st.integers(1, 9), st.data())
def test_a_clip_has_its_length_its_stride_and_no_frame_beyond_the_film(
    length, frames, stride, data
):
    clip = Clip(frames=frames, stride=stride)
    start = data.draw(st.integers(0, clips.starts(length, clip) - 1))
    places = clips.places(length, clip, start)
    assert len(places) == frames
    seen = places[places >= 0]
    assert (places[len(seen) :] == clips.BLACK).all()  # black only at the end
    assert seen.tolist() == list(clips.shown(length, clip, start))
    assert all(b - a == stride for a, b in pairwise(seen))
    assert all(0 <= place < length for place in seen)
    assert start + (frames - 1) * stride < max(length, frames * stride)


def test_a_film_that_is_resampled_has_one_clip():
    assert {clips.starts(n, Clip(frames=16, stride=0)) for n in LENGTHS} == {1}


@pytest.mark.parametrize("length", [4, 5, 19, 250, 600])
@pytest.mark.parametrize("frames", [2, 12, 16])
def test_weights_are_those_of_the_cubic_spline_through_the_frames(length, frames):
    at = np.linspace(0, length - 1, frames)
    expected = make_interp_spline(np.arange(length), np.eye(length), k=3)(at)  # by B-splines
    np.testing.assert_allclose(clips.weights(length, frames), expected, atol=1e-6)


def test_a_cubic_motion_is_kept_and_brightness_too():
    cubic = np.polynomial.Polynomial([3.0, -2.0, 0.5, 0.1])
    resampled = clips.weights(11, 16) @ cubic(np.arange(11.0))
    np.testing.assert_allclose(resampled, cubic(np.linspace(0, 10, 16)), rtol=1e-5, atol=1e-4)
    np.testing.assert_allclose(clips.weights(11, 16).sum(1), 1, atol=1e-6)


@pytest.mark.parametrize("length", [1, 2, 3, 7, 16, 40, 1000])
def test_the_end_frames_are_exact_and_an_equal_length_changes_nothing(length):
    weights = clips.weights(length, 16)
    np.testing.assert_array_equal(weights[0], np.eye(length)[0])
    np.testing.assert_array_equal(weights[-1], np.eye(length)[-1])
    np.testing.assert_array_equal(clips.weights(length, length), np.eye(length))


def test_two_frames_are_joined_by_a_line_and_three_by_a_parabola():
    share = np.linspace(0, 1, 16)
    np.testing.assert_allclose(clips.weights(2, 16), np.stack([1 - share, share], 1), atol=1e-7)
    at = np.linspace(0, 2, 5)
    lagrange = [(at - 1) * (at - 2) / 2, -at * (at - 2), at * (at - 1) / 2]
    np.testing.assert_allclose(clips.weights(3, 5), np.stack(lagrange, 1), atol=1e-7)


def test_weights_are_computed_once():
    assert clips.weights(33, 16) is clips.weights(33, 16)
