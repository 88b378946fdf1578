"""Faces keep their numbers from frame to frame, and answers are smoothed by seconds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from happysad.classifier import Classifier
from happysad.errors import ImageError
from happysad.face_detection import Face
from happysad.images import Pixels
from happysad.predictions import NO_FACE, FacePrediction, Prediction
from happysad.video import Follower, Tracked, tracking
from tests.classifiers import brightness_classifier, three_class_classifier
from tests.test_face_detection import on_canvas


def face(x: float, y: float = 20.0, side: float = 40.0) -> Face:
    points = [(0.3, 0.4), (0.7, 0.4), (0.5, 0.6), (0.35, 0.75), (0.65, 0.75)]
    landmarks = tuple((x + a * side, y + b * side) for a, b in points)
    return Face(x=x, y=y, width=side, height=side, landmarks=landmarks, score=0.9)


@dataclass
class Seen:
    """A detector that sees what the test says, and counts its searches of whole frames."""

    faces: Sequence[Face] = ()
    whole: int = 0

    def find(self, image: Pixels) -> list[Face]:
        self.whole += 1
        return list(self.faces)

    def find_again(self, image: Pixels, known: Sequence[Face]) -> list[Face]:
        return [one for one in self.faces if any(abs(one.x - k.x) < k.width / 2 for k in known)]


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> Seen:
    stub = Seen()
    monkeypatch.setattr(tracking, "find", stub.find)
    monkeypatch.setattr(tracking, "find_again", stub.find_again)
    return stub


@pytest.fixture(scope="module")
def classifier(tmp_path_factory: pytest.TempPathFactory) -> Classifier:
    file = tmp_path_factory.mktemp("video") / "model.onnx"
    brightness_classifier(file, looks_at="face", slope=0.05, unsure=(0.3, 0.7))
    return Classifier(file)


def plain(grey: int) -> Pixels:
    return np.full((120, 400, 3), grey, np.uint8)


# What is seen at what second, as the faces' left sides, and what their numbers must be.
@pytest.mark.parametrize(
    ("frames", "numbers"),
    [
        pytest.param([(0.0, [10]), (0.1, [20]), (0.2, [35])], [[1], [1], [1]], id="it moves"),
        pytest.param([(0.0, [10]), (0.1, [200])], [[1], [2]], id="another one, elsewhere"),
        pytest.param(
            [(0.0, [10, 100]), (0.1, [105, 15]), (0.2, [110, 20])],
            [[1, 2], [2, 1], [2, 1]],
            id="in another order",
        ),
        pytest.param(
            [(0.0, [10]), (0.1, [24, 12])], [[1], [2, 1]], id="the one that overlaps most"
        ),
        pytest.param([(0.0, [10]), (0.1, []), (0.4, [12])], [[1], [], [1]], id="lost for a moment"),
        pytest.param([(0.0, [10]), (0.1, []), (0.7, [12])], [[1], [], [2]], id="lost for too long"),
        pytest.param([(0.0, [10]), (2.0, [12])], [[1], [1]], id="frames far apart"),
        pytest.param(
            [(0.0, [10]), (0.6, [10, 100]), (0.7, [10])],
            [[1], [1, 2], [1]],
            id="one more, one less",
        ),
        pytest.param([(5.0, [10]), (1.0, [10]), (5.1, [10])], [[1], [1], [1]], id="a clock astray"),
    ],
)
def test_numbers(
    seen: Seen,
    classifier: Classifier,
    frames: list[tuple[float, list[int]]],
    numbers: list[list[int]],
) -> None:
    follower = Follower(classifier)
    came = []
    for at, places in frames:
        seen.faces = [face(x) for x in places]
        tracked = follower.step(plain(128), at)
        assert [one.face for one in tracked] == seen.faces
        came.append([one.track for one in tracked])
    assert came == numbers


def logit(answer: Prediction | FacePrediction | Tracked) -> float:
    """Return the log-odds of sad."""
    assert answer.probabilities is not None
    return math.log(answer.probabilities["sad"] / answer.probabilities["happy"])


def now(follower: Follower) -> FacePrediction:
    return follower.unsmoothed.faces[0]


@pytest.mark.parametrize("rate", [5, 25, 100])
def test_smoothing_counts_seconds_not_frames(seen: Seen, classifier: Classifier, rate: int) -> None:
    """A second dark, then bright: after SMOOTHING seconds 63 % of the way, at any frame rate."""
    seen.faces = [face(10)]
    follower = Follower(classifier)
    for frame in range(rate * 2):
        (one,) = follower.step(plain(100), frame / rate)
    dark = logit(one)
    assert dark == pytest.approx(logit(now(follower)))
    assert one.label == "happy"
    (one,) = follower.step(plain(160), 2 - 1 / rate + tracking.SMOOTHING)
    bright = logit(now(follower))
    assert (logit(one) - dark) / (bright - dark) == pytest.approx(1 - math.exp(-1), abs=1e-4)
    assert one.label == "unsure"  # on its way from happy to sad
    for frame in range(rate * 5):
        (one,) = follower.step(plain(160), 3 + frame / rate)
    assert one.label == "sad"


def test_at_first_it_is_the_mean(seen: Seen, classifier: Classifier) -> None:
    seen.faces = [face(10)]
    follower = Follower(classifier)
    logits = []
    for number, grey in enumerate((100, 160, 90, 150)):
        (one,) = follower.step(plain(grey), number / 100)
        logits.append(logit(now(follower)))
        assert logit(one) == pytest.approx(np.mean(logits), abs=1e-4)


def test_the_whole_frame_is_searched_now_and_then_and_when_one_is_lost(
    seen: Seen, classifier: Classifier
) -> None:
    follower = Follower(classifier)
    for number in range(10):  # nobody there
        assert follower.step(plain(128), number / 10) == []
        assert follower.prediction.label == NO_FACE
    assert seen.whole == 10
    seen.faces = [face(10)]
    for number in range(21):  # two seconds: at 1.0, 1.5, 2.0, 2.5 and 3.0
        follower.step(plain(128), 1 + number / 10)
    assert seen.whole == 15
    seen.faces = [face(200)]  # so far away at once is another face
    assert [one.track for one in follower.step(plain(128), 3.1)] == [2]
    assert seen.whole == 16
    seen.faces = [face(40 * place) for place in range(9)]
    follower.step(plain(128), 3.7)
    follower.step(plain(128), 3.8)  # many are not looked for one by one
    assert seen.whole == 18


def test_another_size_of_frame_begins_anew(seen: Seen, classifier: Classifier) -> None:
    seen.faces = [face(10)]
    follower = Follower(classifier)
    assert [one.track for one in follower.step(plain(128), 0)] == [1]
    assert [one.track for one in follower.step(plain(128)[:100], 0.1)] == [2]


def test_together_larger_faces_count_more(seen: Seen, classifier: Classifier) -> None:
    frame = plain(60)
    frame[:, 200:] = 190
    seen.faces = [face(20, side=100), face(300, side=50)]
    follower = Follower(classifier)
    dark, bright = follower.step(frame, 0)
    logits = [logit(one) for one in (dark, bright)]
    assert [one.label for one in (dark, bright)] == ["happy", "sad"]
    assert logit(follower.prediction) == pytest.approx((2 * logits[0] + logits[1]) / 3)
    assert [one.probabilities for one in follower.prediction.faces] == [
        dark.probabilities,
        bright.probabilities,
    ]


def test_a_classifier_of_photos_gives_one_answer_a_frame(seen: Seen, tmp_path: Path) -> None:
    file = brightness_classifier(tmp_path / "photo.onnx", slope=0.05)
    follower = Follower(Classifier(file))
    for number, grey in enumerate((100, 140)):
        assert follower.step(plain(grey), number / 100) == []
    assert logit(follower.prediction) == pytest.approx(0.05 * (120 - 128), abs=1e-4)
    assert follower.prediction.label == "happy"
    assert seen.whole == 0


def test_never_unsure(seen: Seen, classifier: Classifier) -> None:
    seen.faces = [face(10)]
    follower = Follower(classifier, unsure=False)
    assert [one.label for one in follower.step(plain(127), 0)] == ["happy"]
    assert follower.prediction.label == "happy"


def test_a_wrong_array_is_refused(classifier: Classifier) -> None:
    follower = Follower(classifier)
    with pytest.raises(ImageError, match="uint8"):
        follower.step(np.zeros((4, 4, 3), np.float32))
    assert follower.prediction.label == NO_FACE


def test_real_faces_that_move_keep_their_numbers(classifier: Classifier) -> None:
    """With YuNet: two people cross a room, one of them leaves it."""
    follower = Follower(classifier)
    for number in range(16):
        places = [(20 + 8 * number, 40, 160)] + [(440 - 6 * number, 300, 120)] * (number < 10)
        tracked = follower.step(on_canvas(480, 640, *places), number / 25)
        assert [one.track for one in tracked] == [1, 2][: len(places)]
        for one, (x, y, size) in zip(tracked, places, strict=True):
            assert x < one.face.x < one.face.x + one.face.width < x + size
            assert y < one.face.y < one.face.y + one.face.height < y + size


def test_a_single_frame_is_answered_as_a_photo_is(classifier: Classifier) -> None:
    scene = on_canvas(480, 640, (20, 30, 240), (400, 60, 160))
    follower = Follower(classifier)
    follower.step(scene)
    assert follower.unsmoothed == classifier.predict(scene)
    assert follower.prediction.probabilities == pytest.approx(follower.unsmoothed.probabilities)


def test_three_classes_are_smoothed_too(tmp_path: Path) -> None:
    classifier = Classifier(three_class_classifier(tmp_path / "model.onnx", slope=0.05))
    follower = Follower(classifier)
    for number, grey in enumerate((100, 140)):
        follower.step(plain(grey), number / 100)
    expected = np.exp(np.mean([[1.4, 1, -1.4], [-0.6, 1, 0.6]], axis=0))
    assert follower.prediction.probabilities is not None
    came = list(follower.prediction.probabilities.values())
    # The mean of log probabilities, normalised, is the softmax of the mean logits.
    assert came == pytest.approx(expected / expected.sum(), abs=1e-4)
    assert follower.prediction.label == "neither"


def test_no_pixels_of_a_frame_are_kept(classifier: Classifier) -> None:
    follower = Follower(classifier)
    follower.step(np.zeros((40, 60, 3), np.uint8), 0.0)
    assert follower.prediction.source is follower.unsmoothed.source is None
