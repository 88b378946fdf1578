"""Measure how well `happysad check --labels` finds wrong labels, and what decisions are worth.

    python benchmarks/wrong_labels.py scenes=DIR faces=DIR --votes votes.csv --write FILE

In each folder with happy and sad, the script flips 5, 10 and 20 % of the labels at random. A fifth
of the groups is held out first, with the right labels. Confident learning looks for the flipped
labels among the others. Then the last layer is trained on the features three times: with the
flipped labels, after a person has decided without error on all that were found, and with the right
labels. The features are those of the default training. Each seed flips other labels and holds out
other groups.

The labels of the folders err, too, so a found photo that was not flipped may be wrong all the same.
With --votes, only faces are used of which most people say the same as the folder; paths in the CSV
are relative to its folder.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedGroupKFold

from happysad.dataset.check import check
from happysad.evaluation.metrics import Figure, bootstrap
from happysad.files import write_text
from happysad.training.label_check import measure, out_of_fold, ranked
from happysad.training.logistic_regression import fit, most_probable

_RATES, _STRENGTH = (0.05, 0.1, 0.2), 0.01
_LABELS = ("flipped", "decided", "right")
# Sums over the seeds for each photo; every figure is a ratio of two of them.
_COUNTS = ("wrong", "found", "hits", "first", "first hits", "judged", *_LABELS)

Floats = NDArray[np.float64]


def main() -> None:
    """Measure every folder at every rate; print and write a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", nargs="+", help="NAME=DIR")
    parser.add_argument("--votes", type=Path, help="the votes on the photos of folders named faces")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--write", type=Path, help="file to which the table is also written")
    chosen = parser.parse_args()
    lines = [
        "| photos | flipped | found | precision of the first half | recall of the first half "
        "| precision | recall | accuracy with flipped labels | accuracy after the decisions "
        "| gain by decisions, points | accuracy with right labels |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for given in chosen.data:
        name, _, folder = given.partition("=")
        votes = chosen.votes if name == "faces" else None
        rows, features = _measured(Path(folder), votes)
        labels = (rows["label"] == "sad").to_numpy().astype(np.intp)
        groups = rows["group"].to_numpy().astype(str)
        for rate in _RATES:
            counts = np.zeros((len(rows), len(_COUNTS)))
            for seed in range(chosen.seeds):
                _add(counts, features, labels, groups, rate, seed)
            lines.append(_line(name, rate, counts, groups, chosen.seeds))
            print(lines[-1], flush=True)
    text = "\n".join(lines) + f"\n\n{chosen.seeds} seeds. Groups are drawn for the intervals.\n"
    if chosen.write:
        write_text(chosen.write, text)


def _measured(data: Path, votes: Path | None) -> tuple[pd.DataFrame, Floats]:
    """Return the used photos and their features."""
    with tempfile.TemporaryDirectory() as folder:
        result = check(data, folder, classes=("happy", "sad"), quality=False)
        rows, features = measure(result.manifest)
    if votes is None:
        return rows, features
    table = pd.read_csv(votes, index_col="path")
    most = table.idxmax(axis=1).map({"happiness": "happy", "sadness": "sad"})
    paths = [(data / path).relative_to(votes.parent).as_posix() for path in rows["path"]]
    agreed = (most.reindex(paths).to_numpy() == rows["label"].to_numpy()).astype(bool)
    return rows[agreed], features[agreed]


def _add(
    counts: Floats,
    features: Floats,
    labels: NDArray[np.intp],
    groups: NDArray[np.str_],
    rate: float,
    seed: int,
) -> None:
    """Flip labels, look for them, train on them, and add what comes of it to the counts."""
    folds = StratifiedGroupKFold(5, shuffle=True, random_state=seed)
    train, test = next(folds.split(features, labels, groups))
    flips = np.random.default_rng(seed).permutation(train)[: round(rate * len(train))]
    given = labels.copy()
    given[flips] = 1 - given[flips]
    p = out_of_fold(features[train], given[train], groups[train].tolist())
    found = train[ranked(given[train], p)]
    first = found[: len(found) // 2]
    decided = given.copy()
    decided[found] = labels[found]

    def add(name: str, places: NDArray[np.intp]) -> None:
        counts[places, _COUNTS.index(name)] += 1

    add("wrong", flips)
    add("found", found)
    add("hits", np.intersect1d(found, flips))
    add("first", first)
    add("first hits", np.intersect1d(first, flips))
    add("judged", test)
    for name, learned in zip(_LABELS, (given, decided, labels), strict=True):
        classes = learned[train].astype(np.float32)
        regression = fit(features[train], classes, _STRENGTH, balanced=True)
        answers = most_probable(regression.logits(features[test]))
        add(name, test[answers == labels[test]])


def _line(name: str, rate: float, counts: Floats, groups: NDArray[np.str_], seeds: int) -> str:
    """Return a row of the table."""

    def judged(weights: NDArray[np.float32]) -> Mapping[str, Floats]:
        of = dict(zip(_COUNTS, (weights.astype(np.float64) @ counts).T, strict=True))
        return {
            "first": of["first hits"] / of["first"],
            "first recall": of["first hits"] / of["wrong"],
            "precision": of["hits"] / of["found"],
            "recall": of["hits"] / of["wrong"],
            "flipped": of["flipped"] / of["judged"],
            "decided": of["decided"] / of["judged"],
            "gain": 100 * (of["decided"] - of["flipped"]) / of["judged"],
            "right": of["right"] / of["judged"],
        }

    figures = bootstrap(judged, groups.tolist(), 0)
    sums = dict(zip(_COUNTS, counts.sum(axis=0) / seeds, strict=True))
    cells = [_cell(one, "+.1f" if key == "gain" else ".3f") for key, one in figures.items()]
    n = f"{name}, n = {len(counts):,} in {len(set(groups)):,} groups"
    start = f"| {n} | {100 * rate:.0f} %: {sums['wrong']:.0f} | {sums['found']:.0f} |"
    return f"{start} {' | '.join(cells)} |"


def _cell(figure: Figure, form: str) -> str:
    assert figure.value is not None
    assert figure.interval is not None
    low, high = figure.interval
    return f"{figure.value:{form}} ({low:{form}} to {high:{form}})"


if __name__ == "__main__":
    main()
