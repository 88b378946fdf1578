"""Judge the shipped classifier at the end of the recipe: every figure of its card."""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest

from happysad.classifier import Classifier
from happysad.evaluation.abstention import Abstention, abstention
from happysad.evaluation.metrics import Figure, score
from happysad.models.face import CLASSES, EMOTIONS
from happysad.predictions import NO_FACE, Prediction
from happysad.probability import among
from recipes.face import robustness
from recipes.face.figures import Curve, Figures, Reliability, curve, figures, reliability
from recipes.face.packed_faces import Faces, person, photo
from recipes.face.shipping import THREE
from recipes.face.votes import HAPPY, NEITHER, SAD, true_classes

__all__ = ["SEEN_BY_EYE", "Judgement", "PeopleRow", "SeenRow", "judge"]

_Floats = NDArray[np.float64]
_Ints = NDArray[np.intp]

# The names of the age groups, and the age below which each ends.
_AGES = {"18 to 24": 25, "25 to 34": 35, "35 and more": 200}
_CLASS_OF_FOLDER = {"happy": HAPPY, "sad": SAD}
#: Whom a person saw in web photos, with the first 16 hexadecimal digits of the file's SHA-256. Each
#: person is listed once.
SEEN_BY_EYE = Path(__file__).with_name("seen_by_eye.csv")


@dataclass(frozen=True, slots=True, kw_only=True)
class PeopleRow:
    """The figures of one group of the people in the studio portraits.

    The intervals are exact (Clopper & Pearson 1934).
    """

    kind: str
    """age, sex or ethnicity."""
    name: str
    people: int
    smiles: Figure
    """The share of the smiling portraits that is called happy, by the most probable class."""
    neutral: Figure
    """The share of the neutral portraits that is called neither."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenRow:
    """The answers for the web photos in which a person recognised someone of a kind."""

    name: str
    """Whom: people with glasses, or babies and small children."""
    n: int
    right: Figure
    """The share that is right if happy and sad are the only answers; an exact interval."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """Every figure of the card."""

    n: int
    """The number of test faces."""
    without_votes: int
    """The number of test faces without votes; they count only for FER2013's labels."""
    tied: int
    """The number of faces on which two emotions lead together; they are left out too."""
    three: Figures
    """By votes, of the folders happy, neutral and sad."""
    all_folders: Figures
    """By votes, of all seven folders."""
    seen: int
    """The number of faces of `three` that are near-duplicates of a training face."""
    unseen: Figures | None
    """`three` without them; None if that is not known."""
    emotions: dict[str, Abstention]
    """For each emotion the labels of its faces at the default thresholds, of all folders."""
    neutral: Abstention | None
    """The same for the faces of `three` that are neutral by votes."""
    by_labels: Figure
    """The balanced accuracy on the folders happy and sad if these are the only answers, by
    FER2013's own labels."""
    by_labels_n: int
    risk_coverage: Curve
    """Of `three`."""
    reliability: dict[str, Reliability]
    """Of all folders, for each class."""
    robustness: tuple[robustness.Row, ...]
    """Of `three`."""
    generated: Figures | None
    """Of the generated portraits happy, neutral and sad, as photos; None if they are missing."""
    studio: Figures | None
    """Of the studio portraits happy and neutral, as photos; None if they are missing."""
    scenes: Figures | None
    """Of the web photos in which a face is found, as photos; None if they are missing."""
    scenes_without_face: int
    """The number of web photos in which no face is found."""
    people: tuple[PeopleRow, ...]
    """Of the studio portraits; empty without people.csv."""
    seen_by_eye: tuple[SeenRow, ...]
    """Of the web photos; empty if they are missing."""


def judge(classifier: Classifier, test: Faces, data: Path) -> Judgement:
    """Return every figure of the card.

    Args:
        classifier: the shipped classifier.
        test: the test faces of FER2013, with votes where there are any.
        data: the recipe's data folder; sets of photos that it lacks are left out.
    """
    cv2.setNumThreads(1)
    emotion, truth = true_classes(test.votes)
    voted = test.voted
    decided = voted & (truth >= 0)
    p = robustness.probabilities(classifier, test.images)
    groups = test.groups
    three = decided & np.isin(test.folders, THREE)

    def of(rows: NDArray[np.bool_]) -> Figures:
        return figures(classifier, p[rows], truth[rows], groups[rows].tolist())

    labels = [classifier.label_of(row.tolist()) for row in p]
    seen = test.seen
    by_labels, labelled = _by_labels(p, test)
    studio = _photos(classifier, data / "colour" / "studio")
    scenes, faceless = _with_face(_photos(classifier, data / "scenes"))
    return Judgement(
        n=len(test),
        without_votes=int((~voted).sum()),
        tied=int((voted & (truth < 0)).sum()),
        three=of(three),
        all_folders=of(decided),
        seen=0 if seen is None else int(seen[three].sum()),
        unseen=None if seen is None else of(three & ~seen),
        emotions={
            name: called
            for place, name in enumerate(EMOTIONS)
            if (called := _called(labels, truth, groups, decided & (emotion == place)))
        },
        neutral=_called(labels, truth, groups, three & (emotion == EMOTIONS.index("neutral"))),
        by_labels=by_labels,
        by_labels_n=labelled,
        risk_coverage=curve(p[three], truth[three], groups[three].tolist()),
        reliability={
            name: reliability(p[decided], truth[decided], groups[decided].tolist(), place)
            for place, name in enumerate(CLASSES)
        },
        robustness=tuple(
            robustness.measure(classifier, test.images[three], truth[three], groups[three].tolist())
        ),
        generated=_of_photos(
            classifier, _photos(classifier, data / "colour" / "generated", THREE), photo
        ),
        studio=_of_photos(classifier, studio, person),
        scenes=_of_photos(classifier, scenes, photo),
        scenes_without_face=faceless,
        people=_people(studio, data / "colour" / "people.csv"),
        seen_by_eye=_seen_by_eye(scenes),
    )


@dataclass(frozen=True)
class _Predicted:
    """The answers for the photos of some class folders."""

    paths: list[Path]
    p: _Floats
    """Shape (n, 3); NaN for a photo without a face."""
    truth: _Ints


def _photos(
    classifier: Classifier, folder: Path, classes: tuple[str, ...] | None = None
) -> _Predicted | None:
    """Predict the photos of class folders like a user's; None if the folder is missing."""
    paths = [
        path
        for path in sorted(folder.glob("*/*"))
        if classes is None or path.parent.name in classes
    ]
    predictions = [
        (path, answer)
        for path, answer in zip(paths, classifier.predict(paths), strict=True)
        if answer.error is None
    ]
    if not predictions:
        return None
    return _Predicted(
        [path for path, _ in predictions],
        np.array([_row(answer) for _, answer in predictions]),
        np.array([_CLASS_OF_FOLDER.get(path.parent.name, NEITHER) for path, _ in predictions]),
    )


def _with_face(predicted: _Predicted | None) -> tuple[_Predicted | None, int]:
    """Return the photos with a face, and the number of the others."""
    if predicted is None:
        return None, 0
    found = np.asarray(~np.isnan(predicted.p).any(axis=1))
    paths = [path for path, one in zip(predicted.paths, found, strict=True) if one]
    kept = _Predicted(paths, predicted.p[found], predicted.truth[found])
    return kept, int((~found).sum())


def _row(answer: Prediction) -> list[float]:
    if answer.label == NO_FACE or answer.probabilities is None:
        return [np.nan] * len(CLASSES)
    return list(answer.probabilities.values())


def _of_photos(
    classifier: Classifier, predicted: _Predicted | None, group: Callable[[Path], str]
) -> Figures | None:
    if predicted is None:
        return None
    groups = [group(path) for path in predicted.paths]
    return figures(classifier, predicted.p, predicted.truth, groups)


def _called(
    labels: Sequence[str], truth: _Ints, groups: NDArray[np.str_], rows: NDArray[np.bool_]
) -> Abstention | None:
    """Return the figures of the labels of some faces; None if there is no such face."""
    places = np.flatnonzero(rows).tolist()
    if not places:
        return None
    return abstention(
        [labels[place] for place in places],
        [CLASSES[truth[place]] for place in places],
        groups[places].tolist(),
        classes=CLASSES,
    )


def _by_labels(p: _Floats, test: Faces) -> tuple[Figure, int]:
    rows = np.isin(test.folders, ("happy", "sad"))
    scored = score(
        (test.folders[rows] == "sad").astype(np.intp),
        among(p[rows], [HAPPY, SAD]),
        test.groups[rows].tolist(),
        classes=("happy", "sad"),
    )
    return scored.balanced_accuracy, int(rows.sum())


def _people(studio: _Predicted | None, file: Path) -> tuple[PeopleRow, ...]:
    """Return a row for each sex, age group and ethnicity of the people in the studio portraits."""
    if studio is None or not file.is_file():
        return ()
    with file.open(newline="", encoding="utf-8") as opened:
        known = {row["person"]: row for row in csv.DictReader(opened)}
    names = np.array([person(path) for path in studio.paths])
    # A photo without a face counts as wrong.
    answers = np.where(np.isnan(studio.p).any(axis=1), -1, studio.p.argmax(axis=1))

    def share(here: NDArray[np.bool_], label: int) -> Figure:
        rows = here & (studio.truth == label)  # at most one photo of each person
        return _exact(answers[rows] == label)

    rows = []
    for kind in ("sex", "age", "ethnicity"):
        told = np.array([_group(kind, known.get(name, {}).get(kind, "")) for name in names])
        for group in sorted(set(told.tolist()) - {""}):
            here = told == group
            rows.append(
                PeopleRow(
                    kind=kind,
                    name=group.replace("_", " "),
                    people=len(set(names[here])),
                    smiles=share(here, HAPPY),
                    neutral=share(here, NEITHER),
                )
            )
    return tuple(rows)


def _seen_by_eye(scenes: _Predicted | None) -> tuple[SeenRow, ...]:
    if scenes is None:
        return ()
    hashes = np.array([sha256(path.read_bytes()).hexdigest()[:16] for path in scenes.paths])
    right = among(scenes.p, [HAPPY, SAD]).argmax(axis=1) == (scenes.truth == SAD)
    with SEEN_BY_EYE.open(newline="", encoding="utf-8") as opened:
        listed = [(row["seen"], row["sha256"]) for row in csv.DictReader(opened)]
    rows = []
    for name in dict.fromkeys(kind for kind, _ in listed):
        here = np.isin(hashes, [one for kind, one in listed if kind == name])
        rows.append(SeenRow(name=name, n=int(here.sum()), right=_exact(right[here])))
    return tuple(rows)


def _exact(right: NDArray[np.bool_]) -> Figure:
    """Return the share that is right with its exact interval (Clopper & Pearson 1934)."""
    if not len(right):
        return Figure(None, None)
    span = binomtest(int(right.sum()), len(right)).proportion_ci()
    return Figure(float(right.mean()), (span.low, span.high))


def _group(kind: str, value: str) -> str:
    if kind != "age" or not value:
        return value
    return next(name for name, below in _AGES.items() if int(value) < below)
