"""The page of a run: what was learned from, how good it is, and what that means, in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from typing import Any

import pandas as pd

from happysad.dataset.findings import titles
from happysad.dataset.manifest import SPLITS, Manifest
from happysad.evaluation.baselines import LARGEST_CLASS, LOGISTIC_REGRESSION, Baseline
from happysad.evaluation.comparison import Comparison
from happysad.evaluation.evaluator import Evaluation, RunEvaluation
from happysad.evaluation.metrics import Figure, Score, caution
from happysad.evaluation.plots import Mistake, calibration_files
from happysad.evaluation.slices import FEWEST, too_few
from happysad.model_file import ModelFile
from happysad.reports.page import inline_png, thumbnail, write_page
from happysad.run import Run
from happysad.training.config import TrainConfig, used_settings

__all__ = ["in_words", "warnings", "write_run_page"]

#: From these on the page warns: an interval of accuracy this wide, fewer test photos than this, a
#: class with more than this share of the photos.
_WIDE, _FEW, _UNEVEN = 0.15, 100, 0.6

_PLOTS = (
    "samples",
    "loss",
    "accuracy",
    "learning_curve",
    "confusion",
    "roc_pr",
    "slices",
)

# What a classifier that looks at faces and photos may go by.
_SOURCES = {
    "faces": "the faces alone",
    "look": "the photo's own look alone",
    "both": "both together",
}

_BASELINES = {
    LARGEST_CLASS: "always the largest class",
    LOGISTIC_REGRESSION: "logistic regression on 32x32 grey pixels",
}


def write_run_page(
    run: Run,
    evaluation: RunEvaluation,
    manifest: Manifest,
    config: TrainConfig,
    mistakes: Sequence[Mistake],
) -> None:
    """Write report.html of a run, self-contained.

    Args:
        run: the run, with its plots.
        evaluation: the run's.
        manifest: the run's.
        config: the settings, resolved.
        mistakes: the most confident ones on the test split, the worst first.
    """
    test, used, comparison = evaluation.test, manifest.used, evaluation.comparison
    score = test.score
    *others, last = score.classes
    details = ModelFile.read(run.folder).details
    write_page(
        run.report,
        "run.html",
        run=str(run.folder),
        metrics=test,
        val=evaluation.val,
        test=score,
        named=f"{', '.join(others)} or {last}",
        first=score.classes[0],
        second=score.classes[1] if len(score.classes) == 2 else None,
        calibrations=_calibrations(run, score),
        headline=in_words(score),
        warnings=warnings(test, used["label"].value_counts()),
        figures=_figures(score),
        baselines=[_baseline(name, one) for name, one in test.baselines.items()],
        comparison=comparison,
        own_accuracy=comparison and _number(comparison.accuracy) + _bracketed(comparison.accuracy),
        rivals=[] if comparison is None else _rivals(comparison),
        slices=_slices(test),
        fewest=FEWEST,
        beaten=[
            _BASELINES[name] for name, one in test.baselines.items() if _is_better(score, one.score)
        ],
        splits=SPLITS,
        counts=pd.crosstab(used["label"], used["split"]).reindex(columns=SPLITS, fill_value=0),
        groups=used["group"].nunique(),
        files=len(manifest.table),
        left_out=_left_out(manifest.table),
        plots={
            name: inline_png(run.plots / f"{name}.png")
            for name in _PLOTS
            if (run.plots / f"{name}.png").is_file()
        },
        fused=evaluation.fusion,
        sources=_SOURCES,
        mistakes=[(thumbnail(mistake.picture), mistake) for mistake in mistakes],
        looks_twice=config.looks_twice,
        answers=details.classes,
        unsure=details.unsure,
        keeps_neither=details.keeps_neither,
        unsure_lacks=details.unsure_lacks,
        wrong=score.wrong,
        settings=[
            (one.name, _value(getattr(config, one.name)), one.metadata["help"])
            for one in fields(config)
            if one.name in used_settings(config)
        ],
    )


def in_words(score: Score) -> str:
    """Return an accuracy and its interval in numbers of photos."""
    accuracy = score.accuracy
    about = f"Of 100 new photos like these, about {100 * _known(accuracy):.0f} would be right"
    if accuracy.interval is None:
        return f"{about}; one group of photos is too few to say how sure that is."
    low, high = (round(100 * value) for value in accuracy.interval)
    if low == high:
        return f"{about}."
    return f"{about}; with what {score.n:,} test photos can tell, between {low} and {high}."


def warnings(evaluation: Evaluation, photos: pd.Series[int]) -> list[str]:
    """Return what should keep a reader from trusting the figures too much, in sentences.

    Args:
        evaluation: of the test split.
        photos: the number of photos of each class.
    """
    test = evaluation.score
    n, accuracy, span = test.n, _known(test.accuracy), test.accuracy.interval
    found = []
    if accuracy in (0.0, 1.0):
        word = "wrong" if accuracy else "right"
        found.append(
            f"None of the {n:,} test photos was {word}, so the bootstrap sees no spread at all. "
            f"By the rule of three, up to {min(100, 300 / n):.1f} of 100 new photos may still be "
            f"{word}."
        )
    elif span and span[1] - span[0] > _WIDE:
        found.append(
            f"The interval is wide, {100 * (span[1] - span[0]):.0f} points: {n:,} test photos "
            f"({test.groups:,} different ones) cannot say it more exactly. Four times as many "
            "would halve it."
        )
    elif n < _FEW:
        found.append(f"Only {n:,} photos were tested: small differences mean nothing here.")
    if words := caution(n):
        found.append(words)
    for name, baseline in evaluation.baselines.items():
        if not _is_better(test, baseline.score):
            found.append(
                f"It is not clearly better than “{_BASELINES[name]}”: {_interval_words(test)} "
                f"against {_interval_words(baseline.score)}."
            )
    for name, values in test.per_class.items():
        if not values.n:
            found.append(
                f"The test photos hold no {name} at all: a part of the task is not judged."
            )
    share = photos.max() / photos.sum()
    if share > _UNEVEN:
        found.append(
            f"The classes are uneven: {100 * share:.0f} % of the photos are {photos.idxmax()}. "
            "Accuracy flatters a classifier that prefers the largest class; look at balanced "
            "accuracy and at each class's recall."
        )
    if evaluation.seen_in_training:
        found.append(
            f"{evaluation.seen_in_training:,} test photos were also trained or validated on: the "
            "figures are too good."
        )
    return found


def _figures(score: Score) -> list[dict[str, Any]]:
    *_, last = score.classes
    detailed = [last] if len(score.classes) == 2 else score.classes
    guessing = "0.5" if len(score.classes) == 2 else "0.33"
    rows: list[tuple[str, Figure, int, str]] = [
        (
            "accuracy",
            score.accuracy,
            score.n,
            "The share of all photos that were answered rightly.",
        ),
        (
            "balanced accuracy",
            score.balanced_accuracy,
            score.n,
            f"The mean of the classes' recall: guessing gives {guessing}, however uneven the "
            "classes are.",
        ),
        *(
            (
                f"recall of {name}",
                one.recall,
                one.n,
                f"The share of the {name} photos that were recognised.",
            )
            for name, one in score.per_class.items()
        ),
    ]
    for name in detailed:
        one = score.per_class[name]
        rows += [
            (
                f"precision of {name}",
                one.precision,
                one.answered,
                f"The share of the answers “{name}” that were right.",
            ),
            (
                f"F1 of {name}",
                one.f1,
                score.n,
                "Precision and recall in one figure (their harmonic mean).",
            ),
        ]
    if score.auc is not None:
        rows.append(
            (
                f"AUC of {last}",
                score.auc,
                score.n,
                f"How often a {last} photo gets a higher probability of {last} than a "
                f"{score.classes[0]} one; guessing gives 0.5.",
            )
        )
    rows.append(
        (
            "calibration error",
            score.ece,
            score.n,
            "How far “80 % sure” is from being right 80 times in 100; 0 is perfect. With few "
            "photos it comes out too high.",
        )
    )
    return [
        {
            "name": name,
            "value": _number(figure),
            "interval": _span(figure),
            "n": n,
            "meaning": meaning,
        }
        for name, figure, n, meaning in rows
    ]


def _calibrations(run: Run, score: Score) -> dict[str, str]:
    """Return the drawn calibration of each class that has one, by the class's name."""
    files = calibration_files(run.plots, score.classes)
    return {name: inline_png(file) for name, file in files.items() if file.is_file()}


def _baseline(name: str, baseline: Baseline) -> dict[str, str]:
    score = baseline.score
    figures = score.figures()
    figures.pop("ece")
    return {
        "name": _BASELINES[name],
        "fitted_on": baseline.fitted_on,
        "point": _number(score.accuracy),
        **{key: _number(figure) + _bracketed(figure) for key, figure in figures.items()},
    }


def _rivals(comparison: Comparison) -> list[dict[str, str]]:
    """Return the rows of the table of rivals."""
    return [
        {
            "name": name,
            "accuracy": _number(one.accuracy) + _bracketed(one.accuracy),
            "difference": _signed(one.difference),
        }
        for name, one in comparison.rivals.items()
    ]


def _slices(evaluation: Evaluation) -> list[dict[str, str | int]]:
    """Return the rows of the table of slices; none if no slice has enough photos."""
    slices = evaluation.automatic_slices
    if too_few(slices):
        return []
    return [
        {
            "name": one.name,
            "n": one.n,
            "accuracy": _number(one.accuracy) + _bracketed(one.accuracy),
            "difference": "" if one.p is None else _signed(one.gap),
            "verdict": one.verdict,
        }
        for one in slices
    ]


def _signed(difference: Figure) -> str:
    """Return a difference of two accuracies with its interval, in points of 100."""
    if difference.value is None or difference.interval is None:
        return "not defined"
    low, high = (100 * value for value in difference.interval)
    return f"{100 * difference.value:+.1f} points ({low:+.1f} to {high:+.1f})"


def _is_better(mine: Score, its: Score) -> bool:
    """Return whether the interval of one accuracy lies above that of another."""
    a, b = mine.accuracy.interval, its.accuracy.interval
    return a is not None and b is not None and a[0] > b[1]


def _interval_words(score: Score) -> str:
    return f"accuracy {_number(score.accuracy)}{_bracketed(score.accuracy)}"


def _left_out(table: pd.DataFrame) -> list[tuple[str, int]]:
    """Return how many photos were left out for which finding, by its title."""
    return titles(table.loc[table["status"] == "left_out", "code"]).most_common()


def _known(figure: Figure) -> float:
    """Return the value of a figure that is always defined."""
    assert figure.value is not None
    return figure.value


def _number(figure: Figure) -> str:
    return "not defined" if figure.value is None else f"{figure.value:.3f}"


def _span(figure: Figure) -> str:
    if figure.interval is None:
        return ""
    low, high = figure.interval
    return f"{low:.3f} to {high:.3f}" if low < high else "no spread seen"


def _bracketed(figure: Figure) -> str:
    return "" if figure.interval is None else f" ({_span(figure)})"


def _value(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        return ", ".join(map(str, value))
    return "none" if value is None else str(value)
