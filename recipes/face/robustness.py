"""Measure the accuracy on crops that are blurred, dark, rotated, badly framed or occluded."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from happysad.classifier import Classifier
from happysad.evaluation.metrics import answers_of, interval, resamples, score
from happysad.images import Pixels

__all__ = ["CHANGES", "Change", "markdown", "measure"]

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


def measure(
    classifier: Classifier, images: Pixels, y: ArrayLike, groups: Sequence[str], *, seed: int = 0
) -> dict[str, Any]:
    """Return the accuracy of a classifier's network on unchanged crops and under each change.

    All strengths of a change use the same random numbers: a spot keeps its place and grows. The
    intervals are those of `metrics.score`; the interval of a difference is paired over the same
    resamples.

    Args:
        classifier: a classifier of faces or of photos.
        images: the network's input, uint8, shape (n, size, size, channels); not changed.
        y: the class of each crop, 0 or 1, shape (n,).
        groups: the group of each crop, n of them.
        seed: the seed of the changes and of the bootstrap.

    Returns:
        A dict for JSON with n, groups, classes, threshold, seed and rows. The first row is for the
        unchanged crops (change None). Each row has change, strength, meaning, accuracy,
        balanced_accuracy, difference (its balanced accuracy minus that of the first row) and
        intervals (a pair for each of these three). A figure that is undefined, because a class is
        missing, is None; see `metrics.score`.

    Raises:
        DatasetError: there is no crop.
        ValueError: the lengths differ, or a class is neither 0 nor 1.
    """
    truth = np.asarray(y).astype(np.intp)
    details = classifier.details
    first: NDArray[np.bool_] | None = None
    rows: list[dict[str, Any]] = []
    for change, strength in [(None, None), *((c, s) for c in CHANGES for s in c.strengths)]:
        changed = images
        if change is not None and strength is not None:
            rng = np.random.default_rng(seed)
            changed = np.stack([change.apply(image, strength, rng) for image in images])
        p = _probabilities(classifier, changed)
        scored = score(
            truth, p, groups, classes=details.classes, threshold=details.threshold, seed=seed
        )
        right = answers_of(p, details.threshold) == truth
        first = right if first is None else first
        difference, span = _difference(right, first, truth, groups, seed)
        figures = {"accuracy": scored.accuracy, "balanced_accuracy": scored.balanced_accuracy}
        rows.append(
            {
                "change": change and change.name,
                "strength": strength,
                "meaning": change and change.meaning.format(strength),
                **{name: figure.value for name, figure in figures.items()},
                "difference": difference,
                "intervals": {
                    **{name: figure.interval for name, figure in figures.items()},
                    "difference": span,
                },
            }
        )
    return {
        "n": len(truth),
        "groups": len(set(groups)),
        "classes": list(details.classes),
        "threshold": details.threshold,
        "seed": seed,
        "rows": rows,
    }


def markdown(measured: dict[str, Any]) -> str:
    """Return the result of `measure` as a Markdown table; differences are in percentage points."""
    lines = [
        f"| n = {measured['n']:,} in {measured['groups']:,} groups | accuracy (95 %) "
        "| balanced accuracy (95 %) | points lost or won (95 %) |",
        "|---|---|---|---|",
    ]
    for row in measured["rows"]:
        unchanged = row["change"] is None
        name = "as they are" if unchanged else f"{row['change']}: {row['meaning']}"
        cells = [_cell(row, figure, "{:.3f}") for figure in ("accuracy", "balanced_accuracy")]
        cells.append("" if unchanged else _cell(row, "difference", "{:+.1f}", 100))
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _cell(row: dict[str, Any], figure: str, form: str, times: float = 1) -> str:
    value, span = row[figure], row["intervals"][figure]
    if value is None:
        return ""
    text = form.format(times * value)
    return text if span is None else f"{text} ({' to '.join(form.format(times * v) for v in span)})"


def _probabilities(classifier: Classifier, images: Pixels) -> NDArray[np.float64]:
    # Without images the empty first part remains, and `score` raises its own error.
    parts = [np.zeros((0, len(classifier.classes)))]
    for at in range(0, len(images), _BATCH):
        outputs = classifier.run({"image": images[at : at + _BATCH]})
        parts.append(outputs.probabilities)
    return np.concatenate(parts)


def _difference(
    right: NDArray[np.bool_],
    first: NDArray[np.bool_],
    truth: NDArray[np.intp],
    groups: Sequence[str],
    seed: int,
) -> tuple[float | None, tuple[float, float] | None]:
    """Return the difference in balanced accuracy, and its interval over groups."""
    gained = right.astype(np.float64) - first

    def of(weights: NDArray[np.float32]) -> NDArray[np.float64]:
        with np.errstate(invalid="ignore"):
            recalls = [
                (weights * gained) @ (truth == label) / (weights @ (truth == label).astype(float))
                for label in (0, 1)
            ]
        return np.asarray(sum(recalls) / 2)

    value = float(of(np.ones((1, len(truth)), np.float32))[0])
    if not math.isfinite(value):
        return None, None
    if len(set(groups)) == 1:
        return value, None
    return value, interval(np.concatenate([of(weights) for weights in resamples(groups, seed)]))


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
