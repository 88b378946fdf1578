"""Write the figures of `happysad evaluate` as a table.

    python benchmarks/judged.py DIR RUN --write FILE
    python benchmarks/judged.py DIR --faces given --write FILE

Without RUN, the script evaluates the shipped classifier. Each figure has a 95 % interval,
bootstrapped over groups of near-duplicates.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from happysad.evaluation.evaluator import evaluate
from happysad.evaluation.metrics import Figure, Score
from happysad.files import write_text


def figures(score: Score) -> dict[str, Figure]:
    """Return the figures of one column: those over all classes, and those of the second class."""
    accuracy, balanced_accuracy, *rest = score.figures().items()
    second = score.per_class[score.classes[1]]
    of_second = {"precision": second.precision, "recall": second.recall, "f1": second.f1}
    return {**dict([accuracy, balanced_accuracy]), **of_second, **dict(rest)}


def _cell(figure: Figure | None) -> str:
    if figure is None or figure.value is None:
        return ""
    text = f"{figure.value:.3f}"
    if figure.interval is None:
        return text
    low, high = figure.interval
    return f"{text} ({low:.3f} to {high:.3f})"


def main() -> None:
    """Evaluate the classifier; print and write a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("run", type=Path, nargs="?")
    parser.add_argument("--faces", choices=["find", "given"], default="find")
    parser.add_argument("--write", type=Path, help="file to which the table is also written")
    chosen = parser.parse_args()
    found = evaluate(chosen.run, chosen.data, faces=chosen.faces)
    columns = {"the classifier": figures(found.score)}
    columns |= {name.replace("_", " "): figures(one.score) for name, one in found.baselines.items()}
    if not chosen.run:
        abstention = found.abstention
        columns["the classifier"] |= {
            "coverage": abstention.coverage,
            "selective_accuracy": abstention.selective_accuracy,
            "no_face": abstention.no_face,
        }
    lines = [
        f"| n = {found.score.n:,} | {' | '.join(columns)} |",
        "|---" * (len(columns) + 1) + "|",
    ]
    for name in columns["the classifier"]:
        cells = " | ".join(_cell(column.get(name)) for column in columns.values())
        lines.append(f"| {name.replace('_', ' ')} | {cells} |")
    if found.seen_in_training:
        lines += ["", f"{found.seen_in_training} training photos are left out."]
    text = "\n".join(lines) + "\n"
    print(text, end="")
    if chosen.write:
        write_text(chosen.write, text)


if __name__ == "__main__":
    main()
