"""Try: photos are dropped, pasted or chosen, answered, explained and saved."""

from __future__ import annotations

import base64
import io
import re
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page, Route, expect

from happysad.colours import GREY, colours_of
from happysad.face_detection import Face
from happysad.predictions import FacePrediction, Prediction, percent
from happysad.web.drawn_examples import EXAMPLES
from tests.command_line import run_command
from tests.films import film, party
from tests.web_browser.conftest import Seen, until
from tests.web_browser.test_page_everywhere import focused

pytestmark = pytest.mark.browser

# The area of the list of answers and that of each answer, all with a gap on two sides.
AREAS = """() => {
  const list = document.getElementById("answers");
  const gap = parseFloat(getComputedStyle(list).rowGap);
  const area = (one) => {
    const { width, height } = one.getBoundingClientRect();
    return (width + gap) * (height + gap);
  };
  return [area(list), [...list.children].map(area)];
}"""
# Ends all animations.
FINISHED = "() => document.getAnimations().forEach((one) => one.finish())"
NAMES = ["notes.jpg", "one.png", 'two, "twins".png', "wall.png"]


def card(page: Page, name: str) -> str:
    """Return the text of a photo's card."""
    found = page.locator(".answer:not(.waiting)", has=page.get_by_role("heading", name=name))
    return found.inner_text()


def answered(page: Page, count: int) -> None:
    expect(page.locator(".answer:not(.waiting)")).to_have_count(count)


def test_a_folder_that_is_dropped(seen: Seen, photos: Path) -> None:
    page = seen.page
    seen.open()
    seen.drop("#drop", photos)
    answered(page, 4)
    assert page.locator(".answer h3").all_inner_texts() == NAMES
    assert "happy" in card(page, "one.png")
    assert "No face was found" in card(page, "wall.png")
    assert "Not an image (allowed by content:" in card(page, "notes.jpg")
    assert "2 faces" in card(page, "two,")
    expect(page.locator("#try-status")).to_contain_text("4 photos")
    expect(page.locator("#try-status")).to_contain_text("1 no face, 1 not read")
    expect(page.locator(".boxes > g")).to_have_count(3)
    boxes = [one.locator(".boxes > g").count() for one in page.locator(".answer").all()]
    assert boxes == [0, 1, 2, 0]
    page.get_by_role("button", name="Clear").click()
    answered(page, 0)
    expect(page.locator("#try-bar")).to_be_hidden()


def test_drawn_faces_to_start_with(seen: Seen) -> None:
    page = seen.page
    seen.open()
    page.get_by_role("button", name="Try drawn faces").click()
    answered(page, EXAMPLES)
    expect(page.locator("#try-examples")).to_be_hidden()
    expect(page.locator("#choose")).to_be_focused()
    for name in ("happy", "neither", "sad"):
        expect(page.locator(f"#try-filter .key.{name}")).to_be_visible()
    page.get_by_role("button", name="Clear").click()
    page.route("**/static/examples/*", lambda route: route.fulfill(status=503, body=""))
    page.get_by_role("button", name="Try drawn faces").click()
    expect(page.locator("#notice")).to_contain_text("The examples could not be loaded")
    until(page, lambda: len(seen.complaints) == EXAMPLES)
    assert all("503" in one for one in seen.complaints)
    seen.complaints.clear()


def test_the_photos_with_one_answer(seen: Seen, photos: Path, tmp_path: Path) -> None:
    page = seen.page
    seen.open()
    page.set_input_files("#choose", photos / "one.png")
    answered(page, 1)
    expect(page.locator("#try-filter")).to_be_hidden()
    page.set_input_files("#choose", [photos / name for name in NAMES])
    answered(page, 5)
    buttons = page.locator("#try-filter button")
    assert buttons.all_text_contents() == ["All5", "happy3", "no face1", "not read1"]
    page.get_by_role("button", name="happy 3").click()
    titles = page.locator(".answer h3:visible")
    assert titles.all_inner_texts() == ["one.png", "one.png", 'two, "twins".png']
    expect(page.get_by_role("button", name="happy 3", pressed=True)).to_be_focused()
    expect(page.locator("#try-status")).to_contain_text("3 shown")
    with page.expect_download() as download:
        page.get_by_role("button", name="Download CSV").click()
    download.value.save_as(tmp_path / "saved.csv")
    assert len((tmp_path / "saved.csv").read_text().splitlines()) == 4
    page.get_by_role("button", name="All 5").click()
    expect(titles).to_have_count(5)
    page.get_by_role("button", name="no face 1").click()
    page.set_input_files("#choose", photos / "one.png")
    answered(page, 6)
    expect(page.get_by_role("button", name="All 6", pressed=True)).to_be_visible()
    expect(titles).to_have_count(6)


def test_a_photo_is_enlarged_and_its_drawing_saved(
    seen: Seen, photos: Path, tmp_path: Path
) -> None:
    page = seen.page
    seen.open()
    with page.expect_response("**/v1/predict") as answer:
        page.set_input_files("#choose", [photos / name for name in NAMES])
    row = answer.value.json()[NAMES.index('two, "twins".png')]
    answered(page, 4)
    opener = page.get_by_role("button", name="Enlarge the photo two")
    opener.focus()
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog", name='two, "twins".png')
    expect(dialog.get_by_role("img")).to_have_attribute(
        "aria-label", re.compile(r'The photo two, "twins".png: happy [\d.]+ %; happy [\d.]+ %')
    )
    expect(dialog.get_by_role("button", name="Close")).to_be_focused()
    with page.expect_download() as download:
        dialog.get_by_role("button", name="Download drawing").click()
    assert_drawn(download.value.path(), row, {"happy"})
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(opener).to_be_focused()
    opener.click()
    page.mouse.click(2, 2)
    expect(dialog).to_be_hidden()


def test_all_drawings_are_saved(seen: Seen, photos: Path, tmp_path: Path) -> None:
    page = seen.page
    Image.open(photos / "one.png").save(tmp_path / "hidden.tiff")
    seen.open()
    names = [*NAMES, "one.png"]
    page.set_input_files("#choose", [*(photos / name for name in names), tmp_path / "hidden.tiff"])
    answered(page, 6)
    with page.expect_download() as download:
        page.get_by_role("button", name="Download drawings").click()
    assert download.value.suggested_filename == "happysad-drawings.zip"
    expect(page.locator("#try-status")).to_contain_text(
        "4 drawings saved, without 1 photo that this browser cannot show"
    )
    with zipfile.ZipFile(download.value.path()) as archive:
        assert archive.testzip() is None
        assert sorted(archive.namelist()) == [
            "one-drawn-2.png",
            "one-drawn.png",
            'two, "twins"-drawn.png',
            "wall-drawn.png",
        ]
        assert_drawn(io.BytesIO(archive.read("wall-drawn.png")), {"faces": []}, {"other"})


def assert_drawn(file: Path | io.BytesIO, row: dict[str, Any], looks: set[str]) -> None:
    """Check that a drawing has its photo's size, and boxes and notes in the colours of answers."""
    pixels = np.asarray(Image.open(file).convert("RGB"))
    assert pixels.shape == (240, 480, 3)
    colours = {"other": GREY, **colours_of(["happy", "neither", "sad"])}
    for name, colour in colours.items():
        assert (pixels == colour.rgb).all(axis=2).any() == (name in looks)
    for face in row["faces"]:
        middle = int(face["y"] + face["height"] / 2)
        line = pixels[middle, int(face["x"]) - 2 : int(face["x"]) + 4]
        assert (line == colours[face["label"]].rgb).all(axis=1).any()


def test_an_opened_list_of_many_faces_leaves_no_hole(seen: Seen, photos: Path) -> None:
    page = seen.page
    answer = {"happy": 0.9, "neither": 0.06, "sad": 0.04}
    face = Face(x=1, y=1, width=9, height=9, score=0.9, landmarks=((1.0, 1.0),) * 5)
    many = FacePrediction(face=face, label="happy", probabilities=answer)
    rows = [
        Prediction(
            source="one.png", label="happy", probabilities=answer, faces=(many,) * count
        ).row()
        for count in (1, 24, 1, 1, 1, 1, 1)
    ]
    page.route("**/v1/predict", lambda route: route.fulfill(json=rows))
    page.set_viewport_size({"width": 1280, "height": 844})
    seen.open()
    page.set_input_files("#choose", [photos / "one.png"] * 7)
    answered(page, 7)
    page.get_by_text("24 faces, the largest first").click()
    expect(page.locator(".each li")).to_have_count(24)
    page.evaluate(FINISHED)
    area, parts = page.evaluate(AREAS)
    assert sum(parts) == pytest.approx(area, rel=0.001)
    expect(page.locator(".answer").nth(1)).to_be_in_viewport(ratio=1)


def test_a_film_is_followed_until_it_is_stopped(seen: Seen, tmp_path: Path) -> None:
    page = seen.page
    scene = film(tmp_path / "long.mp4", party(40) * 15)
    seen.open()
    seen.drop("#drop", scene)
    film_card = page.locator(".film")
    expect(film_card).to_contain_text(" left")
    film_card.get_by_role("button", name="Stop").click()
    expect(film_card).to_contain_text("Stopped at 0:0")
    focused(page, "Play")
    expect(film_card.locator(".courses")).to_contain_text("Face 1")
    expect(film_card.get_by_role("button", name="Download CSV")).to_be_enabled()
    names = film_card.locator(".keys li")
    expect(names).to_have_text(["happy", "neither", "sad", "unsure"])
    page.locator("#try-two").check()
    expect(names).to_have_text(["happy", "sad", "unsure"])
    until(page, lambda: all(one.is_closed() for one in seen.sockets))
    expect(page.locator("#try-bar")).to_be_hidden()
    film_card.get_by_role("button", name="Remove").click()
    expect(film_card).to_have_count(0)


def test_a_photo_that_no_browser_shows(seen: Seen, photos: Path, tmp_path: Path) -> None:
    page = seen.page
    for name in ('two, "twins".png', "one.png"):
        Image.open(photos / name).save(tmp_path / f"{name[:3]}.tiff")
    seen.open()
    page.set_input_files("#choose", sorted(tmp_path.iterdir()))
    answered(page, 2)
    one, two = page.locator(".answer").all()
    for photo, name in ((one, "one.tiff"), (two, "two.tiff")):
        expect(photo.locator(".picture")).to_have_text(
            f"No preview: this browser cannot show {name}"
        )
    expect(one.locator(".label")).to_contain_text(re.compile(r"(happy|sad|unsure).+%"))
    two.get_by_text("2 faces, the largest first").click()
    expect(two.locator(".each li")).to_have_count(2)
    for face in two.locator(".each li").all():
        expect(face).to_contain_text(re.compile(r"(happy|sad|unsure).+%"))


def test_the_table_is_that_of_the_command_line(seen: Seen, photos: Path, tmp_path: Path) -> None:
    page = seen.page
    seen.open()
    page.set_input_files("#choose", [photos / name for name in NAMES])
    answered(page, 4)
    with page.expect_download() as download:
        page.get_by_role("button", name="Download CSV").click()
    assert download.value.suggested_filename == "happysad.csv"
    download.value.save_as(tmp_path / "saved.csv")
    printed = run_command("predict", "--csv", *NAMES, cwd=photos)
    assert (tmp_path / "saved.csv").read_bytes() == printed.stdout


def test_neither_is_left_out_on_request(seen: Seen, photos: Path, tmp_path: Path) -> None:
    page = seen.page
    seen.open()
    page.set_input_files("#choose", [photos / name for name in NAMES])
    answered(page, 4)
    expect(page.locator(".answer .names").first).to_contain_text("neither")
    page.get_by_label("Leave out neither: answer only happy or sad").check()
    expect(page.locator(".answer .names", has_text="neither")).to_have_count(0)
    answered(page, 4)
    with page.expect_download() as download:
        page.get_by_role("button", name="Download CSV").click()
    download.value.save_as(tmp_path / "saved.csv")
    printed = run_command("predict", "--csv", "--answers", "happy,sad", *NAMES, cwd=photos)
    assert (tmp_path / "saved.csv").read_bytes() == printed.stdout
    page.locator(".answer", has=page.get_by_role("heading", name="one.png")).get_by_role(
        "button", name="What decided?"
    ).click()
    expect(page.locator(".heat img")).to_have_attribute("alt", re.compile("(happy|sad|unsure)"))
    page.get_by_label("Leave out neither").uncheck()
    expect(page.locator(".heat")).to_have_count(0)
    expect(page.locator(".answer .names").first).to_contain_text("neither")


@pytest.mark.parametrize(
    ("classes", "label", "words"),
    [
        pytest.param(
            {"happy": 0.66, "sad": 0.34}, "unsure", "unsure leans happy 66 %", id="unsure"
        ),
        pytest.param({"happy": 0.04, "sad": 0.96}, "sad", "sad 96 %", id="two classes"),
        pytest.param(
            {"happy": 0.2, "neither": 0.7, "sad": 0.1}, "neither", "neither 70 %", id="three"
        ),
    ],
)
def test_an_answer_in_words(
    seen: Seen, photos: Path, classes: dict[str, float], label: str, words: str
) -> None:
    page = seen.page
    row = Prediction(source="one.png", label=label, probabilities=classes).row()
    page.route("**/v1/predict", lambda route: route.fulfill(json=[row]))
    seen.open()
    page.set_input_files("#choose", [photos / "one.png"])
    answered(page, 1)
    expect(page.locator(".answer .label")).to_have_text(words)
    figures = ", ".join(f"{name} {100 * p:.0f} %" for name, p in classes.items())
    expect(page.get_by_role("img", name=figures)).to_be_visible()


def test_percents_are_those_of_python(seen: Seen) -> None:
    seen.open()
    edges = [0, 0.0004, 0.0049, 0.00949, 0.00999, 0.01, 0.0149, 0.015, 0.145, 0.505, 0.985]
    edges += [0.9899, 0.99, 0.9949, 0.995, 0.99949, 0.9995, 1]
    values = [*edges, *np.random.default_rng(0).uniform(size=1000).tolist()]
    script = "async (ps) => ps.map((await import('/static/label.js')).percent)"
    assert seen.page.evaluate(script, values) == [percent(p) for p in values]


@pytest.mark.parametrize(
    ("classes", "question"),
    [
        (["happy", "sad"], "Happy or sad?"),
        (["happy", "neither", "sad"], "Happy, sad or neither?"),
        (["angry", "happy", "sad"], "Angry, happy or sad?"),
        (["calm", "stormy"], "Calm or stormy?"),
        (["a", "b", "neither"], "A, b or neither?"),
    ],
)
def test_classes_have_their_colours_and_their_question(
    seen: Seen, classes: list[str], question: str
) -> None:
    seen.open()
    script = """async (classes) => {
      const { look, model, setModel } = await import("/static/model.js");
      setModel({ ...model(), details: { ...model().details, classes } });
      const style = getComputedStyle(document.documentElement);
      return [...classes, "unsure"].map((one) => style.getPropertyValue(`--${look(one)}`));
    }"""
    shown = seen.page.evaluate(script, classes)
    assert shown == [one.hex for one in [*colours_of(classes).values(), GREY]]
    expect(seen.page.locator("#try-title")).to_have_text(question)
    expect(seen.page.locator("#try-faces .sad")).to_be_visible()
    expect(seen.page.locator("#try-faces .neither")).to_be_visible(visible="neither" in classes)


def test_three_shares_are_a_divided_bar(seen: Seen, photos: Path) -> None:
    page = seen.page
    classes = {"happy": 0.25, "neither": 0.6, "sad": 0.15}
    row = Prediction(source="one.png", label="neither", probabilities=classes).row()
    page.route("**/v1/predict", lambda route: route.fulfill(json=[row]))
    seen.open()
    page.set_input_files("#choose", [photos / "one.png"])
    answered(page, 1)
    boxes = [part.bounding_box() for part in page.locator(".shares .part").all()]
    widths = np.array([box["width"] for box in boxes if box is not None])
    np.testing.assert_allclose(widths / widths.sum(), list(classes.values()), atol=0.01)
    said = [name.inner_text().split() for name in page.locator(".shares .names > span").all()]
    assert said == [["happy", "25", "%"], ["neither", "60", "%"], ["sad", "15", "%"]]
    expect(page.locator(".track")).to_have_count(0)


def test_what_decided_is_shown_on_request(seen: Seen, photos: Path) -> None:
    page = seen.page
    seen.open()
    page.set_input_files("#choose", [photos / 'two, "twins".png'])
    answered(page, 1)
    page.get_by_text("2 faces, the largest first").click()
    page.get_by_role("button", name="Why? Face 2").click()
    heat = page.get_by_role("img", name="Heat map of face 2")
    expect(heat).to_be_visible()
    page.wait_for_function("() => document.querySelector('.heat img').naturalWidth === 384")
    assert page.locator(".heat .keys li").all_inner_texts() == ["happy", "neither", "sad"]
    for name in ("happy", "neither", "sad"):
        expect(page.locator(f".heat .key.{name}")).to_be_visible()
    assert any("/v1/explain?" in url and "face=2" in url for url in seen.requests)
    page.get_by_role("button", name="Close the heat map").click()
    expect(heat).to_have_count(0)


def test_a_picture_that_is_pasted(seen: Seen, photos: Path) -> None:
    page = seen.page
    seen.open()
    page.evaluate(
        """text => {
          const bytes = Uint8Array.from(atob(text), (sign) => sign.charCodeAt(0));
          const clipboardData = new DataTransfer();
          clipboardData.items.add(new File([bytes], "image.png", { type: "image/png" }));
          document.dispatchEvent(new ClipboardEvent("paste", { clipboardData }));
        }""",
        base64.b64encode((photos / "one.png").read_bytes()).decode(),
    )
    answered(page, 1)
    assert "happy" in card(page, "image.png")


def test_many_photos_go_in_parts_that_are_sent_again_to_a_busy_server(
    seen: Seen, photos: Path
) -> None:
    page = seen.page
    sizes: list[int] = []
    held: list[Route] = []

    def busy_once(route: Route) -> None:
        body = route.request.post_data_buffer or b""
        sizes.append(body.count(b'name="files"'))
        if len(sizes) == 1:
            route.fulfill(status=429, headers={"Retry-After": "1"}, json={"error": "too many"})
        elif len(sizes) == 2:
            held.append(route)
        else:
            route.continue_()

    page.route("**/v1/predict", busy_once)
    seen.open()
    page.set_input_files("#choose", [photos / "one.png"] * 20)
    expect(page.locator("#try-status")).to_contain_text("the server is busy")
    until(page, lambda: bool(held))
    held[0].continue_()
    answered(page, 20)
    assert sizes == [8, 8, 8, 4]
    [forgiven] = seen.complaints
    assert "429" in forgiven
    seen.complaints.clear()


def test_a_server_that_has_ended(seen: Seen, photos: Path) -> None:
    page = seen.page
    page.route("**/v1/predict", lambda route: route.abort())
    seen.open()
    page.set_input_files("#choose", [photos / "one.png"])
    answered(page, 1)
    assert "The server does not answer" in card(page, "one.png")
    seen.complaints.clear()
