"""Count the cuts that are found in made films, and those that are seen where there is none.

    python benchmarks/cuts.py PHOTOS... [--films FILM...]

A made film shows one photo for 12 frames, moved as a hand or a motor moves a camera, then another.
"Same background" takes the photos in pairs from the last folder, such as studio portraits. Films
are real ones; their cuts are printed to be checked by eye.
"""

from __future__ import annotations

import argparse
import itertools
import time
from pathlib import Path

import cv2
import numpy as np

from happysad.errors import ImageError
from happysad.images import Pixels, read
from happysad.video.cuts import CutDetector
from happysad.video.films import open_film

KINDS = ("still", "pan", "fast pan", "shake", "zoom", "flicker")
FRAMES = 12
SIDES = (480, 360)


def shot(photo: Pixels, kind: str, rng: np.random.Generator) -> list[Pixels]:
    """Return small grey frames of a shot, with noise of 6 levels."""
    scale = max(
        1.35 * side / length for side, length in zip(SIDES, photo.shape[1::-1], strict=True)
    )
    photo = np.asarray(cv2.resize(photo, None, fx=scale, fy=scale), np.uint8)
    room = np.array(photo.shape[1::-1]) - SIDES
    start, angle = rng.uniform(0, room), rng.uniform(0, 2 * np.pi)
    step = {"pan": 0.015, "fast pan": 0.04}.get(kind, 0.0) * SIDES[0]
    frames = []
    for number in range(FRAMES):
        at = start + step * number * np.array((np.cos(angle), np.sin(angle)))
        if kind == "shake":
            at = start + rng.normal(0, 5, 2)
        at = at.clip(0, room)
        zoom = 1 - 0.02 * number if kind == "zoom" else 1.0
        matrix = np.array(((zoom, 0, at[0]), (0, zoom, at[1])), np.float32)
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        grey = cv2.cvtColor(cv2.warpAffine(photo, matrix, SIDES, flags=flags), cv2.COLOR_RGB2GRAY)
        light = rng.uniform(0.8, 1.2) if kind == "flicker" else 1.0
        noisy = (light * grey + rng.normal(0, 6, grey.shape)).clip(0, 255).astype(np.uint8)
        small = cv2.resize(noisy, (64, 64), interpolation=cv2.INTER_AREA)
        frames.append(np.asarray(small, np.uint8))
    return frames


def photos(folder: Path, most: int) -> list[Pixels]:
    """Return up to `most` photos of a folder that can be read."""
    found = []
    for file in sorted(folder.rglob("*.*")):
        try:
            found.append(read(file))
        except ImageError:
            continue
        if len(found) == most:
            break
    return found


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--films", nargs="*", type=Path, default=[])
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    print("| photos | camera | cuts found | of | false cuts | of frames |")
    print("|---|---|---|---|---|---|")
    taken, count = 0.0, 0
    for folder in options.folders:
        pool = photos(folder, 21)
        for kind in KINDS:
            found = false = frames = 0
            for one, other in itertools.pairwise(pool):
                detector = CutDetector()
                film = shot(one, kind, rng) + shot(other, kind, rng)
                began = time.perf_counter()
                cuts = [detector.step_small(frame) for frame in film]
                taken, count = taken + time.perf_counter() - began, count + len(film)
                found += cuts.pop(FRAMES)
                false += sum(cuts)
                frames += len(cuts)
            print(f"| {folder.name} | {kind} | {found} | {len(pool) - 1} | {false} | {frames:,} |")
    print(f"\n{1000 * taken / count:.2f} ms a frame")
    for path in options.films:
        with open_film(path) as opened:
            times = [frame.at for frame in opened.frames() if frame.cut]
            print(f"{path.name}: {opened.read} frames, cuts at {[round(at, 2) for at in times]} s")


if __name__ == "__main__":
    main()
