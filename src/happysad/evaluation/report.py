"""The page of a run: what was learned from, how good it is, and what that means, in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import pandas as pd

from happysad.dataset.findings import titles
from happysad.dataset.manifest import SPLITS, Manifest
from happysad.evaluation.plots import Mistake
from happysad.reports.page import inline_png, thumbnail, write_page
from happysad.training.config import TrainConfig

__all__ = ["in_words", "warnings", "write_report"]

#: From these on the page warns: an interval of accuracy this wide, fewer test photos than this, a
#: class with more than this share of the photos.
_WIDE, _FEW, _UNEVEN = 0.15, 100, 0.6

# What a classifier that looks at faces and photos may go by.
_SOURCES = {
    "faces": "the faces alone",
    "look": "the photo's own look alone",
    "both": "both together",
}

_BASELINES = {
    "largest_class": "always the larger class",
    "logistic_regression": "logistic regression on 32x32 grey pixels",
}


def write_report(
    run: Path,
    metrics: dict[str, Any],
    manifest: Manifest,
    config: TrainConfig,
    mistakes: Sequence[Mistake],
) -> None:
    """Write report.html of a run, self-contained.

    Args:
        run: its folder, with the plots.
        metrics: what `judge.judge_run` gives.
        manifest: the run's.
        config: its settings.
        mistakes: the most confident ones on the test split, the worst first.
    """
    test, used, (first, second) = metrics["test"], manifest.used, metrics["labels"]
    write_page(
        run / "report.html",
        "run.html",
        run=str(run),
        metrics=metrics,
        test=test,
        first=first,
        second=second,
        headline=in_words(test),
        warnings=warnings(metrics, used["label"].value_counts()),
        figures=_figures(metrics),
        baselines=[_baseline(name, scored) for name, scored in metrics["baselines"].items()],
        beaten=[
            _BASELINES[name]
            for name, scored in metrics["baselines"].items()
            if _compared(test, scored) == "better"
        ],
        splits=SPLITS,
        counts=pd.crosstab(used["label"], used["split"]).reindex(columns=SPLITS, fill_value=0),
        groups=used["group"].nunique(),
        files=len(manifest.table),
        left_out=_left_out(manifest.table),
        plots={
            name: inline_png(run / "plots" / f"{name}.png")
            for name in ("samples", "loss", "accuracy", "confusion", "roc_pr", "calibration")
            if (run / "plots" / f"{name}.png").is_file()
        },
        fused=metrics.get("fused"),
        sources=_SOURCES,
        mistakes=[(thumbnail(mistake.picture), mistake) for mistake in mistakes],
        looks_twice=config.augment and config.flip and config.faces != "find",
        wrong=test["confusion"][0][1] + test["confusion"][1][0],
        settings=[
            (one.name, _value(getattr(config, one.name)), one.metadata["help"])
            for one in fields(config)
        ],
    )


def in_words(scored: dict[str, Any]) -> str:
    """Say an accuracy and its interval of `metrics.score` in numbers of photos."""
    about = f"Of 100 new photos like these, about {100 * scored['accuracy']:.0f} would be right"
    span = scored["intervals"]["accuracy"]
    if span is None:
        return f"{about}; one group of photos is too few to say how sure that is."
    low, high = (round(100 * value) for value in span)
    if low == high:
        return f"{about}."
    return f"{about}; with what {scored['n']:,} test photos can tell, between {low} and {high}."


def warnings(metrics: dict[str, Any], photos: pd.Series[int]) -> list[str]:
    """Say in words what should keep a reader from trusting the figures too much.

    Args:
        metrics: what `judge.judge_run` gives.
        photos: how many photos each label has.
    """
    test = metrics["test"]
    n, span = test["n"], test["intervals"]["accuracy"]
    found = []
    if test["accuracy"] in (0.0, 1.0):
        word = "wrong" if test["accuracy"] else "right"
        found.append(
            f"None of the {n:,} test photos was {word}, so the bootstrap sees no spread at all. "
            f"By the rule of three, up to {min(100, 300 / n):.1f} of 100 new photos may still be "
            f"{word}."
        )
    elif span and span[1] - span[0] > _WIDE:
        found.append(
            f"The interval is wide, {100 * (span[1] - span[0]):.0f} points: {n:,} test photos "
            f"({test['groups']:,} different ones) cannot say it more exactly. Four times as many "
            "would halve it."
        )
    elif n < _FEW:
        found.append(f"Only {n:,} photos were tested: small differences mean nothing here.")
    for name, scored in metrics["baselines"].items():
        if _compared(test, scored) != "better":
            found.append(
                f"It is not clearly better than “{_BASELINES[name]}”: {_interval_words(test)} "
                f"against {_interval_words(scored)}."
            )
    for label, values in test["per_class"].items():
        if not values["n"]:
            found.append(f"The test photos hold no {label} at all: half of the task is not judged.")
    share = photos.max() / photos.sum()
    if share > _UNEVEN:
        found.append(
            f"The classes are uneven: {100 * share:.0f} % of the photos are {photos.idxmax()}. "
            "Accuracy flatters a classifier that prefers the larger class; look at balanced "
            "accuracy and at each class's recall."
        )
    if metrics["seen_in_training"]:
        found.append(
            f"{metrics['seen_in_training']:,} test photos were also trained or validated on: the "
            "figures are too good."
        )
    return found


def _figures(metrics: dict[str, Any]) -> list[dict[str, Any]]:
    test, (first, second) = metrics["test"], metrics["labels"]
    classes = test["per_class"]
    answered = classes[second]["answered"]
    rows = [
        ("accuracy", "accuracy", test["n"], "The share of all photos that were answered rightly."),
        (
            "balanced_accuracy",
            "balanced accuracy",
            test["n"],
            "The mean of both classes' recall: guessing gives 0.5, however uneven the classes are.",
        ),
        (
            f"recall_{first}",
            f"recall of {first}",
            classes[first]["n"],
            f"The share of the {first} photos that were recognised.",
        ),
        (
            f"recall_{second}",
            f"recall of {second}",
            classes[second]["n"],
            f"The share of the {second} photos that were recognised.",
        ),
        (
            "precision",
            f"precision of {second}",
            answered,
            f"The share of the answers “{second}” that were right.",
        ),
        (
            "f1",
            f"F1 of {second}",
            test["n"],
            "Precision and recall in one figure (their harmonic mean).",
        ),
        (
            "auc",
            "AUC",
            test["n"],
            f"How often a {second} photo gets a higher p than a {first} one; guessing gives 0.5.",
        ),
        (
            "ece",
            "calibration error",
            test["n"],
            "How far “80 % sure” is from being right 80 times in 100; 0 is perfect. With few "
            "photos it comes out too high.",
        ),
    ]
    point = {**test, **{f"recall_{label}": values["recall"] for label, values in classes.items()}}
    return [
        {
            "name": words,
            "value": _number(point[key]),
            "interval": _span(test["intervals"][key]),
            "n": n,
            "meaning": meaning,
        }
        for key, words, n, meaning in rows
    ]


def _baseline(name: str, scored: dict[str, Any]) -> dict[str, str]:
    return {
        "name": _BASELINES[name],
        "fitted_on": scored["fitted_on"],
        "point": _number(scored["accuracy"]),
        **{
            key: _number(scored[key]) + _bracketed(scored["intervals"][key])
            for key in ("accuracy", "balanced_accuracy", "auc")
        },
    }


def _compared(test: dict[str, Any], scored: dict[str, Any]) -> str:
    """Compare two accuracies by whether their intervals overlap."""
    mine, its = test["intervals"]["accuracy"], scored["intervals"]["accuracy"]
    if mine is None or its is None or (mine[0] <= its[1] and its[0] <= mine[1]):
        return "overlaps"
    return "better" if mine[0] > its[1] else "worse"


def _interval_words(scored: dict[str, Any]) -> str:
    return f"accuracy {_number(scored['accuracy'])}{_bracketed(scored['intervals']['accuracy'])}"


def _left_out(table: pd.DataFrame) -> list[tuple[str, int]]:
    """Return how many photos were left out for which finding, by its title."""
    return titles(table.loc[table["status"] == "left_out", "code"]).most_common()


def _number(value: float | None) -> str:
    return "not defined" if value is None else f"{value:.3f}"


def _span(interval: list[float] | None) -> str:
    if interval is None:
        return ""
    low, high = interval
    return f"{low:.3f} to {high:.3f}" if low < high else "no spread seen"


def _bracketed(interval: list[float] | None) -> str:
    return "" if interval is None else f" ({_span(interval)})"


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        return ", ".join(map(str, value))
    return "none" if value is None else str(value)
