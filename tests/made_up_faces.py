"""Made-up data of the recipe: random faces with votes, as arrays, CSV files and folders."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from happysad.classifier import Classifier
from happysad.models.face import EMOTIONS
from recipes.face.judging import Judgement, judge
from recipes.face.packed_faces import Faces
from recipes.face.votes import COLUMNS

__all__ = ["faces_by_light", "judgement", "kaggle", "random_faces"]

# FER2013's number of each emotion of FER+; contempt is not one of them.
_NUMBERS = dict(zip(EMOTIONS, (6, 3, 5, 4, 0, 1, 2, 6), strict=True))
_FOLDERS = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")


def random_faces(number: int) -> Faces:
    """Return faces of random pixels; the emotions take turns."""
    rng = np.random.default_rng(number)
    turns = np.arange(number) % len(EMOTIONS)
    votes = np.zeros((number, len(COLUMNS)), np.int8)
    votes[np.arange(number), turns] = 10
    return Faces(
        rng.integers(0, 256, (number, 48, 48, 1), dtype=np.uint8),
        votes,
        np.array([_FOLDERS[_NUMBERS[EMOTIONS[turn]]] for turn in turns]),
        np.arange(number).astype(np.str_),
        np.ones(number, np.float32),
        ("sad",),
    )


def faces_by_light(number: int) -> Faces:
    """Return even faces: in turn dark and happy, grey and neutral, bright and sad."""
    names = ("happiness", "neutral", "sadness")
    turns = np.arange(number) % 3
    votes = np.zeros((number, len(COLUMNS)), np.int8)
    votes[np.arange(number), [EMOTIONS.index(names[turn]) for turn in turns]] = 10
    levels = np.array([20, 128, 236], np.uint8)[turns][:, None, None, None]
    return Faces(
        np.broadcast_to(levels, (number, 48, 48, 1)).copy(),
        votes,
        np.array([("happy", "neutral", "sad")[turn] for turn in turns]),
        np.arange(number).astype(np.str_),
        np.ones(number, np.float32),
    )


def judgement(classifier: Classifier) -> Judgement:
    """Return the figures of a classifier of light in colour on 60 faces, some of them wrong."""
    faces = faces_by_light(60)
    rng = np.random.default_rng(0)
    images = np.clip(faces.images + rng.normal(0, 60, (60, 1, 1, 1)), 0, 255).astype(np.uint8)
    return judge(classifier, replace(faces, images=images.repeat(3, axis=3)), Path("no folder"))


def kaggle(folder: Path, number: int) -> None:
    """Write fer2013.csv and fer2013new.csv with this number of rows.

    The first 60 % are for training, then come PublicTest and PrivateTest. A face's level tells its
    emotion, and one person disagrees.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (
        (folder / "fer2013.csv").open("w", newline="") as pictures,
        (folder / "fer2013new.csv").open("w", newline="") as votes,
    ):
        of_pictures, of_votes = csv.writer(pictures), csv.writer(votes)
        of_pictures.writerow(("emotion", "pixels", "Usage"))
        of_votes.writerow(("Usage", "Image name", *COLUMNS[:-1], "NF"))
        for row, (emotion, usage, pixels) in enumerate(_rows(number)):
            of_pictures.writerow((_NUMBERS[emotion], pixels, usage))
            counts = {emotion: 9, EMOTIONS[(row + 1) % len(EMOTIONS)]: 1}
            of_votes.writerow((usage, f"fer{row:07}.png", *(counts.get(n, 0) for n in COLUMNS)))


def _rows(number: int) -> Iterator[tuple[str, str, str]]:
    rng = np.random.default_rng(0)
    for row in range(number):
        place = row % len(EMOTIONS)
        levels = rng.integers(0, 60, 48 * 48) + 25 * place
        part = row / number
        usage = "Training" if part < 0.6 else "PublicTest" if part < 0.9 else "PrivateTest"
        yield EMOTIONS[place], usage, " ".join(map(str, levels))
