r"""Compare happysad predict --out on one machine with decoding alone, a loop, and fer.

    python benchmarks/library.py PHOTOS --fer-python B/bin/python --write FILE

The script makes JPEGs from the photos in PHOTOS that show a face: small portraits (longest side 350
pixels) and large photos (enlarged to 3, 5, 8 and 12 megapixels). In one run, all sides take turns
on the same files, on all cores. Every other turn reverses the order, and the first turn warms up.
Each ratio is computed within one turn; the table has the median and the range over the turns.

- happysad: batch.library.predict into a new folder, which lists, predicts and writes Parquet.
- decoding alone: cv2.imread in one thread per core; cv2 itself uses one thread.
- a loop: Classifier.predict, one photo after the other.
- fer: detect_emotions, one photo after the other, in a separate environment (versus_fer.py
  describes how to make it); left out without --fer-python.

The script needs happysad[scale].
"""

from __future__ import annotations

import argparse
import math
import os
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from typing import Any

import cv2
from PIL import Image
from versus_fer import _Side, _turns

from happysad.batch.library import predict
from happysad.batch.shards import SHARD
from happysad.classifier import Classifier
from happysad.errors import ImageError
from happysad.files import write_text
from happysad.images import read

# The goals: minimum speedups of happysad, by photos and side.
_GOALS = {
    ("large photos", "decoding alone"): "0.5",
    ("small portraits", "fer"): "10",
    ("large photos", "fer"): "10",
    ("small portraits", "a loop"): "1.8",
    ("large photos", "a loop"): "1.8",
}
_PORTRAIT = 350
_MEGAPIXELS = (3, 5, 8, 12)


def main() -> None:
    """Measure, then print and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="a folder of photos with faces")
    parser.add_argument("--fer-python", help="the Python of fer's environment")
    parser.add_argument("--small", type=int, default=400, help="number of portraits")
    parser.add_argument("--large", type=int, default=60, help="number of large photos")
    parser.add_argument("--repeats", type=int, default=5, help="number of turns")
    parser.add_argument("--write", type=Path, help="file to which the table is also written")
    chosen = parser.parse_args()
    lines = [
        "| photos | side | photos/s | speedup of happysad (range over turns) | goal |",
        "|---|---|---|---|---|",
    ]
    with tempfile.TemporaryDirectory() as folder:
        sets = _sets(Path(folder), chosen.data, chosen.small, chosen.large)
        for name, photos in sets.items():
            lines += _rows(name, photos, chosen.fer_python, chosen.repeats)
    sizes = ", ".join(f"{len(photos):,} {name}" for name, photos in sets.items())
    lines += ["", f"{os.cpu_count()} cores; {chosen.repeats} turns; {sizes}."]
    text = "\n".join(lines) + "\n"
    print(text, end="")
    if chosen.write:
        write_text(chosen.write, text)


def _sets(folder: Path, data: Path, small: int, large: int) -> dict[str, list[str]]:
    """Make both sets of photos; return their paths by the name of the set."""
    sources = _with_faces(data)
    return {
        "small portraits": _make(folder / "small", sources, small, None),
        "large photos": _make(folder / "large", sources, large, _MEGAPIXELS),
    }


def _with_faces(data: Path) -> list[Path]:
    """Return the photos in which the classifier finds a face."""
    files = sorted(str(path) for path in data.rglob("*") if path.is_file())
    found = [Path(p.path) for p in Classifier().stream(files) if p.faces and p.path]
    if not found:
        raise SystemExit(f"{data}: no photo with a face")
    return found


def _make(
    folder: Path, sources: list[Path], count: int, megapixels: tuple[int, ...] | None
) -> list[str]:
    """Write `count` JPEGs: of the sizes in `megapixels` in turn, or portraits if that is None."""
    folder.mkdir()
    files = []
    for number in range(count):
        try:
            picture = Image.fromarray(read(sources[number % len(sources)]))
        except ImageError as error:
            raise SystemExit(str(error)) from error
        if megapixels is None:
            factor = _PORTRAIT / max(picture.size)
        else:
            pixels = 1e6 * megapixels[number % len(megapixels)]
            factor = math.sqrt(pixels / (picture.width * picture.height))
        size = (max(1, round(picture.width * factor)), max(1, round(picture.height * factor)))
        file = folder / f"{number:05}.jpg"
        picture.resize(size, Image.Resampling.BICUBIC).save(file, quality=90)
        files.append(str(file))
    return files


def _rows(name: str, photos: list[str], fer_python: str | None, repeats: int) -> list[str]:
    classifier = Classifier()
    with ExitStack() as stack:
        sides: dict[str, Callable[..., Any]] = {
            "happysad": _timed(lambda: _library(photos)),
            "decoding alone": _timed(lambda: _decode(photos)),
            "a loop": _timed(lambda: [classifier.predict(photo) for photo in photos]),
        }
        if fer_python:
            side = _Side(fer_python, "fer photos", None, model=None, photos=photos)
            sides["fer"] = stack.enter_context(side).ask
        taken = _turns(sides, repeats)
    lines = []
    for side_name, answers in taken.items():
        rate = median(len(photos) / answer["seconds"] for answer in answers)
        pairs = zip(answers, taken["happysad"], strict=True)
        ratios = [theirs["seconds"] / ours["seconds"] for theirs, ours in pairs]
        span = f"{median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
        ratio = "" if side_name == "happysad" else span
        goal = _GOALS.get((name, side_name), "")
        lines.append(f"| {name} | {side_name} | {rate:,.1f} | {ratio} | {goal} |")
    return lines


def _timed(work: Callable[[], object]) -> Callable[[int], dict[str, float]]:
    def answer(_: int) -> dict[str, float]:
        began = time.perf_counter()
        work()
        return {"seconds": time.perf_counter() - began}

    return answer


def _library(photos: list[str], *, shard: int = SHARD, cluster: str | None = None) -> None:
    """Predict all photos into a new folder; exit if one is missing or unreadable."""
    folder = Path(photos[0]).parent
    with tempfile.TemporaryDirectory(dir=folder.parent) as out:
        summary = predict(
            photos, Path(out, "results"), sources=[str(folder)], shard=shard, cluster=cluster
        )
    if summary.counts.total() != len(photos) or summary.counts["unreadable"]:
        raise SystemExit(f"{folder}: {summary.counts} for {len(photos)} photos")


def _decode(photos: list[str]) -> None:
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            for pixels in pool.map(lambda photo: cv2.imread(photo) is not None, photos):
                assert pixels
    finally:
        cv2.setNumThreads(threads)


if __name__ == "__main__":
    main()
