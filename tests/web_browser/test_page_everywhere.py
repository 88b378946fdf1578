"""All views: use by keyboard alone, no serious finding of axe, text that stays text."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.web_browser.conftest import Seen, check, watched

pytestmark = pytest.mark.browser

VIEWS = ("try", "live", "teach", "about")
AXE = Path(__file__).parents[2] / "node_modules" / "axe-core" / "axe.min.js"
# The rules of axe that look at colours.
OF_COLOURS = ["color-contrast", "link-in-text-block"]
FOCUSED = "(document.activeElement.innerText || document.activeElement.id).trim()"


def tab_to(page: Page, what: str, key: str = "Tab") -> None:
    """Press Tab until something has the focus."""
    passed = []
    for _ in range(40):
        page.keyboard.press(key)
        passed.append(page.evaluate(FOCUSED))
        if passed[-1] == what:
            return
    raise AssertionError(passed)


def focused(page: Page, what: str) -> None:
    page.wait_for_function(f"what => {FOCUSED} === what", arg=what)


def live_by_keyboard(page: Page, check_answer: Callable[[], None]) -> None:
    """Go to Live, start the camera, check the answer, pause, and stop the camera."""
    tab_to(page, "Live", "Shift+Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Live", level=1)).to_be_focused()
    tab_to(page, "Start the camera")
    page.keyboard.press("Space")
    focused(page, "Pause")
    check_answer()
    page.keyboard.press("Space")
    focused(page, "Resume")
    tab_to(page, "Stop the camera")
    page.keyboard.press("Enter")
    focused(page, "Start the camera")


def test_by_keyboard_alone(seen: Seen, photos: Path) -> None:
    page = seen.page
    # Listen from the start, since it takes a while until the browser reports it.
    page.on("filechooser", lambda chooser: chooser.set_files(photos / "one.png"))
    seen.open()
    tab_to(page, "Skip to the content")
    page.keyboard.press("Enter")
    expect(page.locator("#main")).to_be_focused()
    tab_to(page, "choose")
    page.keyboard.press("Enter")
    expect(page.locator(".answer:not(.waiting)")).to_have_count(1)
    tab_to(page, "What decided?")
    page.keyboard.press("Enter")
    expect(page.locator(".heat img")).to_be_visible()
    tab_to(page, "Close the heat map")
    page.keyboard.press("Enter")
    focused(page, "What decided?")
    live_by_keyboard(page, lambda: expect(page.locator("#live-label .chip")).to_be_visible())
    tab_to(page, "Teach", "Shift+Tab")
    page.keyboard.press("Enter")
    expect(page.locator("#teach-title")).to_be_focused()
    tab_to(page, "files-0")
    tab_to(page, "folder-0")
    tab_to(page, "folder-1")
    tab_to(page, "About", "Shift+Tab")
    page.keyboard.press("Enter")
    expect(page.locator("#about-card h2")).to_be_visible()


def test_the_views_have_addresses(seen: Seen) -> None:
    page = seen.page
    seen.open("#about")
    for name in (*VIEWS, "about"):
        page.evaluate(f"location.hash = '{name}'")
        expect(page.locator(f"#view-{name}")).to_be_visible()
        assert page.locator("main > section:visible").count() == 1
        assert page.locator("nav [aria-current=page]").inner_text().lower() == name
        assert page.title().lower().startswith(name)
    page.go_back()
    expect(page.locator("#view-teach")).to_be_visible()
    page.evaluate("location.hash = 'nothing'")
    expect(page.locator("#view-teach")).to_be_visible()
    page.reload()
    expect(page.locator("#view-try")).to_be_visible()
    assert page.locator("nav [aria-current=page]").inner_text() == "Try"


def test_about_says_what_answers(seen: Seen) -> None:
    seen.open("#about")
    facts = seen.page.locator("#about-facts")
    expect(facts).to_contain_text("The classifier that comes with happysad")
    sha256 = seen.page.request.get(seen.address + "v1/model").json()["sha256"]
    expect(facts).to_contain_text(sha256)
    expect(seen.page.locator("#about-card table").first).to_be_visible()


def test_the_card_shows_its_pictures(seen: Seen) -> None:
    seen.open("#about")
    pictures = seen.page.locator("#about-card img")
    expect(pictures).to_have_count(3)
    for one in pictures.all():
        assert len(one.get_attribute("alt") or "") > 20
    seen.page.wait_for_function(
        "() => [...document.querySelectorAll('#about-card img')].every("
        "(one) => one.naturalWidth > 300)"
    )


def test_a_card_never_becomes_a_script(seen: Seen) -> None:
    evil = (
        "<h1 onclick='x()'>A <b style='color:red'>card</b></h1>"
        "<script>document.title = 'x'</script>"
        "<img src='http://elsewhere.invalid/x' onerror='x()'><img src='/v1/card/../model'>"
        "<a href='javascript:x()'>one</a>"
        "<a href='https://example.org/'>two</a><form><input name='x'></form><svg><a>s</a></svg>"
    )
    page = seen.page
    page.route("**/v1/card", lambda route: route.fulfill(body=evil, content_type="text/html"))
    seen.open("#about")
    card = page.locator("#about-card")
    expect(card).to_contain_text("two")
    assert card.inner_html() == (
        '<h2>A <b>card</b></h2><a>one</a><a href="https://example.org/" '
        'rel="noopener noreferrer" target="_blank">two</a><a>s</a>'
    )
    assert page.title().startswith("About")
    # The parser reports what the policy forbids, although none of it gets into the page.
    assert all("Content Security Policy" in one for one in seen.complaints)
    seen.complaints.clear()


@pytest.mark.skipif(
    not AXE.is_file(), reason="axe-core is missing (npm install --no-save axe-core)"
)
def test_axe_finds_no_serious_fault(browser: Browser, address: str, photos: Path) -> None:
    faults = []
    with watched(browser, address, reduced_motion="reduce") as seen:
        page = seen.page
        for view in VIEWS:
            seen.open(f"#{view}")
            if view == "try":
                page.evaluate(AXE.read_text(encoding="utf-8"))
                faults += serious(page, "try, empty")
                page.set_input_files(
                    "#choose", [one for one in sorted(photos.iterdir()) if one.is_file()]
                )
                expect(page.locator(".answer:not(.waiting)")).to_have_count(4)
                page.locator("summary").first.click()
                page.get_by_role("button", name="What decided? one.png").click()
                expect(page.locator(".heat img")).to_be_visible()
                page.get_by_role("button", name="Enlarge the photo one.png").click()
                faults += serious(page, "try, enlarged")
                page.keyboard.press("Escape")
            if view == "live":
                faults += serious(page, "live, off")
                page.get_by_role("button", name="Start the camera").click()
                expect(page.locator("#live-label .chip")).to_be_visible()
                page.get_by_text("Speed").click()
            if view == "about":
                expect(page.locator("#about-card h2")).to_be_visible()
            if view == "teach":
                expect(page.locator("#runs-words")).not_to_be_empty()
            faults += serious(page, view)
    check(seen)
    assert faults == []


def serious(page: Page, where: str) -> list[str]:
    """Return the serious and critical findings of axe on a narrow and on a wide page.

    The page is light first, then dark. The dark page differs in its colours alone.
    """
    faults = []
    for width in (390, 1280):
        page.set_viewport_size({"width": width, "height": 844})
        assert page.evaluate("document.documentElement.scrollWidth") <= width, where
        page.emulate_media(color_scheme="light")
        faults += violations(page)
        page.emulate_media(color_scheme="dark")
        faults += violations(page, runOnly=OF_COLOURS)
    return [
        f"{where}: {fault['id']}: {node['target']}: {node['failureSummary']}"
        for fault in faults
        if fault["impact"] in ("serious", "critical")
        for node in fault["nodes"]
    ]


def violations(page: Page, **options: Any) -> Any:
    return page.evaluate("options => axe.run(options)", options)["violations"]
