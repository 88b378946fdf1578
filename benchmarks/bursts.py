"""Measure `happysad report --best` on made bursts of drawn faces.

    python benchmarks/bursts.py --write FILE

A burst has three to six photos of one to three drawn faces before one background, each a second
after the one before it. From photo to photo, the camera moves and turns a little, the light and the
noise change, and every face is happy, sad or neither by chance. In a burst, two photos in five are
blurred by a movement of the camera; the first is not. Half of the bursts follow the burst before
them within a second.

The table has the bursts of which all photos and no others were found, and the best photos that are
sharp, and of these, those on which as many faces are happy as on any sharp photo of the burst:
once with the true answers, once with the answers of the classifier that ships. It was not made for
drawn faces; a photo drawn by chance from each burst is the measure for it.
"""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.stats import binomtest

from happysad.batch.bursts import HAPPY, Shot, pick
from happysad.classifier import Classifier
from happysad.dataset.drawn_faces import face
from happysad.files import write_text
from happysad.images import Pixels
from happysad.progress import track

_HEIGHT, _WIDTH, _FACE = 640, 960, 300
_MOODS = ("happy", "sad", "neither")
_BLURRED, _FOLLOWS = 0.4, 0.5


@dataclass(frozen=True)
class Made:
    """A made photo and what is true of it."""

    burst: int
    """The number of its burst."""
    sharp: bool
    shot: Shot
    """With the number of faces that are drawn happy."""


def main() -> None:
    """Make the bursts, and print and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bursts", type=int, default=30, help="[default: 30]")
    parser.add_argument("--seed", type=int, default=0, help="[default: 0]")
    parser.add_argument("--write", type=Path, help="the file for the table")
    chosen = parser.parse_args()
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory() as folder:
        rng = np.random.default_rng(chosen.seed)
        made = _made(Path(folder), rng, chosen.bursts)
        text = _table(made, rng)
    print(text, end="")
    if chosen.write:
        write_text(chosen.write, text)


def _made(folder: Path, rng: np.random.Generator, bursts: int) -> list[Made]:
    made, taken = [], datetime(2026, 5, 1, 12)
    for burst in track(range(bursts), "drawing", bursts):
        taken += timedelta(seconds=1 if rng.random() < _FOLLOWS else 3600)
        scene = rng.integers(0, 2**31, 2 + rng.integers(3)).tolist()
        for number in range(rng.integers(3, 7)):
            moods = [_MOODS[rng.integers(3)] for _ in scene[1:]]
            sharp = number == 0 or rng.random() >= _BLURRED
            file = folder / f"{burst:03}-{number}.jpg"
            Image.fromarray(_photo(scene, moods, sharp, rng)).save(file, quality=92)
            shot = Shot(photo=file, taken=taken, happy=moods.count(HAPPY), probability=0.5)
            made.append(Made(burst, sharp, shot))
            taken += timedelta(seconds=1)
    return made


def _photo(scene: list[int], moods: list[str], sharp: bool, rng: np.random.Generator) -> Pixels:
    """Draw a photo.

    Args:
        scene: the seeds of the background and of each face.
        moods: the label of each face.
        sharp: whether the camera stands still.
        rng: the source of all that differs between the photos of a burst.
    """
    coarse = np.random.default_rng(scene[0]).integers(30, 226, (4, 6, 3), dtype=np.uint8)
    size = (_WIDTH, _HEIGHT)
    picture = cv2.resize(coarse, size, interpolation=cv2.INTER_CUBIC).astype(np.float32)
    oval = np.zeros((_FACE, _FACE), np.float32)
    middle = (_FACE // 2, _FACE // 2)
    cv2.ellipse(oval, middle, (int(0.46 * _FACE), int(0.49 * _FACE)), 0, 0, 360, 1.0, -1)
    oval = np.asarray(cv2.GaussianBlur(oval, (0, 0), 3), np.float32)[..., None]
    for place, (seed, mood) in enumerate(zip(scene[1:], moods, strict=True)):
        left = int((place + 0.5) * _WIDTH / len(moods) - _FACE / 2)
        part = picture[130 + seed % 80 :, left:][:_FACE, :_FACE]
        part[:] = part * (1 - oval) + face(mood, np.random.default_rng(seed), _FACE) * oval
    turn = cv2.getRotationMatrix2D(
        (_WIDTH / 2, _HEIGHT / 2), rng.normal(0, 0.8), 1 + rng.normal(0, 0.01)
    )
    turn[:, 2] = turn[:, 2] + rng.normal(0, 9, 2)
    moved = cv2.warpAffine(picture, turn, size, borderMode=cv2.BORDER_REFLECT)
    if not sharp:
        moved = cv2.filter2D(moved, -1, _movement(rng))
    seen = moved * rng.normal(1, 0.04) + rng.normal(0, 4, moved.shape)
    return np.asarray(np.clip(np.rint(seen), 0, 255), np.uint8)


def _movement(rng: np.random.Generator) -> NDArray[np.float32]:
    """Return the kernel of a straight movement of 7 to 14 pixels."""
    kernel = np.zeros((31, 31), np.float32)
    angle, half = rng.uniform(0, np.pi), rng.integers(7, 15) / 2
    across, down = round(half * np.cos(angle)), round(half * np.sin(angle))
    cv2.line(kernel, (15 - across, 15 - down), (15 + across, 15 + down), 1.0, 1)
    return np.asarray(kernel / kernel.sum(), np.float32)


def _answered(made: list[Made]) -> list[Shot]:
    """Return the photos in which the classifier that ships finds a face, with its answers."""
    shots = []
    answers = Classifier().stream(one.shot.photo for one in made)
    for one, answer in zip(made, track(answers, "answering", len(made)), strict=True):
        faces = answer.faces
        if faces:
            shots.append(
                replace(
                    one.shot,
                    happy=sum(each.label == HAPPY for each in faces),
                    probability=sum(each.probabilities[HAPPY] for each in faces) / len(faces),
                    boxes=tuple((f.x, f.y, f.width, f.height) for f in (e.face for e in faces)),
                )
            )
    return shots


def _table(made: list[Made], rng: np.random.Generator) -> str:
    lines = [
        "| answers | bursts found whole | best photo is sharp | of these, most happy faces |",
        "|---|---|---|---|",
    ]
    by_photo = {one.shot.photo: one for one in made}
    sizes = [one.burst for one in made]
    for name, shots in (("true", [one.shot for one in made]), ("classifier", _answered(made))):
        found = list(pick(shots))
        whole = sum(
            len({by_photo[one.photo].burst for one in burst.shots}) == 1
            and len(burst.shots) == sizes.count(by_photo[burst.best.photo].burst)
            for burst in found
        )
        best = [by_photo[burst.best.photo] for burst in found]
        lines.append(f"| {name} | {_share(whole, len(set(sizes)))} | {_best(best, made)} |")
    rows = [[one for one in made if one.burst == burst] for burst in sorted(set(sizes))]
    chance = [row[rng.integers(len(row))] for row in rows]
    lines.append(f"| by chance | | {_best(chance, made)} |")
    return "\n".join(lines) + "\n"


def _best(best: list[Made], made: list[Made]) -> str:
    sharp = [one for one in best if one.sharp]
    most = sum(
        one.shot.happy == max(m.shot.happy for m in made if m.burst == one.burst and m.sharp)
        for one in sharp
    )
    return f"{_share(len(sharp), len(best))} | {_share(most, len(sharp))}"


def _share(good: int, n: int) -> str:
    """Return a share in percent with its exact interval of 95 % (Clopper and Pearson 1934)."""
    low, high = binomtest(good, n).proportion_ci()
    return f"{good} of {n}: {100 * good / n:.0f} % ({100 * low:.0f} to {100 * high:.0f})"


if __name__ == "__main__":
    main()
