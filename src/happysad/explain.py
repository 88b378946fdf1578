"""What decided: cover one part of the picture after the other, and see what the network says then.

Occlusion, as in Zeiler & Fergus (2014), "Visualizing and Understanding Convolutional Networks".
It needs nothing but the classifier's answers.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from happysad.classifier import Classifier
from happysad.errors import UsageError
from happysad.faces import Face, crop
from happysad.images import Pixels, fit
from happysad.inputs import crops, of_photo
from happysad.photos import Photo

__all__ = ["Explained", "explain", "occlusion"]

#: The side of the picture that `Explained.shown` holds, in pixels.
SIDE = 384

# The cover's side and the step from one to the next, in shares of the input's side: 10 x 10 covers.
_COVER, _STEP = 1 / 4, 1 / 12
# The heat that is shown at full strength, at the least, in log-odds: where nothing matters, nothing
# is made to look as if it did.
_FULL = 0.5
# How far the strongest heat hides the picture, 0 to 1.
_STRENGTH = 0.6
# What speaks for the outcome and against it (Okabe & Ito 2008: told apart by all eyes).
_FOR, _AGAINST = (230, 159, 0), (0, 114, 178)
_EPSILON = 1e-6

_PSad = Callable[[Pixels], NDArray[np.float32]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Explained:
    """An answer with what decided it."""

    label: str
    """The outcome: a class, or "unsure"."""
    p_sad: float
    """The calibrated probability of the second class, 0 to 1."""
    heat: NDArray[np.float32]
    """How much each place spoke for the likelier class, in log-odds; negative: against it. Shape
    (size, size), the network's input."""
    shown: Pixels
    """The face upright and enlarged, or the whole photo squashed as the network sees it, in grey,
    with the heat laid over in colour: RGB, uint8, shape (`SIDE`, `SIDE`, 3)."""

    def png(self) -> bytes:
        """Give `shown` as a PNG file."""
        from PIL import Image

        file = io.BytesIO()
        Image.fromarray(self.shown).save(file, "png")
        return file.getvalue()


def explain(classifier: Classifier, photo: Photo, *, face: int | None = None) -> Explained:
    """Show what decided the answer for a face, or for a photo.

    Args:
        classifier: of any kind; see `classifier.LooksAt`.
        photo: opened as a prediction opens it, so that the answer is the same.
        face: which of its faces, the largest is 1. None for the largest, or for the whole photo
            where the classifier looks at it.

    Raises:
        ImageError: the photo cannot be decoded.
        UsageError: there is no such face, or the classifier looks at whole photos alone.
    """
    details = classifier.details
    if details.looks_at == "photo" and face is not None:
        raise UsageError(f"face={face}: this classifier looks at whole photos, not at faces")
    if details.looks_at == "photo" or (details.looks_at == "both" and face is None):
        input_, p_sad = _of_photo(classifier, photo)
        picture = fit(photo.whole(SIDE), SIDE, 3)
    else:
        found = photo.faces()
        number = 1 if face is None else face
        if not 1 <= number <= len(found):
            raise UsageError(f"face={number}: the photo has {_counted(len(found))}")
        input_, p_sad = _of_face(classifier, photo, found, number - 1)
        pixels, [shown] = photo.close([found[number - 1]], SIDE)
        picture = crop(pixels, shown, SIDE)
    p, heat = occlusion(p_sad, input_)
    return Explained(
        label=classifier.label_of(p), p_sad=p, heat=heat, shown=_laid_over(picture, heat)
    )


def occlusion(p_sad: _PSad, input_: Pixels) -> tuple[float, NDArray[np.float32]]:
    """Cover one square of an input after the other with the input's mean.

    Args:
        p_sad: gives the probabilities for n inputs, shape (n, size, size, channels).
        input_: uint8, shape (size, size, channels).

    Returns:
        The probability for the input as it is; and for each place by how much the covers over it
        lower the log-odds of the likelier class on average, shape (size, size).
    """
    size = input_.shape[0]
    cover, step = max(1, round(size * _COVER)), max(1, round(size * _STEP))
    starts = [*range(0, size - cover, step), size - cover]
    places = [(slice(y, y + cover), slice(x, x + cover)) for y in starts for x in starts]
    inputs = np.repeat(input_[None], len(places) + 1, axis=0)
    for covered, place in zip(inputs[1:], places, strict=True):
        covered[place] = input_.mean(axis=(0, 1)).round()
    answers = p_sad(inputs)
    p = np.clip(answers.astype(np.float64), _EPSILON, 1 - _EPSILON)
    logits = np.log(p / (1 - p))
    drops = (logits[0] - logits[1:]) * (1 if logits[0] >= 0 else -1)
    heat, times = np.zeros((2, size, size), np.float32)
    for drop, place in zip(drops, places, strict=True):
        heat[place] += drop
        times[place] += 1
    return float(answers[0]), heat / times


def _of_photo(classifier: Classifier, photo: Photo) -> tuple[Pixels, _PSad]:
    details = classifier.details
    if details.looks_at == "photo":
        return of_photo(photo, details.size, details.channels)["image"], classifier.p_sad
    inputs = of_photo(photo, details.size, details.channels, faces=photo.faces())

    def p_sad(photos: Pixels) -> NDArray[np.float32]:
        same = {key: _repeated(inputs[key], len(photos)) for key in ("faces", "weights")}
        return classifier.run({**same, "photo": photos})["p_sad"][:, 0]

    return inputs["photo"].astype(np.uint8), p_sad


def _of_face(
    classifier: Classifier, photo: Photo, found: list[Face], which: int
) -> tuple[Pixels, _PSad]:
    details = classifier.details
    if details.looks_at == "face":
        pixels, there = photo.close(found, details.size)
        return crops(pixels, [there[which]], details.size, details.channels)[0], classifier.p_sad
    first = [found[which], *found]  # it takes a few, and tells each by itself
    inputs = of_photo(photo, details.size, details.channels, faces=first)

    def p_sad(faces: Pixels) -> NDArray[np.float32]:
        same = {key: _repeated(value, len(faces)) for key, value in inputs.items()}
        same["faces"][:, 0] = faces
        return classifier.run(same)["face_p_sad"][:, 0]

    return inputs["faces"][0].astype(np.uint8), p_sad


def _repeated(value: NDArray[np.generic], times: int) -> NDArray[np.generic]:
    return np.repeat(value[None], times, axis=0)


def _laid_over(picture: Pixels, heat: NDArray[np.float32]) -> Pixels:
    import cv2

    side = picture.shape[0]
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)[..., None]
    smooth = cv2.resize(heat, (side, side), interpolation=cv2.INTER_CUBIC)
    share = np.clip(smooth / max(_FULL, float(np.abs(heat).max())), -1, 1)[..., None]
    colour = np.where(share >= 0, np.array(_FOR), np.array(_AGAINST))
    strength = np.abs(share) * _STRENGTH
    return np.asarray((grey * (1 - strength) + colour * strength).round(), dtype=np.uint8)


def _counted(faces: int) -> str:
    return f"{faces} faces" if faces > 1 else "one face" if faces else "no face"
