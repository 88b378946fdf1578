"""The card of the shipped classifier; the recipe measures every figure in it."""

from __future__ import annotations

import hashlib
import re
import textwrap
from pathlib import Path

from happysad.evaluation.metrics import Figure
from happysad.model_file import Details, ModelFile
from happysad.predictions import UNSURE
from recipes.face import robustness
from recipes.face.figures import Curve, Figures
from recipes.face.judging import Judgement, PeopleRow, SeenRow
from recipes.face.pictures import CALIBRATION, FAILURES, RISK_COVERAGE, Drawn
from recipes.face.shipping import RISK

__all__ = ["write"]

_CARD = """# The classifier that comes with happysad

It looks at one face and answers happy, sad or neither, or it is unsure. On {n:,} test faces,
judged by what most of ten people said of each:

1. **It answers {answered} of the faces, and {right} of these answers are right.** It is unsure
   about the others.
2. **Of the faces that people call neutral, it calls {neutral_sad} sad and {neutral_happy} happy.**
3. **It calls {happy_happy} of the happy faces happy, and {sad_sad} of the sad faces sad.** Sad
   faces are the hardest: it is unsure about {sad_unsure} of them.

## What it is

- file: face.onnx, {size:,} bytes, sha256 `{sha256}`
- made by: `python -m recipes.face DATA --work FOLDER`, which wrote this card too
- network: {parameters:,} weights, residual, pure Keras 3. Its input is a face of 48x48 grey pixels,
  which YuNet finds in the photo and which is turned upright; it averages over the face and its
  mirror image.
- probabilities: each is the probability that most people would give this answer, for a face of
  which the three answers are equally likely beforehand. If you know better, multiply each by the
  share that you expect, and divide by their sum.
- answer: the most probable class. Below {thresholds} it is unsure. These thresholds were chosen so
  that at most {risk} of the answers are wrong, by the 90 % bound on validation faces of the folders
  happy, neutral and sad; the first figure above is what the test faces show. `--no-unsure` always
  gives the most probable class.

## What it is for, and what not

It is for sorting photos, for teaching, and for measuring such classifiers. **A face's expression is
not a person's feeling**: people smile in grief and frown at the sun. It is not for decisions about
people, not for hiring, teaching, policing or care, and not for people who have not agreed to it. In
the European Union, systems that infer emotions at work or in education are forbidden except for
medical and safety reasons (Regulation 2024/1689, Article 5).

## Data

FER2013 (Goodfellow et al. 2013, arXiv:1307.0414) has 48x48 grey faces from a web search, for
research use. FER+ (Barsoum et al. 2016, arXiv:1608.01041) has ten people's votes for eight emotions
on each face. The network first learned FER2013's labels, and then the shares of the votes on
{trained_on:,} faces. Two larger networks learned the same shares. Two copies of the first network
learned on from the shares and from the answers of the larger ones{portraits}. What ships has the
mean of the weights of the first network and its two copies. The people in these photos are not a
fair sample of anyone.

The class of a face is the emotion with the most votes: happiness is happy, sadness is sad, and
every other emotion is **neither**. The test is FER2013's public test, {all_n:,} faces; {without:,}
have no votes and on {tied:,} two emotions lead together: these are left out. Nothing was chosen by
the test faces; earlier versions were judged on them too. In brackets are 95 % intervals,
bootstrapped over groups of near-duplicates.

## How good it is

{table}

{seen}By FER2013's own labels the balanced accuracy of happy against sad is {by_labels} (n =
{by_labels_n:,}). These labels err: most of the faces labelled sad are not sad to most people.

The most probable class, in the folders happy, neutral and sad:

{confusion}

The answers by emotion, in all seven folders, at the default thresholds:

{emotions}

![The predicted probability of each class, and the share of faces that are of it.]({calibration})

### When it answers less

![The share of wrong answers rises with the share that is answered.]({risk_coverage})

If one threshold decided for all classes:

| of the faces answered, the surest | wrong of those (95 %) |
|---|---|
{curve}

### Worse pictures

The mean recall of the three classes, for the most probable class:

{robustness}
{photos}{people}## Where it fails

It learned from crops of faces that look into the camera. Expect errors with profiles, hidden
mouths, faces below 20 pixels, small children, drawings, and mouths that are open in speech, pain or
song. Smiles with closed lips often look neutral to it.
{costliest}

![Drawn faces that are not answered rightly.]({failures})

{drawn}
"""

#: The points of the risk-coverage curve in the table, in percent of the faces.
_PLACES = (50, 60, 70, 80, 90, 100)
#: The number of costliest changes that the card names.
_NAMED = 4
#: Groups of fewer people are too small for figures.
_FEW_PEOPLE = 10


def write(file: Path, judgement: Judgement, drawn: Drawn, *, portraits: int) -> str:
    """Return the card of `file` as Markdown.

    Args:
        file: the .onnx file.
        judgement: the result of `judging.judge`.
        drawn: the content of the picture of failures, as `pictures.write` returns it.
        portraits: the number of press portraits on which the network learned too.
    """
    details = ModelFile.read(file).details
    data = file.read_bytes()
    three, labels = judgement.three, judgement.three.default.labels
    neutral = judgement.neutral
    text = _CARD.format(
        n=three.score.n,
        answered=_percent(three.default.coverage),
        right=_percent(three.default.selective_accuracy),
        neutral_sad="none" if neutral is None else _percent(neutral.called["sad"]),
        neutral_happy="none" if neutral is None else _percent(neutral.called["happy"]),
        happy_happy=_of(labels["happy"], "happy"),
        sad_sad=_of(labels["sad"], "sad"),
        sad_unsure=_of(labels["sad"], UNSURE),
        size=len(data),
        sha256=hashlib.sha256(data).hexdigest(),
        parameters=_weights(file),
        thresholds=_thresholds(details),
        risk=_share(RISK),
        trained_on=details.trained_on,
        portraits=_learned_portraits(portraits),
        all_n=judgement.n,
        without=judgement.without_votes,
        tied=judgement.tied,
        table=_table(judgement),
        seen=_seen(judgement),
        by_labels=_value(judgement.by_labels),
        by_labels_n=judgement.by_labels_n,
        confusion=_counts("most people say", _confusion(three)),
        emotions=_counts(
            "most people say",
            {
                name: {
                    label: count for one in found.labels.values() for label, count in one.items()
                }
                for name, found in judgement.emotions.items()
            },
        ),
        calibration=CALIBRATION,
        risk_coverage=RISK_COVERAGE,
        curve=_curve(judgement.risk_coverage),
        robustness=robustness.markdown(judgement.robustness, three.score.n, three.score.groups),
        photos=_photos(judgement),
        people=_people(judgement.people) + _by_eye(judgement.seen_by_eye),
        costliest=_costliest(judgement),
        failures=FAILURES,
        drawn=_drawn(drawn),
    )
    return "\n\n".join(_wrapped(block) for block in text.rstrip().split("\n\n")) + "\n"


def _wrapped(block: str) -> str:
    """Return a paragraph or a list with lines of at most 100 characters; others as they are."""
    if block.lstrip().startswith(("#", "|", "!")):
        return block.strip("\n")
    items: list[list[str]] = []
    for line in block.strip().splitlines():
        if not items or re.match(r"(- |\d+\. )", line):
            items.append([])
        items[-1].append(line.strip())
    filled = []
    for lines in items:
        marker = re.match(r"(- |\d+\. )?", lines[0])
        indent = " " * len(marker[0] if marker else "")
        filled.append(textwrap.fill(" ".join(lines), 100, subsequent_indent=indent))
    return "\n".join(filled)


def _share(value: float) -> str:
    return f"{100 * value:.0f} %"


def _percent(figure: Figure) -> str:
    """Return a share as percent with its interval."""
    if figure.value is None:
        return "none"
    text = _share(figure.value)
    if figure.interval is None:
        return text
    low, high = figure.interval
    return f"{text} ({100 * low:.0f} to {100 * high:.0f} %)"


def _value(figure: Figure | None) -> str:
    if figure is None or figure.value is None:
        return "not defined"
    text, span = f"{figure.value:.3f}", figure.interval
    return text if span is None else f"{text} ({span[0]:.3f} to {span[1]:.3f})"


def _of(labels: dict[str, int], label: str) -> str:
    return _share(labels[label] / sum(labels.values()))


def _thresholds(details: Details) -> str:
    assert details.unsure is not None
    named = zip(details.classes, details.unsure, strict=True)
    return ", ".join(f"{_share(least)} ({name})" for name, least in named)


def _learned_portraits(portraits: int) -> str:
    if not portraits:
        return ""
    return (
        f", also to {portraits:,} press portraits (muxspace/facial_expressions, Apache-2.0) whose "
        "labels are happy or neutral"
    )


def _table(judgement: Judgement) -> str:
    parts = (judgement.three, judgement.all_folders)
    rows: dict[str, list[Figure | None]] = {
        "mean recall of the three classes": [one.score.balanced_accuracy for one in parts],
        **{
            f"recall of {name}": [one.score.per_class[name].recall for one in parts]
            for name in judgement.three.score.classes
        },
        "area under the ROC curve, sad against neither": [one.auc_sad_neither for one in parts],
        "balanced accuracy, happy against sad alone": [one.happy_or_sad for one in parts],
        **{
            f"calibration error of {name}": [one.calibration.get(name) for one in parts]
            for name in judgement.three.score.classes
        },
        "answered at the default thresholds": [one.default.coverage for one in parts],
        "right of those": [one.default.selective_accuracy for one in parts],
    }
    three, every = (f"{one.score.n:,}" for one in parts)
    lines = [f"| figure | happy, neutral, sad, n = {three} | all seven folders, n = {every} |"]
    lines.append("|---|---|---|")
    lines += [f"| {name} | {' | '.join(map(_value, row))} |" for name, row in rows.items()]
    lines.append("\nRecalls are of the most probable class, without unsure.")
    return "\n".join(lines)


def _seen(judgement: Judgement) -> str:
    if judgement.unseen is None:
        return ""
    return (
        f"FER2013 repeats faces: {judgement.seen:,} of the first {judgement.three.score.n:,} are "
        "near-duplicates of\na face that was learned from. Without them the mean recall is "
        f"{_value(judgement.unseen.score.balanced_accuracy)}.\n"
    )


def _confusion(found: Figures) -> dict[str, dict[str, int]]:
    classes = found.score.classes
    return {
        name: dict(zip(classes, row, strict=True))
        for name, row in zip(classes, found.score.confusion, strict=True)
    }


def _counts(head: str, rows: dict[str, dict[str, int]]) -> str:
    """Return a table with the number of faces of each row by label."""
    columns = [label for label in next(iter(rows.values())) if any(r[label] for r in rows.values())]
    lines = [f"| {head} | n | {' | '.join(f'called {one}' for one in columns)} |"]
    lines.append("|---|---" + "|---" * len(columns) + "|")
    for name, row in rows.items():
        n = sum(row.values())
        cells = [f"{row[one]:,} ({_share(row[one] / max(1, n))})" for one in columns]
        lines.append(f"| {name} | {n:,} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _curve(curve: Curve) -> str:
    rows = []
    for place in _PLACES:
        risk, low, high = (one[place - 1] for one in (curve.risk, curve.low, curve.high))
        cell = f"{100 * risk:.1f} % ({100 * low:.1f} to {100 * high:.1f} %)"
        rows.append(f"| {place} % | {cell} |")
    return "\n".join(rows)


def _photos(judgement: Judgement) -> str:
    """Return the section on sets of photos, whose faces are found first."""
    lines = []
    if (found := judgement.generated) is not None:
        lines.append(
            f"- {found.score.n:,} portraits made by a diffusion model from prompts (about 15 % of "
            f"the sad ones are not sad): mean recall {_value(found.score.balanced_accuracy)}, sad "
            f"against neither {_value(found.auc_sad_neither)}, happy against sad alone "
            f"{_value(found.happy_or_sad)}"
        )
    if (found := judgement.studio) is not None:
        happy, neither = (found.score.per_class[name] for name in ("happy", "neither"))
        lines.append(
            f"- {found.score.n:,} studio portraits (DeBruine & Jones 2017): of {happy.n} smiles "
            f"{_percent(happy.recall)} are called happy; of {neither.n} neutral faces "
            f"{round(neither.n * (neither.recall.value or 0))} are called neither"
        )
    if (found := judgement.scenes) is not None:
        lines.append(
            f"- {found.score.n:,} web photos with a face, found by searching for happy and sad "
            f"people: happy against sad alone {_value(found.happy_or_sad)}; "
            f"{judgement.scenes_without_face:,} more have no face that is found"
        )
    if not lines:
        return ""
    words = "### Photos\n\nThe most probable class, on sets that nothing was learned from but"
    return (
        f"{words} by which networks\nwere chosen; a photo without a face counts as wrong:\n\n"
        + ("\n".join(lines) + "\n\n")
    )


def _people(rows: tuple[PeopleRow, ...]) -> str:
    """Return the section on groups of people."""
    if not rows:
        return ""
    lines = [
        "### People",
        "",
        "The people in the studio portraits described themselves. Groups of fewer than",
        f"{_FEW_PEOPLE} people are too few to say anything. {_differences(rows)}",
        "",
        "| group | people | smiles called happy | neutral faces called neither |",
        "|---|---|---|---|",
    ]
    for row in rows:
        few = row.people < _FEW_PEOPLE
        cells = ["too few to say"] * 2 if few else [_percent(row.smiles), _percent(row.neutral)]
        lines.append(f"| {row.kind}: {row.name} | {row.people} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n\n"


def _by_eye(rows: tuple[SeenRow, ...]) -> str:
    """Return a paragraph on what only eyes can tell of the web photos."""
    found = [f"of {row.n} {row.name} {_percent(row.right)}" for row in rows if row.n]
    if not found:
        return ""
    return (
        "In the web photos with a face, one of us looked for glasses, and for babies and small "
        f"children. With happy and sad as the only answers, {' and '.join(found)} are answered "
        "rightly: too few photos to say more.\n\n"
    )


def _differences(rows: tuple[PeopleRow, ...]) -> str:
    """Return a sentence about the groups whose intervals do not overlap."""
    found = []
    for kind in dict.fromkeys(row.kind for row in rows):
        known = [
            (row.smiles.interval, row)
            for row in rows
            if row.kind == kind and row.people >= _FEW_PEOPLE
        ]
        spans = [(span, row) for span, row in known if span is not None]
        if not spans:
            continue
        (low, _), most = max(spans, key=lambda one: one[0][0])
        (_, high), least = min(spans, key=lambda one: one[0][1])
        if low > high:
            found.append(
                f"**By {kind}, smiles in the group {most.name} are called happy more often than "
                f"in the group {least.name}**"
            )
    if not found:
        return "No two intervals of smiles are apart: differences are neither shown nor excluded."
    return "; ".join(found) + "; the intervals do not overlap."


def _costliest(judgement: Judgement) -> str:
    rows = robustness.costliest(judgement.robustness, _NAMED)
    if not rows:
        return ""
    named = "; ".join(f"{row.words}, {-100 * (row.difference.value or 0):.0f}" for row in rows)
    return f"Of the changes above these cost most, in points of mean recall: {named}.\n"


def _drawn(drawn: Drawn) -> str:
    """Return a description of the picture of failures."""
    first = drawn.panels[0].labels
    right = sum(labels[name] for name, labels in first.items())
    lines = [
        "The picture shows drawn faces, since no photo may be shown here. Nothing was learned from",
        "drawings, so these counts say nothing about photos. Each face is the first of its kind in",
        f"the order of drawing. Of {drawn.n:,} drawn faces {right:,} are answered rightly:",
        "",
    ]
    for panel in drawn.panels:
        said = []
        for name, labels in panel.labels.items():
            counts = ", ".join(
                f"{count} {label.replace('_', ' ')}" for label, count in labels.items() if count
            )
            said.append(f"drawn {name}: {counts or 'none'}")
        lines.append(f"- {panel.change}: {'; '.join(said)}")
    if len(drawn.panels) > 1:
        lines += ["", "The changed faces are those that are right as drawn and have one face."]
    return "\n".join(lines)


def _weights(file: Path) -> int:
    import onnx

    initializers = onnx.load(file).graph.initializer
    return sum(onnx.numpy_helper.to_array(weight).size for weight in initializers)
