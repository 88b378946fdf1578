"""The review of labels: one key for each decision, which stands in the CSV at once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from happysad.dataset.scan import pixels_hash
from happysad.label_review import DECISIONS, Suspect, read_decisions
from happysad.web.review import Review, create_review
from tests.pictures import photo, save
from tests.web import serving, settings
from tests.web_browser.conftest import Seen, check, watched
from tests.web_browser.test_page_everywhere import AXE, serious

pytestmark = pytest.mark.browser

# A path without a place to break it, longer than a phone is wide.
LONG = "happy/" + "a_name_without_any_space_" * 5


@pytest.fixture
def checks(tmp_path: Path) -> Path:
    """The folder of a check."""
    return tmp_path / "check"


@pytest.fixture
def visited(tmp_path: Path, checks: Path, browser: Browser) -> Iterator[Seen]:
    """The page of a review of four photos."""
    suspects = []
    for seed in range(4):
        path = f"{LONG}{seed}.png"
        save(tmp_path / "data" / path, photo(seed))
        suspects.append(Suspect(path, pixels_hash(photo(seed)), "happy", "sad", 0.1, 0.9))
    checks.mkdir()
    review = Review(tmp_path / "data", checks, suspects, ["happy", "sad"])
    own = settings(tmp_path)
    with (
        serving(create_review(review, own), own) as port,
        # Axe would judge colours that are still changing.
        watched(browser, f"http://127.0.0.1:{port}/", reduced_motion="reduce") as seen,
    ):
        seen.page.goto(seen.address)
        expect(seen.page.locator("#progress")).to_have_text("Photo 1 of 4; 0 decisions")
        yield seen
        check(seen)


def decided(checks: Path) -> dict[str, str]:
    """Return the labels that stand in the CSV, by the photo's number."""
    decisions = read_decisions(checks / DECISIONS).values()
    return {one.path.removeprefix(LONG).removesuffix(".png"): one.label for one in decisions}


def test_each_key_decides_and_the_decision_stands_in_the_csv(visited: Seen, checks: Path) -> None:
    page, progress = visited.page, visited.page.locator("#progress")
    for place, key in enumerate("12x", 2):
        page.keyboard.press(key)
        expect(progress).to_have_text(f"Photo {place} of 4; {place - 1} decision{'s'[: place - 2]}")
    assert decided(checks) == {"0": "happy", "1": "sad", "2": ""}
    page.keyboard.press("ArrowLeft")
    expect(page.get_by_role("button", name="leave out")).to_have_attribute("aria-pressed", "true")
    page.keyboard.press("u")
    expect(progress).to_have_text("Photo 3 of 4; 2 decisions")
    assert decided(checks) == {"0": "happy", "1": "sad"}
    page.get_by_role("button", name="2 sad").focus()
    page.keyboard.press("Enter")
    expect(progress).to_have_text("Photo 4 of 4; 3 decisions")
    expect(page.get_by_role("button", name="2 sad")).to_be_focused()
    page.reload()
    expect(progress).to_have_text("Photo 4 of 4; 3 decisions")
    assert decided(checks) == {"0": "happy", "1": "sad", "2": "sad"}


@pytest.mark.skipif(
    not AXE.is_file(), reason="axe-core is missing (npm install --no-save axe-core)"
)
def test_axe_finds_no_serious_fault_and_a_phone_shows_all(visited: Seen) -> None:
    page = visited.page
    page.keyboard.press("1")
    expect(page.locator("#progress")).to_have_text("Photo 2 of 4; 1 decision")
    page.keyboard.press("ArrowLeft")
    page.evaluate(AXE.read_text(encoding="utf-8"))
    assert serious(page, "review") == []
