"""Measure the accuracy on crops that are blurred, dark, rotated, badly framed or occluded."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from happysad.classifier import Classifier
from happysad.evaluation.metrics import Figure, answers_of, bootstrap, score
from happysad.images import Pixels

__all__ = ["CHANGES", "Change", "Row", "cell", "costliest", "markdown", "measure", "probabilities"]

_BATCH = 64


@dataclass(frozen=True)
class Change:
    """One way to make crops worse."""

    name: str
    meaning: str
    """The meaning of a strength, in words; {} stands for the strength."""
    strengths: tuple[float, ...]
    """The strengths, from mild to severe."""
    apply: Callable[[Pixels, float, np.random.Generator], Pixels]
    """Takes a crop, a strength and a random generator, and returns a changed copy: uint8, shape
    (height, width, channels) with 1 or 3 channels."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """The figures on crops after one change."""

    change: str | None
    """The name of the change; None for unchanged crops."""
    strength: float | None
    meaning: str | None
    """The meaning of the strength, in words."""
    recall: Figure
    """The mean recall of the classes (balanced accuracy) of the most probable class."""
    difference: Figure
    """`recall` minus that on unchanged crops; its interval is paired over the same resamples."""

    @property
    def words(self) -> str:
        """The change in words."""
        return f"{self.change}, {self.meaning}" if self.change else "as they are"


def measure(
    classifier: Classifier, images: Pixels, y: ArrayLike, groups: Sequence[str], *, seed: int = 0
) -> list[Row]:
    """Return the figures of a classifier's network on unchanged crops and under each change.

    All strengths of a change use the same random numbers: a spot keeps its place and grows. The
    intervals are those of `metrics.score`.

    Args:
        classifier: a classifier of faces or of photos.
        images: the network's input, uint8, shape (n, size, size, channels); not changed.
        y: the class of each crop, an index, shape (n,).
        groups: the group of each crop, n of them.
        seed: the seed of the changes and of the bootstrap.

    Returns:
        A row for the unchanged crops, and one for each strength of each change.

    Raises:
        DatasetError: there is no crop.
        ValueError: the lengths differ, or there is no such class.
    """
    truth = np.asarray(y).astype(np.intp)
    details = classifier.details
    first: NDArray[np.bool_] | None = None
    rows = []
    for change, strength in [(None, None), *((c, s) for c in CHANGES for s in c.strengths)]:
        changed = images
        if change is not None and strength is not None:
            rng = np.random.default_rng(seed)
            changed = np.stack([change.apply(image, strength, rng) for image in images])
        p = probabilities(classifier, changed)
        scored = score(
            truth, p, groups, classes=details.classes, threshold=details.threshold, seed=seed
        )
        right = answers_of(p, details.threshold) == truth
        first = right if first is None else first
        rows.append(
            Row(
                change=None if change is None else change.name,
                strength=strength,
                meaning=None if change is None else change.meaning.format(strength),
                recall=scored.balanced_accuracy,
                difference=_difference(right, first, truth, groups, len(details.classes), seed),
            )
        )
    return rows


def costliest(rows: Sequence[Row], count: int) -> list[Row]:
    """Return the changes with the largest loss, each at its costliest strength, the worst first.

    A change counts only if the whole interval of its difference lies below 0.

    Args:
        rows: the result of `measure`.
        count: the maximum number of changes.
    """
    worst: dict[str, Row] = {}
    for row in rows:
        if row.change is None or row.difference.interval is None or row.difference.interval[1] >= 0:
            continue
        known = worst.setdefault(row.change, row)
        worst[row.change] = min(known, row, key=_loss)
    return sorted(worst.values(), key=_loss)[:count]


def markdown(rows: Sequence[Row], n: int, groups: int) -> str:
    """Return the result of `measure` as a Markdown table; differences are in percentage points."""
    lines = [
        f"| n = {n:,} in {groups:,} groups | mean recall (95 %) | points (95 %) |",
        "|---|---|---|",
    ]
    for row in rows:
        cells = [cell(row.recall, "{:.3f}")]
        cells.append(cell(row.difference, "{:+.1f}", 100) if row.change else "")
        lines.append(f"| {row.words} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def probabilities(classifier: Classifier, images: Pixels) -> NDArray[np.float64]:
    """Return the probabilities of crops, shape (n, classes)."""
    # Without images the empty first part remains, and `score` raises its own error.
    parts = [np.zeros((0, len(classifier.classes)))]
    for at in range(0, len(images), _BATCH):
        outputs = classifier.run({"image": images[at : at + _BATCH]})
        parts.append(outputs.probabilities)
    return np.concatenate(parts)


def _loss(row: Row) -> float:
    assert row.difference.value is not None
    return row.difference.value


def cell(figure: Figure | None, form: str, times: float = 1) -> str:
    """Return a figure and its interval for a table; empty without a value."""
    if figure is None or figure.value is None:
        return ""
    text, span = form.format(times * figure.value), figure.interval
    return text if span is None else f"{text} ({' to '.join(form.format(times * v) for v in span)})"


def _difference(
    right: NDArray[np.bool_],
    first: NDArray[np.bool_],
    truth: NDArray[np.intp],
    groups: Sequence[str],
    classes: int,
    seed: int,
) -> Figure:
    """Return the difference in mean recall."""
    gained = right.astype(np.float64) - first

    def of(weights: NDArray[Any]) -> dict[str, NDArray[np.float64]]:
        with np.errstate(invalid="ignore"):
            recalls = [
                (weights * gained) @ (truth == label) / (weights @ (truth == label).astype(float))
                for label in range(classes)
            ]
        return {"difference": np.asarray(np.mean(recalls, axis=0))}

    return bootstrap(of, groups, seed)["difference"]


def _blur(image: Pixels, strength: float, _: np.random.Generator) -> Pixels:
    return _like(image, cv2.GaussianBlur(image, (0, 0), strength / 100 * image.shape[1]))


def _noise(image: Pixels, strength: float, rng: np.random.Generator) -> Pixels:
    return _levels(image + rng.normal(0, strength, image.shape))


def _jpeg(image: Pixels, strength: float, _: np.random.Generator) -> Pixels:
    file = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, round(strength)])[1]
    return _like(image, cv2.imdecode(file, cv2.IMREAD_UNCHANGED))


def _darkness(image: Pixels, strength: float, _: np.random.Generator) -> Pixels:
    return _levels(image * strength)


def _contrast(image: Pixels, strength: float, _: np.random.Generator) -> Pixels:
    mean = image.mean()
    return _levels(mean + strength * (image - mean))


def _rotation(image: Pixels, strength: float, rng: np.random.Generator) -> Pixels:
    return _about_middle(image, rng.choice((-1, 1)) * strength, 1.0)


def _small_size(image: Pixels, strength: float, _: np.random.Generator) -> Pixels:
    height, width = image.shape[:2]
    side = round(strength)
    small = cv2.resize(image, (side, side), interpolation=cv2.INTER_AREA)
    return _like(image, cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR))


def _framing(image: Pixels, strength: float, _: np.random.Generator) -> Pixels:
    return _about_middle(image, 0.0, 1 / strength)


def _occlusion(image: Pixels, strength: float, rng: np.random.Generator) -> Pixels:
    height, width = image.shape[:2]
    down, right, shade = rng.random(3)
    tall, wide = round(strength * height), round(strength * width)
    # The centre of a spot keeps its place at every strength, as far as the crop allows.
    top = min(max(round(down * height - tall / 2), 0), height - tall)
    left = min(max(round(right * width - wide / 2), 0), width - wide)
    changed = image.copy()
    changed[top : top + tall, left : left + wide] = int(256 * shade)
    return changed


def _about_middle(image: Pixels, degrees: float, scale: float) -> Pixels:
    height, width = image.shape[:2]
    matrix = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), degrees, scale)
    warped = cv2.warpAffine(
        image, matrix, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    return _like(image, warped)


def _levels(values: NDArray[np.floating[Any]]) -> Pixels:
    return np.asarray(np.clip(np.rint(values), 0, 255), dtype=np.uint8)


def _like(image: Pixels, changed: Any) -> Pixels:
    return np.asarray(changed, dtype=np.uint8).reshape(image.shape)  # cv2 drops a single channel


#: The changes in the table, each at two or three strengths.
CHANGES = (
    Change("blur", "sigma {} % of the side", (2, 4, 6), _blur),
    Change("noise", "sigma {} of 255 levels", (8, 16, 32), _noise),
    Change("JPEG", "quality {}", (50, 25, 10), _jpeg),
    Change("darkness", "levels times {}", (0.5, 0.25, 0.1), _darkness),
    Change("contrast", "times {} about the mean", (2, 0.5, 0.2), _contrast),
    Change("rotation", "{} degrees to either side", (10, 20, 30), _rotation),
    Change("small size", "{} pixels a side, enlarged again", (32, 24, 16), _small_size),
    Change("loose crop", "{} times the frame, the border repeated", (1.15, 1.3, 1.5), _framing),
    Change("tight crop", "{} times the frame", (0.85, 0.7), _framing),
    Change("occlusion", "a square of {} times the side", (0.2, 0.35, 0.5), _occlusion),
)
