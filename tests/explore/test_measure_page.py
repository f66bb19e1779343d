"""The panel Measure in a real browser."""

import re

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.slow


def test_a_film_has_an_interval_and_its_reasons(site, visitor):
    visitor.goto(site("coreecho") + "?panel=measure")
    expect(visitor.get_by_text(re.compile(r"EF [\d.]+ % \([\d.]+ to [\d.]+\)"))).to_be_visible()
    expect(visitor.get_by_text(re.compile("bias .* limits of agreement .* n = "))).to_be_visible()
    expect(visitor.locator("img[data-slot=diastole][src]")).to_be_visible()
    visitor.get_by_role("button", name="Work it out").click()
    expect(
        visitor.get_by_text(re.compile("saliency: .* inside the left ventricle"))
    ).to_be_visible()
    visitor.get_by_label("Look at a film, the worst first").click()
    visitor.get_by_role("option").first.click()
    expect(visitor).to_have_url(re.compile("image="))
    with visitor.expect_download() as table:
        visitor.get_by_role("button", name="Save the films").click()
    assert table.value.path().read_text().startswith("id,true,said")


def test_a_still_has_masks_and_a_distance(site, visitor):
    visitor.goto(site("unet") + "?panel=measure")
    expect(visitor.locator("img[data-slot=mask][src]")).to_be_visible()
    expect(visitor.get_by_text(re.compile("Distance .* from the training images"))).to_be_visible()
    expect(visitor.locator("img[data-slot=where-unusual][src]")).to_be_visible()
    with visitor.expect_download() as table:
        visitor.get_by_role("button", name="Save the table").click()
    assert table.value.path().read_text().startswith("id,measure")
