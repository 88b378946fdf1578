"""happysad evaluate and happysad info: how good a classifier is, and what it is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from happysad.cli.console import say
from happysad.cli.options import ClassNames, Model, class_names, data_folder, need
from happysad.predictions import Faces

__all__ = ["evaluate", "info", "print_scores"]


def evaluate(
    data: Annotated[
        Path | None,
        typer.Argument(
            metavar="DIR", help="Photos to judge on [default: the run's own test split]."
        ),
    ] = None,
    model: Model = None,
    classes: Annotated[
        ClassNames | None,
        typer.Option(
            metavar="NAMES",
            parser=class_names,
            help="The class folders to use, in the order of the classifier's classes, such as "
            "smiling,crying [default: the folders with the names of its classes].",
        ),
    ] = None,
    faces: Annotated[
        Faces,
        typer.Option(help="find: find the faces in photos; given: every picture is a face crop."),
    ] = Faces.FIND,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Say how good a classifier is, with n and intervals.

    With DIR, every readable photo in its class folders is test data. Beside the figures stand two
    baselines: always the larger class, and logistic regression on 32x32 pixels.
    """
    need("train", "happysad evaluate")
    from happysad.evaluation.judge import evaluate as run_evaluate
    from happysad.model_file import SHIPPED

    folder = None if data is None else data_folder(data)
    scores = run_evaluate(model or SHIPPED, folder, classes, faces=faces)
    if as_json:
        say(json.dumps(scores))
        return
    for what in scores["left_out"]:
        say(f"left out: {what['path']}: {what['reason']}")
    print_scores(scores, scores["baselines"])


def print_scores(scores: dict[str, Any], baselines: dict[str, dict[str, Any]]) -> None:
    """Print the figures of a classifier with their intervals, the baselines beside them."""
    columns = {"the model": scores}
    columns |= {name.replace("_", " "): values for name, values in baselines.items()}
    say(f"{'n = ' + format(scores['n'], ','):<20}" + "".join(f"{name:>26}" for name in columns))
    for figure in ("accuracy", "balanced_accuracy", "precision", "recall", "f1", "auc", "ece"):
        cells = "".join(f"{_cell(values, figure):>26}" for values in columns.values())
        say(f"{figure.replace('_', ' '):<20}{cells}")
    for label, values in scores["per_class"].items():
        cell = _cell({**values, "intervals": scores["intervals"]}, "recall", f"recall_{label}")
        say(f"{'recall of ' + label:<20}{cell:>26}  (n = {values['n']:,})")
    if scores.get("coverage", 1) < 1:
        photos = scores["photos"]
        which = "neither unsure nor without a face" if scores["no_face"] else "not unsure"
        lines = {
            "answered": ("coverage", f"{photos:,}, {which}"),
            "right of these": ("selective_accuracy", f"{round(scores['coverage'] * photos):,}"),
            "no face found": ("no_face", f"{photos:,}"),
        }
        for name, (figure, n) in lines.items():
            say(f"{name:<20}{_cell(scores, figure):>26}  (n = {n})")


def _cell(values: dict[str, Any], figure: str, of_interval: str | None = None) -> str:
    """Write a figure with its interval, which may have another name."""
    value, interval = values.get(figure), values["intervals"].get(of_interval or figure)
    if value is None:
        return "not defined"
    if not interval:
        return f"{value:.3f}"
    if interval[0] == interval[1]:
        return f"{value:.3f}  no spread seen"
    return f"{value:.3f}  {interval[0]:.3f}-{interval[1]:.3f}"


def info(model: Model = None) -> None:
    """Say what a classifier is.

    Of the one that comes with happysad it is the card: what it is for, and how good it is.
    """
    from dataclasses import asdict

    from happysad.model_file import SHIPPED, ModelFile

    details = ModelFile.read(model or SHIPPED).details
    if model is None:
        say(SHIPPED.with_name("MODEL_CARD.md").read_text(encoding="utf-8").rstrip())
        return
    for name, value in asdict(details).items():
        text = ", ".join(map(str, value)) if isinstance(value, tuple) else value
        say(f"{name.replace('_', ' '):<13} {'never' if value is None else text}")
