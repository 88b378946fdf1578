"""Measure which learning rate of `happysad train --model face` suits a hundred faces.

    PYTHONPATH=. python benchmarks/fine_tuning.py DATA --write FILE

DATA holds FER2013's training folders, as `recipes.face` reads them. The script draws a hundred
faces, half of each class, from the part that the shipped network was not trained on. On these,
`happysad train` fine-tunes the shipped network at every rate. The script evaluates the results on
all other faces of that part, and repeats this with other draws. It does the same with all faces
rotated by up to 30 degrees and reduced to 16 pixels, which are hard for the shipped network. It
does not read FER2013's test folder.
"""

from __future__ import annotations

import argparse
import tempfile
from collections import defaultdict
from pathlib import Path

import cv2
import numpy as np
from few_photos import _train
from numpy.typing import NDArray
from sklearn.metrics import balanced_accuracy_score, log_loss

from happysad.classifier import Classifier
from happysad.files import write_text
from happysad.images import Pixels
from recipes.face import photos
from recipes.face.robustness import CHANGES

_HARDER = (("rotation", 30), ("small size", 16))
_LABELS = ("happy", "sad")


def main() -> None:
    """Train at every rate on every draw; print and write a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--rates", nargs="+", default=["1e-5", "3e-5", "1e-4", "3e-4"])
    parser.add_argument("--photos", type=int, default=100)
    parser.add_argument("--draws", type=int, default=3)
    parser.add_argument("--write", type=Path, help="file to which the table is also written")
    chosen = parser.parse_args()

    manifest = photos.manifest(chosen.data)
    unseen = photos.load(manifest, "val", "test").only(photos.HAPPY, photos.SAD)
    pictures = {"as they are": unseen.images, "harder": _harder(unseen.images)}
    sad = (unseen.classes == photos.SAD).astype(np.intp)
    groups = np.array(unseen.groups)
    found = defaultdict(list)
    judged = 0
    for draw in range(chosen.draws):
        rng = np.random.default_rng(draw)
        each = [
            rng.choice(np.flatnonzero(sad == label), chosen.photos // 2, replace=False)
            for label in range(2)
        ]
        learned = np.concatenate(each)
        others = np.flatnonzero(~np.isin(groups, groups[learned]))
        judged += len(others)
        for name, images in pictures.items():
            with tempfile.TemporaryDirectory() as folder:
                work = Path(folder)
                _save(images[learned], sad[learned], work / "few")
                for rate in ("none", *chosen.rates):
                    shipped = rate == "none"
                    classifier = (
                        Classifier().answering(_LABELS) if shipped else _trained(work, rate=rate)
                    )
                    p = classifier.run({"image": images[others]}).probabilities[:, 1]
                    answers = p >= classifier.details.threshold
                    figures = [
                        float(balanced_accuracy_score(sad[others], answers)),
                        float(log_loss(sad[others], p)),
                    ]
                    found[name, rate].append(figures)
                    print(f"{name}, draw {draw}, rate {rate}: {figures}", flush=True)
    text = _table(found, chosen.photos, chosen.draws, judged)
    print(text, end="")
    if chosen.write:
        write_text(chosen.write, text)


def _harder(images: Pixels) -> Pixels:
    rng = np.random.default_rng(0)
    changes = {change.name: change.apply for change in CHANGES}
    for name, strength in _HARDER:
        images = np.stack([changes[name](image, strength, rng) for image in images])
    return images


def _save(images: Pixels, sad: NDArray[np.intp], folder: Path) -> None:
    for number, (image, label) in enumerate(zip(images, sad, strict=True)):
        file = folder / _LABELS[label] / f"{number}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(file), image)


def _trained(work: Path, *, rate: str) -> Classifier:
    _train(work / "few", "face", work / rate, "--faces", "given", "--learning-rate", rate)
    return Classifier(work / rate)


def _spans(figures: list[list[float]]) -> list[str]:
    """Return the mean and range of each figure over the draws."""
    return [
        f"{one.mean():.3f} ({one.min():.3f} to {one.max():.3f})" for one in np.transpose(figures)
    ]


def _table(
    found: dict[tuple[str, str], list[list[float]]], learned: int, draws: int, judged: int
) -> str:
    lines = [
        "| faces | learning rate | balanced accuracy, mean (range) | log loss, mean (range) |",
        "|---|---|---|---|",
    ]
    for (name, rate), figures in found.items():
        lines.append(f"| {name} | {rate} | {' | '.join(_spans(figures))} |")
    lines.append(f"\nTrained on {learned} faces, {draws} draws; {judged:,} predictions per row.")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
