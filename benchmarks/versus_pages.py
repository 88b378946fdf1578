"""Compare a published site with the pages of face-api and Human in Chromium, in one run.

    python benchmarks/versus_pages.py ../shared/data/scenes ../shared/data/portraits \
        --write benchmarks/results/versus_pages.md

npm installs both packages into a temporary folder (the script needs npm and Debian's Chromium).
Live is the page of each package for the camera as it comes, except that its networks come from this
machine; the camera shows the moving drawn face of benchmarks/live.py, 640x480. The pages compute
with WebGL, which needs a graphics card: without one, Chromium emulates it, and a photo takes many
seconds. So each is also measured with the WebAssembly that it has for such machines, on a host that
isolates the page. Photos go to the package itself with WebAssembly and its page's settings, but it
is asked for nothing besides faces and their expressions. All sides answer each photo one after the
other, in turned order; the first photos warm up. Intervals are of the median, by the percentile
bootstrap.
"""

from __future__ import annotations

import argparse
import gzip
import os
import shutil
import subprocess
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from live import chromium, film
from playwright.sync_api import Browser, Page
from published import Server, sample, served

from happysad.files import write_text
from happysad.site.static_site import publish

_PACKAGES = (
    "@vladmandic/face-api@1.7.15",
    "@vladmandic/human@3.3.6",
    "@tensorflow/tfjs-backend-wasm@4.22.0",
)
_WASM = "/node_modules/@tensorflow/tfjs-backend-wasm/dist/"
_FACE_API = "/node_modules/@vladmandic/face-api"
_HUMAN = "/node_modules/@vladmandic/human"
_WARM_UP = 3

# Notes the times of frames: happysad gives one to its worker after the answer to the last one,
# face-api draws the frame rate over each, and Human has an event for each.
_NOTE = """
  window.frames_ = [];
  const note = (is) => is && frames_.push(performance.now());
  const { postMessage } = Worker.prototype;
  Worker.prototype.postMessage = function (message, ...others) {
    note(message?.name === "frame");
    return postMessage.call(this, message, ...others);
  };
  const { fillText } = CanvasRenderingContext2D.prototype;
  CanvasRenderingContext2D.prototype.fillText = function (text, ...others) {
    note(String(text).startsWith("FPS:"));
    return fillText.call(this, text, ...others);
  };
  const { dispatchEvent } = EventTarget.prototype;
  EventTarget.prototype.dispatchEvent = function (event) {
    note(event.type === "detect");
    return dispatchEvent.call(this, event);
  };
"""
# Each sets `answer`, which takes the file of a photo and returns the number of its faces.
_OPEN_HAPPYSAD = """
  async () => {
    const { predict } = await import(new URL("static/engine.js", document.baseURI).href);
    window.answer = async (file) => (await predict([file], null))[0].faces.length;
  }
"""
_OPEN_FACE_API = """
  async ({ wasm, folder }) => {
    const faceapi = await import(`${folder}/dist/face-api.esm.js`);
    faceapi.tf.setWasmPaths(wasm);
    await faceapi.tf.setBackend("wasm");
    await faceapi.tf.enableProdMode();
    await faceapi.tf.ready();
    await faceapi.nets.ssdMobilenetv1.load(`${folder}/model/`);
    await faceapi.nets.faceExpressionNet.load(`${folder}/model/`);
    const options = new faceapi.SsdMobilenetv1Options({ minConfidence: 0.3, maxResults: 10 });
    window.answer = async (file) => {
      const image = new Image();
      image.src = URL.createObjectURL(file);
      await image.decode();
      const canvas = document.createElement("canvas");
      const factor = 800 / Math.max(image.width, image.height);
      canvas.width = image.width * factor;
      canvas.height = image.height * factor;
      const brush = canvas.getContext("2d", { willReadFrequently: true });
      brush.drawImage(image, 0, 0, canvas.width, canvas.height);
      URL.revokeObjectURL(image.src);
      return (await faceapi.detectAllFaces(canvas, options).withFaceExpressions()).length;
    };
  }
"""
_OPEN_HUMAN = """
  async ({ wasm, folder }) => {
    const { Human } = await import(`${folder}/dist/human.esm.js`);
    const off = { enabled: false };
    const face = { mesh: off, iris: off, description: off, antispoof: off, liveness: off };
    const human = new Human({
      backend: "wasm",
      wasmPath: wasm,
      modelBasePath: `${folder}/models/`,
      cacheSensitivity: 0,
      face: { enabled: true, detector: { rotation: false }, emotion: { enabled: true }, ...face },
      ...{ body: off, hand: off, object: off, segmentation: off, gesture: off },
    });
    await human.load();
    await human.warmup();
    window.answer = async (file) => {
      const image = new Image();
      image.src = URL.createObjectURL(file);
      await image.decode();
      const { face, error } = await human.detect(image);
      URL.revokeObjectURL(image.src);
      if (error) throw new Error(error);
      return face.filter(({ emotion }) => emotion?.length).length;
    };
  }
"""
_ANSWER = """
  async (number) => {
    const blob = await (await fetch(`/photos/${number}`)).blob();
    const began = performance.now();
    const faces = await answer(new File([blob], String(number)));
    return { faces, milliseconds: performance.now() - began };
  }
"""


@dataclass(frozen=True, slots=True)
class Side:
    """A page with a way to compute."""

    name: str
    live: str
    """The address of its page for the camera."""
    photos: str = ""
    """The address of a page for photos, if any."""
    opening: str = ""
    """The script that sets `answer` there."""
    package: str = ""
    isolated: bool = True
    script: str = ""
    """The script of `live` that is changed."""
    changes: tuple[tuple[str, str], ...] = ()


_OF_HUMAN = ("https://vladmandic.github.io/human-models/models/", f"{_HUMAN}/models/")
_SET_WEBGL = "await faceapi.tf.setBackend('webgl')"
_SET_WASM = f"faceapi.tf.setWasmPaths('{_WASM}'); await faceapi.tf.setBackend('wasm')"
_SIDES = (
    Side("happysad, 1 thread", "/app/#live", "/app/", _OPEN_HAPPYSAD, isolated=False),
    Side("happysad, host isolates the page", "/app/#live", "/app/", _OPEN_HAPPYSAD),
    Side(
        "face-api, WebGL",
        f"{_FACE_API}/demo/webcam.html",
        package=_FACE_API,
        script=f"{_FACE_API}/demo/webcam.js",
    ),
    Side(
        "face-api, WebAssembly",
        f"{_FACE_API}/demo/webcam.html",
        "/empty.html",
        _OPEN_FACE_API,
        package=_FACE_API,
        script=f"{_FACE_API}/demo/webcam.js",
        changes=((_SET_WEBGL, _SET_WASM),),
    ),
    Side(
        "Human, WebGL",
        f"{_HUMAN}/demo/typescript/index.html",
        package=_HUMAN,
        script=f"{_HUMAN}/demo/typescript/index.js",
        changes=(_OF_HUMAN,),
    ),
    Side(
        "Human, WebAssembly",
        f"{_HUMAN}/demo/typescript/index.html",
        "/empty.html",
        _OPEN_HUMAN,
        package=_HUMAN,
        script=f"{_HUMAN}/demo/typescript/index.js",
        changes=(_OF_HUMAN, ('backend:"webgl"', f'backend:"wasm",wasmPath:"{_WASM}"')),
    ),
)


@dataclass(frozen=True, slots=True)
class Live:
    """What the page for the camera needs, and its speed."""

    first: float
    """Seconds until the first frame is answered."""
    rate: float
    """Frames a second; 0 if fewer than two were answered."""
    moved: int
    """Bytes."""
    packed: int
    """Bytes, if the host packs each file with gzip where that makes it smaller."""


def main() -> None:
    """Measure, then print and write a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", nargs="+", type=Path, help="folders of photos")
    parser.add_argument("--photos", type=int, default=30)
    parser.add_argument("--seconds", type=float, default=20.0, help="seconds of Live on each side")
    parser.add_argument("--write", type=Path, help="file to which the table is also written")
    chosen = parser.parse_args()
    photos = sample(chosen.folders, chosen.photos + _WARM_UP)
    with ExitStack() as stack:
        root = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        _install(root)
        publish(root / "app", None)
        (root / "empty.html").write_text("<!doctype html><title>Photos</title>")
        servers = {one: stack.enter_context(served(root, isolated=one)) for one in (False, True)}
        browser = stack.enter_context(chromium(film(root / "face.mjpeg")))
        lives = [_live(browser, servers[one.isolated], root, one, chosen.seconds) for one in _SIDES]
        for server in servers.values():
            server.photos += photos
        pages = {
            place: _photo_page(browser, servers[one.isolated], one)
            for place, one in enumerate(_SIDES)
            if one.photos
        }
        answers = _answers(pages, len(photos))[_WARM_UP:]
        threads = pages[1].evaluate("document.documentElement.dataset.threads")
    text = _table(lives, answers, threads)
    print(text, end="")
    if chosen.write:
        write_text(chosen.write, text)


def _install(root: Path) -> None:
    npm = shutil.which("npm")
    if npm is None:
        raise SystemExit("needs npm; found none (Debian: apt-get install npm)")
    options = ("--no-save", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error")
    subprocess.run([npm, "install", "--prefix", root, *options, *_PACKAGES], check=True)


def _live(browser: Browser, server: Server, root: Path, side: Side, seconds: float) -> Live:
    """Open the page for the camera and count its frames."""
    original = ""
    if side.script:
        script = root / side.script[1:]
        original = changed = script.read_text(encoding="utf-8")
        for old, new in side.changes:
            if old not in changed:
                raise SystemExit(f"{script.name}: has no {old!r}")
            changed = changed.replace(old, new)
        script.write_text(changed, encoding="utf-8")
    server.sent.clear()
    page = browser.new_page(viewport={"width": 640, "height": 480})
    page.add_init_script(_NOTE)
    began = time.perf_counter()
    page.goto(f"http://127.0.0.1:{server.server_port}{side.live}")
    if not side.package:
        page.click("#live-start")
    # happysad notes its first frame, too, before that is answered.
    least = 1 if side.package else 2
    page.wait_for_function(f"() => frames_.length >= {least}", timeout=300_000)
    first = time.perf_counter() - began
    page.wait_for_timeout(5000)
    page.evaluate("frames_.length = 0")
    page.wait_for_timeout(1000 * seconds)
    times = page.evaluate("frames_")
    page.close()
    if side.script:
        script.write_text(original, encoding="utf-8")
    packed = sum(min(len(one), len(gzip.compress(one))) for one in server.sent)
    moved = sum(map(len, server.sent))
    rate = 1000 * (len(times) - 1) / (times[-1] - times[0]) if len(times) > 1 else 0.0
    return Live(first, rate, moved, packed)


def _photo_page(browser: Browser, server: Server, side: Side) -> Page:
    page = browser.new_page()
    page.goto(f"http://127.0.0.1:{server.server_port}{side.photos}")
    page.evaluate(side.opening, {"wasm": _WASM, "folder": side.package})
    return page


def _answers(pages: dict[int, Page], count: int) -> list[dict[int, dict[str, Any]]]:
    """Return the answers of the pages for each photo, by the places of their sides."""
    rows = []
    for number in range(count):
        order = list(pages) if number % 2 else list(reversed(pages))
        rows.append({place: pages[place].evaluate(_ANSWER, number) for place in order})
    return rows


def _interval(values: np.ndarray, digits: int) -> str:
    chosen = np.random.default_rng(0).choice(values, (2000, len(values)))
    low, high = np.percentile(np.median(chosen, axis=1), [2.5, 97.5])
    return f"{median(values):.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"


def _table(lives: list[Live], answers: list[dict[int, dict[str, Any]]], threads: str) -> str:
    lines = [
        "| page | ms a photo (95 % interval) | as a multiple of the first line | photos with faces "
        "| Live, frames/s | MB moved | packed by the host | s until Live answers |",
        "|---|---|---|---|---|---|---|---|",
    ]
    first = np.array([row[0]["milliseconds"] for row in answers])
    for place, (side, live) in enumerate(zip(_SIDES, lives, strict=True)):
        cells = [side.name.replace("host isolates the page", f"{threads} threads"), "", "", ""]
        if side.photos:
            times = np.array([row[place]["milliseconds"] for row in answers])
            cells[1] = _interval(times, 0)
            cells[2] = _interval(times / first, 2) if place else ""
            cells[3] = str(sum(row[place]["faces"] > 0 for row in answers))
        cells += [f"{live.rate:.1f}", f"{live.moved / 1e6:.1f}", f"{live.packed / 1e6:.1f}"]
        lines.append(f"| {' | '.join([*cells, f'{live.first:.1f}'])} |")
    versions = ", ".join(one.removeprefix("@") for one in _PACKAGES)
    return "\n".join(
        [
            *lines,
            "",
            f"n = {len(answers)} photos; {os.cpu_count()} cores and no graphics card; {versions}.",
            "",
        ]
    )


if __name__ == "__main__":
    main()
