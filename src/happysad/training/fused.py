"""Learn from whole photos: what their faces show, and how the photo itself looks.

Nothing is trained by steps here. The network of `happysad.models.fused` measures some figures of
each photo; a logistic regression, which has one best solution, weighs them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from happysad.dataset.arrays import Arrays
from happysad.dataset.split import MORE_GROUPS
from happysad.errors import DatasetError
from happysad.files import write_text
from happysad.model_file import PROBABILITIES
from happysad.training.checkpoints import State
from happysad.training.config import TrainConfig

if TYPE_CHECKING:
    import keras

__all__ = ["FILE", "fit"]

#: What was learned from, in a run's folder.
FILE = "fused.json"

# The inverse strengths of the penalty on squared weights that are tried.
_STRENGTHS = (0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0)
_FOLDS = 5
_BATCH = 64

Floats = NDArray[np.float64]


def fit(
    model: keras.Model,
    train: Arrays,
    val: Arrays,
    config: TrainConfig,
    run: Path,
) -> None:
    """Find the last neuron's weights; write what was learned from to `FILE` in `run`.

    Three are fitted on `train`: by the faces alone, by the look alone, by both. The strength of
    each one's penalty is chosen by cross-validation over groups inside `train`; then one of the
    three, by the log loss of photos that it was not fitted on: `val`, and `train` as the
    cross-validation saw it, since `val` alone is often too few to tell. Nothing is random but the
    folds, which `config.seed` deals.

    Args:
        model: of `happysad.models.fused`.
        train: n photos.
        val: others.
        config: its seed, and whether the smaller class counts more.
        run: the run's folder. Its history.csv has no rows, since there are no epochs.

    Raises:
        DatasetError: a class has fewer than two groups to learn from.
    """
    from happysad.models.fused import FROM_FACES
    from happysad.training.callbacks import write_history

    write_history(run, State())
    learned, seen = (_figures(model, part.inputs) for part in (train, val))
    width = learned.shape[1]
    sources = {
        "both": slice(0, width),
        "faces": slice(0, FROM_FACES),
        "look": slice(FROM_FACES, width),
    }
    fitted = {}
    tried: dict[str, dict[str, float]] = {}
    for name, part in sources.items():
        strength, unseen = _strength(learned[:, part], train, config)
        kernel, bias = _regression(learned[:, part], train.labels, strength, config)
        unseen = np.concatenate([unseen, seen[:, part] @ kernel + bias])
        truth = np.concatenate([train.labels, val.labels])
        tried[name] = {"n": len(truth), **_scores(unseen, truth), "strength": strength}
        weights = np.zeros((width, 1))
        weights[part, 0] = kernel
        fitted[name] = [weights, np.array([bias])]
    chosen = min(tried, key=lambda name: tried[name]["log_loss"])
    model.get_layer(PROBABILITIES).set_weights(fitted[chosen])
    with_faces = [int((part.inputs["weights"] > 0).any(axis=1).sum()) for part in (train, val)]
    photos = [len(part.labels) for part in (train, val)]
    found = {
        "photos": dict(zip(("train", "val"), photos, strict=True)),
        "with_faces": dict(zip(("train", "val"), with_faces, strict=True)),
        "tried": tried,
        "chosen": chosen,
    }
    write_text(run / FILE, json.dumps(found, indent=2) + "\n")


def _figures(model: keras.Model, inputs: Mapping[str, NDArray[Any]]) -> Floats:
    """Give what the last neuron weighs of each photo, a batch in memory at a time."""
    import keras

    measure = keras.Model(model.inputs, model.get_layer("figures").output)
    count = len(inputs["weights"])
    parts = [
        measure([inputs[one.name][at : at + _BATCH] for one in model.inputs], training=False)
        for at in range(0, count, _BATCH)
    ]
    return np.concatenate([np.asarray(part) for part in parts]).astype(np.float64)


def _strength(figures: Floats, photos: Arrays, config: TrainConfig) -> tuple[float, Floats]:
    """Choose a strength by the log loss of cross-validation over groups; give its logits too."""
    from sklearn.model_selection import StratifiedGroupKFold

    labels, groups = photos.labels, np.array(photos.groups)
    fewest = min(len(set(groups[labels == label])) for label in (0, 1))
    if fewest < 2:
        raise DatasetError(
            f"the photos to learn from must be of 2 groups or more in each class, not {fewest}; "
            + MORE_GROUPS
        )
    dealt = StratifiedGroupKFold(min(_FOLDS, fewest), shuffle=True, random_state=config.seed)
    splits = list(dealt.split(figures, labels, groups))
    unseen = {strength: np.zeros(len(labels)) for strength in _STRENGTHS}
    for strength, logits in unseen.items():
        for learned, others in splits:
            kernel, bias = _regression(figures[learned], labels[learned], strength, config)
            logits[others] = figures[others] @ kernel + bias
    best = min(unseen, key=lambda strength: _scores(unseen[strength], labels)["log_loss"])
    return best, unseen[best]


def _regression(
    figures: Floats, labels: NDArray[np.float32], strength: float, config: TrainConfig
) -> tuple[Floats, float]:
    """Fit kernel and bias for `figures` as they are; inside, each is brought to deviation 1."""
    from sklearn.linear_model import LogisticRegression

    mean, deviation = figures.mean(axis=0), figures.std(axis=0)
    scale = np.where(deviation > 1e-9, 1 / np.maximum(deviation, 1e-9), 0.0)
    regression = LogisticRegression(
        C=strength,
        class_weight="balanced" if config.class_weights else None,
        solver="newton-cholesky",
        tol=1e-8,
    ).fit((figures - mean) * scale, labels)
    kernel = regression.coef_[0] * scale
    return kernel, float(regression.intercept_[0] - mean @ kernel)


def _scores(logits: Floats, labels: NDArray[np.float32]) -> dict[str, float]:
    log_loss = np.logaddexp(0, np.where(labels == 1, -logits, logits)).mean()
    return {"accuracy": float(((logits >= 0) == labels).mean()), "log_loss": float(log_loss)}
