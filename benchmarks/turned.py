"""Measure how many faces are found in photos that lie on their side or upside down.

    python benchmarks/turned.py PHOTOS --write FILE

Each photo in PHOTOS in which a face is found is turned by 90, 180 and 270 degrees, and searched
again. A face counts as found if a box in the turned photo has at least half of its union in common
with the face's box, and if the line between the eyes is within 45 degrees of where the turn brings
it, so that the crop is upright. The intervals are 95 % percentile bootstrap intervals over photos.

The times are CPU seconds of the search alone, with one thread: of all upright photos with and
without faces, divided by those of a search that turns nothing. Both searches take turns on each
photo.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from happysad import face_detection
from happysad.errors import ImageError
from happysad.face_detection import Face, find
from happysad.files import write_text
from happysad.images import Pixels, read
from happysad.progress import track

_RESAMPLES = 2000
_OVERLAP = 0.5
_REPEATS = 5


def main() -> None:
    """Measure, then print and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photos", type=Path, help="a folder of photos with faces")
    parser.add_argument("--every", type=int, default=1, help="use every nth photo")
    parser.add_argument("--write", type=Path, help="file to which the table is also written")
    chosen = parser.parse_args()
    cv2.setNumThreads(1)
    files = sorted(path for path in chosen.photos.rglob("*") if path.is_file())[:: chosen.every]
    photos = [pixels for file in files if (pixels := _read(file)) is not None]
    upright = [find(photo, threads=1) for photo in track(photos, "upright", len(photos))]
    with_faces = [(photo, faces) for photo, faces in zip(photos, upright, strict=True) if faces]
    lines = ["| turned by | faces found (95 %) | n | photos |", "|---|---|---|---|"]
    for turns in (1, 2, 3):
        shown = track(with_faces, f"{90 * turns} degrees", len(with_faces))
        counts = np.array([(_found(photo, faces, turns), len(faces)) for photo, faces in shown])
        sizes = f"{counts[:, 1].sum():,} | {len(counts)}"
        lines.append(f"| {90 * turns} degrees | {_interval(counts)} | {sizes} |")
    lines += ["", *_times(photos, upright)]
    text = "\n".join(lines) + "\n"
    print(text, end="")
    if chosen.write:
        write_text(chosen.write, text)


def _read(file: Path) -> Pixels | None:
    try:
        return read(file)
    except ImageError:
        return None


def _found(photo: Pixels, faces: list[Face], turns: int) -> int:
    """Return how many of the faces are found in the photo turned counterclockwise."""
    again = find(np.ascontiguousarray(np.rot90(photo, turns)), threads=1)
    there = [_turned(face, turns, photo.shape) for face in faces]
    return sum(any(_same(face, box, direction) for face in again) for box, direction in there)


def _turned(face: Face, turns: int, shape: tuple[int, ...]) -> tuple[NDArray[np.float64], complex]:
    """Return a face's box (left, top, right, bottom) and direction of the eyes once turned."""
    box = np.array([face.x, face.y, face.x + face.width, face.y + face.height])
    (left, right) = (complex(*point) for point in face.landmarks[:2])
    height, width = shape[:2]
    for _ in range(turns):
        box = np.array([box[1], width - box[2], box[3], width - box[0]])
        height, width = width, height
    return box, (right - left) * (-1j) ** turns


def _same(face: Face, box: NDArray[np.float64], direction: complex) -> bool:
    own = np.array([face.x, face.y, face.x + face.width, face.y + face.height])
    sides = np.minimum(own[2:], box[2:]) - np.maximum(own[:2], box[:2])
    common = float(np.prod(np.clip(sides, 0, None)))
    both = face.width * face.height + float(np.prod(box[2:] - box[:2])) - common
    left, right = (complex(*point) for point in face.landmarks[:2])
    off = abs(np.angle((right - left) * direction.conjugate()))
    return common >= _OVERLAP * both and bool(off <= np.pi / 4)


def _interval(counts: NDArray[np.int_]) -> str:
    drawn = np.random.default_rng(0).integers(0, len(counts), (_RESAMPLES, len(counts)))
    sums = counts[drawn].sum(axis=1)
    low, high = np.percentile(sums[:, 0] / sums[:, 1], [2.5, 97.5])
    found, of = counts.sum(axis=0)
    return f"{found / of:.3f} ({low:.3f} to {high:.3f})"


def _times(photos: list[Pixels], upright: list[list[Face]]) -> list[str]:
    """Return a line for the photos with and one for those without faces."""
    convincing = face_detection._CONVINCING
    lines = []
    for what, some in (("with", True), ("without", False)):
        own = [photo for photo, faces in zip(photos, upright, strict=True) if bool(faces) is some]
        ratios = []
        for repeat in range(_REPEATS):
            seconds = {convincing: 0.0, 0.0: 0.0}
            for photo in own:
                for threshold in sorted(seconds, reverse=repeat % 2 == 0):
                    face_detection._CONVINCING = threshold
                    began = time.thread_time()
                    find(photo, threads=1)
                    seconds[threshold] += time.thread_time() - began
            ratios.append(seconds[convincing] / seconds[0.0])
        face_detection._CONVINCING = convincing
        span = f"{np.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
        lines.append(f"Time of photos {what} faces (n = {len(own)}), {_REPEATS} times: {span}.")
    return lines


if __name__ == "__main__":
    main()
