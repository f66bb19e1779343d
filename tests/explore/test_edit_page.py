"""The panel Edit in a real browser."""

import re

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.slow


def slider(visitor, name):
    """What the keyboard moves."""
    return visitor.get_by_role("slider", name=name).locator(".q-slider__track-container")


def opened(visitor, link):
    visitor.goto(link)
    expect(visitor.locator("img[data-slot=edited][src]")).to_be_visible()
    expect(visitor.get_by_text("Asking the model ...")).to_have_count(0)


def test_a_slider_changes_picture_table_and_link(site, visitor):
    opened(visitor, site("attri_ssc_vae") + "?panel=edit")
    before = visitor.locator("img[data-slot=edited]").get_attribute("src")
    row = visitor.get_by_role("row").nth(1)
    expect(row.get_by_role("cell").last).to_have_text("0")
    slider(visitor, "left_ventricle_area").focus()
    for _ in range(8):
        visitor.keyboard.press("ArrowRight")
    expect(visitor.locator("img[data-slot=edited]")).not_to_have_attribute("src", before)
    expect(visitor).to_have_url(re.compile(r"edit_left_ventricle_area_\w+=0\.4"))
    link = visitor.url
    visitor.goto("about:blank")
    opened(visitor, link)
    expect(visitor.get_by_text("+0.40")).to_be_visible()
    expect(visitor.locator("img[data-slot=edited]")).not_to_have_attribute("src", before)
    visitor.get_by_role("button", name="As it was").click()
    expect(visitor.locator("img[data-slot=edited]")).to_have_attribute("src", before)


def test_the_table_and_the_picture_can_be_saved(site, visitor):
    opened(visitor, site("attri_ssc_vae") + "?panel=edit")
    with visitor.expect_download() as table:
        visitor.get_by_role("button", name="Save the table").click()
    assert table.value.path().read_text().startswith("id,attribute,source,original,edited,change")
    with visitor.expect_download() as picture:
        visitor.get_by_role("button", name="Save the picture: edited").click()
    assert picture.value.path().read_bytes().startswith(b"\x89PNG")


def test_styles_are_moved_and_exchanged(site, visitor):
    opened(visitor, site("sdnet") + "?panel=edit")
    before = visitor.locator("img[data-slot=edited]").get_attribute("src")
    slider(visitor, "z0").focus()
    for _ in range(12):
        visitor.keyboard.press("ArrowRight")
    expect(visitor.locator("img[data-slot=edited]")).not_to_have_attribute("src", before)
    mixed = visitor.locator("img[data-slot=swap-01][src]")
    was = mixed.get_attribute("src")
    visitor.get_by_role("button", name="Exchange with").nth(1).click()
    expect(mixed).not_to_have_attribute("src", was)
    expect(visitor).to_have_url(re.compile("edit_with="))
    named = visitor.get_by_label("Id of the other image")
    named.fill("nobody")
    named.press("Enter")
    expect(visitor.get_by_text("No image of the page has this id")).to_be_visible()
