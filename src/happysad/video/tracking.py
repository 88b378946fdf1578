"""Track faces from frame to frame, and smooth their answers over time."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from happysad.classifier import Classifier
from happysad.face_detection import Face, find, find_again
from happysad.images import Pixels, read
from happysad.inputs import face_weights
from happysad.photo import View
from happysad.predictions import NO_FACE, FacePrediction, Prediction, describe
from happysad.probability import from_logs, logs, mean

__all__ = ["FORGET", "SMOOTHING", "Follower", "Tracked"]

#: The time constant in seconds of the exponential average over log-odds.
SMOOTHING = 0.5
#: The number of seconds for which a lost face is recognised again.
FORGET = 0.5

# Boxes whose intersection is a smaller share of their union belong to two faces.
_OVERLAP = 0.3
# The maximum number of seconds between two searches of the whole frame, and so the longest time
# that a new face waits.
_WHOLE = 0.5
# With more faces than this the whole frame is searched, which takes no longer.
_FEW = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Tracked:
    """A face of a frame, with its smoothed answer."""

    track: int
    """The face's number, from 1: the same in every frame, and never used for another face."""
    face: Face
    """Where the face is in this frame."""
    label: str
    """The answer by `probabilities`: a class, or "unsure"."""
    probabilities: dict[str, float]
    """The probability of every class, smoothed over time; they sum to 1."""

    def describe(self) -> str:
        """Return the answer in words, such as "unsure, leans happy 66 %"."""
        return describe(self.label, self.probabilities)


@dataclass
class _Average:
    """An exponential average of log probabilities over time; the plain mean of the first frames.

    The weight of a frame is ``1 - exp(-passed / SMOOTHING)``, so that the frame rate does not
    matter.
    """

    logs: NDArray[np.float64] = field(default_factory=lambda: np.zeros(1))
    frames: int = 0
    at: float = 0.0

    def add(self, probabilities: Iterable[float], at: float) -> NDArray[np.float64]:
        """Take in the probabilities of a frame, and return the smoothed ones."""
        self.frames += 1
        share = max(1 / self.frames, -math.expm1((self.at - at) / SMOOTHING))
        self.logs = self.logs + share * (logs([*probabilities]) - self.logs)
        self.at = at
        return from_logs(self.logs)


@dataclass
class _Track:
    number: int
    face: Face
    average: _Average = field(default_factory=_Average)


class Follower:
    """Answers a stream of frames, one after the other.

    Use one object for each stream, in one thread at a time. It keeps where the faces of the last
    frame were, and no pixels.
    """

    def __init__(self, classifier: Classifier, *, unsure: bool = True) -> None:
        """Track faces for a classifier.

        Args:
            classifier: answers for the faces. One that looks at whole photos answers for each
                frame, in `prediction`, and has no faces.
            unsure: False never answers "unsure".
        """
        self._classifier = classifier
        self._unsure = unsure
        self._started = time.monotonic()
        self._count = 0
        self._at = 0.0
        self._shape: tuple[int, ...] = ()
        self._prediction = self._unsmoothed = Prediction(label=NO_FACE)
        self.forget()

    @property
    def prediction(self) -> Prediction:
        """The answer for the last frame, smoothed as the answers for its faces are.

        Where the classifier looks at faces, it is their mean as in `Classifier.predict`. Before
        the first frame the label is "no_face".
        """
        return self._prediction

    @property
    def unsmoothed(self) -> Prediction:
        """The answer by the last frame alone; its faces have the order of `step`'s."""
        return self._unsmoothed

    def step(self, frame: Pixels, at: float | None = None) -> list[Tracked]:
        """Answer the next frame.

        A face is the same as in the frame before where their boxes overlap enough. The whole frame
        is searched twice a second and whenever a face was lost; between, what lies around the
        known faces.

        Args:
            frame: RGB, uint8, shape (height, width, 3); where its size changes, all faces are new.
            at: its time in seconds from the stream's start; None for now. Less than that of the
                frame before counts as the same.

        Returns:
            The faces of this frame, the largest first; empty where the classifier looks at whole
            photos.

        Raises:
            ImageError: `frame` is no such array.
        """
        frame = read(frame)
        at = max(self._at, time.monotonic() - self._started if at is None else at)
        if frame.shape != self._shape:
            self.forget()
            self._shape = frame.shape
        faces = self._find(frame, at) if self._classifier.input.finds_faces else []
        now = self._classifier.predict_found(frame, faces, unsure=self._unsure)
        tracks = self._match([answer.face for answer in now.faces], at)
        tracked = []
        for track, answer in zip(tracks, now.faces, strict=True):
            p = track.average.add(answer.probabilities.values(), at)
            label, probabilities = self._answer(p)
            tracked.append(
                Tracked(
                    track=track.number, face=answer.face, label=label, probabilities=probabilities
                )
            )
        self._prediction = self._combined(frame, now, tracked, at)
        self._unsmoothed = replace(now, source=None)
        self._at = at
        return tracked

    def forget(self) -> None:
        """Forget all faces, as after a cut: those of the next frame are new."""
        self._tracks: list[_Track] = []
        self._last: list[Face] = []
        self._searched = -math.inf
        self._whole = _Average()

    def _find(self, frame: Pixels, at: float) -> list[Face]:
        known = self._last
        if 0 < len(known) <= _FEW and at - self._searched < _WHOLE:
            faces = find_again(frame, known)
            if len(faces) >= len(known):
                return faces
        self._searched = at
        return find(frame)

    def _match(self, faces: list[Face], at: float) -> list[_Track]:
        """Return the track of each face, matching the pairs that overlap most first."""
        # Lost faces are recognised for a while; those of the frame before, after any time.
        since = min(self._at, at - FORGET)
        lately = [track for track in self._tracks if track.average.at >= since]
        overlaps = _overlaps([track.face for track in lately], faces)
        chosen: dict[int, _Track] = {}
        while overlaps.size and overlaps.max() >= _OVERLAP:
            which, place = divmod(int(overlaps.argmax()), len(faces))
            chosen[place] = lately[which]
            overlaps[which], overlaps[:, place] = 0, 0
        for place, face in enumerate(faces):
            if place not in chosen:
                self._count += 1
                chosen[place] = _Track(self._count, face)
                lately.append(chosen[place])
            chosen[place].face = face
        self._tracks, self._last = lately, faces
        return [chosen[place] for place in range(len(faces))]

    def _answer(self, probabilities: NDArray[np.float64]) -> tuple[str, dict[str, float]]:
        label = self._classifier.label_of(probabilities.tolist(), unsure=self._unsure)
        return label, self._classifier.named(probabilities)

    def _combined(
        self, frame: Pixels, now: Prediction, tracked: list[Tracked], at: float
    ) -> Prediction:
        faces = tuple(
            FacePrediction(label=one.label, probabilities=one.probabilities, face=one.face)
            for one in tracked
        )
        if not self._classifier.input.averages_faces:
            assert now.probabilities is not None
            p = self._whole.add(now.probabilities.values(), at)
        elif faces:
            rows = [list(one.probabilities.values()) for one in faces]
            p = mean(rows, face_weights(View(frame, 1), [one.face for one in faces]))
        else:
            return Prediction(label=NO_FACE, classifier=self._classifier.id)
        label, probabilities = self._answer(p)
        return Prediction(
            label=label,
            probabilities=probabilities,
            faces=faces,
            classifier=self._classifier.id,
        )


def _overlaps(ones: Sequence[Face], others: Sequence[Face]) -> NDArray[np.float64]:
    """Return the intersection over union of each pair of boxes, shape (ones, others)."""

    def boxes(faces: Sequence[Face]) -> NDArray[np.float64]:
        corners = [(f.x, f.y, f.x + f.width, f.y + f.height) for f in faces]
        return np.array(corners, dtype=np.float64).reshape(-1, 4)

    one, other = boxes(ones)[:, None], boxes(others)[None]
    sides = np.minimum(one[..., 2:], other[..., 2:]) - np.maximum(one[..., :2], other[..., :2])
    shared = sides.clip(min=0).prod(axis=-1)
    areas = [(box[..., 2:] - box[..., :2]).prod(axis=-1) for box in (one, other)]
    return np.asarray(shared / (areas[0] + areas[1] - shared))
