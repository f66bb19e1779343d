"""Many visitors at once."""

from pathlib import Path

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.slow

VISITORS = 20
MOST_MB = 2_000


def resident_mb(pid):
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) / 1024


def test_twenty_visitors_are_served_at_once(site, servers, chromium):
    link = site("concept_vae")
    said = []
    pages = [chromium.new_page(viewport={"width": 640, "height": 400}) for _ in range(VISITORS)]
    for number, page in enumerate(pages):
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("console", lambda m: said.append(m.text) if m.type == "error" else None)
        page.goto(f"{link}?view={'A4C' if number % 2 else 'A2C'}", wait_until="commit")
    for page in pages:
        expect(page.locator("text=/of 48 images/")).to_have_text(
            "24 of 48 images, 12 subjects", timeout=60_000
        )
    for page in pages:  # everyone chooses another image
        page.get_by_role("button").filter(has=page.locator("img")).nth(7).click()
    for page in pages:
        page.wait_for_url("**image=**")
    assert resident_mb(servers[link].pid) < MOST_MB
    for page in pages:
        page.close()
    assert said == []
