"""Measure how many labels a given accuracy takes, with chosen photos and with random ones.

    python benchmarks/labels_needed.py FACES --classes angry neutral --write FILE

FACES has the folders train and test, each with the class folders. Each seed draws a pool from
train, whose labels are hidden, and begins with 20 labelled photos. Each round labels 20 more by
each way of choosing, and fits the last layer to the features of the default training. Its accuracy
is judged on test, which no choice sees. With --teach, the features are those of Teach, the mean of
a face and its mirror image, and the fitted layer is its first result. The labels of an accuracy are
those of the first round that reaches it. Intervals are those of the mean over seeds, by Student's
t.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy.stats import t as student
from sklearn.cluster import KMeans

from happysad.dataset.arrays import Arrays
from happysad.dataset.k_center import k_center
from happysad.files import write_text
from happysad.images import Pixels, fit as resized, read
from happysad.models.face_features import FaceFeatures
from happysad.training.logistic_regression import fit, most_probable
from happysad.training.photo_features import feature_network

_START, _STEP, _ROUNDS, _STRENGTH = 20, 20, 14, 0.01

Floats = NDArray[np.float64]
Places = NDArray[np.intp]
Look = Callable[[Pixels], Floats]
Way = Callable[[Floats, Floats, int, int], Places]


def _random(features: Floats, margin: Floats, count: int, seed: int) -> Places:
    return np.random.default_rng(seed).permutation(len(features))[:count]


def _margin(features: Floats, margin: Floats, count: int, seed: int) -> Places:
    return np.argsort(margin, kind="stable")[:count]


def _k_center(features: Floats, margin: Floats, count: int, seed: int) -> Places:
    return k_center(features, count)


def _in_clusters(features: Floats, margin: Floats, count: int, seed: int) -> Places:
    return _least_sure(features, margin, count)


def _half_random(features: Floats, margin: Floats, count: int, seed: int) -> Places:
    half = _margin(features, margin, count // 2, seed)
    others = np.setdiff1d(np.arange(len(features)), half)
    return np.concatenate(
        [half, others[_random(features[others], margin, count - len(half), seed)]]
    )


_WAYS: Mapping[str, Way] = {
    "random": _random,
    "smallest margin": _margin,
    "smallest margin in clusters": _in_clusters,
    "half smallest margin, half random": _half_random,
    "greedy k-center": _k_center,
}


def _margins(logits: Floats) -> Floats:
    """Return how sure each answer is: the difference of the two largest probabilities, 0 to 1.

    Args:
        logits: as `Regression.logits` returns them, shape (n, classes).
    """
    p = np.exp(logits - np.logaddexp.reduce(logits, axis=1, keepdims=True))
    largest = np.sort(p, axis=1)
    return np.asarray(largest[:, -1] - largest[:, -2])


def _least_sure(features: Floats, margin: Floats, count: int) -> Places:
    """Return the least sure photo of each of `count` clusters of the least sure photos.

    Source: Zhdanov 2019, "Diverse mini-batch active learning", arXiv:1901.05954.

    Args:
        features: shape (n, width).
        margin: as `_margins` returns it, shape (n,).
        count: the number of clusters of k-means, 1 or more.

    Returns:
        Up to `count` places, the least sure first.
    """
    order = np.argsort(margin, kind="stable")[: 5 * count]
    if len(order) <= count:
        return np.asarray(order)
    cluster = KMeans(count, n_init=1, random_state=0).fit_predict(features[order])
    _, first = np.unique(cluster, return_index=True)
    return np.asarray(order[np.sort(first)])


def main() -> None:
    """Measure every way of choosing; print and write a table and a picture."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--classes", nargs="+", default=["happy", "sad"])
    parser.add_argument("--pool", type=int, default=1000, help="photos of each class in a pool")
    parser.add_argument("--seeds", type=int, default=8)
    parser.add_argument("--teach", action="store_true", help="use the features of Teach")
    parser.add_argument("--write", type=Path, help="file to which the table is also written")
    chosen = parser.parse_args()
    look = _teach() if chosen.teach else _training()
    pool, pool_labels = _measured(look, chosen.data / "train", chosen.classes, chosen.pool * 2)
    test, test_labels = _measured(look, chosen.data / "test", chosen.classes, None)
    curves = {
        name: np.array(
            [
                _curve(
                    way,
                    _drawn(pool_labels, chosen.pool, seed),
                    pool,
                    pool_labels,
                    test,
                    test_labels,
                    seed,
                )
                for seed in range(chosen.seeds)
            ]
        )
        for name, way in _WAYS.items()
    }
    text = _table(curves, chosen.classes, len(test), chosen.pool * len(chosen.classes))
    print(text, end="")
    if chosen.write:
        write_text(chosen.write, text)
        _draw(curves, chosen.write.with_suffix(".png"), " and ".join(chosen.classes))


def _training() -> Look:
    """Return what computes the features of the default training."""
    network = feature_network(pd.DataFrame({"width": [48], "height": [48], "channels": [1]}))

    def look(faces: Pixels) -> Floats:
        labels, groups = np.zeros(len(faces), np.float32), [""] * len(faces)
        return network.of(Arrays({"image": faces}, labels, groups))

    return look


def _teach() -> Look:
    """Return what computes the features of Teach."""
    network = FaceFeatures()
    return lambda faces: network.of(faces)[0]


def _measured(
    look: Look, folder: Path, classes: list[str], each: int | None
) -> tuple[Floats, NDArray[np.float32]]:
    """Return the features and the classes of the first photos of each class folder."""
    files = [sorted((folder / name).iterdir())[:each] for name in classes]
    labels = np.repeat(np.arange(len(classes)), list(map(len, files))).astype(np.float32)
    images = np.stack([resized(read(file), 48, 1) for one in files for file in one])
    return look(images), labels


def _drawn(labels: NDArray[np.float32], each: int, seed: int) -> Places:
    """Draw a pool in random order, with `each` photos of each class."""
    rng = np.random.default_rng(seed)
    of_class = [rng.permutation(np.flatnonzero(labels == one))[:each] for one in np.unique(labels)]
    return rng.permutation(np.concatenate(of_class))


def _curve(
    way: Way,
    pool: Places,
    features: Floats,
    labels: NDArray[np.float32],
    test: Floats,
    truth: NDArray[np.float32],
    seed: int,
) -> list[float]:
    """Return the accuracy on test after each round."""
    known, left = pool[:_START], pool[_START:]
    accuracies = []
    for number in range(_ROUNDS):
        found = fit(features[known], labels[known], _STRENGTH, balanced=True)
        accuracies.append(float((most_probable(found.logits(test)) == truth).mean()))
        margin = _margins(found.logits(features[left]))
        new = way(features[left], margin, _STEP, 1000 * seed + number)
        known, left = np.concatenate([known, left[new]]), np.delete(left, new)
    return accuracies


def _table(curves: Mapping[str, Floats], classes: list[str], tested: int, pool: int) -> str:
    """Return the accuracy after some rounds, and the labels that each of these accuracies takes."""
    rounds = [_ROUNDS // 4, _ROUNDS // 2, _ROUNDS - 1]
    goals = [float(curves["random"][:, place].mean()) for place in rounds]
    labels = [_START + _STEP * place for place in rounds]
    names = [f"accuracy with {count} labels" for count in labels]
    names += [f"labels as good as {count} random ones" for count in labels]
    lines = ["| chosen by | " + " | ".join(names) + " |", "|---" * (len(names) + 1) + "|"]
    for name, curve in curves.items():
        cells = [_mean(curve[:, place]) for place in rounds]
        cells += [_labels(curve, goal) for goal in goals]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    seeds = len(curves["random"])
    return "\n".join(lines) + (
        f"\n\n{' and '.join(classes)}: {seeds} seeds, each with a pool of {pool:,} photos; "
        f"n = {tested:,} test photos. Parentheses: 95 % intervals over the seeds.\n"
    )


def _mean(values: Floats) -> str:
    half = student.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values))
    return f"{values.mean():.3f} ({values.mean() - half:.3f} to {values.mean() + half:.3f})"


def _labels(curve: Floats, goal: float) -> str:
    """Return the labels that the mean curve needs, with an interval by the bootstrap over seeds."""
    rng = np.random.default_rng(0)
    drawn = rng.integers(0, len(curve), (1000, len(curve)))
    low, high = np.percentile([_first(curve[one].mean(axis=0), goal) for one in drawn], [2.5, 97.5])
    return f"{_words(_first(curve.mean(axis=0), goal))} ({_words(low)} to {_words(high)})"


def _first(means: Floats, goal: float) -> int:
    """Return the labels of the first round with an accuracy; one step more if there is none."""
    reached = np.flatnonzero(means >= goal)
    return _START + _STEP * (int(reached[0]) if len(reached) else _ROUNDS)


def _words(labels: float) -> str:
    most = _START + _STEP * (_ROUNDS - 1)
    return f"over {most}" if labels > most else f"{labels:.0f}"


def _draw(curves: Mapping[str, Floats], file: Path, classes: str) -> None:
    """Draw the mean accuracy of each way by the number of labels."""
    figure = Figure(figsize=(7, 4.5), layout="constrained")
    axes = figure.subplots()
    labels = _START + _STEP * np.arange(_ROUNDS)
    for name, curve in curves.items():
        axes.plot(labels, curve.mean(axis=0), label=name)
    axes.set(xlabel="labels", ylabel="accuracy on test photos", title=classes)
    axes.legend()
    figure.savefig(file, dpi=100)


if __name__ == "__main__":
    main()
