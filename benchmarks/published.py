"""Compare a published site in Chromium with Python, photo by photo, and measure its speed.

    python benchmarks/published.py ../shared/data/scenes ../shared/data/portraits \
        --write benchmarks/results/published.md

The script publishes a site with the classifier that ships or with `--model`, serves it from a plain
static server below a path, and opens it in Debian's Chromium. It answers the same photos in the
page and in Python, one by one. Photos with a probability within 0.02 of a threshold are counted
apart for the labels: there the smallest difference decides. For each photo that differs, both also
answer a PNG of the pixels that Python decodes: if they then agree, the browser decodes other
pixels. Shares have exact 95 % intervals (Clopper & Pearson 1934). The Live view sees the moving
drawn face of benchmarks/live.py. Browser, server and camera share the cores of this machine.
"""

from __future__ import annotations

import argparse
import math
import random
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import IO, Any

import numpy as np
from live import chromium, film
from PIL import Image
from playwright.sync_api import Page
from scipy.stats import binomtest

from happysad import Classifier
from happysad.files import write_text
from happysad.folder_walk import walk
from happysad.images import read
from happysad.model_file import Details
from happysad.predictions import Prediction
from happysad.site.static_site import publish

_NEAR = 0.02
_ANSWER = """
  async (number) => {
    const { predict } = await import(new URL("static/engine.js", document.baseURI).href);
    const blob = await (await fetch(`../photos/${number}`)).blob();
    const began = performance.now();
    const [row] = await predict([new File([blob], String(number))], null);
    return { row, milliseconds: performance.now() - began };
  }
"""


@dataclass(frozen=True, slots=True)
class Pair:
    """The answers of Python and of the page for one photo."""

    path: Path
    python: Prediction
    page: dict[str, Any]
    milliseconds: float
    """The time in the page."""
    details: Details
    """Those of the classifier."""

    @property
    def read(self) -> bool:
        """Whether both read the photo."""
        return self.python.error is None and self.page["error"] is None

    @property
    def same_faces(self) -> bool:
        """Whether both found the same faces: as many, each box overlapping its like by half."""
        return len(self.python.faces) == len(self.page["faces"]) and not self.single_scores

    @property
    def single_scores(self) -> list[float]:
        """The scores of the faces that only one of them found."""
        ours = [(_box(asdict(f.face)), f.face.score) for f in self.python.faces]
        theirs = [(_box(face), float(face["score"])) for face in self.page["faces"]]
        return [
            score
            for some, others in ((ours, theirs), (theirs, ours))
            for box, score in some
            if not any(_overlap(box, other) > 0.5 for other, _ in others)
        ]

    @property
    def shift(self) -> float:
        """The largest distance of a face's box (x, y, width, height) from its like, in pixels."""
        ours = [_box(asdict(f.face)) for f in self.python.faces]
        theirs = [_box(face) for face in self.page["faces"]]
        return max(min(math.dist(box, other) for other in theirs) for box in ours)

    @property
    def same(self) -> bool:
        """Whether label and faces are the same, and the probabilities nearly so."""
        same = self.read and self.python.label == self.page["label"]
        return same and self.same_faces and self.difference <= _NEAR

    @property
    def difference(self) -> float:
        """The largest difference of a probability; 1 if only one of them has any."""
        ours, theirs = self.python.probabilities, self.page["probabilities"]
        if ours is None or theirs is None:
            return 0.0 if ours is theirs else 1.0
        return max(abs(p - float(theirs[name])) for name, p in ours.items())

    @property
    def near(self) -> bool:
        """Whether a small difference of one probability may change the label."""
        if self.python.probabilities is None:
            return False
        values = np.array(list(self.python.probabilities.values()))
        changes = _NEAR * np.vstack([np.eye(len(values)), -np.eye(len(values))])
        return len({self.details.label_of(row) for row in values + changes}) > 1


def main() -> None:
    """Measure, then print and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", nargs="+", type=Path, help="folders of photos")
    parser.add_argument("--model", type=Path, help="an .onnx or a run [default: what ships]")
    parser.add_argument("--photos", type=int, default=300)
    parser.add_argument("--seconds", type=float, default=20.0, help="seconds of Live")
    parser.add_argument("--write", type=Path, help="file to which the tables are also written")
    chosen = parser.parse_args()
    paths = sample(chosen.folders, chosen.photos)
    classifier = Classifier(chosen.model, threads=1)
    with tempfile.TemporaryDirectory() as folder:
        publish(Path(folder) / "app", chosen.model)
        camera = film(Path(folder) / "face.mjpeg")
        with served(Path(folder)) as server, chromium(camera) as browser:
            page = browser.new_page()
            began = time.perf_counter()
            page.goto(f"http://127.0.0.1:{server.server_port}/app/")
            page.wait_for_selector("#loading", state="hidden")
            loaded = time.perf_counter() - began
            moved = sum(map(len, server.sent))
            pairs = [_pair(page, server, classifier, path) for path in paths]
            causes = [
                (one, _cause(page, server, classifier, one, Path(folder)))
                for one in pairs
                if not one.same
            ]
            rate = _live(page, chosen.seconds)
    text = _tables(pairs, causes, loaded, moved, rate)
    print(text, end="")
    if chosen.write:
        write_text(chosen.write, text)


def sample(folders: list[Path], count: int) -> list[Path]:
    """Return photos of all folders, equally many of each where it has them."""
    rng = random.Random(0)  # noqa: S311
    left, chosen = list(folders), list[Path]()
    every = {folder: [Path(one) for one in walk(str(folder))] for folder in folders}
    for folder in sorted(left, key=lambda one: len(every[one])):
        share = (count - len(chosen)) // len(left)
        chosen += rng.sample(every[folder], min(share, len(every[folder])))
        left.remove(folder)
    return chosen


class Server(ThreadingHTTPServer):
    """A static server that keeps what it has sent.

    Browsers let the threads of a page share memory only if the page is isolated.
    """

    def __init__(self, folder: Path, *, isolated: bool = False) -> None:
        self.isolated = isolated
        self.photos: list[Path] = []
        """The photos below /photos/, by their numbers."""
        self.sent: list[bytes] = []
        super().__init__(("127.0.0.1", 0), partial(_Handler, directory=str(folder)))


class _Handler(SimpleHTTPRequestHandler):
    server: Server

    def translate_path(self, path: str) -> str:
        """Return the file of an address; those below /photos/ have the photo's number."""
        if path.startswith("/photos/"):
            return str(self.server.photos[int(path.removeprefix("/photos/"))])
        return super().translate_path(path)

    def end_headers(self) -> None:
        """Isolate the page."""
        if self.server.isolated:
            self.send_header("Cross-Origin-Opener-Policy", "same-origin")
            self.send_header("Cross-Origin-Embedder-Policy", "require-corp")
        super().end_headers()

    def copyfile(self, source: IO[bytes], outputfile: IO[bytes]) -> None:  # type: ignore[override]
        """Send a file."""
        content = source.read()
        self.server.sent.append(content)
        outputfile.write(content)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Print nothing."""


@contextmanager
def served(folder: Path, *, isolated: bool = False) -> Iterator[Server]:
    """Serve a folder while the context is open."""
    with Server(folder, isolated=isolated) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield server
        finally:
            server.shutdown()


def _pair(page: Page, server: Server, classifier: Classifier, path: Path) -> Pair:
    """Answer a photo in Python and in the page."""
    [python] = classifier.predict([str(path)])
    server.photos.append(path)
    answer = page.evaluate(_ANSWER, len(server.photos) - 1)
    return Pair(path, python, answer["row"], answer["milliseconds"], classifier.details)


def _cause(page: Page, server: Server, classifier: Classifier, pair: Pair, folder: Path) -> str:
    """Return why the answers for a photo differ."""
    if not pair.read:
        return "one of them cannot read it"
    file = folder / "decoded.png"
    Image.fromarray(read(str(pair.path))).save(file)
    again = _pair(page, server, classifier, file)
    if again.same:
        return "the browser decodes other pixels"
    if again.same_faces:
        return f"the same faces, with a shift of up to {again.shift:.1f} pixels"
    scores = ", ".join(f"{score:.3f}" for score in again.single_scores)
    return f"faces that only one of them finds, with scores of {scores}"


def _live(page: Page, seconds: float) -> str:
    page.click('nav a[href="#live"]')
    page.click("#live-start")
    page.wait_for_selector("#live-label .chip")
    page.wait_for_timeout(1000 * seconds)
    rate = page.locator("#live-rate").text_content() or ""
    page.click('nav a[href="#about"]')
    return rate


def _box(face: dict[str, Any]) -> tuple[float, ...]:
    return tuple(float(face[name]) for name in ("x", "y", "width", "height"))


def _overlap(one: tuple[float, ...], other: tuple[float, ...]) -> float:
    (x, y, width, height), (left, top, wide, high) = one, other
    across = max(0.0, min(x + width, left + wide) - max(x, left))
    down = max(0.0, min(y + height, top + high) - max(y, top))
    return across * down / (width * height + wide * high - across * down)


def _share(good: int, n: int) -> str:
    if not n:
        return "none"
    low, high = binomtest(good, n).proportion_ci()
    return f"{good} of {n}: {good / n:.1%} ({low:.1%} to {high:.1%})"


def _tables(
    pairs: list[Pair], causes: list[tuple[Pair, str]], loaded: float, moved: int, rate: str
) -> str:
    both = [one for one in pairs if one.read]
    clear = [one for one in both if not one.near]
    same = sum(one.python.label == one.page["label"] for one in clear)
    near = [one for one in both if one not in clear]
    same_near = sum(one.python.label == one.page["label"] for one in near)
    close = sum(one.difference <= _NEAR for one in both)
    most = max((one.difference for one in both), default=0.0)
    faces = sum(one.same_faces for one in both)
    times = sorted(one.milliseconds for one in both)
    lines = [
        "| what | result |",
        "|---|---|",
        f"| photos that both read | {_share(len(both), len(pairs))} |",
        f"| same label, away from thresholds | {_share(same, len(clear))} |",
        f"| same label, within {_NEAR} of a threshold | {_share(same_near, len(near))} |",
        f"| probabilities within {_NEAR} | {_share(close, len(both))} |",
        f"| largest difference of a probability | {most:.3f} |",
        f"| same faces | {_share(faces, len(both))} |",
        f"| milliseconds a photo, median; 95 % below | {statistics.median(times):.0f}; "
        f"{times[int(0.95 * len(times))]:.0f} |",
        f"| Live at 640x480, frames/s | {rate} |",
        f"| first visit: MB moved; seconds until ready | {moved / 1e6:.1f}; {loaded:.1f} |",
        "",
        "Photos that differ:"
        if causes
        else "No photo differs in label, faces or by more than 0.02.",
    ]
    if causes:
        lines += [
            "",
            "| photo | Python | page | largest difference | cause |",
            "|---|---|---|---|---|",
        ]
    for one, cause in causes:
        labels = one.python.label or "not read", one.page["label"] or "not read"
        lines.append(
            f"| {one.path.name} | {labels[0]} | {labels[1]} | {one.difference:.3f} | {cause} |"
        )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
