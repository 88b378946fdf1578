"""Show what decided an answer: cover one part of the picture after another.

Source: occlusion, Zeiler & Fergus 2014, "Visualizing and Understanding Convolutional Networks". The
method needs only the classifier's answers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from happysad.classifier import Classifier
from happysad.colours import colours_of
from happysad.drawing import png
from happysad.images import Pixels
from happysad.photo import Photo
from happysad.predictions import describe
from happysad.probability import log_odds

__all__ = ["SIDE", "Explained", "explain", "occlusion"]

#: The side in pixels of the picture that `Explained.shown` holds.
SIDE = 384

# The side of the cover, and the step from one place to the next, as shares of the input's side:
# 10 x 10 places.
_COVER, _STEP = 1 / 4, 1 / 12
# Minimum heat in log-odds that is shown at full strength: a picture in which nothing matters is not
# coloured strongly.
_FULL = 0.5
# The opacity of the strongest heat, 0 to 1.
_STRENGTH = 0.6


@dataclass(frozen=True, slots=True, kw_only=True)
class Explained:
    """An answer with a heat map of what decided it."""

    label: str
    """A class, or "unsure"."""
    probabilities: dict[str, float]
    """The calibrated probability of every class; they sum to 1."""
    heat: NDArray[np.float32]
    """How much each place raised the log-odds of the most probable class; negative if it lowered
    them. Shape (size, size) of the network's input."""
    shown: Pixels
    """The face, upright and enlarged, or the whole photo, resized to a square like the network's
    input: in grey, and over it, stronger the greater the heat, the colours of the classes: each
    place has that of the class whose probability it raised (`colours.colours_of`). RGB, uint8,
    shape (`SIDE`, `SIDE`, 3)."""

    def describe(self) -> str:
        """Return the answer in words, such as "unsure, leans happy 66 %"."""
        return describe(self.label, self.probabilities)

    def png(self) -> bytes:
        """Return `shown` as a PNG file."""
        return png(self.shown)


def explain(classifier: Classifier, photo: Photo, *, face: int | None = None) -> Explained:
    """Return what decided the answer for a face, or for a photo.

    Args:
        classifier: any classifier.
        photo: a newly opened photo, so that the answer is the same as that of a prediction.
        face: the number of the face, 1 for the largest; None for the largest, or for the whole
            photo if the classifier looks at it.

    Raises:
        ImageError: the photo cannot be decoded.
        UsageError: the photo has no such face, or the classifier looks only at whole photos.
    """
    focus = classifier.input.focus(photo, face, SIDE)

    def answer(variants: NDArray[Any]) -> NDArray[np.float64]:
        return focus.answer(classifier.run(focus.inputs(variants)))

    probabilities, heat, raised = occlusion(answer, focus.picture)
    colours = [one.rgb for one in colours_of(classifier.classes).values()]
    return Explained(
        label=classifier.label_of(probabilities.tolist()),
        probabilities=classifier.named(probabilities),
        heat=heat,
        shown=_laid_over(focus.shown, heat, np.array(colours)[raised]),
    )


def occlusion(
    answer: Callable[[NDArray[Any]], NDArray[np.float64]], picture: NDArray[Any]
) -> tuple[NDArray[np.float64], NDArray[np.float32], NDArray[np.intp]]:
    """Measure how the answer changes when one square of a picture after another is covered.

    The cover has the picture's mean colour.

    Args:
        answer: returns the probabilities for n pictures of shape (n, side, side, channels), as an
            array of shape (n, classes).
        picture: uint8 or float32, 0 to 255, shape (side, side, channels).

    Returns:
        The probabilities for the picture itself, shape (classes,); and, for each place, by how much
        the covers over it lower the log-odds of the most probable class on average, shape (side,
        side); and, for each place, the class whose probability it raised, as a place in the
        distribution: the most probable class, or where that lost, the one that gained most; shape
        (side, side).
    """
    size = picture.shape[0]
    cover, step = max(1, round(size * _COVER)), max(1, round(size * _STEP))
    starts = [*range(0, size - cover, step), size - cover]
    places = [(slice(y, y + cover), slice(x, x + cover)) for y in starts for x in starts]
    pictures = np.repeat(picture[None], len(places) + 1, axis=0)
    for covered, place in zip(pictures[1:], places, strict=True):
        covered[place] = picture.mean(axis=(0, 1)).round()
    probabilities = answer(pictures)
    best = int(np.argmax(probabilities[0]))
    drops = probabilities[0] - probabilities[1:]
    logits = log_odds(probabilities[:, best])
    heat, times = np.zeros((2, size, size), np.float32)
    gains = np.zeros((size, size, probabilities.shape[1]))
    for drop, gain, place in zip(logits[0] - logits[1:], drops, places, strict=True):
        heat[place] += drop
        gains[place] += gain
        times[place] += 1
    gains[..., best] = np.where(heat >= 0, np.inf, -np.inf)
    return probabilities[0], heat / times, np.argmax(gains, axis=-1)


def _laid_over(picture: Pixels, heat: NDArray[np.float32], colours: NDArray[np.int_]) -> Pixels:
    import cv2

    side = picture.shape[0]
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)[..., None]
    smooth = cv2.resize(heat, (side, side), interpolation=cv2.INTER_CUBIC)
    near = np.arange(side) * len(heat) // side
    share = np.clip(np.abs(smooth) / max(_FULL, float(np.abs(heat).max())), 0, 1)[..., None]
    strength = share * _STRENGTH
    laid = grey * (1 - strength) + colours[near][:, near] * strength
    return np.asarray(laid.round(), dtype=np.uint8)
