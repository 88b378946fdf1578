"""The plots of a run, as PNG files: every title states the result, and n.

They are drawn without pyplot and its global state. The same input gives the same bytes.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from happysad.colours import colours_of
from happysad.dataset.quality import shrink
from happysad.evaluation.calibration import EPSILON
from happysad.evaluation.metrics import answers_of, calibration_error
from happysad.evaluation.slices import too_few
from happysad.files import replacing
from happysad.images import Pixels, read
from happysad.probability import with_temperature

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from happysad.dataset.manifest import Manifest
    from happysad.evaluation.evaluator import Answers, Evaluation
    from happysad.evaluation.slices import Slice
    from happysad.run import Epoch, LearningCurve, Run

__all__ = [
    "COLOURS",
    "INK",
    "SOFT",
    "Mistake",
    "calibration",
    "calibration_files",
    "confusion",
    "curves",
    "draw_run",
    "learning_curve",
    "new_figure",
    "picture",
    "plain",
    "roc_pr",
    "samples",
    "save",
    "slices",
    "worst",
    "worst_mistakes",
]

#: Amber and blue for two curves: dark enough for text on white. Classes have `colours_of`.
COLOURS = ("#b7791f", "#2b6cb0")

#: The colours of the main text, and of labels and notes.
INK, SOFT = "#1b1f24", "#57606a"

_LINE = "#d8dee4"
_PALE = "#f6f8fa"
# The height above the cells of a grid, for its title, in inches.
_HEAD = 0.35
_CALIBRATION_BINS = 10
# The colour of each verdict on a slice.
_SLICE_COLOURS = {
    "worse than the others": COLOURS[0],
    "better than the others": COLOURS[1],
    "no difference proven": INK,
    "too few photos to tell": "#afb8c1",
}
# The maximum number of mistakes that are shown.
_WORST = 12


@dataclass(frozen=True)
class Mistake:
    """A photo with a wrong answer."""

    picture: Pixels
    """uint8, shape (height, width, 3) or (height, width, 1)."""
    path: str
    truth: str
    answer: str
    p_answer: float
    """The probability of the wrong answer, 0 to 1."""


def worst_mistakes(evaluation: Evaluation, answers: Answers, manifest: Manifest) -> list[Mistake]:
    """Return the most confident mistakes, the worst first.

    Args:
        evaluation: of the test split.
        answers: on the test split.
        manifest: the run's.
    """
    classes = evaluation.score.classes
    answered = answers_of(answers.p, evaluation.threshold)
    p_answer = answers.p[np.arange(len(answers.p)), answered]
    wrong = np.flatnonzero(answered != answers.y)
    wrong = wrong[np.argsort(-p_answer[wrong], kind="stable")][:_WORST]
    files = manifest.files(answers.rows.iloc[wrong])
    return [
        Mistake(
            picture=np.asarray(shrink(read(file))),
            path=answers.rows["path"].iloc[place],
            truth=classes[answers.y[place]],
            answer=classes[answered[place]],
            p_answer=float(p_answer[place]),
        )
        for place, file in zip(wrong, files, strict=True)
    ]


def draw_run(
    run: Run, evaluation: Evaluation, answers: Answers, mistakes: Sequence[Mistake]
) -> None:
    """Draw the plots of an evaluated run into its folder.

    Args:
        run: the run.
        evaluation: of its test split.
        answers: on the test split.
        mistakes: as `worst_mistakes` returns them.
    """
    score, folder = evaluation.score, run.plots
    if history := run.epochs_done():
        curves(history, folder)
    fusion = run.fusion()
    if fusion is not None and fusion.learning_curve is not None:
        learning_curve(fusion.learning_curve, folder / "learning_curve.png")
    confusion(score.confusion, score.classes, folder / "confusion.png")
    worst(mistakes, score.wrong, score.n, folder / "worst.png")
    if not too_few(evaluation.automatic_slices):
        seen = answers.answered
        right = answers_of(seen.p, evaluation.threshold) == seen.y
        slices(evaluation.automatic_slices, float(right.mean()), folder / "slices.png")
    calibrations = calibration_files(folder, score.classes)
    if len(score.classes) > 2:
        for place, (name, file) in enumerate(calibrations.items()):
            of_class = (answers.y == place).astype(np.intp)
            p = answers.p[:, place]
            calibration(
                of_class,
                p,
                (f"not {name}", name),
                file,
                ece=calibration_error(of_class, p),
            )
        return
    p, temperature = answers.p[:, 1], evaluation.temperature
    roc_pr(answers.y, p, score.classes, folder / "roc_pr.png")
    calibration(
        answers.y,
        p,
        score.classes,
        calibrations[score.classes[1]],
        ece=score.ece.value or 0.0,
        before=None if temperature == 1 else with_temperature(p, 1 / temperature, epsilon=EPSILON),
    )


def calibration_files(folder: Path, classes: Sequence[str]) -> dict[str, Path]:
    """Return the file of each class's calibration plot; of two classes, only the second has one."""
    if len(classes) == 2:
        return {classes[1]: folder / "calibration.png"}
    return {name: folder / f"calibration-{place}.png" for place, name in enumerate(classes)}


def samples(images: Pixels, y: ArrayLike, classes: Sequence[str], file: Path) -> None:
    """Draw a grid of the network's inputs with their classes, for inspection before training.

    Args:
        images: uint8, shape (n, size, size, channels).
        y: the class of each, shape (n,): an index into `classes`.
        classes: the names of the classes.
        file: the PNG to write.
    """
    truth = np.asarray(y).astype(int).reshape(-1)
    colours = list(colours_of(classes).values())
    columns = min(8, max(1, len(images)))
    figure, ax, cells = _grid(len(images), columns, 1.25, 1.42)
    for (middle, top), image, place in zip(cells, images, truth, strict=True):
        box = {"facecolor": colours[place].hex, "linewidth": 0, "pad": 1.5}
        style: dict[str, Any] = {"color": colours[place].ink.hex, "bbox": box, "ha": "center"}
        ax.text(middle, top + 0.17, classes[place], fontsize=9, va="baseline", **style)
        _draw_cell(ax, image, middle, top + 0.22, 1.17)
    size, channels = (images.shape[1], images.shape[3]) if len(images) else (0, 0)
    counts = ", ".join(f"{(truth == k).sum()} {name}" for k, name in enumerate(classes))
    colour = "grey" if channels == 1 else "colour"
    figure.suptitle(
        f"What the network sees: {len(images)} training photos ({counts}), {size}x{size} {colour}",
        fontsize=11,
        color=INK,
    )
    save(figure, file)


def curves(history: Sequence[Epoch], folder: Path) -> None:
    """Draw loss.png and accuracy.png: training and validation by epoch, the kept epoch marked.

    Args:
        history: one or more epochs.
        folder: the folder to write both files to.
    """
    from matplotlib.ticker import MaxNLocator

    kept = min(history, key=lambda row: row.val_loss)
    best, last, loss, accuracy = kept.epoch, history[-1].epoch, kept.val_loss, kept.val_accuracy
    epochs = [row.epoch for row in history]
    if best == last:
        when = f"in the last epoch, {last}"
    else:
        when = f"after epoch {best} of {last}, whose weights are kept"
    for name, words, unit, value in (
        ("loss", f"Validation loss is lowest ({loss:.3f}) {when}", "cross-entropy", loss),
        (
            "accuracy",
            f"At the kept epoch, {best}, {100 * accuracy:.1f} % of the validation photos are right",
            "share of right answers",
            accuracy,
        ),
    ):
        figure = new_figure(7, 4.3)
        ax = figure.add_subplot()
        marker = "o" if last <= 30 else ""
        for column, colour, label in (
            (name, SOFT, "training"),
            (f"val_{name}", COLOURS[1], "validation"),
        ):
            ax.plot(
                epochs,
                [getattr(row, column) for row in history],
                color=colour,
                marker=marker,
                markersize=3.5,
                linewidth=1.8,
                label=label,
            )
        ax.axvline(best, color=_LINE, linewidth=1.2, zorder=0)
        ax.plot([best], [value], "o", color=COLOURS[0], markersize=9, label="kept", zorder=5)
        ax.set_xlabel("epoch (passes over the training photos)")
        ax.set_ylabel(unit)
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
        if name == "loss":
            ax.set_ylim(bottom=0)
        plain(ax, words)
        ax.legend(frameon=False, fontsize=10)
        save(figure, folder / f"{name}.png")


def learning_curve(curve: LearningCurve, file: Path) -> None:
    """Draw a learning curve: accuracy and log loss by the number of photos, with intervals.

    Args:
        curve: two or more points.
        file: the PNG to write.
    """
    photos = [point.photos for point in curve.points]
    figure = new_figure(9, 4.6)
    for ax, name, unit, where in zip(
        figure.subplots(1, 2),
        ("accuracy", "log_loss"),
        ("share of right answers", "log loss (lower is better)"),
        ("lower right", "upper right"),
        strict=True,
    ):
        for part, colour, marker, label in (
            ("train", SOFT, "s", "photos trained on"),
            ("held_out", COLOURS[1], "o", "held-out photos"),
        ):
            value, low, high = (
                [getattr(point, f"{part}_{name}{end}") for point in curve.points]
                for end in ("", "_low", "_high")
            )
            ax.fill_between(photos, low, high, color=colour, alpha=0.18, linewidth=0)
            ax.plot(photos, value, marker=marker, color=colour, linewidth=1.8, label=label)
        ax.set_xscale("log")
        ax.set_xticks(photos, [f"{one:,}" for one in photos], minor=False)
        ax.set_xticks([], minor=True)
        ax.set_xlabel("photos trained on (log scale)")
        ax.set_ylabel(unit)
        ax.set_ylim(**({"top": 1.01} if name == "accuracy" else {"bottom": 0}))
        plain(ax, "")
        ax.legend(frameon=False, fontsize=10, loc=where)
    figure.suptitle(
        f"{curve.verdict.capitalize()}\n(bands: 95 % intervals, n = {curve.held_out:,} held-out "
        "photos)",
        fontsize=12,
        color=INK,
    )
    save(figure, file)


def confusion(matrix: Sequence[Sequence[int]], classes: Sequence[str], file: Path) -> None:
    """Draw the confusion matrix: counts, and the percentages of each row.

    Args:
        matrix: as `metrics.Score.confusion`.
        classes: the names of the classes.
        file: the PNG to write.
    """
    counts = np.asarray(matrix)
    total = int(counts.sum())
    rows = np.maximum(counts.sum(axis=1, keepdims=True), 1)
    shares = counts / rows
    figure = new_figure(5.6, 4.6)
    ax = figure.add_subplot()
    places = range(len(classes))
    colours = [one.hex for one in colours_of(classes).values()]
    for i in places:
        for j in places:
            ax.fill(
                [j - 0.5, j + 0.5, j + 0.5, j - 0.5],
                [i - 0.5, i - 0.5, i + 0.5, i + 0.5],
                color=colours[i],
                alpha=0.08 + 0.5 * shares[i, j],
                linewidth=0,
            )
            text = f"{counts[i, j]:,}"
            style: dict[str, Any] = {"ha": "center", "color": INK}
            ax.text(j, i - 0.08, text, fontsize=22, va="center", **style)
            of_row = f"{100 * shares[i, j]:.0f} % of {counts[i].sum():,} {classes[i]}"
            ax.text(j, i + 0.22, of_row, fontsize=10, va="center", **style)
    ax.set_xlim(-0.5, len(classes) - 0.5)
    ax.set_ylim(len(classes) - 0.5, -0.5)
    ax.set_xticks(places, classes)
    ax.set_yticks(places, classes)
    ax.set_xlabel("what the classifier answered")
    ax.set_ylabel("what the photo is")
    right = int(np.trace(counts))
    plain(ax, f"{right:,} of {total:,} test photos right ({100 * right / max(1, total):.1f} %)")
    ax.grid(visible=False)
    ax.tick_params(length=0)
    for spine in ax.spines.values():
        spine.set_visible(False)
    save(figure, file)


def roc_pr(y: ArrayLike, p: ArrayLike, classes: Sequence[str], file: Path) -> None:
    """Draw the ROC and the precision-recall curve of the second of two classes.

    Args:
        y: the class of each photo, 0 or 1, shape (n,).
        p: the probability of the second class, shape (n,).
        classes: the names of the two classes.
        file: the PNG to write.
    """
    from sklearn.metrics import (
        average_precision_score,
        precision_recall_curve,
        roc_auc_score,
        roc_curve,
    )

    truth, p_second = np.asarray(y).astype(int), np.asarray(p, dtype=float)
    n, second = len(truth), int(truth.sum())
    figure = new_figure(9, 4.4)
    roc, pr = figure.subplots(1, 2)
    if second in (0, n):
        for ax in (roc, pr):
            ax.text(0.5, 0.5, "one class is missing:\nnot defined", ha="center", va="center")
            plain(ax, f"n = {n:,}")
        save(figure, file)
        return
    fpr, tpr, _ = roc_curve(truth, p_second)
    roc.plot(fpr, tpr, color=COLOURS[1], linewidth=2, label="this classifier")
    roc.plot([0, 1], [0, 1], "--", color=SOFT, linewidth=1.2, label="guessing")
    roc.set_xlabel(f"share of {classes[0]} photos called {classes[1]}")
    roc.set_ylabel(f"share of {classes[1]} photos found")
    plain(roc, f"AUC of {classes[1]} {roc_auc_score(truth, p_second):.3f} (guessing 0.5)")
    precision, recall, _ = precision_recall_curve(truth, p_second)
    share = second / n
    pr.plot(recall, precision, color=COLOURS[1], linewidth=2, drawstyle="steps-post")
    pr.axhline(share, linestyle="--", color=SOFT, linewidth=1.2)
    pr.set_xlabel(f"recall: share of {classes[1]} photos found")
    pr.set_ylabel(f"precision: share of “{classes[1]}” answers right")
    average = average_precision_score(truth, p_second)
    plain(pr, f"average precision {average:.3f} (guessing {share:.2f})")
    for ax in (roc, pr):
        ax.set_xlim(-0.02, 1.02)
        ax.set_ylim(-0.02, 1.02)
        ax.set_aspect("equal")
    roc.legend(frameon=False, fontsize=10, loc="lower right")
    figure.suptitle(
        f"n = {n:,} test photos: {n - second:,} {classes[0]}, {second:,} {classes[1]}",
        fontsize=11,
        color=SOFT,
    )
    save(figure, file)


def calibration(
    y: ArrayLike,
    p: ArrayLike,
    classes: Sequence[str],
    file: Path,
    *,
    ece: float,
    before: ArrayLike | None = None,
) -> None:
    """Draw the share of photos of the second class against their predicted probability.

    Ten bins of equal width, each with a 95 % interval (Wilson 1927) and its number of photos.

    Args:
        y: the class of each photo, 0 or 1, shape (n,).
        p: the probability of the second class, shape (n,).
        classes: the names of the two classes.
        file: the PNG to write.
        ece: the calibration error of these probabilities.
        before: p without the temperature, shape (n,).
    """
    truth, p_second = np.asarray(y).astype(int), np.asarray(p, dtype=float)
    figure = new_figure(6.4, 6.4)
    top, below = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
    top.plot([0, 1], [0, 1], "--", color=SOFT, linewidth=1.2, label="perfect")
    if before is not None:
        x, share, _, _ = _reliability(truth, np.asarray(before, dtype=float))
        top.plot(x, share, "o:", color=COLOURS[0], markersize=4.5, label="before the temperature")
    x, share, low, high = _reliability(truth, p_second)
    spread = np.vstack([share - low, high - share]).clip(0)
    top.errorbar(
        x,
        share,
        yerr=spread,
        fmt="o-",
        color=COLOURS[1],
        linewidth=1.8,
        elinewidth=1,
        capsize=3,
        label="this classifier, 95 % intervals" if before is None else "as shipped, 95 % intervals",
    )
    top.set_ylabel(f"share of them that are {classes[1]}")
    top.set_xlim(0, 1)
    top.set_ylim(-0.03, 1.03)
    plain(top, f"Off by {100 * ece:.1f} points on average (ECE, n = {len(truth):,} test photos)")
    top.legend(frameon=False, fontsize=10, loc="upper left")
    edges = np.linspace(0, 1, _CALIBRATION_BINS + 1)
    counts = np.bincount(_bin(p_second), minlength=_CALIBRATION_BINS)
    middles = (edges[:-1] + edges[1:]) / 2
    below.bar(middles, counts, width=0.9 / _CALIBRATION_BINS, color=COLOURS[1], alpha=0.7)
    for middle, count in zip(middles, counts, strict=True):
        below.text(middle, count, f"{count:,}", ha="center", va="bottom", fontsize=9, color=SOFT)
    below.set_ylim(0, max(1, counts.max()) * 1.25)
    below.set_xlabel(f"p_{classes[1]}: the predicted probability of {classes[1]}")
    below.set_ylabel("photos")
    plain(below, "")
    save(figure, file)


def worst(mistakes: Sequence[Mistake], total: int, n: int, file: Path) -> None:
    """Draw the most confident mistakes.

    Args:
        mistakes: the mistakes to draw, the most confident first; at most 12 fit well.
        total: the number of all mistakes.
        n: the number of photos.
        file: the PNG to write.
    """
    if not mistakes:
        figure = new_figure(7, 1.6)
        figure.text(0.5, 0.5, f"No mistake in {n:,} test photos", ha="center", va="center")
        save(figure, file)
        return
    figure, ax, cells = _grid(len(mistakes), min(6, len(mistakes)), 1.7, 2.35)
    for (middle, top), mistake in zip(cells, mistakes, strict=True):
        answer = f"answer {mistake.answer}, {100 * mistake.p_answer:.0f} %"
        words = f"is {mistake.truth}\n{answer}"
        ax.text(middle, top + 0.37, words, fontsize=9, color=INK, ha="center", va="bottom")
        _draw_cell(ax, mistake.picture, middle, top + 0.4, 1.62)
        name = mistake.path if len(mistake.path) <= 24 else f"…{mistake.path[-23:]}"
        ax.text(middle, top + 2.06, name, fontsize=7, color=SOFT, ha="center", va="top")
    if total == 1:
        words = "The only mistake"
    elif total == len(mistakes):
        words = f"All {total} mistakes"
    else:
        words = f"The most confident of {total:,} mistakes"
    figure.suptitle(f"{words} in {n:,} test photos", fontsize=11, color=INK)
    save(figure, file)


def slices(found: Sequence[Slice], accuracy: float, file: Path) -> None:
    """Draw the accuracy on each slice with its interval, in the colour of what is proven.

    Args:
        found: one or more slices.
        accuracy: the accuracy on all photos with an answer.
        file: the PNG to write.
    """
    figure = new_figure(8.5, 1.2 + 0.3 * len(found))
    ax = figure.add_subplot()
    ax.axvline(accuracy, color=SOFT, linestyle="--", linewidth=1.2)
    kinds = ["too few photos to tell" if one.p is None else one.verdict for one in found]
    for kind, colour in _SLICE_COLOURS.items():
        places = [place for place, its in enumerate(kinds) if its == kind]
        if not places:
            continue
        shares = np.array([found[place].accuracy.value for place in places])
        ends = np.array([found[place].accuracy.interval for place in places])
        spread = np.abs(ends.T - shares)
        ax.errorbar(shares, places, xerr=spread, fmt="o", color=colour, linewidth=1.8, label=kind)
    ax.set_yticks(range(len(found)), [f"{one.name}  (n = {one.n:,})" for one in found])
    ax.set_ylim(len(found) - 0.5, -0.5)
    ax.set_xlabel("share of right answers; dashed: all photos with an answer")
    differ = sum(one.is_proven for one in found)
    plain(ax, f"{differ} of {len(found)} slices proven to differ from the other photos")
    figure.legend(frameon=False, fontsize=10, loc="outside lower right", ncols=len(set(kinds)))
    save(figure, file)


def new_figure(width: float, height: float) -> Figure:
    """Return an empty figure with constrained layout; width and height in inches."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=150, layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def plain(ax: Axes, title: str) -> None:
    """Set the title of axes, and the look that all plots share."""
    ax.set_title(title, fontsize=12, color=INK, loc="left", pad=9)
    ax.spines[["top", "right"]].set_visible(False)
    ax.spines[["left", "bottom"]].set_color(_LINE)
    ax.tick_params(colors=SOFT, labelsize=10)
    ax.grid(color=_LINE, linewidth=0.5, alpha=0.7)
    ax.set_axisbelow(True)
    for label in (ax.xaxis.label, ax.yaxis.label):
        label.set_fontsize(10.5)
        label.set_color(INK)


def save(figure: Figure, file: Path) -> None:
    """Write a figure as PNG, without the version and the date that would change its bytes.

    All text is drawn literally: ``$`` does not start a formula, and a letter that the font lacks
    becomes an empty box.
    """
    from matplotlib.text import Text

    for text in figure.findobj(Text):
        text.set_parse_math(False)
    with replacing(file) as temporary, warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph", category=UserWarning)
        figure.savefig(temporary, format="png", metadata={"Software": None})


def _grid(
    count: int, columns: int, width: float, height: float
) -> tuple[Figure, Axes, list[tuple[float, float]]]:
    """Return a figure, its axes in inches from the top left corner, and the cells of a grid.

    One axes holds all cells, since axes of their own take three times as long to draw.

    Args:
        count: the number of cells.
        columns: the number of cells of a row.
        width: of a cell, in inches; a figure of less than 6.5 inches gets wider cells.
        height: of a cell, in inches.

    Returns:
        The figure, the axes, and the middle and the top of each cell.
    """
    rows = max(1, -(-count // columns))
    wide, tall = max(6.5, columns * width), rows * height + _HEAD
    figure = new_figure(wide, tall)
    figure.set_layout_engine("none")
    ax = figure.add_axes((0, 0, 1, 1), xlim=(0, wide), ylim=(tall, 0))
    ax.set_axis_off()
    places = (divmod(number, columns) for number in range(count))
    cells = [((column + 0.5) * wide / columns, _HEAD + row * height) for row, column in places]
    return figure, ax, cells


def _draw_cell(ax: Axes, image: Pixels, middle: float, top: float, side: float) -> None:
    """Draw a picture in the middle of a pale square."""
    half = side / 2
    square = ([middle - half, middle + half], [top, top], [top + side, top + side])
    ax.fill_between(*square, color=_PALE, linewidth=0, zorder=-1)
    right, down = (half * length / max(image.shape) for length in image.shape[1::-1])
    centre = top + half
    extent = (middle - right, middle + right, centre + down, centre - down)
    grey = image.shape[-1] == 1
    shown = image[..., 0] if grey else image
    ax.imshow(shown, cmap="gray", vmin=0, vmax=255, extent=extent, aspect="auto")


def picture(ax: Axes, image: Pixels) -> None:
    """Draw a picture in the middle of square axes."""
    grey = image.shape[-1] == 1
    ax.imshow(image[..., 0] if grey else image, cmap="gray", vmin=0, vmax=255)
    height, width = image.shape[:2]
    half = max(height, width) / 2
    ax.set_facecolor(_PALE)
    ax.set_xlim((width - 1) / 2 - half, (width - 1) / 2 + half)
    ax.set_ylim((height - 1) / 2 + half, (height - 1) / 2 - half)


def _bin(p: NDArray[np.float64]) -> NDArray[np.intp]:
    return np.clip((p * _CALIBRATION_BINS).astype(np.intp), 0, _CALIBRATION_BINS - 1)


def _reliability(y: NDArray[np.intp], p: NDArray[np.float64]) -> tuple[NDArray[np.float64], ...]:
    """Return mean p, the share of the second class and its interval, for each bin with photos."""
    from scipy.stats import binomtest

    rows = []
    place = _bin(p)
    for number in np.unique(place):
        here = place == number
        count, second = int(here.sum()), int(y[here].sum())
        span = binomtest(second, count).proportion_ci(method="wilson")
        rows.append((p[here].mean(), second / count, span.low, span.high))
    return tuple(np.array(rows, dtype=np.float64).reshape(-1, 4).T)
