"""Concepts are looked at, edited and drawn in a real browser."""

import csv
import re

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.slow

CHANGED = re.compile(r"\d+ of 24 cells changed")


@pytest.fixture
def opened(site, visitor):
    """The panel on the first image, drawn."""

    def open_(query=""):
        visitor.goto(site("concept_vae") + "?panel=concepts" + query)
        expect(visitor.get_by_text(CHANGED)).to_be_visible()
        expect(visitor.get_by_role("img", name="Drawn now")).to_have_attribute(
            "src", re.compile("^data:image/png")
        )
        return visitor.get_by_role("application")

    return open_


def other(visitor):
    """Choose another concept than that of the cell; its number."""
    choice = visitor.get_by_label("Concept of the cell")
    now = choice.input_value() or choice.inner_text()
    number = "2" if now.strip() == "1" else "1"
    choice.click()
    visitor.get_by_role("option", name=number, exact=True).click()
    return number


def told(visitor, text):
    """What is said of the cell with the cursor."""
    return visitor.locator("div[aria-live=polite]").filter(has_text=re.compile(text))


def test_a_cell_is_chosen_by_keys_and_changed_and_the_drawing_follows(opened, visitor):
    grid = opened()
    drawn = visitor.get_by_role("img", name="Drawn now")
    before = drawn.get_attribute("src")
    grid.focus()
    for key in ("ArrowDown", "ArrowRight", "ArrowRight"):
        visitor.keyboard.press(key)
    expect(told(visitor, "row 2, column 3: concept")).to_be_visible()
    expect(visitor).to_have_url(re.compile("concepts_cell=8"))
    visitor.keyboard.press("Enter")
    expect(visitor.get_by_role("option").first).to_be_visible()
    visitor.keyboard.press("Escape")
    number = other(visitor)
    expect(visitor.get_by_text("1 of 24 cells changed")).to_be_visible()
    expect(visitor).to_have_url(re.compile(f"concepts_edits=8%3A{number}$"))
    expect(drawn).not_to_have_attribute("src", before)
    visitor.get_by_role("button", name="Undo").click()
    expect(visitor.get_by_text("0 of 24 cells changed")).to_be_visible()
    expect(drawn).to_have_attribute("src", before)


def test_the_link_brings_edits_noise_and_cell_back(opened, visitor):
    opened("&concepts_edits=0:3,5:3,5:4,99:1&concepts_noise=0.4&concepts_draw=7&concepts_cell=5")
    expect(visitor.get_by_text("2 of 24 cells changed")).to_be_visible()
    expect(visitor.get_by_text("noise β = 0.40")).to_be_visible()
    expect(visitor.get_by_label("draw", exact=True)).to_have_value("7")
    expect(told(visitor, "row 1, column 6: concept .*, changed to 4")).to_be_visible()
    visitor.get_by_role("switch", name="no styles").click()
    expect(visitor.get_by_role("img", name="The image, blurred")).to_be_visible()
    expect(visitor).to_have_url(re.compile("concepts_alone=1"))
    visitor.get_by_role("button", name="Reset").click()
    expect(visitor.get_by_text("0 of 24 cells changed")).to_be_visible()
    assert "concepts_edits" not in visitor.url


def test_a_click_chooses_a_cell_and_all_cells_can_be_saved(opened, visitor):
    grid = opened()
    grid.locator("rect").nth(10).click()
    expect(visitor).to_have_url(re.compile("concepts_cell=10"))
    with visitor.expect_download() as download:
        visitor.get_by_role("button", name="Save the table of cells").click()
    rows = list(csv.DictReader(download.value.path().read_text().splitlines()))
    assert len(rows) == 24
    assert all(0 <= float(row["confidence"]) <= 1 for row in rows)
    with visitor.expect_download() as download:
        visitor.get_by_role("button", name="Save the map").click()
    assert download.value.path().read_bytes().startswith(b"\x89PNG")


def test_another_image_has_its_own_concepts_and_no_edits(opened, visitor):
    opened("&concepts_edits=0:3,1:3,2:3")
    visitor.get_by_role("tab", name="Browse").click()
    visitor.get_by_role("button").filter(has=visitor.locator("img")).nth(5).click()
    expect(visitor).not_to_have_url(re.compile("concepts_edits"))
    visitor.get_by_role("tab", name="Concepts").click()
    expect(visitor.get_by_text("0 of 24 cells changed")).to_be_visible()
