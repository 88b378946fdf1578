"""Live: boxes over the webcam's picture, one frame at a time; mood, rate and latency."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, WebSocketRoute, expect

from tests.classifiers import three_class_classifier
from tests.web_browser.conftest import (
    FAKE_CAMERA,
    FAKE_CONSENT,
    Launch,
    Seen,
    check,
    serving,
    until,
    watched,
)

pytestmark = pytest.mark.browser

# Whether anything is drawn on the canvas over the video.
DRAWN = """() => {
  const { width, height } = document.getElementById("live-boxes");
  if (!width) return false;
  const brush = document.getElementById("live-boxes").getContext("2d");
  return brush.getImageData(0, 0, width, height).data.some((value) => value > 0);
}"""
# All three figures at one moment.
FIGURES = """() => {
  const [rate, latency, server] = ["rate", "latency", "server"].map((name) =>
    parseFloat(document.getElementById(`live-${name}`).textContent),
  );
  const { videoWidth, videoHeight } = document.getElementById("live-video");
  const size = `${videoWidth}x${videoHeight}`;
  return [rate, latency, server].some(Number.isNaN) ? null : { rate, latency, server, size };
}"""
# The figures that do not fit into the side of a wide page, even the longest ones.
CUT_OFF = """() => {
  const side = document.querySelector(".side").getBoundingClientRect();
  const fill = (query, text) =>
    [...document.querySelectorAll(query)].map((one) => {
      one.textContent = text;
      const words = document.createRange();
      words.selectNodeContents(one);
      return words.getBoundingClientRect();
    });
  const all = [...fill(".figures dd", "8888 ms"), ...fill("#live-mood b", "100 %")];
  return [all.length, all.filter(({ right }) => right > side.right + 0.5).length];
}"""
# Counts the frames that were sent, and the maximum number without an answer at one moment.
COUNTED = """
  window.frames_ = { sent: 0, open: 0, most: 0 };
  window.WebSocket = class extends WebSocket {
    constructor(...given) {
      super(...given);
      this.addEventListener("message", () => (window.frames_.open -= 1));
    }
    send(data) {
      window.frames_.sent += 1;
      window.frames_.open += 1;
      window.frames_.most = Math.max(window.frames_.most, window.frames_.open);
      super.send(data);
    }
  };
"""
# Shows the camera in another video until it has shown ten more pictures.
TEN_PICTURES = """async () => {
  const video = document.createElement("video");
  video.muted = true;
  video.srcObject = document.getElementById("live-video").srcObject;
  document.body.append(video);
  await video.play();
  for (let left = 10; left; left--) await new Promise((go) => video.requestVideoFrameCallback(go));
  video.remove();
}"""
# Whether the canvas has the colour of the photo's label, of which the only face has the same.
SAME_COLOUR = """() => {
  const chip = document.querySelector("#live-label .chip");
  const wanted = getComputedStyle(chip).backgroundColor.match(/\\d+/g).map(Number);
  const { width, height } = document.getElementById("live-boxes");
  const brush = document.getElementById("live-boxes").getContext("2d");
  const { data } = brush.getImageData(0, 0, width, height);
  for (let at = 0; at < data.length; at += 4)
    if (data[at + 3] === 255 && wanted.every((value, place) => data[at + place] === value))
      return true;
  return false;
}"""
TRACKS = "document.getElementById('live-video').srcObject?.getTracks().map((t) => t.readyState)"


def start(seen: Seen) -> Page:
    seen.open("#live")
    seen.page.get_by_role("button", name="Start the camera").click()
    expect(seen.page.locator("#live-label .chip")).to_be_visible()
    return seen.page


@pytest.mark.parametrize(
    ("options", "classes", "picture"),
    [
        ([], ["happy", "neither", "sad"], ".shares .part"),
        (["--answers", "happy,sad"], ["happy", "sad"], ".track .zone"),
    ],
    ids=["all", "two answers"],
)
def test_three_classes_before_the_camera(
    browser: Browser, tmp_path: Path, options: list[str], classes: list[str], picture: str
) -> None:
    model = three_class_classifier(
        tmp_path / "three.onnx", looks_at="face", slope=0.02, unsure=(0.3, 0.3, 0.3)
    )
    with (
        serving(tmp_path, "--model", str(model), *options) as address,
        watched(browser, address) as seen,
    ):
        page = start(seen)
        expect(page.locator(f"#live-label {picture}")).to_have_count(len(classes))
        words = re.compile("^" + ", ".join(rf"{name} [\d.]+ %" for name in classes))
        expect(page.get_by_role("img", name=words)).to_be_visible()
        until(page, lambda: bool(page.evaluate(SAME_COLOUR)))
        page.get_by_role("button", name="Stop the camera").click()
        seen.open("#about")
        expect(page.locator("#about-facts")).to_contain_text(", ".join(classes))
        expect(page.locator("#about-facts")).to_contain_text("unsure")
    check(seen)


def test_a_face_before_the_camera(
    seen: Seen, record_property: Callable[[str, object], None]
) -> None:
    page = start(seen)
    expect(page.locator("#live-label")).to_contain_text("happy")
    page.wait_for_function(DRAWN)
    until(page, lambda: seen.answers >= 60)
    figures = page.wait_for_function(FIGURES).json_value()
    assert 0 < figures["rate"] < 40  # the camera gives 30
    assert 0 < figures["server"] <= figures["latency"]
    page.get_by_text("Speed").click()
    assert re.fullmatch(r"\d+ ms", page.inner_text("#live-latency"))
    assert page.evaluate(CUT_OFF) == [7, 0]
    assert figures["size"] == "640x480"
    words = "{rate} frames/s, {latency} ms (server {server} ms) at {size}".format(**figures)
    record_property("live", words)
    expect(page.locator("#live-said")).to_have_text(re.compile("1 face: (happy|unsure)"))


def test_the_mood_over_the_last_minute(seen: Seen) -> None:
    seen.open("#live")
    mood = seen.page.locator("#live-mood")
    expect(mood).to_have_attribute("aria-label", "Mood over the last minute: no face yet")
    start(seen)
    words = re.compile(
        r"Mood over the last \d+ seconds?: happy \d+ %, neither \d+ %, sad 0 %, unsure \d+ %"
    )
    expect(mood).to_have_attribute("aria-label", words)
    expect(mood.locator("svg.happy path")).to_have_attribute("d", re.compile("^M5\\d 1V"))
    expect(mood.locator("svg.sad path")).to_have_attribute("d", "")
    seen.page.get_by_role("button", name="Stop the camera").click()
    expect(mood).to_have_attribute("aria-label", "Mood over the last minute: no face yet")


def test_one_frame_is_on_its_way(seen: Seen) -> None:
    seen.page.add_init_script(COUNTED)
    page = start(seen)
    for _ in range(3):
        page.get_by_role("button", name="Pause").click()
        before = seen.answers
        page.get_by_role("button", name="Resume").click()
        until(page, lambda: seen.answers > before + 1)  # noqa: B023
    until(page, lambda: seen.answers > 10)
    frames = page.evaluate("window.frames_")
    assert frames["most"] == 1
    assert frames["sent"] > 10


def test_pause_sends_nothing_and_goes_on(seen: Seen) -> None:
    seen.page.add_init_script(COUNTED)
    page = start(seen)
    page.get_by_role("button", name="Pause").click()
    before = page.evaluate("window.frames_.sent")
    page.evaluate(TEN_PICTURES)
    assert page.evaluate("window.frames_.sent") == before
    before = seen.answers
    page.get_by_role("button", name="Resume").click()
    until(page, lambda: seen.answers > before + 2)


def test_leaving_the_view_stops_the_camera(seen: Seen) -> None:
    page = start(seen)
    assert page.evaluate(TRACKS) == ["live"]
    page.evaluate("window.kept = document.getElementById('live-video').srcObject.getTracks()[0]")
    page.get_by_role("link", name="Try").click()
    expect(page.locator("#view-try")).to_be_visible()
    assert page.evaluate(TRACKS) is None
    assert page.evaluate("window.kept.readyState") == "ended"
    until(page, lambda: seen.sockets[0].is_closed())


def test_a_view_that_the_server_ends_is_opened_again(seen: Seen) -> None:
    page = start(seen)
    page.get_by_role("button", name="Stop the camera").click()
    refused = []
    enough = False

    def refuse(socket: WebSocketRoute) -> None:
        if enough:
            socket.connect_to_server()
        else:
            refused.append(socket)
            socket.close(code=1000, reason="")

    page.route_web_socket("**/v1/live", refuse)
    page.get_by_role("button", name="Start the camera").click()
    expect(page.locator("#live-trouble")).to_contain_text("connecting again", ignore_case=True)
    enough = True
    expect(page.locator("#live-label .chip")).to_be_visible()
    expect(page.locator("#live-trouble")).to_be_hidden()
    assert refused


@pytest.mark.parametrize(
    ("flag", "words"),
    [(FAKE_CONSENT, "No camera was found"), (FAKE_CAMERA, "does not allow this page to use")],
)
def test_without_camera_or_permission(launch: Launch, address: str, flag: str, words: str) -> None:
    with watched(launch(flag), address) as seen:
        for view, message in (("#live", "#live-message"), ("#teach", "#teach-camera-message")):
            seen.open(view)
            seen.page.get_by_role("button", name="Start the camera").click()
            expect(seen.page.locator(message)).to_contain_text(words)
    check(seen)
