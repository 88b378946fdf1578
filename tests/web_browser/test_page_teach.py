"""Teach: from dropped folders, by a training that a reload does not hurt, to a used classifier."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import httpx2
import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page, Route, expect

from happysad.dataset import drawn_faces
from happysad.dataset.k_center import k_center
from happysad.face_detection import find
from tests.pictures import portrait
from tests.taught import EACH, States, check_run
from tests.web_browser.conftest import Seen, serving, until
from tests.web_browser.test_page_everywhere import AXE, serious

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which the server is started."""
    return tmp_path_factory.mktemp("taught")


@pytest.fixture(scope="module")
def address(folder: Path) -> Iterator[str]:
    """The address of a server of its own, since these tests change which classifier is in use."""
    with serving(folder) as address:
        yield address


@pytest.fixture
def one(address: str) -> Iterator[httpx2.Client]:
    """A client of the server beside the page."""
    with httpx2.Client(base_url=address, timeout=60) as client:
        yield client


@pytest.fixture(scope="module")
def examples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Whole photos with a drawn face, in happy and sad; one with none; what is no picture."""
    folder = tmp_path_factory.mktemp("examples")
    for place, label in enumerate(("happy", "sad")):
        (folder / label / "more").mkdir(parents=True)
        photos = [np.full((120, 180, 3), 150 + place, np.uint8)]
        for seed in range(99):
            rng = np.random.default_rng((place, seed))
            photo = np.full((120, 180, 3), rng.integers(60, 200, 3), np.uint8)
            photo[10:110, 40:140] = drawn_faces.face(label, rng, 100)
            if len(photos) < EACH and find(photo):
                photos.append(photo)
        for n, photo in enumerate(reversed(photos)):
            Image.fromarray(photo).save(folder / label / ("more" if n % 2 else "") / f"{n}.png")
    (folder / "happy" / "notes.txt").write_text("no picture", encoding="utf-8")
    (folder / "happy" / ".hidden").write_text("no picture", encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def new_photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten photos with a drawn face, that are no examples; one with none; what is no picture."""
    folder = tmp_path_factory.mktemp("new")
    Image.fromarray(np.full((120, 180, 3), 90, np.uint8)).save(folder / "0.png")
    (folder / "notes.txt").write_text("no picture", encoding="utf-8")
    for seed in range(99):
        if len(list(folder.iterdir())) == 12:
            break
        rng = np.random.default_rng((7, seed))
        face = drawn_faces.face(CLASSES[seed % 2], rng, 100)
        photo = np.pad(face, ((10, 10), (40, 40), (0, 0)), constant_values=120)
        if find(photo):
            Image.fromarray(photo).save(folder / f"{seed + 1}.png")
    return folder


CLASSES = ("happy", "sad")


def count(page: Page, label: str) -> int:
    return int(page.inner_text(f"#count-{CLASSES.index(label)}"))


def points(page: Page) -> int:
    """How many epochs the curves show."""
    drawn = page.locator("polyline.validation").first.get_attribute("points")
    return len((drawn or "").split())


def give(seen: Seen, examples: Path) -> None:
    """Open the view and drop both folders."""
    page = seen.page
    seen.open("#teach")
    for label in CLASSES:
        before = count(page, label)
        seen.drop(f"[aria-labelledby=class-{CLASSES.index(label)}] .drop", examples / label)
        expect(page.locator("#teach-status")).to_contain_text(f"added to {label}", timeout=20_000)
        if not before:
            expect(page.locator(f"#count-{CLASSES.index(label)}")).to_have_text(str(EACH))


def test_without_the_extra_train(seen: Seen) -> None:
    missing = {
        "available": False,
        "fewest": 10,
        "classes": ["happy", "sad"],
        "counts": {"happy": 0, "sad": 0},
        "job": None,
        "runs": [],
        "in_use": None,
        "own": {"name": "face", "shipped": True},
    }
    seen.page.route("**/v1/teach", lambda route: route.fulfill(json=missing))
    seen.open("#teach")
    expect(seen.page.locator("#teach-missing")).to_contain_text('pip install "happysad[train]"')
    expect(seen.page.locator("#teach-steps")).to_be_hidden()


def test_examples_are_dropped_known_again_refused_and_deleted(seen: Seen, examples: Path) -> None:
    page = seen.page
    give(seen, examples)
    seen.drop("[aria-labelledby=class-0] .drop", examples / "happy")
    status = page.locator("#teach-status")
    expect(status).to_contain_text(f"0 examples added to happy, {EACH} there already, 1 refused")
    assert "notes.txt: not an image" in (page.locator("#teach-refused").text_content() or "")
    page.get_by_role("button", name="Delete the happy examples").click()
    page.get_by_role("button", name="Keep them").click()
    assert count(page, "happy") == EACH
    page.get_by_role("button", name="Delete the happy examples").click()
    page.get_by_role("button", name="Delete them").click()
    expect(page.locator("#count-0")).to_have_text("0")
    expect(page.get_by_role("button", name="Train")).to_be_disabled()
    expect(page.locator("#train-needs")).to_have_text("This takes 10 more photos of happy.")


def test_photos_are_removed_by_keyboard_and_stay_after_a_reload(seen: Seen, examples: Path) -> None:
    page = seen.page
    give(seen, examples)
    shown = page.locator("[aria-labelledby=class-1] .strip li")
    expect(shown).to_have_count(12)
    page.locator("[aria-labelledby=class-1]").get_by_role("button", name="Show 1 more").click()
    expect(shown).to_have_count(EACH)
    expect(page.get_by_role("button", name="Remove photo 13 of sad")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#count-1")).to_have_text("12")
    expect(page.get_by_role("button", name="Remove photo 12 of sad")).to_be_focused()
    page.reload()
    expect(shown).to_have_count(12)
    until(page, lambda: bool(shown.last.locator("img").evaluate("one => one.naturalWidth")))


def test_classes_are_renamed_and_renamed_back(seen: Seen, examples: Path) -> None:
    page = seen.page
    give(seen, examples)
    name = page.get_by_label("Name of class 2")
    for before, after in (("sad", "10 % tired"), ("10 % tired", "sad")):
        name.fill(after)
        name.press("Enter")
        expect(page.locator("#teach-status")).to_have_text(
            f"The class {before} is now named {after}."
        )
        expect(name).to_be_focused()
        expect(page.get_by_role("button", name=f"Delete the {after} examples")).to_be_enabled()
        expect(page.locator("[aria-labelledby=class-1] .strip img").first).to_be_visible()
    name.fill("neither")
    name.press("Enter")
    expect(page.locator("#teach-status")).to_contain_text("neither of two")
    expect(name).to_have_value("sad")
    # The browser logs the refusal.
    seen.complaints.clear()


def test_a_check_shows_how_much_is_done(seen: Seen, examples: Path) -> None:
    page, held = seen.page, list[Route]()
    step = {"what": "reading", "done": 3, "total": 26, "share": 0.1, "seconds_left": 12.0}
    give(seen, examples)
    page.route("**/v1/teach/check", lambda route: held.append(route))
    page.route("**/v1/teach/step", lambda route: route.fulfill(json=step))
    page.get_by_role("button", name="Check the examples").click()
    expect(page.locator("#check-left")).to_have_text("3 of 26 done. About 10 s left until the end.")
    held[0].fulfill(json={"findings": {"files": 26, "used": 25}, "report": "about:blank"})
    expect(page.locator("#teach-findings")).to_contain_text("25 photos of 26 can be learned from")
    expect(page.locator("#check-going")).to_be_hidden()


def test_photos_that_differ_most_are_labelled_first_by_key(
    seen: Seen, new_photos: Path, one: httpx2.Client
) -> None:
    page = seen.page
    seen.open("#teach")
    before = count(page, "sad")
    page.get_by_text("Label the photos that would teach most").click()
    seen.drop("#unlabelled-drop", new_photos)
    status = page.locator("#unlabelled-status")
    expect(status).to_have_text(
        "10 photos to label, 0 labelled; left out: 1 photo without a face and 1 file not read."
    )
    files = [file for file in sorted(new_photos.iterdir()) if file.suffix == ".png"]
    sent = [("files", (file.name, file.read_bytes())) for file in files]
    rows = one.post("/v1/teach/features", files=sent)
    looks = {row["path"]: row["features"] for row in rows.json() if row["features"]}
    # The first photo is shown when eight files have been seen, and the rest when all have been.
    soon = [name for name in (file.name for file in files[:8]) if name in looks]
    first = soon[k_center(np.array([looks[name] for name in soon]), 1)[0]]
    names = [first, *(name for name in looks if name != first)]
    values = np.array([looks[name] for name in names])
    order = [first, *(names[place] for place in k_center(values, 9, chosen=1))]
    assert order != sorted(order)

    name = page.locator("#unlabelled-name")
    expect(name).to_have_text(order[0])
    if AXE.is_file():
        page.emulate_media(reduced_motion="reduce")
        page.evaluate(AXE.read_text(encoding="utf-8"))
        assert serious(page, "unlabelled") == []
    page.keyboard.press("2")
    expect(page.locator("#count-1")).to_have_text(str(before + 1))
    for place in range(1, 10):
        expect(name).to_have_text(order[place])
        page.keyboard.press("x")
    expect(status).to_contain_text("0 photos to label, 1 labelled")
    expect(page.locator("#unlabelled-one")).to_be_hidden()
    newest = one.get("/v1/teach/photos/sad").json()["names"][0]
    assert one.delete(f"/v1/teach/photos/sad/{newest}").json()["counts"]["sad"] == before


def test_labelling_that_is_stopped_looks_at_no_more_photos(seen: Seen, new_photos: Path) -> None:
    page, held = seen.page, list[Route]()
    seen.open("#teach")
    page.get_by_text("Label the photos that would teach most").click()
    status = page.locator("#unlabelled-status")
    page.route("**/v1/teach/features", lambda route: held.append(route))
    seen.drop("#unlabelled-drop", new_photos)
    expect(status).to_have_text("0 photos to label, 0 labelled. Looking at 0 of 12 photos.")
    until(page, lambda: len(held) == 1)
    held[0].continue_()
    expect(page.locator("#unlabelled-one")).to_be_visible()  # before the other photos are seen
    page.get_by_role("button", name="Stop labelling").click()
    until(page, lambda: len(held) == 2)
    held[1].continue_()
    expect(status).to_have_text(re.compile("^(0 photos to label, 0 labelled.*left out.*)?$"))
    expect(page.locator("#unlabelled-one")).to_be_hidden()


@pytest.mark.slow
def test_from_dropped_folders_to_a_used_classifier(
    seen: Seen, examples: Path, folder: Path, one: httpx2.Client
) -> None:
    page = seen.page
    give(seen, examples)
    page.get_by_role("button", name="Check the examples").click()
    findings = page.locator("#teach-findings")
    expect(findings).to_contain_text("can be learned from", timeout=120_000)
    with page.context.expect_page() as report:
        findings.get_by_role("link").click()
    expect(report.value.locator("h1")).to_be_visible()
    report.value.close()

    status = page.locator("#job-status")
    states = States(one)
    page.get_by_role("button", name="Train").click()
    expect(page.get_by_role("button", name="Stop")).to_be_enabled()
    left = page.locator("#job-left")
    expect(left).to_have_text(re.compile(r"([2-9]|\d\d) of 30 epochs done.*left"), timeout=300_000)
    expect(page.locator("#runs")).to_contain_text("Run 1, first result", ignore_case=True)
    left_out = re.compile(r"No face was found in 2 of \d+ photos")
    expect(page.locator("#job-status + ul")).to_contain_text(left_out)
    before = points(page)
    page.reload()
    expect(status).to_contain_text("The first result is below")
    assert points(page) >= before >= 2
    loss = page.get_by_role("img", name=re.compile(r"Loss after \d+ epochs: training \d"))
    expect(loss).to_be_visible()
    expect(status).to_have_text("Done. The new classifier is below.", timeout=300_000)
    assert states.all() == ["checking", "training", "judging", "done"]
    check_run(one, folder / "teach", portrait())
    page.reload()
    page.get_by_role("button", name="Back to the one that comes with happysad").click()
    page.get_by_text("The curves as numbers").click()
    assert page.locator("#job-table tbody tr").count() >= 2

    expect(page.locator("#chart-accuracy svg.chart")).to_be_visible()

    run = page.locator("#runs .runs > li").last
    expect(run).to_contain_text(left_out)
    with page.context.expect_page() as report:
        run.get_by_role("link", name="Open the report").click()
    expect(report.value.locator("h1")).to_be_visible()
    report.value.close()
    with page.expect_download() as download:
        run.get_by_role("link", name=re.compile("Download")).click()
    assert re.fullmatch(r"happysad-run-\d+\.onnx", download.value.suggested_filename)
    run.get_by_role("button", name="Use it now: run 1", exact=True).click()
    expect(page.locator("#runs .chip.used")).to_have_text("in use")
    expect(page.locator("footer")).to_contain_text("the classifier “run")
    page.reload()
    expect(page.locator("#runs")).to_contain_text("Try and Live are now answered by run")
    page.get_by_role("link", name="Try").click()
    page.set_input_files("#choose", [examples / "happy" / "0.png"])
    expect(page.locator(".answer:not(.waiting) .chip")).to_have_text(
        re.compile("happy|sad|unsure"), timeout=20_000
    )
    page.get_by_role("link", name="Live").click()
    page.locator("#live-start").click()
    expect(page.locator("#live-label .chip")).to_have_text(
        re.compile("happy|sad|unsure"), timeout=20_000
    )
    page.get_by_role("link", name="Teach").click()
    page.get_by_role("button", name="Back to the one that comes with happysad").click()
    expect(page.locator("footer")).to_contain_text("the classifier that comes with happysad")


def test_examples_by_holding_a_button(seen: Seen) -> None:
    page = seen.page
    seen.open("#teach")
    before = count(page, "sad")
    page.get_by_role("button", name="Start the camera").click()
    hold = page.get_by_role("button", name="Hold to take sad examples")
    expect(hold).to_be_enabled()
    hold.hover()
    page.mouse.down()
    expect(page.locator(".hold").last).to_contain_text(re.compile("[2-9] taken"), timeout=20_000)
    with page.expect_response("**/v1/teach/photos/sad") as sent:
        page.mouse.up()
    held = sent.value.json()
    assert held["added"] + held["known"] >= 2  # the camera's film repeats itself
    expect(page.locator("#teach-status")).to_contain_text("added to sad")
    expect(page.locator("#count-1")).to_have_text(str(before + held["added"]))
    with page.expect_response("**/v1/teach/photos/sad") as sent:
        page.keyboard.down("Space")  # a press moves the focus to the button
        page.keyboard.up("Space")
    added = sent.value.json()
    assert added["added"] + added["known"] == 1


@pytest.mark.slow
def test_a_training_that_is_stopped(seen: Seen, examples: Path) -> None:
    page = seen.page
    give(seen, examples)
    before = page.locator("#runs .runs > li").count()
    page.get_by_role("button", name="Train").click()
    page.get_by_role("button", name="Stop").click()
    expect(page.locator("#job-status")).to_contain_text("Stopped.", timeout=60_000)
    expect(page.get_by_role("button", name="Train")).to_be_enabled()
    expect(page.get_by_role("button", name="Stop")).to_be_hidden()
    assert page.locator("#runs .runs > li").count() == before
