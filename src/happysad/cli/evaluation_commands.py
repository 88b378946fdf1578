"""happysad evaluate and happysad info: how good a classifier is, and what it is."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from happysad.cli.console import alert, say, warn
from happysad.cli.options import (
    ClassNames,
    Model,
    Threads,
    Votes,
    class_names,
    data_folder,
    need,
)
from happysad.errors import UsageError, counted
from happysad.parallel import use_threads
from happysad.predictions import NO_FACE, UNSURE, Faces

if TYPE_CHECKING:
    from happysad.evaluation.comparison import Comparison
    from happysad.evaluation.evaluator import Evaluation
    from happysad.evaluation.metrics import Figure, Score
    from happysad.evaluation.slices import Slice
    from happysad.evaluation.vote_score import VoteScore
    from happysad.model_file import Details

# The first section of the built-in classifier's card; the main figures stand before it.
_CARD_SECTION = "## What it is"

__all__ = ["evaluate", "info", "print_comparison", "print_evaluation"]


def evaluate(
    data: Annotated[
        Path | None,
        typer.Argument(
            metavar="DIR", help="Photos to evaluate on [default: the run's own test split]."
        ),
    ] = None,
    model: Model = None,
    classes: Annotated[
        ClassNames | None,
        typer.Option(
            metavar="NAMES",
            parser=class_names("--classes"),
            help="The class folders to use, in the order of the classifier's classes, such as "
            "smiling,crying [default: the folders with the names of its classes].",
        ),
    ] = None,
    faces: Annotated[
        Faces,
        typer.Option(help="find: find the faces in photos; given: every picture is a face crop."),
    ] = Faces.FIND,
    votes: Votes = None,
    slices: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="A CSV with path and other columns, such as light: compare the photos of each "
            "value with all others. Its paths are relative to DIR, or without DIR to the run's "
            "data folder.",
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    threads: Threads = 0,
) -> None:
    """Measure how good a classifier is, with n and intervals.

    With DIR, every readable photo in its class folders is test data, except those that the run was
    trained or validated on, and near-duplicates of them. Two baselines are measured
    too: always the larger class, and logistic regression on 32x32 pixels. A classifier that also
    answers neither may be judged on the folders happy and sad alone: the main figures then tell
    happy from sad, and the shares called neither, unsure and no_face are printed below them. Last
    comes the accuracy by face size, sharpness, brightness, turn of the head and number of faces.
    """
    need("train", "happysad evaluate")
    from dataclasses import asdict

    from happysad.evaluation.evaluator import SEEN, evaluate as run_evaluate

    use_threads(threads)
    folder = None if data is None else data_folder(data)
    evaluation = run_evaluate(
        model, folder, classes=classes, faces=faces, votes=votes, slices=slices, say=warn
    )
    if as_json:
        say(json.dumps(asdict(evaluation)))
        return
    if evaluation.seen_in_training and data is not None:
        _print_seen(evaluation)
    for left_out in evaluation.left_out:
        if left_out.reason != SEEN:
            say(f"left out: {left_out.path}: {left_out.reason}")
    print_evaluation(evaluation)


def _print_seen(evaluation: Evaluation) -> None:
    """Print that photos are left out because the run knows them."""
    seen, n = evaluation.seen_in_training, evaluation.abstention.n
    alert(
        f"{evaluation.model} was trained or validated on {seen:,} of these photos, or on "
        f"near-duplicates of them. They are left out; the figures are those of the other {n:,}."
    )


def print_evaluation(evaluation: Evaluation) -> None:
    """Print the figures of a classifier and of the baselines, with their intervals."""
    from happysad.evaluation.metrics import caution

    score, abstention = evaluation.score, evaluation.abstention
    columns = {"the model": score}
    columns |= {name.replace("_", " "): one.score for name, one in evaluation.baselines.items()}
    say(f"{'n = ' + format(score.n, ','):<20}" + "".join(f"{name:>26}" for name in columns))
    for name in score.figures():
        cells = "".join(f"{_cell(one.figures()[name]):>26}" for one in columns.values())
        say(f"{_figure_name(name, score):<20}{cells}")
    say("The ranges are 95 % intervals, by the bootstrap over groups of photos.")
    if words := caution(score.n):
        say(words)
    for name, one in score.per_class.items():
        _print_figure(f"precision of {name}", one.precision, f"{one.answered:,}")
        _print_figure(f"recall of {name}", one.recall, f"{one.n:,}")
        _print_figure(f"f1 of {name}", one.f1, f"{score.n:,}")
    classes = [name for name in abstention.called if name != UNSURE]
    others = [name for name in classes if name not in score.classes]
    faceless = any(row[NO_FACE] for row in abstention.labels.values())
    without = "; a photo without a face is wrong" if faceless else ""
    for name in others:
        two = " against ".join(score.classes)
        say(f"These are the figures of {two}: {name} is left out{without}.")
    if len(score.classes) > 2:
        rows = zip(score.classes, score.confusion, strict=True)
        _print_counts("most probable class", score.classes, dict(rows))
    if len(classes) > 2:
        labels = (*abstention.called, NO_FACE)
        counts = {one: tuple(row.values()) for one, row in abstention.labels.items()}
        _print_counts("label", labels, counts)
    for name in others:
        _print_figure(f"called {name}", abstention.called[name], f"{abstention.n:,}")
    coverage, no_face = abstention.coverage.value or 0.0, abstention.no_face.value
    if coverage < 1:
        which = "neither unsure nor without a face" if no_face else "not unsure"
        _print_figure("answered", abstention.coverage, f"{abstention.n:,}, {which}")
        answered = round(coverage * abstention.n)
        _print_figure("right of these", abstention.selective_accuracy, f"{answered:,}")
        if len(classes) > 2:
            _print_figure(f"called {UNSURE}", abstention.called[UNSURE], f"{abstention.n:,}")
        _print_figure("no face found", abstention.no_face, f"{abstention.n:,}")
    if evaluation.votes is not None:
        _print_votes(evaluation.votes)
    _print_slices("Accuracy by slice", evaluation.slices)
    _print_slices("Accuracy by kind of photo", evaluation.automatic_slices)


def print_comparison(comparison: Comparison) -> None:
    """Print a new classifier beside its rivals, and which one to use."""
    say()
    say(f"{'accuracy':<20}{'95 % interval':>26}{'new one minus it':>26}")
    say(f"{'new classifier':<20}{_cell(comparison.accuracy):>26}")
    for name, rival in comparison.rivals.items():
        say(f"{name:<20}{_cell(rival.accuracy):>26}{_cell(rival.difference, '+'):>26}")
    say(f"on the same {counted(comparison.n, 'test photo')}")
    if comparison.built_in is not None and (missed := comparison.built_in.no_face):
        say(f"the built-in classifier finds no face in {missed:,} of them, which count as wrong")
    say(comparison.verdict)
    if comparison.gain:
        say(comparison.gain)


def _print_votes(votes: VoteScore) -> None:
    """Print the figures against votes."""
    score = votes.score
    say(
        f"Against the votes on {votes.n:,} photos ({votes.without:,} more have none; on "
        f"{votes.tied:,} two classes lead together):"
    )
    for name, figure in score.figures().items():
        _print_figure(_figure_name(name, score), figure, f"{score.n:,}")
    for name, one in score.per_class.items():
        _print_figure(f"recall of {name}", one.recall, f"{one.n:,}")
    _print_figure("distance of shares", votes.distance, f"{votes.n:,}")


def _print_slices(title: str, slices: Sequence[Slice]) -> None:
    """Print the accuracy on slices of the photos."""
    from happysad.evaluation.slices import FEWEST, too_few

    if not slices:
        return
    if too_few(slices):
        say(f"{title}: too few photos to tell; a slice and the rest need {FEWEST} each")
        return
    compared = sum(one.p is not None for one in slices)
    say(f"{title}, with 95 % intervals; p is corrected for {counted(compared, 'slice')} (Holm):")
    for one in slices:
        p = "" if one.p is None else "p < 0.001: " if one.p < 0.001 else f"p = {one.p:.3f}: "
        say(f"{one.name:<32}{_cell(one.accuracy):>20}  (n = {one.n:,}; {p}{one.verdict})")


def _figure_name(name: str, score: Score) -> str:
    """Return the name of a figure over all classes; the AUC is that of the second class."""
    names = {"auc": f"AUC of {score.classes[1]}", "ece": "calibration error"}
    return names.get(name, name.replace("_", " "))


def _print_counts(what: str, columns: Sequence[str], rows: Mapping[str, Sequence[int]]) -> None:
    """Print the number of photos by class (rows) and answer (columns)."""
    width = max(10, *(len(name) + 2 for name in columns))
    say(f"{what:<20}" + "".join(f"{name:>{width}}" for name in columns))
    for name, counts in rows.items():
        say(f"{name:<20}" + "".join(f"{count:>{width},}" for count in counts))


def _print_figure(name: str, figure: Figure, n: str) -> None:
    say(f"{name:<20}{_cell(figure):>26}  (n = {n})")


def _cell(figure: Figure, sign: str = "") -> str:
    """Return a figure with its interval; `sign` is "+" for a difference."""
    if figure.value is None:
        return "not defined"
    value = f"{figure.value:{sign}.3f}"
    if figure.interval is None:
        return value
    low, high = figure.interval
    if low == high:
        return f"{value}  no spread seen"
    between = " to " if sign else "-"
    return f"{value}  {low:{sign}.3f}{between}{high:{sign}.3f}"


def info(
    model: Model = None,
    card: Annotated[
        bool,
        typer.Option(
            "--card",
            help="Print the card of the built-in classifier: what it is for, how good it is, and "
            "where it fails.",
        ),
    ] = False,
) -> None:
    """Describe a classifier on one screen."""
    from dataclasses import asdict

    from happysad.model_file import SHIPPED, ModelFile

    if card and model is not None:
        raise UsageError("--card is for the built-in classifier; a run has its report.html")
    details = ModelFile.read(model or SHIPPED).details
    if model is None:
        whole = SHIPPED.with_name("MODEL_CARD.md").read_text(encoding="utf-8").splitlines()
        head = whole.index(_CARD_SECTION)
        for line in whole if card else whole[:head]:
            say(line)
    if card:
        return
    # The words for None; a field without any is left out then.
    absent = {"unsure": _never_unsure(details), "trained_on": "unknown", "sigmoid_class": None}
    fields = asdict(details)
    del fields["unsure_lacks"]  # part of "unsure"
    for name, value in fields.items():
        words = absent[name] if value is None else _words(value)
        if words is not None:
            say(f"{name.replace('_', ' '):<14} {words}")
    if model is None:
        say("happysad info --card prints the whole card")


def _never_unsure(details: Details) -> str:
    """Return why a classifier without thresholds is never unsure, and what it would take."""
    if not details.unsure_lacks:
        return "never"
    more = counted(details.unsure_lacks, "photo")
    return f"never; it takes about {more} more of the class with the fewest"


def _words(value: object) -> object:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(map(str, value)) if isinstance(value, tuple) else value
