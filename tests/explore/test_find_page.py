"""Finding regions in a real browser."""

import csv
import re

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.slow


def found(visitor, text: str) -> None:
    expect(visitor.get_by_text(re.compile(rf"^{text} regions, nearest first"))).to_be_visible()


def test_a_point_is_searched_by_mouse_and_by_keys(site, visitor):
    visitor.goto(site("concept_vae") + "?panel=find&find_results=6")
    found(visitor, "6")
    picture = visitor.get_by_role("application", name=re.compile("finds regions like it"))
    picture.click(position={"x": 40, "y": 40})
    expect(visitor).to_have_url(re.compile("find_row=0&find_column=0"))
    picture.focus()
    visitor.keyboard.press("ArrowRight")
    expect(visitor.get_by_text("press Enter to search")).to_be_visible()
    visitor.keyboard.press("Enter")
    expect(visitor).to_have_url(re.compile("find_row=0&find_column=1"))
    found(visitor, "6")


def test_a_hit_opens_its_image_there_and_other_subjects_can_be_asked_for(site, visitor):
    visitor.goto(site("concept_vae") + "?panel=find&find_results=6&find_one=0")
    found(visitor, "6")
    expect(visitor.get_by_text("same subject", exact=True).first).to_be_visible()
    visitor.get_by_role("switch", name="Other subjects only").click()
    expect(visitor.get_by_text("same subject", exact=True)).to_have_count(0)
    hit = visitor.get_by_role("button", name=re.compile("^1: "))
    name = re.split(r"[:,] ?", hit.get_attribute("aria-label"))[1].strip()
    hit.click()
    expect(visitor).to_have_url(re.compile(f"image={name}"))
    expect(visitor.get_by_text(re.compile(rf"^{name} · "))).to_be_visible()


def test_table_and_contact_sheet_are_saved(site, visitor):
    visitor.goto(site("concept_vae") + "?panel=find&find_results=6")
    found(visitor, "6")
    with visitor.expect_download() as table:
        visitor.get_by_role("button", name="Save the table").click()
    with visitor.expect_download() as sheet:
        visitor.get_by_role("button", name="Save the contact sheet").click()

    rows = list(csv.DictReader(table.value.path().read_text().splitlines()))
    assert [row["rank"] for row in rows] == [str(rank) for rank in range(1, 7)]
    distances = [float(row["distance"]) for row in rows]
    assert distances == sorted(distances)
    assert sheet.value.path().read_bytes().startswith(b"\x89PNG")
