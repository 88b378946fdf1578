"""Train the classifier that ships, judge it and write its card.

    python -m recipes.face DATA --work FOLDER

DATA holds FER2013 as folders: train/ and test/, each with angry, disgust, fear, happy, neutral,
sad and surprise. Three networks learn the seven classes, one after the other: the first from the
labels, each later one from the labels and from what those before it answer on average, since labels
err (born-again networks, Furlanello et al. 2018, arXiv:1805.04770). The second is larger; the third
goes on from the first one's weights. It ships after it has gone on with happy and sad faces, by
label and teachers again, and with a fifth of the neutral ones as neither. Everything is kept in
FOLDER, so that a stopped command goes on where it was. At the end it writes face.onnx, face.json,
MODEL_CARD.md and its two pictures into src/happysad/assets.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from happysad.classifier import Classifier
from happysad.files import write_text
from happysad.keras_backend import deterministic, quiet
from happysad.model_file import SHIPPED

#: Widths of the networks' stages, whose first convolution has stride 2: the one that ships, and a
#: larger one that teaches it.
SMALL, LARGE = (32, 64, 128, 192), (48, 96, 144, 192)
#: What is trained in turn: name, widths, epochs, highest learning rate.
NETWORKS = (
    ("teacher-0", SMALL, 60, 2e-3),
    ("teacher-1", LARGE, 36, 2e-3),
    ("student", SMALL, 24, 1e-3),
)
#: The same of the student's own end: happy, sad, and some neutral faces that are half of each.
END = ("happy-or-sad", SMALL, 10, 1e-3)


def main() -> None:
    """Run the whole recipe."""
    parser = argparse.ArgumentParser(
        prog="python -m recipes.face",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("data", type=Path, metavar="DATA")
    parser.add_argument("--work", type=Path, required=True, metavar="FOLDER")
    chosen = parser.parse_args()

    quiet()
    import keras

    from recipes.face import card, photos, pictures, training
    from recipes.face.judging import judge
    from recipes.face.shipping import happy_or_sad, ship

    manifest = photos.manifest(chosen.data / "train")
    learned = photos.load(manifest, "train")
    unseen = photos.load(manifest, "val", "test")

    def train(
        seed: int,
        part: tuple[str, tuple[int, ...], int, float],
        begun: keras.Model | None,
        seen: photos.Photos,
        targets: NDArray[np.float32],
        validation: photos.Photos,
    ) -> keras.Model:
        name, widths, epochs, rate = part
        config = replace(training.CONFIG, epochs=epochs, seed=seed, learning_rate=rate)
        deterministic(seed)
        network = training.network(widths)
        if begun is not None:
            network.set_weights(begun.get_weights())
        training.train(network, seen, targets, validation, config, chosen.work / name)
        return network

    hard = training.smoothed(learned.classes)
    trained: list[keras.Model] = []
    taught: list[NDArray[np.float32]] = []
    for seed, part in enumerate(NETWORKS):
        begun = trained[0] if part[0] == "student" else None
        targets = (np.mean(taught, axis=0) + hard) / 2 if taught else hard
        trained.append(train(seed, part, begun, learned, targets, unseen))
        taught.append(training.answers(trained[-1], learned.images))
    seed = len(NETWORKS)
    last = training.happy_or_sad(learned, np.mean(taught, axis=0), seed)
    network = train(seed, END, trained[-1], *last, unseen.only(photos.HAPPY, photos.SAD))

    ship(happy_or_sad(network), unseen, len(learned.classes), SHIPPED)
    shipped = Classifier(SHIPPED)
    figures = judge(shipped, chosen.data / "test", manifest.of("train"))
    drawn = pictures.write(shipped, figures, SHIPPED.parent)
    write_text(SHIPPED.with_suffix(".json"), json.dumps(figures, indent=2) + "\n")
    write_text(SHIPPED.with_name("MODEL_CARD.md"), card.write(SHIPPED, figures, drawn))


if __name__ == "__main__":
    main()
