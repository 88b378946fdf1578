"""How good is a classifier on photos that it has not seen? The figures of `happysad evaluate`.

    python benchmarks/judged.py DIR RUN --write FILE
    python benchmarks/judged.py DIR --faces given --write FILE

Without RUN it is the classifier that ships. Each figure with a 95 % interval, bootstrapped over
groups of near-duplicates.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from happysad.evaluation.judge import evaluate
from happysad.files import write_text
from happysad.model_file import SHIPPED

_FIGURES = ("accuracy", "balanced_accuracy", "precision", "recall", "f1", "auc", "ece")
_UNSURE = ("coverage", "selective_accuracy", "no_face")


def main() -> None:
    """Judge, print and write a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("run", type=Path, nargs="?")
    parser.add_argument("--faces", choices=["find", "given"], default="find")
    parser.add_argument("--write", type=Path, help="also write the table to this file")
    chosen = parser.parse_args()
    scores = evaluate(chosen.run or SHIPPED, chosen.data, faces=chosen.faces)
    columns = {"the classifier": scores}
    columns |= {name.replace("_", " "): score for name, score in scores["baselines"].items()}
    lines = [
        f"| n = {scores['n']:,} | {' | '.join(columns)} |",
        "|---" * (len(columns) + 1) + "|",
    ]
    for figure in _FIGURES + (() if chosen.run else _UNSURE):
        cells = []
        for score in columns.values():
            value, span = score.get(figure), score.get("intervals", {}).get(figure)
            text = "" if value is None else f"{value:.3f}"
            cells.append(text + (f" ({span[0]:.3f} to {span[1]:.3f})" if span else ""))
        lines.append(f"| {figure.replace('_', ' ')} | {' | '.join(cells)} |")
    if scores["seen_in_training"]:
        lines += ["", f"{scores['seen_in_training']} of them were among the training photos."]
    text = "\n".join(lines) + "\n"
    print(text, end="")
    if chosen.write:
        write_text(chosen.write, text)


if __name__ == "__main__":
    main()
