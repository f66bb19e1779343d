"""The map of all images in a real browser."""

import csv
import re

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.slow


def test_a_lasso_chooses_and_the_link_brings_the_choice_back(site, visitor):
    visitor.goto(site("concept_vae") + "?panel=map&map_by=view")
    canvas = visitor.get_by_role("application", name=re.compile("Map of all images"))
    expect(visitor.get_by_text("0 chosen, 0 subjects")).to_be_visible()
    box = canvas.bounding_box()
    visitor.mouse.move(box["x"] + 0.02 * box["width"], box["y"] + 0.02 * box["height"])
    visitor.mouse.down()
    for right, down in ((0.98, 0.02), (0.98, 0.98), (0.02, 0.98)):
        visitor.mouse.move(box["x"] + right * box["width"], box["y"] + down * box["height"])
    visitor.mouse.up()
    said = re.compile(r"48 chosen, 12 subjects; view: A2C 24, A4C 24")
    expect(visitor.get_by_text(said)).to_be_visible()
    expect(visitor).to_have_url(re.compile("map_lasso="))
    link = visitor.url
    visitor.goto("about:blank")
    visitor.goto(link)
    expect(visitor.get_by_text(said)).to_be_visible()


def test_keys_walk_from_point_to_point_and_open_one(site, visitor):
    visitor.goto(site("concept_vae") + "?panel=map")
    canvas = visitor.get_by_role("application", name=re.compile("Map of all images"))
    expect(visitor.get_by_text(re.compile("^0 chosen"))).to_be_visible()
    canvas.focus()
    for key in ("ArrowRight", "ArrowLeft", "ArrowDown", "ArrowUp", "ArrowRight"):
        visitor.keyboard.press(key)
    visitor.keyboard.press("Enter")
    expect(visitor).to_have_url(re.compile("image="))


def test_labels_choose_without_a_mouse_and_points_and_plot_are_saved(site, visitor):
    query = "?panel=map&map_by=view&map_label=view&map_values=A4C"
    visitor.goto(site("concept_vae") + query)
    expect(visitor.get_by_text("24 chosen, 12 subjects; view: A4C 24")).to_be_visible()
    with visitor.expect_download() as table:
        visitor.get_by_role("button", name="Save chosen points").click()
    with visitor.expect_download() as plot:
        visitor.get_by_role("button", name="Save plot as SVG").click()

    rows = list(csv.DictReader(table.value.path().read_text().splitlines()))
    assert list(rows[0]) == ["id", "subject", "split", "x", "y", "view"]
    assert [row["view"] for row in rows] == ["A4C"] * 24
    assert b"<svg" in plot.value.path().read_bytes()
    visitor.get_by_role("button", name="Clear").click()
    expect(visitor.get_by_text("0 chosen, 0 subjects")).to_be_visible()
