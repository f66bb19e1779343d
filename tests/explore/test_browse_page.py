"""The page in a real browser: browsing, films, links that can be shared."""

import re

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.slow


def test_the_page_opens_and_filters_by_labels(site, visitor):
    visitor.goto(site("concept_vae"))
    count = visitor.locator("text=/of 48 images/")
    expect(count).to_have_text("48 of 48 images, 12 subjects")
    visitor.get_by_text("every view", exact=True).click()
    visitor.get_by_role("option", name="A4C").click()
    expect(visitor.locator("text=/of 48 images/")).to_have_text("24 of 48 images, 12 subjects")
    assert "view=A4C" in visitor.url


def test_a_chosen_image_is_in_the_link_and_the_link_brings_it_back(site, visitor):
    visitor.goto(site("concept_vae") + "?view=A2C")
    thumbnail = visitor.get_by_role("button").filter(has=visitor.locator("img")).nth(5)
    name = thumbnail.get_attribute("aria-label")
    thumbnail.focus()
    visitor.keyboard.press("Enter")
    expect(visitor.get_by_text(re.compile(rf"^{name} · "))).to_be_visible()
    link = visitor.url
    visitor.goto("about:blank")
    visitor.goto(link)
    expect(visitor.get_by_text(re.compile(rf"^{name} · "))).to_be_visible()
    expect(visitor.locator("text=/of 48 images/")).to_have_text("24 of 48 images, 12 subjects")


def test_a_film_plays_and_stops(site, visitor):
    visitor.goto(site("coreecho"))
    picture = visitor.get_by_role("img", name=re.compile("frame 1 of"))
    expect(picture).to_be_visible()
    visitor.get_by_role("button", name="play").click()
    expect(visitor.get_by_role("img", name=re.compile(r"frame ([5-9]|\d\d+) of"))).to_be_visible()
    visitor.get_by_role("button", name="pause").click()
    expect(visitor).to_have_url(re.compile("frame="))


def test_a_picture_can_be_downloaded(site, visitor):
    visitor.goto(site("concept_vae"))
    with visitor.expect_download() as download:
        visitor.get_by_role("button", name="Download picture").click()
    content = download.value.path().read_bytes()
    assert content.startswith(b"\x89PNG")


def test_light_and_dark(site, visitor):
    visitor.goto(site("concept_vae"))
    visitor.get_by_role("button", name="Light or dark theme").click()
    expect(visitor.locator("body.body--dark")).to_be_attached()
    expect(visitor).to_have_url(re.compile("dark=1"))
