"""Train the classifier that ships, judge it and write its card.

    python -m recipes.face DATA --work FOLDER

DATA holds FER2013 as folders: train/ and test/, each with angry, disgust, fear, happy, neutral,
sad and surprise. Three networks learn the seven classes, one after the other: the first from the
labels, each later one from the labels and from what those before it answer on average, since labels
err (born-again networks, Furlanello et al. 2018, arXiv:1805.04770). The second is larger; the third
goes on from the first one's weights, and ships. Everything is kept in FOLDER, so that a stopped
command goes on where it was. At the end it writes face.onnx, face.json, MODEL_CARD.md and its two
pictures into src/happysad/assets.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from happysad.classifier import SHIPPED, Classifier
from happysad.files import write_text
from happysad.training.backend import deterministic, quiet

#: Widths of the networks' stages, whose first convolution has stride 2: the one that ships, and a
#: larger one that teaches it.
SMALL, LARGE = (32, 64, 128, 192), (48, 96, 144, 192)
#: What is trained in turn: name, widths, epochs, highest learning rate.
NETWORKS = (
    ("teacher-0", SMALL, 60, 2e-3),
    ("teacher-1", LARGE, 36, 2e-3),
    ("student", SMALL, 24, 1e-3),
)


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

    hard = training.smoothed(learned.classes)
    trained: list[keras.Model] = []
    taught: list[NDArray[np.float32]] = []
    for seed, (name, widths, epochs, rate) in enumerate(NETWORKS):
        config = replace(training.CONFIG, epochs=epochs, seed=seed, learning_rate=rate)
        deterministic(seed)
        network = training.network(widths)
        if name == "student":
            network.set_weights(trained[0].get_weights())
        targets = (np.mean(taught, axis=0) + hard) / 2 if taught else hard
        training.train(network, learned, targets, unseen, config, chosen.work / name)
        trained.append(network)
        taught.append(training.answers(network, learned.images))

    ship(happy_or_sad(trained[-1], learned), unseen, len(learned.classes), SHIPPED)
    shipped = Classifier.load(SHIPPED)
    figures = judge(shipped, chosen.data / "test", learned)
    drawn = pictures.write(shipped, figures, SHIPPED.parent)
    write_text(SHIPPED.with_suffix(".json"), json.dumps(figures, indent=2) + "\n")
    write_text(SHIPPED.with_name("MODEL_CARD.md"), card.write(SHIPPED, figures, drawn))


if __name__ == "__main__":
    main()
