"""Films that happysad writes play in the browser, upright and with their sound."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser

from tests.films import film, party, turn
from tests.test_video_film_writer import copy
from tests.web_browser.conftest import PATIENCE

pytestmark = pytest.mark.browser

FILM = "document.querySelector('video')"
STATE = f"""() => {{
    const film = {FILM};
    return {{
        at: film.currentTime, ended: film.ended, error: film.error && film.error.message,
        size: [film.videoWidth, film.videoHeight], sound: film.webkitAudioDecodedByteCount > 0,
    }};
}}"""


@pytest.mark.parametrize("name", ["film.mp4", "film.webm"])
def test_a_written_film_plays_to_its_end(browser: Browser, tmp_path: Path, name: str) -> None:
    times = (0, 0.04, 0.2, 0.3, 0.6, 0.7)
    source = film(tmp_path / "phone.mp4", party(len(times)), times=times, sound="aac")
    copy(turn(source, 0, 1, -1, 0), tmp_path / name)
    page_file = tmp_path / "page.html"
    page_file.write_text(f'<!doctype html><video src="{name}" muted autoplay></video>')
    page = browser.new_page()
    try:
        page.goto(page_file.as_uri())
        page.wait_for_function(f"() => {FILM}.ended || {FILM}.error", timeout=PATIENCE)
        state: dict[str, Any] = page.evaluate(STATE)
    finally:
        page.close()
    assert state.pop("at") == pytest.approx(0.74, abs=0.1)
    assert state == {"ended": True, "error": None, "size": [240, 320], "sound": True}
