"""Train and judge the shipped classifier, and write its card.

    python -m recipes.face DATA --work FOLDER

DATA holds FER2013 as folders: train/ and test/, each with angry, disgust, fear, happy, neutral,
sad and surprise. The recipe trains three networks on the seven classes, one after the other. The
first learns from the labels. Because some labels are wrong, each later network learns from the mean
of the labels and of the average probabilities of the networks before it (born-again networks,
Furlanello et al. 2018, arXiv:1805.04770). The second network is larger; the third starts from the
weights of the first. The third is then fine-tuned on happy and sad faces, again from labels and
teachers, and on a fifth of the neutral faces as neither. This is the network that ships.

FOLDER keeps all results, so that the same command continues an interrupted recipe. At the end the
recipe writes face.onnx, face.json, MODEL_CARD.md and its two pictures to src/happysad/assets.
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

#: Widths of the stages of the shipped network and of its larger teacher. The first convolution has
#: stride 2.
SMALL, LARGE = (32, 64, 128, 192), (48, 96, 144, 192)
#: The networks in the order of training: name, widths, epochs, peak learning rate.
NETWORKS = (
    ("teacher-0", SMALL, 60, 2e-3),
    ("teacher-1", LARGE, 36, 2e-3),
    ("student", SMALL, 24, 1e-3),
)
#: The same for the fine-tuning of the student on happy, sad and some neutral faces.
END = ("happy-or-sad", SMALL, 10, 1e-3)


def main() -> None:
    """Run the whole recipe."""
    parser = argparse.ArgumentParser(
        prog="python -m recipes.face",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "data", type=Path, metavar="DATA", help="folder with FER2013's train/ and test/"
    )
    parser.add_argument(
        "--work", type=Path, required=True, metavar="FOLDER", help="folder of all results"
    )
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
