"""A real server in a separate process, and the page in Debian's Chromium."""

from __future__ import annotations

import contextlib
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from playwright.sync_api import Browser, Page, Playwright, WebSocket, expect, sync_playwright

from happysad.dataset import drawn_faces
from happysad.face_detection import find
from happysad.images import Pixels

__all__: list[str] = []

FAKE_CAMERA = "--use-fake-device-for-media-stream"
FAKE_CONSENT = "--use-fake-ui-for-media-stream"
# The maximum time to wait in milliseconds, long enough for slow and busy machines.
PATIENCE = 60_000

expect.set_options(timeout=PATIENCE)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Print the speed of Live, on which no test depends."""
    for report in terminalreporter.getreports("passed"):
        for name, value in report.user_properties:
            if name == "live":
                terminalreporter.write_line(f"live: {value}")


@dataclass
class Seen:
    """A page, and what the browser recorded about it."""

    page: Page
    address: str
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    """Errors and warnings of the console; a test that causes some on purpose removes them."""
    sockets: list[WebSocket] = field(default_factory=list)
    answers: int = 0
    """The number of answered frames of the Live view."""

    def open(self, view: str = "") -> None:
        self.page.goto(self.address + view)
        expect(self.page.locator(f"#view-{view[1:] or 'try'}")).to_be_visible()

    def drop(self, place: str, *paths: Path) -> None:
        """Drop files and folders on an element, as a person does."""
        element = self.page.locator(place)
        element.scroll_into_view_if_needed()
        box = element.bounding_box()
        assert box is not None
        session = self.page.context.new_cdp_session(self.page)
        data = {"items": [], "files": [str(path) for path in paths], "dragOperationsMask": 1}
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        for kind in ("dragEnter", "dragOver", "drop"):
            event = {"type": kind, "x": x, "y": y, "data": data}
            session.send("Input.dispatchDragEvent", event)
        session.detach()


Launch = Callable[..., Browser]


@pytest.fixture(scope="package")
def playwright() -> Iterator[Playwright]:
    """One Playwright for this package: its event loop allows no other one in this thread."""
    with sync_playwright() as one:
        yield one


@pytest.fixture(scope="package")
def launch(playwright: Playwright) -> Iterator[Launch]:
    """Return a function that starts a browser with further arguments."""
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("there is no chromium (Debian: apt-get install chromium)")
    with contextlib.ExitStack() as stack:

        def launching(*args: str) -> Browser:
            browser = playwright.chromium.launch(
                executable_path=chromium, args=["--no-sandbox", *args]
            )
            stack.callback(browser.close)
            return browser

        yield launching


@pytest.fixture(scope="package")
def browser(launch: Launch, tmp_path_factory: pytest.TempPathFactory) -> Browser:
    """Return a browser whose camera shows a drawn face."""
    film = _film(tmp_path_factory.mktemp("film") / "face.mjpeg")
    return launch(FAKE_CAMERA, FAKE_CONSENT, f"--use-file-for-fake-video-capture={film}")


@pytest.fixture(scope="package")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Yield the address of a server that `happysad serve` runs."""
    with serving(tmp_path_factory.mktemp("served")) as address:
        yield address


@contextlib.contextmanager
def serving(folder: Path, *options: str) -> Iterator[str]:
    """Run `happysad serve`; yield the address that it prints."""
    command = [sys.executable, "-m", "happysad", "serve", "--no-open", "--port", "0"]
    with subprocess.Popen(
        [*command, "--folder", "teach", *options],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as server:
        try:
            assert server.stdout is not None
            found = re.search(r"http://\S+/", server.stdout.readline())
            assert found is not None
            yield found[0]
        finally:
            server.terminate()


@pytest.fixture
def seen(browser: Browser, address: str) -> Iterator[Seen]:
    """Yield a page; check at the end that it contacted only its own origin and logged no errors."""
    with watched(browser, address) as one:
        yield one
    check(one)


@contextlib.contextmanager
def watched(browser: Browser, address: str, **options: Any) -> Iterator[Seen]:
    """Yield a page in a new context, recorded from before it opens."""
    context = browser.new_context(**options)
    context.set_default_timeout(PATIENCE)
    seen = Seen(context.new_page(), address)
    context.on("request", lambda request: seen.requests.append(request.url))
    context.on("weberror", lambda error: seen.complaints.append(str(error.error)))
    context.on(
        "console",
        lambda message: (
            seen.complaints.append(message.text) if message.type in ("error", "warning") else None
        ),
    )

    def opened(socket: WebSocket) -> None:
        seen.sockets.append(socket)
        socket.on("framereceived", lambda _: answered())

    def answered() -> None:
        seen.answers += 1

    seen.page.on("websocket", opened)
    try:
        yield seen
    finally:
        context.close()


def until(page: Page, right: Callable[[], bool]) -> None:
    """Wait until `right` returns True, for conditions that the page does not show."""
    for _ in range(PATIENCE // 50):
        if right():
            return
        page.wait_for_timeout(50)
    raise AssertionError("it never came")


def check(seen: Seen) -> None:
    """Check that a page contacted only its own origin and logged nothing."""
    blob = "blob:" + seen.address[: seen.address.index("/", len("https://")) + 1]
    own = (seen.address, blob, "data:", "about:")
    assert [url for url in seen.requests if not url.startswith(own)] == []
    socket = seen.address.replace("http", "ws")
    assert [one.url for one in seen.sockets if not one.url.startswith(socket)] == []
    assert seen.complaints == []


@pytest.fixture(scope="session")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder to drop: one face, two faces, a wall, no picture, and what is left out."""
    folder = tmp_path_factory.mktemp("photos")
    wall = np.full((240, 480, 3), (150, 160, 170), np.uint8)
    two = wall.copy()
    two[10:210, 20:220] = two[20:220, 250:450] = _face(200)
    one = wall.copy()
    one[20:220, 100:300] = _face(200)
    for name, pixels in {"one.png": one, 'two, "twins".png': two, "wall.png": wall}.items():
        assert cv2.imwrite(str(folder / name), pixels[..., ::-1])
    (folder / "notes.jpg").write_text("These are no pixels.\n", encoding="utf-8")
    (folder / ".hidden.png").write_text("Nobody asks for these.\n", encoding="utf-8")
    (folder / "notes.MOV").write_bytes(b"the film of a live photo")
    (folder / "Thumbs.db").write_bytes(b"\0")
    (folder / "@eaDir").mkdir()
    (folder / "@eaDir" / "thumb.jpg").write_bytes((folder / "one.png").read_bytes())
    assert (len(find(one)), len(find(two)), len(find(wall))) == (1, 2, 0)
    return folder


def _face(size: int) -> Pixels:
    return drawn_faces.face("happy", np.random.default_rng(9), size)


def _film(file: Path) -> Path:
    """Write two seconds of a moving face, 640x480, as Motion JPEG without a container."""
    face = _face(320)
    with file.open("wb") as film:
        for number in range(60):
            frame = np.full((480, 640, 3), (150, 160, 170), np.uint8)
            left = 140 + round(40 * np.sin(number / 30 * np.pi))
            frame[80:400, left : left + 320] = face
            assert len(find(frame)) == 1 or number % 15
            film.write(cv2.imencode(".jpg", frame[..., ::-1])[1].tobytes())
    return file
