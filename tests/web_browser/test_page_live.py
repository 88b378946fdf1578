"""Live: boxes over the webcam's picture, one frame in flight, its rate and latency."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.web_browser.conftest import FAKE_CAMERA, FAKE_CONSENT, Launch, Seen, check, watched

pytestmark = pytest.mark.browser

# Whether the canvas over the video holds anything.
DRAWN = """() => {
  const { width, height } = document.getElementById("live-boxes");
  if (!width) return false;
  const brush = document.getElementById("live-boxes").getContext("2d");
  return brush.getImageData(0, 0, width, height).data.some((value) => value > 0);
}"""
# Counts the frames that were sent, and the most that were on their way at once.
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
TRACKS = "document.getElementById('live-video').srcObject?.getTracks().map((t) => t.readyState)"


def start(seen: Seen) -> Page:
    seen.open("#live")
    seen.page.get_by_role("button", name="Start the camera").click()
    expect(seen.page.locator("#live-outcome .chip")).to_be_visible(timeout=20_000)
    return seen.page


def until(page: Page, right: Callable[[], bool]) -> None:
    for _ in range(200):
        if right():
            return
        page.wait_for_timeout(50)
    raise AssertionError("it never came")


def test_a_face_before_the_camera(
    seen: Seen, record_property: Callable[[str, object], None]
) -> None:
    page = start(seen)
    expect(page.locator("#live-outcome")).to_contain_text("happy")
    until(page, lambda: bool(page.evaluate(DRAWN)))
    page.wait_for_timeout(3000)
    figures = {}
    for name, words in (
        ("rate", r"(\d+\.\d)"),
        ("latency", r"(\d+) ms"),
        ("server", r"(\d+) ms"),
    ):
        found = re.fullmatch(words, page.inner_text(f"#live-{name}"))
        assert found is not None
        figures[name] = float(found[1])
        record_property(name, figures[name])
    assert 1 < figures["rate"] < 40
    assert figures["server"] <= figures["latency"] < 2000
    expect(page.locator("#live-said")).to_have_text(re.compile("1 face: (happy|unsure)"))


def test_one_frame_is_on_its_way(seen: Seen) -> None:
    seen.page.add_init_script(COUNTED)
    page = start(seen)
    for _ in range(3):
        page.get_by_role("button", name="Pause").click()
        page.get_by_role("button", name="Go on").click()
        page.wait_for_timeout(300)
    until(page, lambda: seen.answers > 10)
    frames = page.evaluate("window.frames_")
    assert frames["most"] == 1
    assert frames["sent"] > 10


def test_pause_sends_nothing_and_goes_on(seen: Seen) -> None:
    page = start(seen)
    page.get_by_role("button", name="Pause").click()
    page.wait_for_timeout(500)
    before = seen.answers
    page.wait_for_timeout(700)
    assert seen.answers == before
    page.get_by_role("button", name="Go on").click()
    until(page, lambda: seen.answers > before + 2)


def test_leaving_the_view_stops_the_camera(seen: Seen) -> None:
    page = start(seen)
    assert page.evaluate(TRACKS) == ["live"]
    page.evaluate("window.kept = document.getElementById('live-video').srcObject.getTracks()[0]")
    page.get_by_role("link", name="Try").click()
    assert page.evaluate(TRACKS) is None
    assert page.evaluate("window.kept.readyState") == "ended"
    until(page, lambda: seen.sockets[0].is_closed())


def test_a_view_that_the_server_ends_is_opened_again(seen: Seen) -> None:
    page = start(seen)
    page.get_by_role("button", name="Stop the camera").click()
    refusals = []

    def refuse_once(socket: object) -> None:
        refusals.append(socket)
        if len(refusals) == 1:
            socket.close(code=1000, reason="")  # type: ignore[attr-defined]
        else:
            socket.connect_to_server()  # type: ignore[attr-defined]

    page.route_web_socket("**/v1/live", refuse_once)
    page.get_by_role("button", name="Start the camera").click()
    expect(page.locator("#live-trouble")).to_contain_text("asking again", ignore_case=True)
    expect(page.locator("#live-outcome .chip")).to_be_visible(timeout=20_000)
    expect(page.locator("#live-trouble")).to_be_hidden()
    assert len(refusals) == 2


@pytest.mark.parametrize(
    ("flag", "words"),
    [(FAKE_CONSENT, "No camera was found"), (FAKE_CAMERA, "did not let this page use the camera")],
)
def test_without_camera_or_permission(launch: Launch, address: str, flag: str, words: str) -> None:
    with watched(launch(flag), address) as seen:
        for view, message in (("#live", "#live-message"), ("#teach", "#teach-camera-message")):
            seen.open(view)
            seen.page.get_by_role("button", name="Start the camera").click()
            expect(seen.page.locator(message)).to_contain_text(words)
    check(seen)
