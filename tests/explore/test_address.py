"""The state in the address."""

import pytest

from septum.explore.address import MOST, Address


@pytest.fixture
def links():
    return []


def test_what_is_set_is_read_again_from_the_link(links):
    address = Address({}, links.append)
    address.set(image="a b/ü&x=1", opacity=0.25, frame=3, dark=True)
    query = dict(pair.split("=") for pair in links[-1].removeprefix("/?").split("&"))
    assert query == {"image": "a+b%2F%C3%BC%26x%3D1", "opacity": "0.25", "frame": "3", "dark": "1"}
    assert address.number("opacity", 1.0) == 0.25
    assert address.whole("frame", 0, most=9) == 3
    assert address.flag("dark")


def test_none_takes_a_value_out(links):
    address = Address({"view": "A4C"}, links.append)
    address.set(view=None)
    assert links == ["/"]


@pytest.mark.parametrize("text", ["nan", "inf", "-1", "2", "", "0x1", "1e999"])
def test_a_number_out_of_its_range_is_the_default(text, links):
    assert Address({"opacity": text}, links.append).number("opacity", 0.5) == 0.5


@pytest.mark.parametrize("text", ["-1", "10", "1.5", "", "\uff19", "9" * 40, "0x1"])
def test_a_whole_number_out_of_its_range_is_the_default(text, links):
    assert Address({"frame": text}, links.append).whole("frame", 4, most=9) == 4


def test_a_token_is_never_part_of_a_link_that_is_shared(links):
    Address({"token": "secret", "view": "A4C"}, links.append).set(frame=1)
    assert links == ["/?view=A4C&frame=1"]


def test_long_values_are_cut(links):
    assert Address({"image": "x" * 9999}, links.append).text("image") == "x" * MOST
