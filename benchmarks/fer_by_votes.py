r"""Judge the network of the package fer 25.10.3 beside the shipped one, by ten people's votes.

    PYTHONPATH=. python benchmarks/fer_by_votes.py DATA --work FOLDER --fer-python B/bin/python \
        --write FILE

DATA and FOLDER are those of `python -m recipes.face`; versus_fer.py describes how to make B. Both
networks answer for the same face crops of 48x48 pixels: FER2013's test faces, of which the emotion
with the most votes is the truth. fer prepares a crop as it does in `detect_emotions`. Its
probabilities of anger, disgust, fear, surprise and neutral add up to neither. happysad's
probabilities are for classes that are equally likely beforehand; fer's were learned from FER2013's
mix, so the second column of fer divides them by the class's share of the training faces.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
from judged import _cell
from versus_fer import _Side

from happysad.classifier import Classifier
from happysad.evaluation.metrics import Figure
from happysad.files import write_text
from recipes.face.figures import figures
from recipes.face.packed_faces import packed
from recipes.face.robustness import probabilities
from recipes.face.shipping import THREE
from recipes.face.votes import HAPPY, NEITHER, SAD, true_classes

# The classes of fer's outputs: angry, disgust, fear, happy, sad, surprise, neutral.
_CLASS_OF = [NEITHER, NEITHER, NEITHER, HAPPY, SAD, NEITHER, NEITHER]
# The numbers of FER2013's training faces in these classes, in the order of CLASSES.
_TRAINED_ON = np.array([7215, 16664, 4830])


def main() -> None:
    """Judge both networks; print and write a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--fer-python", required=True)
    parser.add_argument("--write", type=Path, help="file to which the table is also written")
    chosen = parser.parse_args()
    faces = packed("test", chosen.data, chosen.work)
    assert faces is not None
    classifier = Classifier()
    with tempfile.TemporaryDirectory() as folder:
        crops = Path(folder, "crops.npy")
        np.save(crops, faces.images)
        with _Side(chosen.fer_python, "fer answers") as side:
            outputs = np.array(side.ask(crops=str(crops)))
    fer = outputs @ np.eye(3)[_CLASS_OF]
    equal = fer / _TRAINED_ON
    answers = {
        "happysad": probabilities(classifier, faces.images),
        "fer": fer,
        "fer, equal priors": equal / equal.sum(axis=1, keepdims=True),
    }
    truth = true_classes(faces.votes)[1]
    decided = faces.voted & (truth >= 0)
    lines: list[str] = []
    for folders, rows in (
        ("folders happy, neutral and sad", decided & np.isin(faces.folders, THREE)),
        ("all seven folders", decided),
    ):
        found = [
            figures(classifier, p[rows], truth[rows], faces.groups[rows].tolist())
            for p in answers.values()
        ]
        named: dict[str, list[Figure | None]] = {
            "mean recall of the three classes": [one.score.balanced_accuracy for one in found],
            "area under the ROC curve, sad against neither": [one.auc_sad_neither for one in found],
            "balanced accuracy, happy against sad alone": [one.happy_or_sad for one in found],
        }
        if lines:
            lines.append("")
        lines += [
            f"| {folders}, n = {rows.sum():,} | {' | '.join(answers)} |",
            "|---" * (len(answers) + 1) + "|",
        ]
        for name, row in named.items():
            lines.append(f"| {name} | {' | '.join(map(_cell, row))} |")
    text = "\n".join(lines) + "\n"
    print(text, end="")
    if chosen.write:
        write_text(chosen.write, text)


if __name__ == "__main__":
    main()
