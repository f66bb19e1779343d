"""Two runs side by side in a real browser."""

import csv
import re

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.slow

RUNS = ("concept_vae", "unet", "coreecho")


def test_two_runs_show_the_same_image_and_their_numbers(site, visitor):
    visitor.goto(site(*RUNS) + "?panel=compare")
    expect(visitor.get_by_role("img", name="map")).to_have_count(2)
    expect(visitor.get_by_role("img", name="drawn by the model")).to_have_count(1)
    expect(visitor.get_by_text("1 of 48", exact=True)).to_be_visible()
    before = visitor.get_by_role("img", name="map").first.get_attribute("src")
    visitor.get_by_role("button", name="Image after").click()
    expect(visitor.get_by_text("2 of 48", exact=True)).to_be_visible()
    expect(visitor.get_by_role("img", name="map").first).not_to_have_attribute("src", before)
    expect(visitor).to_have_url(re.compile("image="))
    with visitor.expect_download() as download:
        visitor.get_by_role("button", name="Save the table").click()
    rows = list(csv.DictReader(download.value.path().read_text().splitlines()))
    names = [row["number"] for row in rows]
    assert "mean absolute error of the drawing" in names
    assert all(0 <= float(row["other run"]) <= 1 for row in rows if row["number"][:4] == "Dice")
    assert any(name.startswith("Dice of") for name in names)


def test_a_run_without_the_image_says_so(site, visitor):
    visitor.goto(site(*RUNS) + "?panel=compare&compare_run=2")
    expect(visitor.get_by_text(re.compile("This run has no image "))).to_be_visible()
    visitor.get_by_label("Beside").click()
    visitor.get_by_role("option", name=re.compile("unet")).click()
    expect(visitor.get_by_role("img", name="map")).to_have_count(2)
    expect(visitor).to_have_url(re.compile("compare_run=1"))


def test_a_film_is_turned_frame_by_frame(site, visitor):
    visitor.goto(site(*RUNS) + "?panel=compare&run=2&compare_frame=1")
    picture = visitor.get_by_role("img", name="image")
    expect(picture).to_have_attribute("src", re.compile("^data:image/png"))
    before = picture.get_attribute("src")
    slider = visitor.get_by_role("slider", name="Frame")
    slider.locator(".q-slider__track-container").focus()
    visitor.keyboard.press("ArrowRight")
    expect(visitor).to_have_url(re.compile("compare_frame=2"))
    expect(picture).not_to_have_attribute("src", before)
    expect(visitor.get_by_text(re.compile(r"frame 3 of \d+"))).to_be_visible()
    expect(visitor.get_by_text("ef_percent")).to_be_visible()
