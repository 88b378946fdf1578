"""Follow faces from frame to frame, and smooth what is said of them over time."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from happysad.classifier import Classifier, together
from happysad.faces import Face, find, find_again
from happysad.images import Pixels, read
from happysad.inputs import weights
from happysad.predictions import NO_FACE, FacePrediction, Prediction

__all__ = ["FORGET", "SMOOTHING", "Follower", "Tracked"]

#: Log-odds are averaged over about so many seconds (the time constant of an exponential average).
SMOOTHING = 0.5
#: A face that was lost is known again for so many seconds.
FORGET = 0.5

# Two boxes that share less of their areas (intersection over union) are two faces.
_OVERLAP = 0.3
# The whole frame is searched at least once in so many seconds: a new face waits no longer.
_WHOLE = 0.5
# More faces than this are searched for in the whole frame: that takes no longer.
_FEW = 6
# How far from 0 and 1 a single frame's probability is kept.
_EPSILON = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class Tracked:
    """A face of a frame, with what is known of it by now."""

    track: int
    """Its number, from 1; the same in every frame, never given again."""
    face: Face
    """Where it is in this frame."""
    p_sad: float
    """The probability of the second class, smoothed over time, 0 to 1."""
    label: str
    """The outcome by `p_sad`: a class, or "unsure"."""


@dataclass
class _Average:
    """An exponential average of log-odds over time; at first, until it has seen enough, the mean.

    With ``1 - exp(-passed / SMOOTHING)`` as a frame's share, the frame rate does not matter.
    """

    logit: float = 0.0
    frames: int = 0
    at: float = 0.0

    def add(self, p_sad: float, at: float) -> float:
        """Take a frame's probability in; gives the smoothed one."""
        p = min(max(p_sad, _EPSILON), 1 - _EPSILON)
        self.frames += 1
        share = max(1 / self.frames, -math.expm1((self.at - at) / SMOOTHING))
        self.logit += share * (math.log(p / (1 - p)) - self.logit)
        self.at = at
        return 1 / (1 + math.exp(-self.logit))


@dataclass
class _Track:
    number: int
    face: Face
    average: _Average = field(default_factory=_Average)


class Follower:
    """Answers a stream of frames, one after the other.

    One a stream, and one thread at a time. Nothing of a frame is kept but where its faces were.
    """

    def __init__(self, classifier: Classifier, *, unsure: bool = True) -> None:
        """Follow faces for a classifier.

        Args:
            classifier: what tells the outcomes. One that looks at whole photos gives one answer
                a frame, in `prediction`, and no faces.
            unsure: False never answers "unsure".
        """
        self._classifier = classifier
        self._unsure = unsure
        self._started = time.monotonic()
        self._count = 0
        self._at = 0.0
        self._shape: tuple[int, ...] = ()
        self._prediction = self._unsmoothed = Prediction(label=NO_FACE)
        self._forget()

    @property
    def prediction(self) -> Prediction:
        """What is said of the last frame as a whole, smoothed as its faces are.

        Where the classifier looks at faces it is the mean of their log-odds, larger ones counting
        more, as in `Classifier.predict`.
        Before the first frame its label is "no_face".
        """
        return self._prediction

    @property
    def unsmoothed(self) -> Prediction:
        """The same by the last frame alone; its faces stand in the order of `step`'s."""
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
            self._forget()
            self._shape = frame.shape
        faces = [] if self._classifier.details.looks_at == "photo" else self._find(frame, at)
        now = self._classifier.predict_found(frame, faces, unsure=self._unsure)
        tracks = self._match([answer.face for answer in now.faces], at)
        tracked = []
        for track, answer in zip(tracks, now.faces, strict=True):
            p = track.average.add(answer.p_sad, at)
            label = self._classifier.label_of(p, unsure=self._unsure)
            tracked.append(Tracked(track=track.number, face=answer.face, p_sad=p, label=label))
        self._prediction, self._unsmoothed = self._together(frame, now, tracked, at), now
        self._at = at
        return tracked

    def _forget(self) -> None:
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
        """Give each face its track, the pairs that overlap most first."""
        # Lost ones are known for a while; those of the frame before however long it was ago.
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

    def _together(
        self, frame: Pixels, now: Prediction, tracked: list[Tracked], at: float
    ) -> Prediction:
        faces = tuple(
            FacePrediction(label=one.label, p_sad=one.p_sad, face=one.face) for one in tracked
        )
        if self._classifier.details.looks_at == "face":
            if not faces:
                return Prediction(label=NO_FACE)
            shares = weights(frame, [one.face for one in faces])
            p = together([one.p_sad for one in faces], shares)
        else:
            assert now.p_sad is not None
            p = self._whole.add(now.p_sad, at)
        label = self._classifier.label_of(p, unsure=self._unsure)
        return Prediction(label=label, p_sad=p, faces=faces)


def _overlaps(ones: Sequence[Face], others: Sequence[Face]) -> NDArray[np.float64]:
    """Give the intersection over union of each pair of boxes, shape (ones, others)."""

    def boxes(faces: Sequence[Face]) -> NDArray[np.float64]:
        corners = [(f.x, f.y, f.x + f.width, f.y + f.height) for f in faces]
        return np.array(corners, dtype=np.float64).reshape(-1, 4)

    one, other = boxes(ones)[:, None], boxes(others)[None]
    sides = np.minimum(one[..., 2:], other[..., 2:]) - np.maximum(one[..., :2], other[..., :2])
    shared = sides.clip(min=0).prod(axis=-1)
    areas = [(box[..., 2:] - box[..., :2]).prod(axis=-1) for box in (one, other)]
    return np.asarray(shared / (areas[0] + areas[1] - shared))
