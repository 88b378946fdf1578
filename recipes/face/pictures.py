"""The card's pictures: the risk-coverage curve, and drawn faces on which the classifier fails.

No picture contains a photo.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np

from happysad.classifier import Classifier
from happysad.dataset.drawn_faces import write_set
from happysad.evaluation import plots
from happysad.files import replacing
from happysad.images import Pixels, read
from happysad.inputs import crops
from happysad.predictions import NO_FACE, UNSURE, Prediction
from recipes.face.judging import costliest
from recipes.face.robustness import CHANGES

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = [
    "FAILURES",
    "RISK_COVERAGE",
    "Example",
    "Part",
    "as_drawn",
    "changed",
    "draw_risk_coverage",
    "said",
    "write",
]

RISK_COVERAGE, FAILURES = "risk_coverage.png", "failures.png"

#: The number of drawn faces and their seed; they equal the first faces of `happysad demo`.
_FACES, _SEED = 200, 0
#: The number of changes in the picture: those with the largest loss on the test faces.
_CHANGES = 4
# The number of colours and the side of a drawn face in pixels; both keep the files small.
_COLOURS, _SIDE = 40, 64
#: The size of the text in failures.png.
_TEXT = 6.5


@dataclass(frozen=True)
class Example:
    """A drawn face and its prediction."""

    path: str
    label: str
    pixels: Pixels
    prediction: Prediction


def write(
    classifier: Classifier, figures: dict[str, Any], folder: Path, *, faces: int = _FACES
) -> dict[str, Any]:
    """Write both pictures.

    failures.png shows faces from `happysad.dataset.drawn_faces`, which are read like a user's
    photos. A fixed rule chooses them, in the order of drawing:

    - Unchanged faces, for each class: the first that is called the other class, the first without a
      found face, and the first that is unsure; at most two of these.
    - For each of the costliest changes and each class: the first face that is right when unchanged
      and called the other class once its crop is changed. If there is none, the first that is
      unsure once changed.

    Args:
        classifier: the shipped classifier.
        figures: the result of `judging.judge`.
        folder: the folder of the two files.
        faces: the number of drawn faces.

    Returns:
        The content of failures.png, as a dict for JSON:

        - n: the number of drawn faces.
        - as_drawn: for each class the counted outcomes, and the shown faces.
        - changed: for each change its row of the robustness table, and the same outcomes and faces
          among those that are right when unchanged.
    """
    draw_risk_coverage(figures, folder / RISK_COVERAGE)
    examples = _draw(classifier, faces)
    rows = costliest(figures["robustness"], _CHANGES)
    panels = [as_drawn(classifier, examples)]
    panels += [changed(classifier, examples, row) for row in rows]
    _failures(panels, rows, classifier.classes, folder / FAILURES)
    first, *others = [
        {label: {"outcomes": part.outcomes, "shown": part.shown} for label, part in panel.items()}
        for panel in panels
    ]
    return {
        "n": faces,
        "as_drawn": first,
        "changed": [{**row, **parts} for row, parts in zip(rows, others, strict=True)],
    }


def said(label: str, p_sad: float | None, labels: Sequence[str]) -> str:
    """Return an answer in words, such as "happy, 98.1 %"."""
    if p_sad is None:
        return "no face found"
    likelier = labels[p_sad >= 0.5]
    percent = f"{100 * min(max(p_sad, 1 - p_sad), 0.999):.1f} %"  # no answer is certain
    return f"{label}, {percent}" if label == likelier else f"{label}, {likelier} {percent}"


@dataclass(frozen=True)
class Part:
    """The half of a row for one class: the counted outcomes and the shown faces."""

    outcomes: dict[str, int]
    shown: list[dict[str, Any]]
    """The path and the answers, each (label, p_sad), for JSON."""
    pictures: list[tuple[Pixels, str, float | None]]
    """The pixels, the label and p_sad of each shown picture."""


def _draw(classifier: Classifier, count: int) -> list[Example]:
    """Write the drawn faces to files, and read and predict them like a user's photos."""
    labels = classifier.classes
    names = [
        (labels[number % 2], f"{labels[number % 2]}/drawn-{number:04d}.jpg")
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


def as_drawn(classifier: Classifier, examples: Sequence[Example]) -> dict[str, Part]:
    """Count the labels of the unchanged faces, and choose those that are shown."""
    labels = classifier.classes
    parts = {}
    for label, other in (labels, labels[::-1]):
        own = [example for example in examples if example.label == label]
        counted = Counter(example.prediction.label for example in own)
        kinds = [next((e for e in own if e.prediction.label == k), None) for k in _kinds(other)]
        shown = [example for example in kinds if example is not None][:2]
        parts[label] = Part(
            {outcome: counted[outcome] for outcome in (label, *_kinds(other))},
            [
                {"path": e.path, "as_drawn": [e.prediction.label, _p_sad(e.prediction)]}
                for e in shown
            ],
            [(_small(e.pixels), str(e.prediction.label), _p_sad(e.prediction)) for e in shown],
        )
    return parts


def changed(
    classifier: Classifier, examples: Sequence[Example], row: dict[str, Any]
) -> dict[str, Part]:
    """Change the crops of the faces that are right when unchanged, and predict them again."""
    details = classifier.details
    change = next(change for change in CHANGES if change.name == row["change"])
    parts = {}
    for label, other in (details.classes, details.classes[::-1]):
        own = [
            (number, example)
            for number, example in enumerate(examples)
            if example.label == label == example.prediction.label
            and len(example.prediction.faces) == 1
        ]
        before = [_crop(classifier, example) for _, example in own]
        after = [
            change.apply(crop, row["strength"], np.random.default_rng((_SEED, number)))
            for crop, (number, _) in zip(before, own, strict=True)
        ]
        rows = classifier.run({"image": np.stack(after)}).probabilities.tolist() if after else []
        answers = [classifier.label_of(probabilities) for probabilities in rows]
        p = [second for _, second in rows]
        counted = Counter(answers)
        outcomes = {outcome: counted[outcome] for outcome in (label, other, UNSURE)}
        place = next((answers.index(kind) for kind in (other, UNSURE) if kind in answers), None)
        if place is None:
            parts[label] = Part(outcomes, [], [])
            continue
        example, now = own[place][1], (answers[place], p[place])
        then = (label, _p_sad(example.prediction))
        parts[label] = Part(
            outcomes,
            [{"path": example.path, "as_drawn": list(then), "changed": list(now)}],
            [(before[place], *then), (after[place], *now)],
        )
    return parts


def _p_sad(prediction: Prediction) -> float | None:
    return None if prediction.probabilities is None else prediction.probabilities["sad"]


def _kinds(other: str) -> tuple[str, ...]:
    """Return the outcomes that are failures, the worst first."""
    return other, NO_FACE, UNSURE


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


def draw_risk_coverage(figures: dict[str, Any], file: Path) -> None:
    """Draw the risk-coverage curve as a PNG."""
    from matplotlib.ticker import PercentFormatter

    curve, test = figures["risk_coverage"], figures["test"]["abstention"]
    figure = plots.new_figure(7, 4.3)
    ax = figure.add_subplot()
    colour = plots.COLOURS[1]
    band = "95 % interval over groups"
    ax.fill_between(
        curve["coverage"], curve["low"], curve["high"], color=colour, alpha=0.18, lw=0, label=band
    )
    ax.plot(curve["coverage"], curve["risk"], color=colour, linewidth=1.8, label="the surest first")
    words = "At the two default thresholds no test face is answered"
    if test["selective_accuracy"]["value"] is not None:
        answered, wrong = test["coverage"]["value"], 1 - test["selective_accuracy"]["value"]
        left, right = test["coverage"]["interval"]
        most, least = (1 - value for value in test["selective_accuracy"]["interval"])
        ax.errorbar(
            [answered],
            [wrong],
            xerr=[[max(0, answered - left)], [max(0, right - answered)]],
            yerr=[[max(0, wrong - least)], [max(0, most - wrong)]],
            fmt="o",
            color=plots.COLOURS[0],
            markersize=8,
            elinewidth=1,
            capsize=3,
            zorder=5,
            label="the two default thresholds, between them unsure",
        )
        words = (
            f"{100 * answered:.0f} % of the faces are answered, {100 * wrong:.1f} % of them wrong"
        )
    ax.set_xlabel(f"share of the n = {test['n']:,} test faces that is answered")
    ax.set_ylabel("share of those answers that is wrong")
    ax.set_xlim(0, 1.01)
    ax.set_ylim(bottom=0)
    ax.xaxis.set_major_formatter(PercentFormatter(1, decimals=0, symbol=" %"))
    ax.yaxis.set_major_formatter(PercentFormatter(1, decimals=None, symbol=" %"))
    plots.plain(ax, words)
    ax.legend(frameon=False, fontsize=10, loc="upper left")
    _save(figure, file)


def _failures(
    panels: Sequence[dict[str, Part]],
    rows: Sequence[dict[str, Any]],
    labels: Sequence[str],
    file: Path,
) -> None:
    """Draw one row per panel, with up to two pictures of each class."""
    names = ["as drawn"]
    names += [f"{row['change']}\n{row['meaning'].replace(', ', f',{chr(10)}')}" for row in rows]
    figure = plots.new_figure(5.4, 1.12 * len(panels) + 0.4)
    grid = figure.subplots(len(panels), 5, squeeze=False, width_ratios=[1.15, 1, 1, 1, 1])
    for axes, name, panel in zip(grid, names, panels, strict=True):
        for ax in axes:
            ax.set_axis_off()
        note = f"{name}\n\n{_tally(panel, labels)}"
        axes[0].text(0, 0.5, note, fontsize=_TEXT, color=plots.INK, va="center", linespacing=1.25)
        for label, half in zip(labels, (axes[1:3], axes[3:]), strict=True):
            changed = len(panel[label].pictures) > len(panel[label].shown)
            heads = [f"drawn {label}", "changed so" if changed else f"drawn {label}"]
            for ax, head, (pixels, answer, p_sad) in zip(
                half, heads, panel[label].pictures, strict=False
            ):
                plots.picture(ax, pixels)
                ax.images[0].set_interpolation("nearest")
                colour = plots.SOFT if answer == label else plots.INK
                words = f"{head}:\n{said(answer, p_sad, labels)}"
                ax.set_title(words, fontsize=_TEXT, color=colour, pad=2)
    right = sum(panels[0][label].outcomes[label] for label in labels)
    count = sum(sum(panels[0][label].outcomes.values()) for label in labels)
    figure.suptitle(
        f"Drawn faces: {right} of {count} are answered rightly; examples of how others fail",
        fontsize=8.5,
        color=plots.INK,
    )
    _save(figure, file)


def _tally(panel: dict[str, Part], labels: Sequence[str]) -> str:
    """Return the counted outcomes of a row, over both classes."""
    counts: Counter[str] = Counter()
    for label, part in panel.items():
        for outcome, count in part.outcomes.items():
            wrong = outcome in labels and outcome != label
            counts["wrong" if wrong else "right" if outcome == label else outcome] += count
    lines = [f"{outcome.replace('_', ' ')}: {count}" for outcome, count in counts.items()]
    return f"n = {counts.total()}\n" + "\n".join(lines)


def _save(figure: Figure, file: Path) -> None:
    """Write a figure as PNG with fewer colours, which takes a third of the bytes."""
    from PIL import Image

    with replacing(file) as temporary:
        plots.save(figure, temporary)
        with Image.open(temporary) as drawn:
            drawn.convert("RGB").quantize(_COLOURS).save(temporary, optimize=True)
