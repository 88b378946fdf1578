"""The card's pictures: calibration, risk and coverage, and drawn faces on which it fails.

No picture contains a photo.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np

from happysad.classifier import Classifier
from happysad.colours import colours_of
from happysad.dataset.drawn_faces import write_set
from happysad.evaluation import plots
from happysad.files import replacing
from happysad.images import Pixels, read
from happysad.inputs import crops
from happysad.predictions import NO_FACE, UNSURE, Prediction, describe
from recipes.face.judging import Judgement
from recipes.face.robustness import CHANGES, Row, costliest

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = [
    "CALIBRATION",
    "FAILURES",
    "RISK_COVERAGE",
    "Drawn",
    "Example",
    "Panel",
    "Shown",
    "as_drawn",
    "changed",
    "draw_calibration",
    "draw_risk_coverage",
    "write",
]

CALIBRATION, RISK_COVERAGE, FAILURES = "calibration.png", "risk_coverage.png", "failures.png"
#: What is drawn.
DRAWN = ("happy", "sad")

#: The number of drawn faces and their seed; they equal the first faces of `happysad demo`.
_FACES, _SEED = 200, 0
#: The number of changes in the picture: those with the largest loss on the test faces.
_CHANGES = 4
# The number of colours and the side of a drawn face in pixels; both keep the files small.
_COLOURS, _SIDE = 40, 64
#: The size of the text in failures.png.
_TEXT = 6.5
# The number of faces of each class that a row of failures.png shows.
_SHOWN = 2


@dataclass(frozen=True)
class Example:
    """A drawn face and its prediction."""

    path: str
    label: str
    """What is drawn."""
    pixels: Pixels
    prediction: Prediction


@dataclass(frozen=True, slots=True)
class Shown:
    """A face in failures.png."""

    path: str
    answer: str
    """The answer in words."""


@dataclass(frozen=True, slots=True)
class Panel:
    """A row of failures.png: faces as they are drawn, or after a change of their crop."""

    change: str
    """The change in words, or "as drawn"."""
    labels: dict[str, dict[str, int]]
    """The number of faces by what is drawn and by label. If the crops are changed, only faces are
    counted that are right as they are drawn."""
    shown: dict[str, list[Shown]]
    """The faces in the picture, by what is drawn."""


@dataclass(frozen=True, slots=True)
class Drawn:
    """The content of failures.png."""

    n: int
    """The number of drawn faces."""
    panels: tuple[Panel, ...]


def write(
    classifier: Classifier, judgement: Judgement, folder: Path, *, faces: int = _FACES
) -> Drawn:
    """Write the three pictures.

    failures.png shows faces from `happysad.dataset.drawn_faces`, which are read like a user's
    photos. A fixed rule chooses them, in the order of drawing:

    - Unchanged faces, for each class: the first that is called the opposite class, the first that
      is called neither, the first without a found face, and the first that is unsure; at most two
      of these.
    - For each of the costliest changes and each class: among the faces that are right when
      unchanged, the first of each of these kinds once the crop is changed; at most two.

    Args:
        classifier: the shipped classifier.
        judgement: the result of `judging.judge`.
        folder: the folder of the files.
        faces: the number of drawn faces.
    """
    draw_calibration(judgement, folder / CALIBRATION)
    draw_risk_coverage(judgement, folder / RISK_COVERAGE)
    examples = _draw(classifier, faces)
    panels = [as_drawn(classifier, examples)]
    panels += [
        changed(classifier, examples, row) for row in costliest(judgement.robustness, _CHANGES)
    ]
    _failures(panels, folder / FAILURES)
    return Drawn(faces, tuple(panel for panel, _ in panels))


_Pictures = dict[str, list[Pixels]]


def _draw(classifier: Classifier, count: int) -> list[Example]:
    """Write the drawn faces to files, and read and predict them like a user's photos."""
    names = [
        (DRAWN[number % 2], f"{DRAWN[number % 2]}/drawn-{number:04d}.jpg")
        for number in range(count)
    ]
    with TemporaryDirectory() as folder:
        write_set(Path(folder), count, _SEED)
        files = [Path(folder, name) for _, name in names]
        return [
            Example(name, label, read(file), prediction)
            for (label, name), file, prediction in zip(
                names, files, classifier.predict(files), strict=True
            )
        ]


def as_drawn(classifier: Classifier, examples: Sequence[Example]) -> tuple[Panel, _Pictures]:
    """Count the labels of the unchanged faces, and choose those that are shown."""
    answers = [
        (one, str(one.prediction.label), one.prediction.describe(), _small(one.pixels))
        for one in examples
    ]
    return _panel("as drawn", classifier, answers)


def changed(
    classifier: Classifier, examples: Sequence[Example], row: Row
) -> tuple[Panel, _Pictures]:
    """Change the crops of the faces that are right when unchanged, and predict them again."""
    change = next(change for change in CHANGES if change.name == row.change)
    assert row.strength is not None
    answers = []
    for number, one in enumerate(examples):
        if one.label != one.prediction.label or len(one.prediction.faces) != 1:
            continue
        rng = np.random.default_rng((_SEED, number))
        crop = change.apply(_crop(classifier, one), row.strength, rng)
        probabilities = classifier.run({"image": crop[None]}).probabilities[0].tolist()
        label = classifier.label_of(probabilities)
        answers.append((one, label, describe(label, classifier.named(probabilities)), crop))
    return _panel(row.words, classifier, answers)


def _panel(
    name: str, classifier: Classifier, answers: Sequence[tuple[Example, str, str, Pixels]]
) -> tuple[Panel, _Pictures]:
    labels, shown, pictures = {}, {}, {}
    for drawn, opposite in (DRAWN, DRAWN[::-1]):
        own = [answer for answer in answers if answer[0].label == drawn]
        others = [one for one in classifier.classes if one not in DRAWN]
        failures = (opposite, *others, NO_FACE, UNSURE)
        counted = Counter(label for _, label, _, _ in own)
        labels[drawn] = {label: counted[label] for label in (drawn, *failures)}
        kinds = [next((one for one in own if one[1] == kind), None) for kind in failures]
        chosen = [one for one in kinds if one is not None][:_SHOWN]
        shown[drawn] = [Shown(example.path, words) for example, _, words, _ in chosen]
        pictures[drawn] = [pixels for *_, pixels in chosen]
    return Panel(name, labels, shown), pictures


def _crop(classifier: Classifier, example: Example) -> Pixels:
    """Return the only face of an example as the network's input."""
    details = classifier.details
    face = example.prediction.faces[0].face
    return np.asarray(crops(example.pixels, [face], details.size, details.channels)[0])


def _small(pixels: Pixels) -> Pixels:
    """Return a drawn face for display: small, and grey, since few colours would distort it."""
    import cv2

    grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    small = cv2.resize(grey, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA)
    return np.asarray(small, dtype=np.uint8)[..., None]


def draw_calibration(judgement: Judgement, file: Path) -> None:
    """Draw the share of each class against its predicted probability as a PNG."""
    colours = colours_of(tuple(judgement.reliability))
    figure = plots.new_figure(6, 4.8)
    ax = figure.add_subplot()
    ax.plot([0, 1], [0, 1], "--", color=plots.SOFT, linewidth=1.2, label="perfect")
    for (name, points), marker in zip(judgement.reliability.items(), "osd", strict=True):
        found = judgement.all_folders.calibration.get(name)
        error = "" if found is None or found.value is None else f", off by {found.value:.3f}"
        spread = [np.subtract(points.share, points.low), np.subtract(points.high, points.share)]
        ax.errorbar(
            points.probability,
            points.share,
            yerr=np.maximum(spread, 0),
            fmt=f"{marker}-",
            color=colours[name].hex,
            linewidth=1.6,
            elinewidth=0.8,
            markersize=5,
            label=f"{name}{error}",
        )
    ax.set_xlabel("predicted probability of the class")
    ax.set_ylabel("share of the faces that most people call so")
    ax.set_xlim(0, 1)
    ax.set_ylim(-0.03, 1.03)
    n = judgement.all_folders.score.n
    plots.plain(ax, f"Predicted and true shares, classes weighted equally, n = {n:,}")
    ax.legend(frameon=False, fontsize=10, loc="upper left")
    _save(figure, file)


def draw_risk_coverage(judgement: Judgement, file: Path) -> None:
    """Draw the risk-coverage curve as a PNG."""
    from matplotlib.ticker import PercentFormatter

    curve, test = judgement.risk_coverage, judgement.three.default
    figure = plots.new_figure(7, 4.3)
    ax = figure.add_subplot()
    colour = plots.COLOURS[1]
    band = "95 % interval over groups"
    ax.fill_between(
        curve.coverage, curve.low, curve.high, color=colour, alpha=0.18, lw=0, label=band
    )
    ax.plot(curve.coverage, curve.risk, color=colour, linewidth=1.8, label="the surest first")
    words = "At the default thresholds no test face is answered"
    answered, right = test.coverage, test.selective_accuracy
    if answered.value is not None and right.value is not None:
        wrong = 1 - right.value
        left, end = answered.interval or (answered.value,) * 2
        most, least = (1 - value for value in right.interval or (right.value,) * 2)
        ax.errorbar(
            [answered.value],
            [wrong],
            xerr=[[max(0, answered.value - left)], [max(0, end - answered.value)]],
            yerr=[[max(0, wrong - least)], [max(0, most - wrong)]],
            fmt="o",
            color=plots.COLOURS[0],
            markersize=8,
            elinewidth=1,
            capsize=3,
            zorder=5,
            label="the default thresholds, one for each class",
        )
        words = (
            f"{100 * answered.value:.0f} % of the faces are answered, "
            f"{100 * wrong:.1f} % of them wrong"
        )
    ax.set_xlabel(f"share of the n = {test.n:,} test faces that is answered")
    ax.set_ylabel("share of those answers that is wrong")
    ax.set_xlim(0, 1.01)
    ax.set_ylim(bottom=0)
    ax.xaxis.set_major_formatter(PercentFormatter(1, decimals=0, symbol=" %"))
    ax.yaxis.set_major_formatter(PercentFormatter(1, decimals=None, symbol=" %"))
    plots.plain(ax, words)
    ax.legend(frameon=False, fontsize=10, loc="upper left")
    _save(figure, file)


def _failures(panels: Sequence[tuple[Panel, _Pictures]], file: Path) -> None:
    """Draw one row per panel, with up to two pictures of each class."""
    figure = plots.new_figure(5.4, 1.12 * len(panels) + 0.4)
    grid = figure.subplots(len(panels), 5, squeeze=False, width_ratios=[1.15, 1, 1, 1, 1])
    for axes, (panel, pictures) in zip(grid, panels, strict=True):
        for ax in axes:
            ax.set_axis_off()
        note = f"{panel.change.replace(', ', f',{chr(10)}')}\n\n{_tally(panel)}"
        axes[0].text(0, 0.5, note, fontsize=_TEXT, color=plots.INK, va="center", linespacing=1.25)
        for drawn, half in zip(DRAWN, (axes[1:3], axes[3:]), strict=True):
            for ax, pixels, shown in zip(half, pictures[drawn], panel.shown[drawn], strict=False):
                plots.picture(ax, pixels)
                ax.images[0].set_interpolation("nearest")
                answer = shown.answer.replace("_", " ").replace("unsure, leans", "unsure:")
                words = f"drawn {drawn}:\n{answer}"
                ax.set_title(words, fontsize=_TEXT, color=plots.INK, pad=2)
    first = panels[0][0].labels
    right = sum(first[drawn][drawn] for drawn in DRAWN)
    count = sum(sum(labels.values()) for labels in first.values())
    figure.suptitle(
        f"Drawn faces: {right} of {count} are answered rightly; examples of how others fail",
        fontsize=8.5,
        color=plots.INK,
    )
    _save(figure, file)


def _tally(panel: Panel) -> str:
    """Return the counted labels of a row, over both classes."""
    counts: Counter[str] = Counter()
    for drawn, labels in panel.labels.items():
        for label, count in labels.items():
            outcome = "right" if label == drawn else "opposite" if label in DRAWN else label
            counts[outcome] += count
    lines = [f"{outcome.replace('_', ' ')}: {count}" for outcome, count in counts.items()]
    return f"n = {counts.total()}\n" + "\n".join(lines)


def _save(figure: Figure, file: Path) -> None:
    """Write a figure as PNG with fewer colours, which takes a third of the bytes."""
    from PIL import Image

    with replacing(file) as temporary:
        plots.save(figure, temporary)
        with Image.open(temporary) as drawn:
            drawn.convert("RGB").quantize(_COLOURS).save(temporary, optimize=True)
