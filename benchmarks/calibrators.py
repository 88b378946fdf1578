"""Compare ways to calibrate the classifier that ships, on FER2013's validation faces.

    PYTHONPATH=. python benchmarks/calibrators.py DATA --work FOLDER --write FILE

DATA and FOLDER are those of `python -m recipes.face`. Each way is fitted to nine tenths of the
faces and judged on the rest, ten times; groups stay whole. The truth is the emotion with the most
votes. All ways see the logarithms of the probabilities of the eight emotions of face.onnx, and
weigh the three classes equally:

- all folders: one scale, and a bias for each class;
- three folders only: the same, fitted to the folders happy, neutral and sad;
- both: the same, fitted to all folders, in which these three weigh as much as all seven; face.onnx
  is calibrated so;
- shares of votes: the same, with the shares of the votes as targets.

The calibration error is that of the card: ten bins, all classes equally frequent. "Perfect" draws
the classes from the probabilities of "all folders" and returns the mean error of twenty draws. This
error is above 0 although the probabilities are exact, because the number of faces is finite.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import log_softmax, logsumexp
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedGroupKFold

from happysad.evaluation.calibration import equal_weights
from happysad.files import write_text
from happysad.model_file import SHIPPED
from happysad.models.face import CLASSES
from recipes.face.figures import calibration
from recipes.face.packed_faces import packed
from recipes.face.shipping import THREE
from recipes.face.votes import CLASS_OF, HAPPY, SAD, targets, true_classes

_FOLDS = 10
_DRAWS = 20
_LEAST = 1e-7
_BATCH = 64

Floats = NDArray[np.float64]


def main() -> None:
    """Fit and judge every way; print and write a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--write", type=Path, help="file to which the table is also written")
    chosen = parser.parse_args()

    faces = packed("val", chosen.data, chosen.work)
    assert faces is not None
    truth = true_classes(faces.votes)[1]
    faces, truth = faces.rows(truth >= 0), truth[truth >= 0]
    logs = _emotions(faces.images)
    merge = np.eye(len(CLASSES))[CLASS_OF]  # the share of each emotion in each class
    groups = np.array(faces.groups)
    three = np.isin(faces.folders, THREE)
    every = np.ones(len(truth), dtype=bool)
    hard = np.eye(len(CLASSES))[truth]
    shares = targets(faces.votes)[0] @ merge
    ways: dict[str, tuple[Floats, Floats]] = {
        "all folders": (hard, _equal(truth, every)),
        "three folders only": (hard, _equal(truth, three)),
        "both": (hard, _equal(truth, every) + _equal(truth, three)),
        "shares of votes": (shares, _equal(truth, every)),
    }
    lines = [
        "| way | faces | calibration error (95 %): happy | neither | sad | log loss | mean recall "
        "| AUC of sad against neither |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, (goals, weights) in ways.items():
        p = _unseen(logs, goals, weights, merge, truth, groups)
        for folders, rows in (("three folders", three), ("all", every)):
            lines.append(_line(name, folders, p[rows], truth[rows], groups[rows]))
            print(lines[-1], flush=True)
            if name == "all folders":
                lines.append(_perfect(folders, p[rows], truth[rows], groups[rows]))
    text = "\n".join(lines)
    text += (
        f"\n\n{three.sum():,} faces of the folders happy, neutral and sad, {len(truth):,} of all "
        f"seven; {_FOLDS}-fold cross-validation.\n"
    )
    print(text, end="")
    if chosen.write:
        write_text(chosen.write, text)


def _emotions(images: NDArray[np.uint8]) -> Floats:
    """Return the logarithms of the emotions' probabilities by the classifier that ships, (n, 8)."""
    model = onnx.load(str(SHIPPED))
    name = model.graph.node[-1].input[0]  # the last node adds up the emotions
    model.graph.output.append(onnx.helper.make_empty_tensor_value_info(name))
    session = onnxruntime.InferenceSession(model.SerializeToString())
    image = session.get_inputs()[0].name
    parts = [
        session.run([name], {image: images[at : at + _BATCH]})[0]
        for at in range(0, len(images), _BATCH)
    ]
    return np.log(np.maximum(np.concatenate(parts).astype(np.float64), _LEAST))


def _equal(truth: NDArray[np.intp], rows: NDArray[np.bool_]) -> Floats:
    """Return weights by which each class has the same total on these rows; 0 elsewhere."""
    weights = np.zeros(len(truth))
    weights[rows] = equal_weights(truth[rows], len(CLASSES))
    return weights


def _unseen(
    logs: Floats,
    goals: Floats,
    weights: Floats,
    merge: Floats,
    truth: NDArray[np.intp],
    groups: NDArray[np.str_],
) -> Floats:
    """Return the probabilities of each face by the calibration that it was not used for."""
    p = np.zeros((len(truth), len(CLASSES)))
    folds = StratifiedGroupKFold(_FOLDS, shuffle=True, random_state=0)
    for learned, others in folds.split(logs, truth, groups):
        calibrate = _fitted(logs[learned], goals[learned], weights[learned], merge)
        p[others] = calibrate(logs[others])
    return p


def _fitted(
    logs: Floats, goals: Floats, weights: Floats, merge: Floats
) -> Callable[[Floats], Floats]:
    """Return a calibration of log-probabilities with one scale and a bias for each class.

    Args:
        logs: those of the emotions, shape (n, 8).
        goals: the share of each class, shape (n, 3).
        weights: shape (n,).
        merge: the share of each emotion in each class, shape (8, 3).
    """

    def calibrated(parameters: Floats, logs: Floats) -> Floats:
        each = log_softmax(logs * parameters[0] + merge @ parameters[1:], axis=1)
        return np.stack([logsumexp(each[:, one > 0], axis=1) for one in merge.T], axis=1)

    def loss(parameters: Floats) -> float:
        losses = -(goals * calibrated(parameters, logs)).sum(axis=1)
        return float(weights @ losses / weights.sum())

    found = minimize(loss, np.eye(1, 1 + merge.shape[1])[0], method="L-BFGS-B").x
    return lambda others: np.exp(calibrated(found, others))


def _line(
    name: str, folders: str, p: Floats, truth: NDArray[np.intp], groups: NDArray[np.str_]
) -> str:
    errors = calibration(p, truth, groups)
    cells = []
    for one in errors.values():
        assert one.interval is not None
        cells.append(f"{one.value:.3f} ({one.interval[0]:.3f} to {one.interval[1]:.3f})")
    weights = _equal(truth, np.ones(len(truth), dtype=bool))
    loss = -(weights @ np.log(np.maximum(p[np.arange(len(truth)), truth], _LEAST)))
    recall = weights @ (p.argmax(axis=1) == truth)
    two = truth != HAPPY
    auc = roc_auc_score(truth[two] == SAD, p[two, SAD])
    return f"| {name} | {folders} | {' | '.join(cells)} | {loss:.3f} | {recall:.3f} | {auc:.3f} |"


def _perfect(folders: str, p: Floats, truth: NDArray[np.intp], groups: NDArray[np.str_]) -> str:
    """Return the line of classes that are drawn from the probabilities."""
    rng = np.random.default_rng(0)
    mixed = p * np.bincount(truth)  # as frequent as the classes of these faces
    ends = np.cumsum(mixed / mixed.sum(axis=1, keepdims=True), axis=1)[:, :-1]
    errors = []
    for _ in range(_DRAWS):
        drawn = (rng.random((len(p), 1)) > ends).sum(axis=1)
        errors.append([one.value or 0.0 for one in calibration(p, drawn, groups).values()])
    means = " | ".join(f"{one:.3f}" for one in np.mean(errors, axis=0))
    return f"| perfect | {folders} | {means} | | | |"


if __name__ == "__main__":
    main()
