"""Layers are switched in a real browser."""

import re

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.slow


def test_layers_are_switched_and_the_link_brings_them_back(site, visitor):
    visitor.goto(site("unet") + "?panel=layers")
    picture = visitor.get_by_role("img", name="The image under its layers")
    expect(picture).to_have_attribute("src", re.compile("^data:image/png"))
    all_on = picture.get_attribute("src")
    for box in visitor.get_by_role("checkbox").all():
        expect(box).to_be_checked()
        box.click()
    expect(picture).not_to_have_attribute("src", all_on)
    expect(visitor).to_have_url(re.compile("layers_switched=0"))
    none_on, link = picture.get_attribute("src"), visitor.url
    visitor.goto("about:blank")
    visitor.goto(link)
    expect(picture).to_have_attribute("src", none_on)
    expect(visitor.get_by_role("checkbox").first).not_to_be_checked()


def test_a_model_of_films_has_no_layers_and_one_run_is_not_compared(site, visitor):
    visitor.goto(site("coreecho"))
    expect(visitor.get_by_role("tab", name="Browse")).to_be_visible()
    for name in ("Layers", "Concepts", "Compare"):
        expect(visitor.get_by_role("tab", name=name)).to_have_count(0)
