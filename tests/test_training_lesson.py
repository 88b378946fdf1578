"""Teach's training: which faces are cut out, what is left out, and how they are split.

The detector and the training are stand-ins, for speed; the real ones are in test_web_teach.py.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from happysad.classifier import Classifier
from happysad.dataset.drawn_faces import face
from happysad.dataset.manifest import Manifest
from happysad.errors import DatasetError
from happysad.face_detection import Face
from happysad.images import Pixels, fit, read
from happysad.inputs import crops
from happysad.run import STEP, Run, Step
from happysad.training import trainer
from happysad.training.config import load
from happysad.training.lesson import learn
from happysad.training.trainer import TrainedRun
from tests.classifiers import brightness_classifier
from tests.test_inputs import Asked

LABELS = ("happy", "sad")
# The place of a photo's face, for the detector's stand-in.
PLACE = Face(
    x=50,
    y=22,
    width=100,
    height=108,
    landmarks=((80, 63), (120, 63), (100, 85), (85, 105), (115, 105)),
    score=0.9,
)
HEIGHT = 150  # the photos'
SMALLER = replace(PLACE, x=80, y=60, width=30, height=40)


def found(pixels: Pixels, *, reduced: int, threads: int) -> list[Face]:
    """Return two faces for every photo that is not a bare wall."""
    there = [PLACE, SMALLER] if pixels.std(axis=(0, 1)).max() > 5 else []
    larger = reduced * pixels.shape[0] / HEIGHT
    return [face.scaled(larger) for face in there]


class Lesson:
    """Photos, and the arguments of the training on them."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.photos, self.work, self.run = folder / "photos", folder / "work", folder / "run"
        self.work.mkdir()
        monkeypatch.setattr(trainer, "train", self._train)
        monkeypatch.setattr("happysad.training.lesson.learn_first", self._learn_first)
        monkeypatch.setattr("happysad.photo.find", found)

    def _train(
        self, data: Path, run: Path, *, check_folder: Path, groups: Path | None, **settings: Any
    ) -> TrainedRun:
        self.data, self.config = data, load(None, settings)
        self.manifest = Manifest.read(check_folder / "manifest.csv", data)
        again = training_check(self.config, groups)(data, check_folder)
        assert again.table[["path", "split"]].equals(self.manifest.table[["path", "split"]])
        self.notes = json.loads((self.work / "notes.json").read_text(encoding="utf-8"))
        run.mkdir()
        return TrainedRun(Run(run), None)

    def _learn_first(self, manifest: Manifest, run: Run, notes: list[str]) -> None:
        self.first = len(manifest.used), run.folder.name, list(notes)

    def give(self, label: str, *pictures: Pixels) -> list[Path]:
        """Add photos of a class, in this order."""
        files = []
        for pixels in pictures:
            file = self.photos / label / f"{len(list(self.photos.rglob('*.png'))):03d}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(file)
            files.append(file)
        return files

    def learn(self) -> None:
        before = {file: file.read_bytes() for file in self.photos.rglob("*.png")}
        learn(
            self.photos,
            self.work,
            self.run,
            classes=LABELS,
            fewest=10,
        )
        assert {file: file.read_bytes() for file in self.photos.rglob("*.png")} == before
        assert json.loads((self.run / "notes.json").read_text(encoding="utf-8")) == self.notes
        assert self.first == (len(self.manifest.used), f"{self.run.name}-first", self.notes)
        step = Step.read(self.work / STEP)
        assert step is not None
        assert 0 <= step.share < 0.5

    def sides(self, label: str) -> list[str]:
        """Return the split of each picture, in the order in which they came."""
        rows = self.manifest.used
        return list(rows[rows["label"] == label].sort_values("path")["split"])


def training_check(config: Any, groups: Path | None) -> Any:
    """Return the result of the first step of `trainer.train`."""
    from happysad.dataset.check import check
    from happysad.dataset.split import refuse_leaks

    def run(data: Path, out: Path) -> Manifest:
        manifest = check(
            data,
            out,
            classes=config.classes,
            fractions=config.fractions,
            radius=config.radius,
            groups=groups,
        ).manifest
        refuse_leaks(manifest, config.radius)
        return manifest

    return run


@pytest.fixture
def lesson(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lesson:
    return Lesson(tmp_path, monkeypatch)


def people(label: str, count: int) -> list[Pixels]:
    """Photos of different people: a face on a wall, at `PLACE`."""
    photos = []
    for seed in range(count):
        rng = np.random.default_rng((LABELS.index(label), seed))
        photo = np.full((150, 200, 3), rng.integers(60, 200, 3), np.uint8)
        photo[20:130, 45:155] = face(label, rng, 110)
        photos.append(photo)
    return photos


def webcam(photo: Pixels, count: int) -> list[Pixels]:
    """Return pictures of one person with a little movement and noise."""
    rng = np.random.default_rng(0)
    frames = []
    for _ in range(count):
        way = cv2.getRotationMatrix2D((100, 75), rng.normal(0, 1), 1.0)
        frame = cv2.warpAffine(photo, way, (200, 150), borderMode=cv2.BORDER_REPLICATE)
        noisy = frame + rng.normal(0, 4, frame.shape)
        frames.append(np.clip(noisy, 0, 255).astype(np.uint8))
    return frames


def wall(shade: int) -> Pixels:
    return np.full((150, 200, 3), shade, np.uint8)


def test_the_largest_face_is_learned_from_as_predictions_cut_it_out(
    lesson: Lesson, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, *_ = lesson.give("happy", *people("happy", 12), wall(90))
    lesson.give("sad", *people("sad", 12))
    large = lesson.photos / "sad" / "large.jpg"
    enlarged = cv2.resize(people("sad", 13)[-1], (2000, 1500), interpolation=cv2.INTER_CUBIC)
    Image.fromarray(np.asarray(enlarged, np.uint8)).save(large)
    lesson.learn()
    assert (lesson.config.faces, lesson.config.model) == ("given", "face")
    assert lesson.config.epochs > 1
    [note] = lesson.notes
    assert "No face was found in 1 of 26 photos" in note
    assert len(lesson.manifest.used) == 25
    asked = Asked(monkeypatch)
    model = brightness_classifier(tmp_path / "m.onnx", looks_at="face", size=48, channels=1)
    for photo in (file, large):
        Classifier(model).predict(photo)
        learned = fit(read(lesson.data / photo.parent.name / f"{photo.name}.png"), 48, 1)
        assert (learned == asked.all()["image"][0]).all()
    [expected] = crops(read(file), [PLACE], 48, 1)
    learned = fit(read(lesson.data / "happy" / f"{file.name}.png"), 48, 1)
    assert (learned == expected).all()
    assert set(lesson.sides("happy")) == set(lesson.sides("sad")) == {"train", "val", "test"}


def test_small_pictures_are_faces_already(lesson: Lesson) -> None:
    """The rule is that of `happysad train`, whether or not a face is found."""
    for label in LABELS:
        lesson.give(label, *(face(label, np.random.default_rng(n), 48) for n in range(11)))
    lesson.give("sad", wall(90))  # most are small
    lesson.learn()
    assert lesson.data == lesson.photos
    assert lesson.config.faces == "given"
    assert lesson.notes == []
    assert len(lesson.manifest.used) == 23


def test_too_few_faces(lesson: Lesson) -> None:
    lesson.give("happy", *people("happy", 9), wall(90))
    lesson.give("sad", *people("sad", 10))
    with pytest.raises(DatasetError, match=r"10 photos .* there are 9 happy and 10 sad ones$"):
        lesson.learn()
    assert not lesson.run.exists()


def test_copies_stay_on_one_side(lesson: Lesson) -> None:
    """This holds even if the detector finds the face elsewhere, so that the crops differ."""
    for label in LABELS:
        for photo in people(label, 10):
            larger = cv2.resize(photo, None, fx=1.5, fy=1.5, interpolation=cv2.INTER_CUBIC)
            lesson.give(label, photo, np.asarray(larger))
    lesson.learn()
    assert lesson.config.radius > 0
    for label in LABELS:
        sides = lesson.sides(label)
        assert [sides.count(side) for side in ("train", "val", "test")] == [14, 4, 2]
        assert sides[::2] == sides[1::2]


def test_pictures_of_the_run_before_keep_their_split(lesson: Lesson) -> None:
    lesson.run = lesson.run.with_name("1")
    for label in LABELS:
        lesson.give(label, *people(label, 20)[:10])
    lesson.learn()
    lesson.manifest.write(Run(lesson.run).manifest)
    Run(lesson.run).finish("")
    before = lesson.manifest.used.set_index("pixels")["split"]
    shutil.rmtree(lesson.work)
    lesson.work.mkdir()
    lesson.run = lesson.run.with_name("2")
    for label in LABELS:
        lesson.give(label, *people(label, 20)[10:])
    lesson.learn()
    after = lesson.manifest.used.set_index("pixels")["split"]
    assert len(after) == 2 * len(before) == 40
    assert after[before.index].equals(before)
    assert after.value_counts().to_dict() == {"train": 28, "val": 8, "test": 4}


def test_a_webcams_pictures_of_one_person(lesson: Lesson) -> None:
    """All look alike, but each split has stretches of each class, and a note explains it."""
    for label in LABELS:
        lesson.give(label, *webcam(people(label, 1)[0], 40))
    lesson.learn()
    assert lesson.config.radius == -1
    [note] = lesson.notes
    assert "the order they came in" in note
    for label in LABELS:
        sides = lesson.sides(label)
        assert len(sides) == 40
        for side, share in {"train": 0.7, "val": 0.2, "test": 0.1}.items():
            assert 0.5 * share <= sides.count(side) / len(sides) <= 2 * share
        assert sum(one != other for one, other in pairwise(sides)) <= 6


def test_pictures_that_are_all_the_same(lesson: Lesson) -> None:
    lesson.give("happy", *people("happy", 12))
    one = people("sad", 1)[0]
    lesson.give("sad", *(np.clip(one, 3, 252) + np.uint8(n // 6) for n in range(12)))
    with pytest.raises(DatasetError, match=r"^sad: needs .*found 2 in 12 files; .*other distances"):
        lesson.learn()
