"""A published site: Try, Live and About without a server, below a path, and without a network."""

from __future__ import annotations

import base64
import csv
import io
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from happysad import Classifier
from happysad.predictions import Prediction
from happysad.site.static_site import publish
from happysad.site.web_runtime import complete
from happysad.video.film_analysis import watch
from happysad.web.drawn_examples import EXAMPLES
from tests.classifiers import brightness_classifier, three_class_classifier
from tests.films import film, party
from tests.static_server import served
from tests.web_browser.conftest import Seen, check, until, watched
from tests.web_browser.test_page_everywhere import AXE, focused, live_by_keyboard, serious, tab_to

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not complete(), reason="there is no onnxruntime-web (make runtime)"),
]

# The maximum number of bytes of a first visit.
MOST = 8_000_000
# The answers of the page's engine for files, as rows.
ANSWERS = """async (files) => {
  const { predict } = await import(new URL("static/engine.js", document.baseURI).href);
  const bytes = (text) => Uint8Array.from(atob(text), (sign) => sign.charCodeAt(0));
  return predict(files.map((text, at) => new File([bytes(text)], `${at}`)), null);
}"""
TRACKS = "() => kept.getTracks().map((track) => track.readyState)"
THREADS = "() => Number(document.documentElement.dataset.threads)"
# How a picture is stored for each EXIF orientation.
STORED = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a site with the classifier that ships, which lies below a path."""
    folder = tmp_path_factory.mktemp("host") / "a path" / "site"
    publish(folder, None)
    return folder


@pytest.fixture(scope="module")
def visited(site: Path, browser: Browser) -> Iterator[Seen]:
    """Yield the open page of the site; check at the end that it contacted only its own host."""
    with (
        served(site.parents[1]) as address,
        # Axe would judge colours that are still changing.
        watched(browser, f"{address}/a%20path/site/", reduced_motion="reduce") as seen,
    ):
        seen.open()
        yield seen
        check(seen)


def same(page: Page, classifier: Classifier, files: Sequence[bytes]) -> list[Prediction]:
    """Check that the page answers files as Python does; return Python's answers."""
    rows = page.evaluate(ANSWERS, [base64.b64encode(one).decode() for one in files])
    answers = classifier.predict(list(files))
    for row, answer in zip(rows, answers, strict=True):
        same_answer(row, answer.row())
        assert len(row["faces"]) == len(answer.faces)
        for face, expected in zip(row["faces"], answer.row()["faces"], strict=True):
            same_answer(face, expected)
            for name in ("x", "y", "width", "height"):
                assert face[name] == pytest.approx(expected[name], abs=2)
    return answers


def same_answer(row: dict[str, Any], expected: dict[str, Any]) -> None:
    assert row["label"] == expected["label"]
    assert row["probabilities"] == pytest.approx(expected["probabilities"], abs=0.02)


def test_a_first_visit_is_small(site: Path) -> None:
    assert sum(file.stat().st_size for file in site.rglob("*") if file.is_file()) <= MOST


def test_photos_are_answered_as_in_python(visited: Seen, photos: Path, tmp_path: Path) -> None:
    page = visited.page
    heic = tmp_path / "photo.heic"
    heic.write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic")
    film_of_it = tmp_path / "photo.MOV"
    film_of_it.write_bytes(b"the film of a live photo")
    visited.drop("#drop", photos, heic, film_of_it)
    expect(page.locator(".answer:not(.waiting)")).to_have_count(5)
    expect(page.locator(".film")).to_have_count(0)
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
    words = "This browser cannot open HEIC photos; Safari can, or save it as a JPEG"
    expect(cards["photo.heic"]).to_contain_text(words)
    expect(page.get_by_text("What decided?")).to_have_count(0)
    page.get_by_role("button", name="no face 1").click()
    expect(page.locator(".answer h3:visible")).to_have_text("wall.png")
    page.get_by_role("button", name="Enlarge the photo wall.png").click()
    with page.expect_download() as download:
        page.get_by_role("button", name="Download drawing", exact=True).click()
    assert download.value.suggested_filename == "wall-drawn.png"
    page.keyboard.press("Escape")


def test_a_film_is_followed_as_in_python(visited: Seen, tmp_path: Path) -> None:
    page = visited.page
    pictures = [*party(9), *party(9, range(5, 9), seed=5)]
    # Of other films, Chromium and PyAV decode colours that differ by up to three levels.
    scene = film(tmp_path / "party.webm", pictures, lossless=True)
    expected = tmp_path / "python.csv"
    watch(scene, Classifier(threads=1), every=2, table=expected)
    (tmp_path / "broken.mp4").write_bytes(b"\0\0\0\x18ftypisom no film")
    visited.open("#try")
    page.set_input_files("#choose", [tmp_path / "broken.mp4", scene])
    broken, card = page.locator(".film").all()
    expect(broken).to_contain_text("broken.mp4: this browser cannot play it: it plays .mp4 with")
    expect(broken.get_by_role("button", name="Download CSV")).to_be_hidden()
    expect(card).to_contain_text("Looked at 9 frames: every second frame, 12.5 per second of film.")
    with page.expect_download() as download:
        card.get_by_role("button", name="Download CSV").click()
    assert download.value.suggested_filename == "party.csv"
    header, *rows = table(download.value.path())
    before, *others = table(expected)
    assert header == before
    assert len(rows) == len(others) == 9
    for one, other in zip(rows, others, strict=True):
        found, wanted = (dict(zip(header, row, strict=True)) for row in (one, other))
        for name in ("frame", "shot", "track", "label"):
            assert found[name] == wanted[name], (name, one, other)
        assert float(found["time"]) == pytest.approx(float(wanted["time"]), abs=0.001)
        for name, most in {"probability": 0.02, "x": 0.1, "width": 0.1}.items():
            if wanted[name]:
                assert float(found[name]) == pytest.approx(float(wanted[name]), abs=most)
    assert {row[2] for row in rows} == {"1", "2", "3"}

    expect(card.locator(".courses li")).to_have_count(3)
    expect(card.locator(".courses")).to_contain_text("no face in 22 % of the time · 2 cuts")
    slider = card.get_by_role("slider", name="Time in party.webm")
    slider.focus()
    page.keyboard.press("End")
    expect(slider).to_have_attribute("aria-valuetext", "0:01 of 0:01: no face")
    page.keyboard.press("Home")
    expect(slider).to_have_attribute("aria-valuetext", re.compile("^0:00 of 0:01: [a-z]+,? "))
    tab_to(page, "Play")
    page.keyboard.press("Enter")
    video = card.locator("video")
    page.wait_for_function("video => video.ended && video.muted", arg=video.element_handle())
    if AXE.is_file():
        page.evaluate(AXE.read_text(encoding="utf-8"))
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            assert page.evaluate("async () => (await axe.run('.film')).violations") == []
    handle = video.element_handle()
    card.get_by_role("button", name="Remove party.webm").click()
    focused(page, "Remove")
    assert handle is not None
    assert handle.evaluate("one => [one.isConnected, one.src, one.readyState]") == [False, "", 0]
    page.keyboard.press("Enter")
    focused(page, "choose")


def table(file: Path) -> list[list[str]]:
    with file.open(encoding="utf-8", newline="") as stream:
        return list(csv.reader(stream))


def test_live_follows_a_face_until_the_view_is_left(visited: Seen) -> None:
    page = visited.page
    visited.open("#live")
    page.click("#live-start")
    expect(page.locator("#live-label .chip")).to_have_text("happy")
    page.evaluate("() => (window.kept = document.getElementById('live-video').srcObject)")
    assert page.evaluate(TRACKS) == ["live"]
    page.click("nav a[href='#about']")
    expect(page.locator("#about-card table").first).to_be_visible()
    assert page.evaluate("() => document.getElementById('live-video').srcObject === null")
    assert page.evaluate(TRACKS) == ["ended"]
    assert visited.sockets == []


def test_photos_are_turned_upright_by_exif(visited: Seen, photos: Path) -> None:
    upright = Image.open(photos / "one.png")
    answers = same(visited.page, Classifier(threads=1), [turned(upright, one) for one in STORED])
    assert {len(answer.faces) for answer in answers} == {1}
    for side in ("x", "y", "width", "height"):
        sides = [getattr(answer.faces[0].face, side) for answer in answers]
        assert max(sides) - min(sides) < 4


def turned(upright: Image.Image, orientation: int) -> bytes:
    """Return a JPEG with an EXIF orientation, which is shown as `upright`."""
    turn = STORED[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    file = io.BytesIO()
    stored = upright if turn is None else upright.transpose(turn)
    stored.save(file, "jpeg", quality=95, exif=exif)
    return file.getvalue()


def test_by_keyboard_alone_as_a_screen_reader_says_it(visited: Seen, photos: Path) -> None:
    page = visited.page
    visited.open()
    page.once("filechooser", lambda chooser: chooser.set_files(photos / "one.png"))
    tab_to(page, "Skip to the content")
    page.keyboard.press("Enter")
    expect(page.locator("#main")).to_be_focused()
    tab_to(page, "choose")
    page.keyboard.press("Enter")
    expect(page.get_by_role("status").filter(has_text="1 photo · 1 happy")).to_be_visible()

    def check_answer() -> None:
        expect(page.locator("#live-said[role=status]")).to_have_text("1 face: happy")
        mood = page.get_by_role("img", name=re.compile("^Mood over the last .*happy"))
        expect(mood).to_be_visible()

    live_by_keyboard(page, check_answer)
    tab_to(page, "About", "Shift+Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="About the classifier", level=1)).to_be_focused()
    expect(page.locator("#about-card[aria-busy=false] h2").first).to_be_visible()


@pytest.mark.skipif(
    not AXE.is_file(), reason="axe-core is missing (npm install --no-save axe-core)"
)
def test_axe_finds_no_serious_fault_in_a_site(visited: Seen) -> None:
    page = visited.page
    visited.open()
    expect(page.locator("#loading")).to_be_hidden()
    page.evaluate(AXE.read_text(encoding="utf-8"))
    faults = serious(page, "try, empty")
    page.get_by_role("button", name="Try drawn faces").click()
    expect(page.locator(".answer:not(.waiting)")).to_have_count(EXAMPLES)
    page.get_by_text("3 faces, the largest first").click()
    faults += serious(page, "try")
    page.click("nav a[href='#live']")
    page.click("#live-start")
    expect(page.locator("#live-label .chip")).to_be_visible()
    page.get_by_text("Speed").click()
    faults += serious(page, "live")
    page.click("nav a[href='#about']")
    expect(page.locator("#about-card h2").first).to_be_visible()
    faults += serious(page, "about")
    assert faults == []


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
        page.get_by_role("button", name="Clear").click()
        page.get_by_role("button", name="Try drawn faces").click()
        expect(page.locator(".answer:not(.waiting)")).to_have_count(EXAMPLES)
        page.click("nav a[href='#about']")
        expect(page.locator("#about-card img").first).to_be_visible()
    finally:
        page.context.set_offline(False)


def test_threads_are_used_only_where_the_host_isolates_the_page(
    site: Path, visited: Seen, browser: Browser, photos: Path
) -> None:
    visited.page.wait_for_function(THREADS)
    assert visited.page.evaluate(THREADS) == len(visited.page.workers) == 1
    with (
        served(site.parents[1], isolated=True) as address,
        watched(browser, f"{address}/a%20path/site/") as seen,
    ):
        page = seen.page
        seen.open()
        same(page, Classifier(threads=1), [(photos / "one.png").read_bytes()])
        cores = page.evaluate("() => navigator.hardwareConcurrency")
        # The first thread is that of the worker.
        assert page.evaluate(THREADS) == len(page.workers) == min(4, cores)
    check(seen)


@pytest.mark.parametrize("looks_at", ["photo", "both"])
@pytest.mark.parametrize("write", [brightness_classifier, three_class_classifier])
def test_a_site_answers_with_a_classifier_of_ones_own(
    tmp_path: Path, browser: Browser, photos: Path, write: Callable[..., Path], looks_at: str
) -> None:
    model = write(tmp_path / "own.onnx", looks_at=looks_at, slope=0.02)
    publish(tmp_path / "site", model)
    with served(tmp_path) as address, watched(browser, f"{address}/site/") as seen:
        page = seen.page
        seen.open()
        names = ("one.png", 'two, "twins".png', "wall.png")
        classifier = Classifier(model)
        answers = same(page, classifier, [(photos / name).read_bytes() for name in names])
        faces = [len(answer.faces) for answer in answers]
        assert faces == ([1, 2, 0] if looks_at == "both" else [0, 0, 0])
        label = answers[2].label
        assert label is not None
        seen.drop("#drop", photos / "wall.png")
        expect(page.locator(".answer:not(.waiting) .label .chip")).to_have_text(label)
        page.click("nav a[href='#about']")
        facts = page.locator("#about-facts")
        expect(facts).to_contain_text("The classifier “own”")
        expect(facts).to_contain_text(", ".join(classifier.classes))
    check(seen)
