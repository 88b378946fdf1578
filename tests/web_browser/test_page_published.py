"""A published site: Try, Live and About without a server, below a path, and without a network."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from happysad import Classifier
from happysad.site.static_site import publish
from happysad.site.web_runtime import complete
from tests.classifiers import three_class_classifier
from tests.static_server import served
from tests.web_browser.conftest import Seen, check, until, watched
from tests.web_browser.test_page_everywhere import AXE, serious

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not complete(), reason="there is no onnxruntime-web (make runtime)"),
]

# The maximum number of bytes of a first visit.
MOST = 8_000_000


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a site with the classifier that ships, which lies below a path."""
    folder = tmp_path_factory.mktemp("host") / "a path" / "site"
    publish(folder, None)
    return folder


@pytest.fixture(scope="module")
def visited(site: Path, browser: Browser) -> Iterator[Seen]:
    """Yield the page of the site; check at the end that it contacted only its own host."""
    with (
        served(site.parents[1]) as address,
        # Axe would judge colours that are still changing.
        watched(browser, f"{address}/a%20path/site/", reduced_motion="reduce") as seen,
    ):
        yield seen
        check(seen)


def test_a_first_visit_is_small(site: Path) -> None:
    assert sum(file.stat().st_size for file in site.rglob("*") if file.is_file()) <= MOST


def test_photos_are_answered_as_in_python(visited: Seen, photos: Path) -> None:
    page = visited.page
    visited.open()
    visited.drop("#drop", photos)
    expect(page.locator(".answer:not(.waiting)")).to_have_count(4)
    expect(page.locator("#loading")).to_be_hidden()
    names = page.locator(".answer h3").all_inner_texts()
    cards = dict(zip(names, page.locator(".answer").all(), strict=True))
    for name in ("one.png", 'two, "twins".png', "wall.png"):
        answer = Classifier(threads=1).predict(photos / name)
        assert answer.label is not None
        label = cards[name].locator(".label .chip").first
        expect(label).to_have_text(answer.label.replace("_", " "))
        expect(cards[name].locator(".boxes .box:not(.halo)")).to_have_count(len(answer.faces))
    expect(cards["notes.jpg"]).to_contain_text("Not a picture that this browser can open")
    expect(page.get_by_text("What decided?")).to_have_count(0)


def test_live_follows_a_face_until_the_view_is_left(visited: Seen) -> None:
    page = visited.page
    visited.open("#live")
    page.click("#live-start")
    expect(page.locator("#live-label .chip")).to_have_text("happy")
    page.click("nav a[href='#about']")
    expect(page.locator("#about-card table").first).to_be_visible()
    assert page.evaluate("() => document.getElementById('live-video').srcObject === null")
    assert visited.sockets == []


@pytest.mark.skipif(
    not AXE.is_file(), reason="axe-core is missing (npm install --no-save axe-core)"
)
def test_axe_finds_no_serious_fault_in_a_site(visited: Seen) -> None:
    visited.open()
    expect(visited.page.locator("#loading")).to_be_hidden()
    visited.page.evaluate(AXE.read_text(encoding="utf-8"))
    assert serious(visited.page, "try") == []


def test_a_site_needs_no_network_after_the_first_visit(visited: Seen, photos: Path) -> None:
    page = visited.page
    visited.open()
    expect(page.locator("#loading")).to_be_hidden()
    until(page, lambda: bool(page.evaluate("() => navigator.serviceWorker.controller !== null")))
    page.context.set_offline(True)
    try:
        page.reload()
        visited.drop("#drop", photos / "one.png")
        expect(page.locator(".answer:not(.waiting) .label .chip")).to_have_text("happy")
        page.click("nav a[href='#about']")
        expect(page.locator("#about-card img").first).to_be_visible()
    finally:
        page.context.set_offline(False)


def test_a_site_answers_with_another_classifier(
    tmp_path: Path, browser: Browser, photos: Path
) -> None:
    model = three_class_classifier(tmp_path / "own.onnx")
    label = Classifier(model).predict(photos / "wall.png").label
    assert label is not None
    publish(tmp_path / "site", model)
    with served(tmp_path) as address, watched(browser, f"{address}/site/") as seen:
        seen.open()
        seen.drop("#drop", photos / "wall.png")
        expect(seen.page.locator(".answer:not(.waiting) .label .chip")).to_have_text(label)
        seen.page.click("nav a[href='#about']")
        expect(seen.page.locator("#about-facts")).to_contain_text("The classifier “own”")
    check(seen)
