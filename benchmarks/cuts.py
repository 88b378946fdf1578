"""Count the cuts and fades that are found in made films, and those seen where there is none.

    python benchmarks/cuts.py PHOTOS... [--films FILM...] [--write FILE]

A made film shows one photo for 30 frames, moved as a hand or a motor moves a camera, then another,
after a cut or after a fade of 24 frames. A fade is found if a cut is seen in it or just after it.
Films are real ones; their cuts are printed to be checked by eye.
"""

from __future__ import annotations

import argparse
import itertools
import sys
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from happysad.errors import ImageError
from happysad.files import write_text
from happysad.images import Pixels, read
from happysad.video.cuts import CutDetector
from happysad.video.films import open_film

KINDS = ("still", "pan", "fast pan", "shake", "zoom", "flicker")
FRAMES, FADE, PHOTOS = 30, 24, 11
SIDES = (192, 144)


def shot(photo: Pixels, kind: str, rng: np.random.Generator) -> list[NDArray[np.float32]]:
    """Return the grey frames of a shot."""
    scale = max(
        1.35 * side / length for side, length in zip(SIDES, photo.shape[1::-1], strict=True)
    )
    photo = np.asarray(cv2.resize(photo, None, fx=scale, fy=scale), np.uint8)
    room = np.array(photo.shape[1::-1]) - SIDES
    start, angle = rng.uniform(0, room), rng.uniform(0, 2 * np.pi)
    step = {"pan": 0.015, "fast pan": 0.04}.get(kind, 0.0) * SIDES[0]
    frames = []
    for number in range(FRAMES + FADE):
        at = start + step * number * np.array((np.cos(angle), np.sin(angle)))
        if kind == "shake":
            at = start + rng.normal(0, 2, 2)
        at = room - np.abs(at % (2 * room) - room)  # back at the edge
        zoom = 1 - 0.008 * number if kind == "zoom" else 1.0
        matrix = np.array(((zoom, 0, at[0]), (0, zoom, at[1])), np.float32)
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        grey = cv2.cvtColor(cv2.warpAffine(photo, matrix, SIDES, flags=flags), cv2.COLOR_RGB2GRAY)
        light = rng.uniform(0.8, 1.2) if kind == "flicker" else 1.0
        frames.append(light * np.asarray(grey, np.float32))
    return frames


def film(
    one: list[NDArray[np.float32]], other: list[NDArray[np.float32]], rng: np.random.Generator
) -> tuple[list[NDArray[np.uint8]], list[NDArray[np.uint8]]]:
    """Return two shots after each other, small and noisy: with a cut, and with a fade."""

    def small(frame: NDArray[np.float32]) -> NDArray[np.uint8]:
        noisy = (frame + rng.normal(0, 2.5, frame.shape)).clip(0, 255).astype(np.uint8)
        return np.asarray(cv2.resize(noisy, (64, 64), interpolation=cv2.INTER_AREA), np.uint8)

    shares = np.linspace(0, 1, FADE + 2)[1:-1]
    mixed = [
        (1 - share) * before + share * after
        for share, before, after in zip(shares, one[FRAMES:], other, strict=False)
    ]
    first, last = [*map(small, one[:FRAMES])], [*map(small, other[FADE:])]
    return [*first, *last], [*first, *map(small, mixed), *last]


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


def steps(frames: list[NDArray[np.uint8]]) -> list[bool]:
    """Return for each frame whether a cut is seen just before it."""
    detector = CutDetector()
    return [detector.step_small(frame) for frame in frames]


def main() -> None:
    """Print a table, and write it if asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--films", nargs="*", type=Path, default=[])
    parser.add_argument("--write", type=Path, help="file to which the table is also written")
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    lines = [
        "| photos | camera | pairs | cuts found | fades found | false cuts | of frames |",
        "|---|---|---|---|---|---|---|",
    ]
    for folder in options.folders:
        pool = photos(folder, PHOTOS)
        for kind in KINDS:
            found = faded = false = frames = 0
            for one, other in itertools.pairwise(pool):
                with_cut, with_fade = film(shot(one, kind, rng), shot(other, kind, rng), rng)
                cuts = steps(with_cut)
                fades = steps(with_fade)
                found += cuts.pop(FRAMES)
                between = fades[FRAMES : FRAMES + FADE + 6]
                del fades[FRAMES : FRAMES + FADE + 6]
                faded += any(between)
                false += sum(cuts) + sum(fades)
                frames += len(cuts) + len(fades)
            lines.append(
                f"| {folder.name} | {kind} | {len(pool) - 1} | {found} | {faded} | {false} "
                f"| {frames:,} |"
            )
            print(lines[-1], file=sys.stderr, flush=True)
    text = "\n".join(lines) + "\n"
    print(text)
    if options.write:
        write_text(options.write, text)
    for path in options.films:
        with open_film(path) as opened:
            times = [frame.at for frame in opened.frames() if frame.cut]
            print(f"{path.name}: {opened.read} frames, cuts at {[round(at, 2) for at in times]} s")


if __name__ == "__main__":
    main()
