"""Measure how often the answer changes for a rotated, mirrored, resized or recoloured copy.

    python benchmarks/copies.py DIR --write FILE

The script predicts one photo of each group of near-duplicates in the class folders of DIR, and
copies of it. It finds the faces again in each copy. An answer changes if the label differs from the
photo's own label. Intervals are exact 95 % intervals (Clopper & Pearson 1934) over distinct photos.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
from scipy.stats import binomtest

from happysad.classifier import Classifier
from happysad.dataset.duplicates import near_groups
from happysad.dataset.scan import scan
from happysad.files import write_text
from happysad.images import Pixels, read
from happysad.predictions import NO_FACE
from happysad.progress import track

Copy = Callable[[Pixels], Pixels]


def main() -> None:
    """Predict every copy of every photo; print and write a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument(
        "--model", type=Path, help="a run or .onnx file (default: the classifier that ships)"
    )
    parser.add_argument("--photos", type=int, help="maximum number of photos")
    parser.add_argument("--write", type=Path, help="file to which the table is also written")
    chosen = parser.parse_args()
    classifier = Classifier(chosen.model)
    files = _one_a_group(chosen.data)[: chosen.photos]
    labels = _labels(classifier, files, "as it is", lambda photo: photo)
    answers = {name: _labels(classifier, files, name, copy) for name, copy in _COPIES.items()}
    text = _table(labels, answers, classifier.classes)
    print(text, end="")
    if chosen.write:
        write_text(chosen.write, text)


def _one_a_group(data: Path) -> list[Path]:
    folders = sorted(entry.name for entry in data.iterdir() if entry.is_dir())
    table = scan(data, folders, quality=False).table
    readable = table[table["reason"] == ""].copy()
    readable["group"] = near_groups(readable)
    first = readable.drop_duplicates("group")["path"]
    return [data / path for path in first]


def _labels(classifier: Classifier, files: list[Path], name: str, copy: Copy) -> list[str]:
    answers = classifier.stream(copy(read(file)) for file in files)
    return [str(answer.label) for answer in track(answers, name, len(files))]


def _table(photos: list[str], answers: dict[str, list[str]], classes: Sequence[str]) -> str:
    told = sum(label in classes for label in photos)
    lines = [
        f"| copy | changed answers, of {len(photos)} photos (95 %) "
        f"| one class became another, of {told} (95 %) | happy and sad swapped "
        "| to or from unsure | face lost or found |",
        "|---|---|---|---|---|---|",
    ]
    for name, copies in answers.items():
        changes = [{old, new} for old, new in zip(photos, copies, strict=True) if old != new]
        between = sum(change <= set(classes) for change in changes)
        swapped = sum(change == {"happy", "sad"} for change in changes)
        faces = sum(NO_FACE in change for change in changes)
        lines.append(
            f"| {name} | {_share(len(changes), len(photos))} | {_share(between, told)} | {swapped} "
            f"| {len(changes) - between - faces} | {faces} |"
        )
    return "\n".join(lines) + "\n"


def _share(count: int, n: int) -> str:
    if not n:
        return "0 of 0"
    low, high = binomtest(count, n).proportion_ci()
    return f"{count}: {100 * count / n:.1f} % ({100 * low:.1f} to {100 * high:.1f})"


def _turned(degrees: float) -> Copy:
    """Rotate counter-clockwise on a black canvas that fits the whole photo."""

    def copy(photo: Pixels) -> Pixels:
        height, width = photo.shape[:2]
        matrix = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), degrees, 1.0)
        cos, sin = np.abs(matrix[0, :2])
        new_width = round(width * cos + height * sin)
        new_height = round(width * sin + height * cos)
        matrix[:, 2] += (new_width - width) / 2, (new_height - height) / 2
        return _pixels(cv2.warpAffine(photo, matrix, (new_width, new_height)))

    return copy


def _resized(scale: float) -> Copy:
    def copy(photo: Pixels) -> Pixels:
        height, width = (max(1, round(scale * side)) for side in photo.shape[:2])
        way = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
        return _pixels(cv2.resize(photo, (width, height), interpolation=way))

    return copy


def _times(*factors: float) -> Copy:
    """Multiply red, green and blue by `factors`."""
    return lambda photo: _pixels(photo * np.array(factors))


def _gamma(gamma: float) -> Copy:
    levels = 255 * (np.arange(256) / 255) ** gamma
    return lambda photo: _pixels(levels[photo])


def _saturated(factor: float) -> Copy:
    """Scale the saturation: 0 gives grey, 1 the photo itself."""

    def copy(photo: Pixels) -> Pixels:
        grey = cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY)[..., None].astype(np.float64)
        return _pixels(grey + factor * (photo - grey))

    return copy


def _pixels(values: object) -> Pixels:
    return np.asarray(np.clip(np.rint(np.asarray(values)), 0, 255), dtype=np.uint8)


_COPIES: dict[str, Copy] = {
    "mirrored": lambda photo: np.ascontiguousarray(photo[:, ::-1]),
    "rotated by 5 degrees": _turned(5),
    "rotated by -5 degrees": _turned(-5),
    "rotated by 15 degrees": _turned(15),
    "rotated by -15 degrees": _turned(-15),
    "rotated by 30 degrees": _turned(30),
    "rotated by 90 degrees": lambda photo: np.ascontiguousarray(np.rot90(photo)),
    "resized to twice the side": _resized(2.0),
    "resized to 0.75 of the side": _resized(0.75),
    "resized to half the side": _resized(0.5),
    "resized to a quarter of the side": _resized(0.25),
    "grey": _saturated(0.0),
    "colours 1.5 times as strong": _saturated(1.5),
    "warmer: red times 1.15, blue times 0.85": _times(1.15, 1.0, 0.85),
    "cooler: red times 0.85, blue times 1.15": _times(0.85, 1.0, 1.15),
    "lighter: gamma 0.7": _gamma(0.7),
    "darker: gamma 1.4": _gamma(1.4),
}


if __name__ == "__main__":
    main()
