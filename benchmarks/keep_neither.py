"""Measure ways in which a classifier of two folders keeps the answer neither.

    PYTHONPATH=. python benchmarks/keep_neither.py FACES --write FILE

FACES holds train/ with FER2013's seven folders, and votes.csv. The script draws a hundred faces,
half happy and half sad by their folders, from the part of train/ that the shipped network was not
trained on. It judges three ways on all other faces of that part, by the emotion with the most
votes:

- shipped: the classifier that comes with happysad, as it is;
- one network: trained on the hundred faces with `--keep-neither`;
- two networks: the shipped one says how probable neither is, and one that is trained on the hundred
  faces without `--keep-neither` divides the rest between happy and sad.

The share that is answered, and the share of these answers that is right, are those at the default
thresholds, of faces of all seven folders. The script repeats this with other draws, and with all
faces rotated by up to 30 degrees and reduced to 16 pixels.
"""

from __future__ import annotations

import argparse
import tempfile
from collections import defaultdict
from pathlib import Path

import numpy as np
import pandas as pd
from few_photos import _train
from fine_tuning import _harder, _save, _spans
from numpy.typing import NDArray
from sklearn.metrics import balanced_accuracy_score, recall_score, roc_auc_score

from happysad.classifier import Classifier
from happysad.files import write_text
from happysad.images import Pixels
from happysad.predictions import UNSURE
from happysad.probability import among
from recipes.face import photos
from recipes.face.fer_plus import read_votes
from recipes.face.robustness import probabilities
from recipes.face.votes import HAPPY, NEITHER, SAD, true_classes

_Floats = NDArray[np.float64]


def main() -> None:
    """Train on every draw; print and write a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("faces", type=Path)
    parser.add_argument("--photos", type=int, default=100)
    parser.add_argument("--draws", type=int, default=3)
    parser.add_argument("--write", type=Path, help="file to which the table is also written")
    chosen = parser.parse_args()

    manifest = photos.manifest(chosen.faces / "train")
    unseen = photos.load(manifest, "val", "test")
    rows = pd.concat([manifest.of("val"), manifest.of("test")]).sort_index()
    # Faces without votes are left out, like those on which two emotions lead together.
    paths = [f"train/{path}" for path in rows["path"]]
    truth = true_classes(read_votes(chosen.faces).reindex(paths, fill_value=0).to_numpy())[1]
    told = np.flatnonzero(truth >= 0)
    groups = np.array(unseen.groups)
    folder = np.select([unseen.classes == photos.HAPPY, unseen.classes == photos.SAD], [0, 1], -1)
    found = defaultdict(list)
    judged = 0
    for draw in range(chosen.draws):
        rng = np.random.default_rng(draw)
        each = [
            rng.choice(np.flatnonzero(folder == label), chosen.photos // 2, replace=False)
            for label in range(2)
        ]
        learned = np.concatenate(each)
        others = told[~np.isin(groups[told], groups[learned])]
        judged += len(others)
        for name, images in (("as they are", unseen.images), ("harder", _harder(unseen.images))):
            with tempfile.TemporaryDirectory() as work:
                _save(images[learned], folder[learned], Path(work, "few"))
                answers = _answers(Path(work), images[others])
            for way, (p, sure) in answers.items():
                figures = [*_figures(p, truth[others]), *_answered(p, sure, truth[others])]
                found[name, way].append(figures)
                print(f"{name}, draw {draw}, {way}: {figures}", flush=True)
    text = _table(found, chosen.photos, chosen.draws, judged)
    print(text, end="")
    if chosen.write:
        write_text(chosen.write, text)


def _answers(work: Path, images: Pixels) -> dict[str, tuple[_Floats, NDArray[np.bool_] | None]]:
    """Return for each way the probabilities, shape (n, 3), and what is answered, shape (n,).

    Two networks have no thresholds, so they have None in its place.
    """
    _train(work / "few", "face", work / "two", "--faces", "given")
    _train(work / "few", "face", work / "kept", "--faces", "given", "--keep-neither")
    shipped = _sure_answers(Classifier(), images)
    two = probabilities(Classifier(work / "two"), images)
    rest = 1 - shipped[0][:, [NEITHER]]
    both = np.concatenate([two[:, :1] * rest, 1 - rest, two[:, 1:] * rest], axis=1)
    return {
        "shipped": shipped,
        "one network, --keep-neither": _sure_answers(Classifier(work / "kept"), images),
        "two networks": (both, None),
    }


def _sure_answers(classifier: Classifier, images: Pixels) -> tuple[_Floats, NDArray[np.bool_]]:
    p = probabilities(classifier, images)
    return p, np.array([classifier.label_of(row.tolist()) != UNSURE for row in p])


def _answered(
    p: _Floats, sure: NDArray[np.bool_] | None, truth: NDArray[np.intp]
) -> tuple[float, float]:
    """Return the share that is answered and the share of it that is right; NaN without `sure`."""
    if sure is None:
        return float("nan"), float("nan")
    return float(sure.mean()), float((p.argmax(axis=1) == truth)[sure].mean())


def _figures(p: _Floats, truth: NDArray[np.intp]) -> list[float]:
    """Return balanced accuracy of happy and sad, AUC of sad against neither, macro recall."""
    two, rest = truth != NEITHER, truth != HAPPY
    sad = among(p[two], [HAPPY, SAD])[:, 1] >= 0.5
    return [
        float(balanced_accuracy_score(truth[two] == SAD, sad)),
        float(roc_auc_score(truth[rest] == SAD, p[rest, SAD])),
        float(recall_score(truth, p.argmax(axis=1), average="macro")),
    ]


def _table(
    found: dict[tuple[str, str], list[list[float]]], learned: int, draws: int, judged: int
) -> str:
    lines = [
        "| faces | way | balanced happy/sad, mean (range) | AUC sad/neither, mean (range) "
        "| macro recall of three, mean (range) | answered, mean (range) "
        "| right of those, mean (range) |",
        "|---|---|---|---|---|---|---|",
    ]
    for (name, way), figures in found.items():
        cells = ["" if "nan" in span else span for span in _spans(figures)]
        lines.append(f"| {name} | {way} | {' | '.join(cells)} |")
    lines.append(f"\nTrained on {learned} faces, {draws} draws; {judged:,} predictions per row.")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
