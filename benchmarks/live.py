"""Measure the frame rate and the latency of the page's Live view.

    python benchmarks/live.py --write benchmarks/results/live.md

The script runs a real `happysad serve` and Debian's Chromium. The camera of Chromium shows a drawn
face that moves from side to side, 640x480, 30 frames/s. The page sends a frame once it has the
answer to the previous one. The latency of a frame is the time from its capture to its answer, as on
the page; the server time is the one in the answer. Browser, camera and server share the
cores of this machine.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from playwright.sync_api import Browser, Page, sync_playwright
from serve import server

from happysad.dataset import drawn_faces
from happysad.files import write_text

_SIZE = (640, 480)
# Records when each frame was captured from the video and when its answer arrived.
_LISTEN = """
  window.measured = [];
  let taken = 0;
  const times = new WeakMap();
  const brush = CanvasRenderingContext2D.prototype;
  const { drawImage } = brush;
  brush.drawImage = function (...given) {
    if (given[0] instanceof HTMLVideoElement) taken = performance.now();
    return drawImage.apply(this, given);
  };
  const { toBlob } = HTMLCanvasElement.prototype;
  HTMLCanvasElement.prototype.toBlob = function (done, ...given) {
    const at = taken;
    return toBlob.call(this, (blob) => (times.set(blob, at), done(blob)), ...given);
  };
  window.WebSocket = class extends WebSocket {
    constructor(...given) {
      super(...given);
      this.addEventListener("message", ({ data }) => {
        const { milliseconds, faces } = JSON.parse(data);
        const now = performance.now();
        measured.push({ now, whole: now - this.at, server: milliseconds, faces: faces.length });
      });
    }
    send(frame) {
      this.at = times.get(frame);
      super.send(frame);
    }
  };
"""


def main() -> None:
    """Measure, then print and write a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=20.0, help="seconds per turn")
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--write", type=Path, help="file to which the table is also written")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, server(folder) as address:
        turns = _measure(address, Path(folder), chosen.turns, chosen.seconds)
    text = _table(turns, chosen.seconds)
    print(text, end="")
    if chosen.write:
        write_text(chosen.write, text)


def film(file: Path) -> Path:
    """Write two seconds of a moving face as Motion JPEG without a container."""
    face = drawn_faces.face("happy", np.random.default_rng(9), 320)
    with file.open("wb") as frames:
        for number in range(60):
            frame = np.full((_SIZE[1], _SIZE[0], 3), (150, 160, 170), np.uint8)
            left = 140 + round(40 * np.sin(number / 30 * np.pi))
            frame[80:400, left : left + 320] = face
            frames.write(cv2.imencode(".jpg", frame[..., ::-1])[1].tobytes())
    return file


@contextlib.contextmanager
def chromium(camera: Path, *options: str) -> Iterator[Browser]:
    """Run Debian's Chromium without a window; its camera shows a film of Motion JPEG."""
    found = shutil.which("chromium")
    if found is None:
        raise SystemExit("needs Chromium; found none (Debian: apt-get install chromium)")
    arguments = [
        "--no-sandbox",
        "--use-fake-device-for-media-stream",
        "--use-fake-ui-for-media-stream",
        f"--use-file-for-fake-video-capture={camera}",
        *options,
    ]
    with (
        sync_playwright() as playwright,
        contextlib.closing(
            playwright.chromium.launch(executable_path=found, args=arguments)
        ) as browser,
    ):
        yield browser


def _measure(address: str, folder: Path, turns: int, seconds: float) -> list[list[dict[str, Any]]]:
    """Return the answers of each turn."""
    with chromium(film(folder / "face.mjpeg")) as browser:
        page = browser.new_page()
        page.add_init_script(_LISTEN)
        page.goto(address + "#live")
        page.get_by_role("button", name="Start the camera").click()
        page.wait_for_function("() => measured.length >= 60", timeout=120_000)  # warm-up
        return [_turn(page, seconds) for _ in range(turns)]


def _turn(page: Page, seconds: float) -> list[dict[str, Any]]:
    page.evaluate("measured.length = 0")
    page.wait_for_timeout(seconds * 1000)
    answers: list[dict[str, Any]] = page.evaluate("measured")
    return answers


def _table(turns: list[list[dict[str, Any]]], seconds: float) -> str:
    answers = [answer for turn in turns for answer in turn]
    rates = [
        (len(turn) - 1) / (turn[-1]["now"] - turn[0]["now"]) * 1000
        for turn in turns
        if len(turn) > 1
    ]
    lines = [
        "| | median | p95 | goal |",
        "|---|---|---|---|",
        f"| frames/s (range over turns) | {np.median(rates):.1f} "
        f"({min(rates):.1f} to {max(rates):.1f}) |  | 25 or more |",
    ]
    for name, words, goal in (
        ("whole", "latency, ms", "under 80"),
        ("server", "server time, ms", ""),
    ):
        p50, p95 = np.percentile([answer[name] for answer in answers], [50, 95])
        lines.append(f"| {words} | {p50:.0f} | {p95:.0f} | {goal} |")
    seen = sum(answer["faces"] == 1 for answer in answers)
    return "\n".join(
        [
            *lines,
            "",
            f"n = {len(answers):,} frames of {_SIZE[0]}x{_SIZE[1]} in {len(turns)} turns of "
            f"{seconds:g} s; exactly one face found in {seen:,}. The camera sends 30 frames/s. "
            f"{os.cpu_count()} cores, shared by server and browser.",
            "",
        ]
    )


if __name__ == "__main__":
    main()
