"""The card of the shipped classifier; the recipe measures every figure in it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from happysad.model_file import ModelFile
from recipes.face import robustness
from recipes.face.judging import costliest
from recipes.face.pictures import FAILURES, RISK_COVERAGE
from recipes.face.shipping import RISK

__all__ = ["write"]

_FIGURES = {
    "balanced_accuracy": "balanced accuracy",
    "accuracy": "accuracy",
    "auc": "area under the ROC curve",
    "recall_happy": "of the happy faces called happy",
    "recall_sad": "of the sad faces called sad",
    "precision": "right of those called sad",
    "f1": "F1 of sad",
    "ece": "calibration error (ECE, 15 bins)",
    "coverage": "answered, not unsure",
    "selective_accuracy": "right of those answered",
}

_CARD = """# The classifier that comes with happysad

It looks at one face, 48x48 grey, and says how probable it is that the face looks sad and not
happy. A photo's faces are found by YuNet and turned upright first.

- file: face.onnx, {size:,} bytes, sha256 `{sha256}`
- made by: `python -m recipes.face DATA --work FOLDER`, which wrote this card too
- network: {parameters:,} weights, residual, pure Keras 3; answers below {low:.3f} are happy, from
  {high:.3f} on sad, and between them unsure: at most {risk:.0%} of the answers are wrong, by the
  90 % bound on validation. With `--no-unsure` the border is {threshold:.2f}.

## What it is for, and what not

For sorting photos, for teaching, for measuring such classifiers. **A face's expression is not a
person's feeling**: people smile in grief and frown at the sun. It is not for decisions on people,
not for hiring, teaching, policing or care, and not for anyone who has not agreed to be looked at.
In the European Union, systems that infer emotions at work or in education are forbidden but for
medical and safety reasons (Regulation 2024/1689, Article 5).

## Data

FER2013 (Goodfellow et al. 2013, ICML challenge in representation learning): 48x48 grey pictures of
faces found by a web search and labelled by people, for research use. {trained_on:,} of them, of all
seven classes and without exact copies, were learned from. Both its training and its test labels
hold errors; its people are not a fair sample of anyone's.

## How good it is

On FER2013's public test, crops as they are: n = {n:,} ({happy:,} happy, {sad:,} sad, in {groups:,}
groups of near-duplicates). It was looked at when a version was finished, and nothing was chosen by
it; two earlier versions were judged on it too. {seen:,} of the test faces are near-duplicates of
one that was learned from, since FER2013 repeats faces; the last column leaves these out. In
brackets: 95 % intervals, bootstrapped over groups.

{table}

### When it answers less

![The share of wrong answers rises with the share that is answered.]({risk_coverage})

| of the faces answered, the surest | wrong of those (95 %) |
|---|---|
{curve}

### Faces that are neither

| labelled | n | called happy (95 %) | called sad (95 %) |
|---|---|---|---|
{others}

### Worse pictures

{robustness}
## Where it fails

It learned from crops of faces that look into the camera. Expect errors with profiles, hidden
mouths, faces below 20 pixels, small children, drawings, and mouths that are open in pain or song.
Of the changes above these cost most, in points of balanced accuracy: {costliest}.

![Drawn faces that are not answered rightly.]({failures})

{drawn}
"""

#: The points of the risk-coverage curve in the table, in percent of the faces.
_PLACES = (50, 60, 70, 80, 85, 90, 95, 100)
#: The number of costliest changes that the card names.
_NAMED = 4


def write(file: Path, figures: dict[str, Any], drawn: dict[str, Any]) -> str:
    """Return the card of `file` as Markdown.

    Args:
        file: the .onnx file.
        figures: the result of `judging.judge`.
        drawn: the content of the picture of failures, as `pictures.write` returns it.
    """
    details = ModelFile.read(file).details
    assert details.unsure is not None
    test = figures["test"]
    score = test["score"]
    data = file.read_bytes()
    return _CARD.format(
        size=len(data),
        sha256=hashlib.sha256(data).hexdigest(),
        parameters=_weights(file),
        low=details.unsure[0],
        high=details.unsure[1],
        risk=RISK,
        threshold=details.threshold,
        trained_on=details.trained_on,
        n=score["n"],
        happy=score["per_class"]["happy"]["n"],
        sad=score["per_class"]["sad"]["n"],
        groups=score["groups"],
        table=_table(test, figures["unseen"]),
        seen=figures["seen_in_training"],
        risk_coverage=RISK_COVERAGE,
        curve=_curve(figures["risk_coverage"]),
        costliest="; ".join(
            f"{row['change']} ({row['meaning']}), {-100 * row['difference']:.0f}"
            for row in costliest(figures["robustness"], _NAMED)
        ),
        failures=FAILURES,
        drawn=_drawn(drawn, details.classes),
        others="\n".join(_other(name, row) for name, row in figures["others"].items()),
        robustness=robustness.markdown(figures["robustness"]),
    )


def _curve(curve: dict[str, Any]) -> str:
    rows = []
    for place in _PLACES:
        risk, low, high = (curve[name][place - 1] for name in ("risk", "low", "high"))
        rows.append(f"| {place}% | {risk:.1%} ({low:.1%} to {high:.1%}) |")
    return "\n".join(rows)


def _drawn(drawn: dict[str, Any], labels: Sequence[str]) -> str:
    """Return a description of the picture of failures."""
    right = sum(drawn["as_drawn"][label]["outcomes"][label] for label in labels)
    lines = [
        "The picture shows drawn faces, since no photo may be shown here; nothing was learned from",
        "drawings, so shares among them say nothing about photos. Each is the first of its kind in",
        f"the order of drawing. Of {drawn['n']:,} that were drawn {right:,} are answered rightly.",
        "All of them as they are, and those with one face and the right answer after their crop",
        "was changed:",
        "",
    ]
    rows = [("as drawn", drawn["as_drawn"])]
    rows += [(f"{row['change']}, {row['meaning']}", row) for row in drawn["changed"]]
    for name, row in rows:
        said = []
        for label in labels:
            outcomes = row[label]["outcomes"]
            counts = ", ".join(
                f"{count} {outcome.replace('_', ' ')}"
                for outcome, count in outcomes.items()
                if count
            )
            said.append(f"drawn {label}: {counts or 'none'}")
        lines.append(f"- {name}: {'; '.join(said)}")
    return "\n".join(lines)


def _table(test: dict[str, Any], unseen: dict[str, Any]) -> str:
    counts = [f"{part['score']['n']:,}" for part in (test, unseen)]
    lines = [f"| figure | all, n = {counts[0]} | not learned from, n = {counts[1]} |"]
    lines.append("|---|---|---|")
    for name, words in _FIGURES.items():
        lines.append(f"| {words} | {_value(test, name)} | {_value(unseen, name)} |")
    return "\n".join(lines)


def _value(scored: dict[str, Any], name: str) -> str:
    score, abstention = scored["score"], scored["abstention"]
    of_class = {
        "recall_happy": score["per_class"]["happy"]["recall"],
        "recall_sad": score["per_class"]["sad"]["recall"],
        "precision": score["per_class"]["sad"]["precision"],
        "f1": score["per_class"]["sad"]["f1"],
    }
    figure = {**score, **abstention, **of_class}[name]
    if figure["interval"] is None:
        return "not defined"
    low, high = figure["interval"]
    return f"{figure['value']:.3f} ({low:.3f} to {high:.3f})"


def _other(name: str, row: dict[str, Any]) -> str:
    cells = []
    for label in ("happy", "sad"):
        low, high = row["intervals"][label]
        cells.append(f"{row[label]:.1%} ({low:.1%} to {high:.1%})")
    return f"| {name} | {row['n']:,} | {' | '.join(cells)} |"


def _weights(file: Path) -> int:
    import onnx

    initializers = onnx.load(file).graph.initializer
    return sum(onnx.numpy_helper.to_array(weight).size for weight in initializers)
