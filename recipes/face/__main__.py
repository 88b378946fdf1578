"""Train the classifier that ships.

    python -m recipes.face DATA --work FOLDER

DATA holds FER2013 as folders: train/{angry,disgust,fear,happy,neutral,sad,surprise}.
A few larger networks learn the seven classes; their mean answers, which know that labels err, are
what the small network that ships learns. Everything is kept in FOLDER, so that a stopped command
goes on where it was.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from happysad.training.backend import deterministic, quiet

#: The larger networks: widths and the first convolution's stride.
TEACHER = ((24, 48, 96, 192), 1)
TEACHER_EPOCHS = 30
#: The one that ships.
STUDENT = ((24, 48, 96, 192), 2)
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
    parser.add_argument("--teachers", type=int, default=3, help="how many larger networks")
    chosen = parser.parse_args()

    quiet()
    from recipes.face import photos, training

    manifest = photos.manifest(chosen.data / "train")
    learned = photos.load(manifest, "train")
    unseen = photos.load(manifest, "val", "test")

    def trained(
        name: str,
        shape: tuple[tuple[int, ...], int],
        targets: NDArray[np.float32],
        epochs: int,
        seed: int,
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        config = replace(training.CONFIG, epochs=epochs, seed=seed)
        deterministic(seed)
        model = training.network(*shape)
        training.train(model, learned, targets, unseen, config, chosen.work / name)
        model.save(chosen.work / name / "network.keras")
        return training.answers(model, learned.images), training.answers(model, unseen.images)

    hard = training.smoothed(learned.classes)
    taught = [
        trained(f"teacher-{seed}", TEACHER, hard, TEACHER_EPOCHS, seed)
        for seed in range(chosen.teachers)
    ]
    soft = np.mean([answers for answers, _ in taught], axis=0)
    targets = ((soft + hard) / 2).astype(np.float32)
    trained("student", STUDENT, targets, STUDENT_EPOCHS, chosen.teachers)


if __name__ == "__main__":
    main()
