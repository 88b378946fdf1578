"""Train the classifier that ships, judge it and write its card.

    python -m recipes.face DATA --work FOLDER

DATA holds FER2013 as folders: train/ and test/, each with angry, disgust, fear, happy, neutral,
sad and surprise. The network learns the seven classes: from the labels, or with --teachers from the
mean answers of some others, which know that labels err. Everything is kept in FOLDER, so that a
stopped command goes on where it was. At the end it writes face.onnx, face.json, MODEL_CARD.md and
its two pictures into src/happysad/assets.
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

#: The networks that teach: widths and the first convolution's stride.
TEACHER = ((32, 64, 128, 192), 2)
TEACHER_EPOCHS = 60
#: The one that ships.
STUDENT = ((32, 64, 128, 192), 2)
STUDENT_EPOCHS = 60


def main() -> None:
    """Run the whole recipe."""
    parser = argparse.ArgumentParser(
        prog="python -m recipes.face",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("data", type=Path, metavar="DATA")
    parser.add_argument("--work", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--teachers", type=int, default=0, help="how many other networks")
    chosen = parser.parse_args()

    quiet()
    import keras

    from recipes.face import card, photos, pictures, training
    from recipes.face.judging import judge
    from recipes.face.shipping import happy_or_sad, ship

    manifest = photos.manifest(chosen.data / "train")
    learned = photos.load(manifest, "train")
    unseen = photos.load(manifest, "val", "test")

    def trained(
        name: str,
        shape: tuple[tuple[int, ...], int],
        targets: NDArray[np.float32],
        epochs: int,
        seed: int,
    ) -> keras.Model:
        config = replace(training.CONFIG, epochs=epochs, seed=seed)
        deterministic(seed)
        network = training.network(*shape)
        training.train(network, learned, targets, unseen, config, chosen.work / name)
        return network

    hard = training.smoothed(learned.classes)
    targets = hard
    if chosen.teachers:
        taught = [
            training.answers(
                trained(f"teacher-{seed}", TEACHER, hard, TEACHER_EPOCHS, seed), learned.images
            )
            for seed in range(chosen.teachers)
        ]
        targets = ((np.mean(taught, axis=0) + hard) / 2).astype(np.float32)
    student = trained("student", STUDENT, targets, STUDENT_EPOCHS, chosen.teachers)

    ship(happy_or_sad(student, learned), unseen, len(learned.classes), SHIPPED)
    shipped = Classifier.load(SHIPPED)
    figures = judge(shipped, chosen.data / "test", learned)
    drawn = pictures.write(shipped, figures, SHIPPED.parent)
    write_text(SHIPPED.with_suffix(".json"), json.dumps(figures, indent=2) + "\n")
    write_text(SHIPPED.with_name("MODEL_CARD.md"), card.write(SHIPPED, figures, drawn))


if __name__ == "__main__":
    main()
